"""The project as a folder of a larger git repository."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages.commands import compare
from stages.inference import blend
from stages.pipeline import git_place
from stages.pipeline.cli import UserError

ROOT = Path(__file__).parents[1]
MODEL = {"ensemble.json": '{"data": {"digest": "1"}, "members": []}', "fold_0/saved_model.pb": "x"}


def git(*words: str) -> None:
    """Run git with an author."""
    subprocess.run(["git", "-c", "user.name=n", "-c", "user.email=a@b.c", *words], check=True, capture_output=True)


@pytest.fixture(params=["", "mill/steel"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project with committed metrics, and a model in DVC's cache, at the root of its repository or below it."""
    place = tmp_path / "repository" / request.param
    shutil.copytree(ROOT / "metrics", place / "metrics")
    shutil.copyfile(ROOT / "params.yaml", place / "params.yaml")
    for name, content in MODEL.items():
        (place / "data/model" / name).parent.mkdir(parents=True, exist_ok=True)
        (place / "data/model" / name).write_text(content)
    monkeypatch.chdir(tmp_path / "repository")
    git("init", "--quiet")
    monkeypatch.chdir(place)
    dvc = [sys.executable, "-m", "dvc"]
    subprocess.run([*dvc, "init", "--quiet", *(["--subdir"] if request.param else [])], check=True)
    subprocess.run([*dvc, "add", "--quiet", "data/model"], check=True)
    git("add", "--all")
    git("commit", "--quiet", "-m", "all")
    return str(request.param)


def test_metrics_of_another_revision(folder: str) -> None:
    """Found, and the same as those in the workspace."""
    text = compare.compare(["HEAD"], ["workspace"])
    assert "Held-out fold" in text
    assert "B is higher" not in text
    with pytest.raises(UserError, match="expected the name of an experiment"):
        compare.compare(["nobody"], ["workspace"])


def test_networks_of_another_revision(folder: str, tmp_path: Path) -> None:
    """Copied from DVC's cache."""
    assert git_place.in_repository(Path("data/model")) == (f"{folder}/data/model" if folder else "data/model")
    assert blend.bring_networks("HEAD", tmp_path, "blend_0", {"digest": "1"}) == []
    with pytest.raises(UserError, match="expected networks of the same images"):
        blend.bring_networks("HEAD", tmp_path, "blend_1", {"digest": "2"})
