"""dvc.yaml compared with the code: dependencies, parameters, and the committed lock."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo

from stages.kaggle import bundle

ROOT = Path(__file__).parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def imported(module: Path, seen: set[Path]) -> set[Path]:
    """All modules of stages/ that a module imports, directly or not, and itself; found without running any."""
    if module in seen:
        return seen
    seen.add(module)
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            if name.split(".")[0] != "stages":
                continue
            path = Path(*name.split("."))
            for candidate in (path.with_suffix(".py"), path / "__init__.py"):
                # An __init__ with only a docstring decides nothing.
                if (ROOT / candidate).is_file() and (candidate.name != "__init__.py" or has_code(candidate)):
                    imported(candidate, seen)
    return seen


def has_code(module: Path) -> bool:
    """Whether a module consists of more than its docstring."""
    return len(ast.parse((ROOT / module).read_text(encoding="utf-8")).body) > 1


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_folders_that_a_stage_imports_from(stage: str) -> None:
    """DVC would not notice a change in an undeclared one; one too many would run stages for nothing."""
    declared = {dep for dep in STAGES[stage]["deps"] if dep.startswith("stages/")}
    modules = imported(Path(f"stages/{stage}.py"), set())
    if stage == "kernel":  # it copies these modules without importing them
        for name in bundle.MODULES:
            imported(Path(f"{name.replace('.', '/')}.py"), modules)
    packages = {module.parent.as_posix() for module in modules if module.parent != Path("stages")}
    assert declared == {f"stages/{stage}.py"} | packages


def test_the_report_depends_on_the_templates_of_its_charts() -> None:
    """Those of the page itself are in a folder of code."""
    assert {".dvc/plots", "stages/figures"} <= set(STAGES["report"]["deps"])


def test_compiled_python_is_not_a_dependency() -> None:
    """Otherwise a folder of code would change with every run."""
    assert "__pycache__/" in (ROOT / ".dvcignore").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("stage", STAGES)
def test_stage_is_described_and_named_after_its_module(stage: str) -> None:
    """dvc.yaml can be read as a table of contents."""
    assert STAGES[stage]["cmd"] == f"python -m stages.{stage}"
    assert len(STAGES[stage]["desc"]) > 20


WITHOUT_A_NETWORK = (
    "download explore preprocess check_data postprocess evaluate predict report kernel commands.submit "
    "commands.compare commands.experiments commands.convert commands.score commands.ablate commands.check "
    "commands.recipe commands.summary __main__"
)


@pytest.mark.parametrize("module", WITHOUT_A_NETWORK.split())
def test_stages_without_a_network_start_without_tensorflow(module: str) -> None:
    """Only stages/training imports TensorFlow, which takes seconds."""
    code = f"import sys, stages.{module}; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize(
    "module", ["download", "explore", "preprocess", "commands.submit", "commands.segment", "__main__"]
)
def test_commands_start_without_what_they_may_not_need(module: str) -> None:
    """Each of these packages takes as long to import as everything else that the command needs to start."""
    code = f"import sys, stages.{module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    slow = {"tensorflow", "sklearn", "scipy", "matplotlib", "pandas", "kaggle", "dvc", "dvclive"}
    assert not slow & set(result.stdout.split())


@pytest.mark.committed
def test_committed_lock_is_current() -> None:
    """A clone of the committed state has nothing to run: dvc.lock and metrics/ belong to this code and params.yaml."""
    command = [sys.executable, "-m", "dvc", "repro", "--dry", "--allow-missing"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "Running stage" not in result.stdout, result.stdout
    assert result.returncode == 0, result.stderr
    assert "up to date" in result.stdout


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_runs_in_a_fresh_clone(stage: str) -> None:
    """What git does not hold is missing there; a stage whose outputs are all in git would say that nothing changed."""
    assert any(out.startswith("data/") for out in STAGES[stage]["outs"])


@pytest.mark.parametrize("stage", STAGES)
def test_results_go_into_the_run_cache(stage: str) -> None:
    """DVC does not cache the runs of stages with an uncached or persistent output, unless it is a metric or a plot."""
    assert all(isinstance(out, str) for out in STAGES[stage].get("outs", []))
    for kind in ("metrics", "plots"):
        for entry in STAGES[stage].get(kind, []):
            (properties,) = entry.values()
            assert properties["cache"] is False


def test_the_cache_shares_no_file_with_the_working_folder() -> None:
    """By a link, whoever writes into an output would change the cache too, and `dvc status` would see nothing."""
    types = Repo(ROOT).config["cache"]["type"]
    assert types
    assert set(types) <= {"reflink", "copy"}


def test_no_tooltip_shows_a_field_called_image() -> None:
    """Vega draws a value under that title as a picture: a broken one, or one from elsewhere."""
    for template in (ROOT / ".dvc/plots").glob("*.json"):
        for channel in tooltips(json.loads(template.read_text(encoding="utf-8"))):
            assert channel.keys() & {"field", "title"}, "a tooltip of all columns would have the column image"
            assert channel.get("title", channel.get("field")).lower() != "image", template.name


def tooltips(part: Any) -> Iterator[dict[str, Any]]:
    """Every channel of every tooltip in a template."""
    if isinstance(part, dict):
        found = part.get("tooltip", [])
        yield from (each for each in (found if isinstance(found, list) else [found]) if isinstance(each, dict))
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from tooltips(inner)


HINTS = """
To track the changes with git, run:

\tgit add dvc.lock data/.gitignore

To enable auto staging, run:

\tdvc config core.autostage true
Use `dvc push` to send your updates to remote storage.
"""


@pytest.mark.parametrize("status", [0, 1])
def test_make_leaves_out_the_hints_of_dvc_and_nothing_else(tmp_path: Path, status: int) -> None:
    """Git and remotes are no business of a first run; what a stage prints is there, and a failure stays one."""
    folder = tmp_path / ".venv/bin"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "printed").write_text(
        f"Running stage 'train':\n\n\nUpdating lock file\ntrain: git add, dvc push\n{HINTS}"
    )
    for name, script in (("dvc", f"cat printed; exit {status}"), ("python", 'echo "python $*"')):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    command = ["make", "--assume-old=setup", "--no-print-directory"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    expected = [
        "python -m stages check",
        "Running stage 'train':",
        "",
        "Updating lock file",
        "train: git add, dvc push",
    ]
    assert ran.stdout.splitlines() == expected + (["python -m stages summary"] if status == 0 else [])
    assert (ran.returncode != 0) == bool(status)
