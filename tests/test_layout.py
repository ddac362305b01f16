"""The structure of stages/, checked on the parsed code; nothing is run."""

import ast
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "stages").rglob("*.py"))
STAGES = {path.stem for path in (ROOT / "stages").glob("*.py")} - {"__init__", "__main__"}

# The packages of stages/, from top to bottom. A module imports from its own package and from the lines below it.
PACKAGES = (
    {"commands"},
    {"exporting"},
    {"ablation", "kaggle", "photographs", "training"},
    {"figures"},
    {"inference"},
    {"postprocessing"},
    {"conversion", "scoring", "synthetic"},
    {"dataset"},
    {"pipeline"},
)
LINES = {package: number for number, line in enumerate(PACKAGES) for package in line}

TENSORFLOW = {"tensorflow", "tf_keras", "keras", "segmentation_models"}
USES_TENSORFLOW = {"stages/inference/savedmodel.py"}  # besides stages/training
STARTS_TENSORFLOW = {"stages/inference/tensorflow_start.py"}  # imports it within a function, after setting its switches

LONGEST_FILE, MOST_PARAMETERS = 300, 6


@cache
def tree(module: str) -> ast.Module:
    """Parse a module."""
    return ast.parse((ROOT / module).read_text(encoding="utf-8"))


def package(module: str) -> str:
    """Return the folder of a module within stages/; empty for a stage."""
    parts = Path(module).parts
    return parts[1] if len(parts) > 2 else ""


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Dotted names of all imports, those within functions included; `from a import b` gives a and a.b."""
    for top in nodes:
        for node in ast.walk(top):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_stages_are_those_of_dvc_yaml() -> None:
    """`ls stages/*.py` shows the pipeline and nothing else."""
    assert set(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]) == STAGES


def test_every_folder_has_its_place() -> None:
    """A new package must be added to the order."""
    assert {package(module) for module in MODULES} - {""} == set(LINES)


def test_nobody_imports_a_stage() -> None:
    """Neither packages nor other stages."""
    found = [
        f"{module} imports {name}"
        for module in MODULES
        for name in set(imported([tree(module)]))
        if name.startswith("stages.") and name.split(".")[1] in STAGES | {"__main__"}
    ]
    assert found == []


def test_no_import_runs_back_up() -> None:
    """Packages import from packages on lower lines only."""
    found = []
    for module in MODULES:
        for name in set(imported([tree(module)])):
            here, there = package(module), name.split(".")[1] if name.startswith("stages.") else ""
            if here and there in LINES and here != there and LINES[here] >= LINES[there]:
                found.append(f"{module} imports {name}")
    assert found == []


def test_tensorflow_is_imported_where_networks_run() -> None:
    """Importing it takes seconds, so all other modules do without."""
    found = []
    for module in MODULES:
        if package(module) == "training" or module in USES_TENSORFLOW:
            continue
        nodes = [
            node
            for node in tree(module).body
            if module not in STARTS_TENSORFLOW or not isinstance(node, ast.FunctionDef)
        ]
        found += [f"{module} imports {name}" for name in imported(nodes) if name.split(".")[0] in TENSORFLOW]
    assert found == []


def test_a_command_has_a_docstring_and_two_functions() -> None:
    """`python -m stages` lists the docstring's first line; `cli.run_command` calls `add_arguments` and `run`."""
    commands = [module for module in MODULES if package(module) == "commands" and not module.endswith("__init__.py")]
    assert commands
    for module in commands:
        functions = {node.name for node in tree(module).body if isinstance(node, ast.FunctionDef)}
        assert {"add_arguments", "run"} <= functions, module
        assert ast.get_docstring(tree(module)), module


def test_an_import_has_no_side_effects() -> None:
    """Modules consist of imports, definitions and constants: no bare call, no `with`, no `os.environ[…] = …`."""
    found = {
        f"{module}, line {node.lineno}: {ast.unparse(node)}"
        for module in MODULES
        for node in tree(module).body
        if not _defines(node)
    }
    assert found == set()


def _defines(node: ast.stmt) -> bool:
    """Whether a statement at module level gives a name a meaning, and does nothing else."""
    if isinstance(node, ast.If):  # only ever true for a type checker, or for the module that is run
        return ast.unparse(node.test) in ("TYPE_CHECKING", "__name__ == '__main__'")
    if isinstance(node, ast.Assign):
        names = [
            name for target in node.targets for name in (target.elts if isinstance(target, ast.Tuple) else [target])
        ]
        return all(isinstance(name, ast.Name) for name in names)
    docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return docstring or isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.AnnAssign)


def test_functions_have_few_parameters() -> None:
    """What travels together is one object."""
    wide = {
        f"{module}: {node.name}"
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _parameters(node) > MOST_PARAMETERS
    }
    assert wide == set()


def _parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many parameters a function has besides `self` and `cls`."""
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return sum(each.arg not in ("self", "cls") for each in every)


def test_files_are_short() -> None:
    """A longer file holds more than one concern."""
    lengths = {module: (ROOT / module).read_text(encoding="utf-8").count("\n") for module in MODULES}
    assert {module for module, lines in lengths.items() if lines > LONGEST_FILE} == set()


def test_no_two_classes_share_a_name() -> None:
    """A reader who looks for a class finds one."""
    names = Counter(
        node.name for module in MODULES for node in ast.walk(tree(module)) if isinstance(node, ast.ClassDef)
    )
    assert {name for name, count in names.items() if count > 1} == set()
