"""A stage whose parameters, code or inputs change while it runs fails, and replaces no output."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stages.pipeline import outputs, unchanged
from stages.pipeline.cli import UserError
from stages.pipeline.stage import watched

ROOT = Path(__file__).parents[2]
DVC = {"stages": {"train": {"params": ["seed", "train", "competition.size"], "deps": ["data/in", "code", "one.txt"]}}}
CODE = '"""A module."""\n\nHALF = 0.5\n'


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a stage that depends on data, code and parameters."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(outputs, "before_replacing", [])
    for folder in ("data/in/deep", "code/__pycache__", "data/out"):
        Path(folder).mkdir(parents=True)
    Path("dvc.yaml").write_text(yaml.safe_dump(DVC))
    Path("params.yaml").write_text(
        "seed: 1\ntrain: {loss: cce, folds: [0, 1]}\nkernel: {owner: me}\ncompetition: {size: 3}\n"
    )
    Path("code/losses.py").write_text(CODE)
    for file in ("data/in/a.png", "data/in/deep/b.png", "one.txt", "code/page.html"):
        Path(file).write_text("as it was")


def edited(file: str, old: str, new: str) -> Callable[[], None]:
    """A change of a text file."""

    def edit() -> None:
        text = Path(file).read_text()
        assert old in text
        Path(file).write_text(text.replace(old, new))

    return edit


def touched() -> None:
    """The same bytes, written again a second later."""
    os.utime("data/in/a.png", (1, 1))


CHANGES: dict[str, tuple[Callable[[], object], str]] = {
    "a parameter": (
        edited("params.yaml", "loss: cce", "loss: dice"),
        "params.yaml changed while this ran: train.loss: 'cce' -> 'dice'. Nothing was recorded; networks",
    ),
    "an item of a list": (edited("params.yaml", "[0, 1]", "[0]"), "train.folds: [0, 1] -> [0]."),
    "a key that is added": (edited("params.yaml", "loss: cce", "loss: cce, x: 1"), "train.x: None -> 1."),
    "a key of another section": (edited("params.yaml", "size: 3", "size: 4"), "competition.size: 3 -> 4."),
    "half a file": (
        edited("params.yaml", "folds: [0, 1]}", "folds: ["), "params.yaml changed while this ran: it cannot be read.",
    ),
    "no parameters": (lambda: Path("params.yaml").unlink(), "params.yaml changed while this ran: it cannot be read."),
    "code": (edited("code/losses.py", "0.5", "0.6"), "changed while this ran: code/losses.py. Nothing"),
    "half a module": (edited("code/losses.py", "0.5", "("), "changed while this ran: code/losses.py."),
    "a template": (edited("code/page.html", "was", "is"), "changed while this ran: code/page.html."),
    "an input": (edited("one.txt", "was", "is"), "changed while this ran: one.txt."),
    "an image": (touched, "changed while this ran: data/in/a.png."),
    "an image that is gone": (
        lambda: Path("data/in/deep/b.png").unlink(), "changed while this ran: data/in/deep/b.png (removed).",
    ),
    "a new image": (lambda: Path("data/in/c.png").write_text("c"), "changed while this ran: data/in/c.png (added)."),
    "many images": (
        lambda: [Path(f"data/in/{number}.png").write_text("") for number in range(9)],
        "data/in/4.png (added) and 4 more. Nothing",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
@pytest.mark.parametrize("kind", ["file", "folder", "metrics"])
def test_what_changes_is_named_and_no_output_is_replaced(case: str, kind: str) -> None:
    """Neither a file nor a folder; and the stage fails at its end even if it writes nothing more."""
    change, message = CHANGES[case]
    target = Path(f"data/out/{kind}")
    if kind == "folder":
        target.mkdir()
    else:
        target.write_text("earlier")

    def stage() -> None:
        change()
        if kind == "folder":
            with outputs.folder(target) as folder:
                (folder / "new").touch()
        elif kind == "file":
            with outputs.file(target) as stream:
                stream.write("new")
        else:
            outputs.write_metrics(target, {"a": 1})

    with pytest.raises(UserError) as reported:
        watched("train", stage)
    assert message in str(reported.value)
    assert list(target.iterdir()) == [] if kind == "folder" else target.read_text() == "earlier"
    assert os.listdir("data/out") == [kind]


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_after_the_last_output_fails_too(case: str) -> None:
    """DVC records nothing of a stage that fails."""

    def stage() -> None:
        outputs.write_metrics(Path("data/out/m.json"), {"a": 1})
        CHANGES[case][0]()

    with pytest.raises(UserError, match="changed while this ran"):
        watched("train", stage)


NO_CHANGES: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "a comment": edited("code/losses.py", "0.5", "0.5  # a half"),
    "a docstring": edited("code/losses.py", "A module", "Losses"),
    "a comment of params.yaml": edited("params.yaml", "seed: 1", "seed: 1  # one"),
    "a section of another stage": edited("params.yaml", "owner: me", "owner: you"),
    "compiled Python": lambda: Path("code/__pycache__/losses.pyc").touch(),
    "an output": lambda: Path("data/out/x").touch(),
}


@pytest.mark.parametrize("case", NO_CHANGES)
def test_what_changes_nothing(case: str) -> None:
    """What the stage does not depend on, and what does not change what code does, is not looked at."""

    def stage() -> None:
        NO_CHANGES[case]()
        outputs.write_metrics(Path("data/out/m.json"), {"a": 1})

    watched("train", stage)
    assert Path("data/out/m.json").is_file()


def test_a_folder_without_dvc_yaml() -> None:
    """All of params.yaml counts there."""
    Path("dvc.yaml").unlink()
    with pytest.raises(UserError, match=r"params\.yaml changed while this ran: kernel\.owner: 'me' -> 'you'"):
        watched("train", edited("params.yaml", "owner: me", "owner: you"))


@pytest.mark.parametrize(
    "content",
    [5, [], {"stages": True}, {"stages": {"train": []}}, {"stages": {"train": {"params": 5, "deps": True}}}],
)
def test_a_dvc_yaml_of_another_kind(content: object) -> None:
    """DVC says what is wrong with it; here it declares nothing."""
    Path("dvc.yaml").write_text(yaml.safe_dump(content))
    watch = unchanged.Watch("train")
    assert (watch.keys, watch.depends) == (None, [])
    watch.check()


@pytest.mark.parametrize("stage", yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
def test_every_stage_is_watched(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each starts by stage.run, under its own name, and all its modules are seen."""
    monkeypatch.chdir(ROOT)
    watch = unchanged.Watch(stage)
    assert watch.keys
    assert {ROOT / file for file in watch.code} >= {ROOT / f"stages/{stage}.py", ROOT / "stages/pipeline/cli.py"}
    assert f"    stage.run({stage}, __doc__)" in (ROOT / f"stages/{stage}.py").read_text(encoding="utf-8")
