"""dvc.yaml held against the code: dependencies, parameters, and the committed lock."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from stages import kernel

ROOT = Path(__file__).parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
# What they say reaches a stage through params and outs.
LEFT_OUT = {"stages/settings.py", "stages/yaml_files.py", "stages/paths.py"}


def imported(module: Path, seen: set[Path]) -> set[Path]:
    """All modules of this repository that a module imports, itself and theirs included, found without running any."""
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
                # A package's __init__ that holds a docstring alone decides nothing.
                if (ROOT / candidate).is_file() and (candidate.name != "__init__.py" or has_code(candidate)):
                    imported(candidate, seen)
    return seen


def has_code(module: Path) -> bool:
    """Whether a module holds more than its docstring."""
    return len(ast.parse((ROOT / module).read_text(encoding="utf-8")).body) > 1


@pytest.mark.parametrize("stage", STAGES)
def test_deps_are_the_modules_that_a_stage_imports(stage: str) -> None:
    """A module that is imported and not declared would change without DVC noticing; a further one runs too much."""
    declared = {dep for dep in STAGES[stage]["deps"] if dep.startswith("stages/") and dep.endswith(".py")}
    needed = {module.as_posix() for module in imported(Path(f"stages/{stage}.py"), set())}
    if stage == "kernel":  # it puts modules into a script without importing them
        needed |= {f"{name.replace('.', '/')}.py" for name in kernel.MODULES}
    assert declared == needed - LEFT_OUT


def test_the_report_depends_on_its_templates() -> None:
    """All files of the page, and the templates of all charts."""
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "stages/pages").iterdir() if path.is_file()}
    plots = {path.relative_to(ROOT).as_posix() for path in (ROOT / ".dvc/plots").glob("*.json")}
    assert (pages | plots) - {"stages/pages/__init__.py"} <= set(STAGES["report"]["deps"])


@pytest.mark.parametrize("stage", STAGES)
def test_stage_is_described_and_named_after_its_module(stage: str) -> None:
    """dvc.yaml reads as a table of contents."""
    assert STAGES[stage]["cmd"] == f"python -m stages.{stage}"
    assert len(STAGES[stage]["desc"]) > 20


WITHOUT_A_NETWORK = (
    "download explore preprocess alarms postprocess evaluate predict report kernel submit compare convert score ledger "
    "settings summary"
)


@pytest.mark.parametrize("module", WITHOUT_A_NETWORK.split())
def test_stages_without_a_network_start_without_tensorflow(module: str) -> None:
    """Only stages/network imports TensorFlow, which takes seconds."""
    code = f"import sys, stages.{module}; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("module", ["download", "explore", "preprocess", "submit"])
def test_commands_start_without_what_they_may_not_need(module: str) -> None:
    """Each of these packages takes as long to import as all else that the command's start needs."""
    code = f"import sys, stages.{module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    slow = {"tensorflow", "sklearn", "scipy", "matplotlib", "pandas", "kaggle", "dvc", "dvclive"}
    assert not slow & set(result.stdout.split())


def test_committed_lock_is_current() -> None:
    """A clone of the committed state has nothing to run: dvc.lock and metrics belong to this code and params.yaml."""
    command = [sys.executable, "-m", "dvc", "repro", "--dry", "--allow-missing"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "Running stage" not in result.stdout, result.stdout
    assert result.returncode == 0, result.stderr
    assert "up to date" in result.stdout


@pytest.mark.parametrize("stage", STAGES)
def test_results_go_into_the_run_cache(stage: str) -> None:
    """DVC leaves stages with an uncached output, or one that persists, out of it, unless that is a metric or a plot."""
    assert all(isinstance(out, str) for out in STAGES[stage].get("outs", []))
    for kind in ("metrics", "plots"):
        for entry in STAGES[stage].get(kind, []):
            (properties,) = entry.values()
            assert properties["cache"] is False
