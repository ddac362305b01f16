"""Inputs that readers refuse, given to the commands that people type: exit status 1, a message, no traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from tests.fuzzing import campaign
from tests.fuzzing.images import COLOUR, VALID
from tests.fuzzing.labels import HEIGHT, WIDTH
from tests.fuzzing.reader import REFUSED, Files
from tests.fuzzing.readers import KINDS, of_kinds

ROOT = Path(__file__).parents[2]
SEED, EACH = int(os.environ.get("FUZZING_SEED", "0")), int(os.environ.get("FUZZING_EACH", "2"))
PARAMS = (ROOT / "params.yaml").read_bytes()


def _nothing(folder: Path) -> None:
    """All files are there."""


def _beside(name: str, content: bytes) -> Callable[[Path], None]:
    def add(folder: Path) -> None:
        if not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    return add


def _project(folder: Path) -> None:
    _beside("params.yaml", PARAMS)(folder)
    _beside("recipes/sample.yaml", (ROOT / "recipes/sample.yaml").read_bytes())(folder)


def _source(folder: Path) -> None:
    text = PARAMS.decode().replace("source: sample", "source: source.zip")
    (folder / "params.yaml").write_text(text)


def _finished(folder: Path) -> None:
    _project(folder)
    _beside("data/submission.csv", b"")(folder)


def _photographs(folder: Path) -> None:
    (folder / "photographs").mkdir()
    for name in ("a", "b", "c", "d", "e", "f"):
        cv2.imwrite(str(folder / f"photographs/{name}.png"), COLOUR[:HEIGHT, :WIDTH, :])


def _own_image(folder: Path) -> None:
    (folder / "photographs").mkdir()
    next(folder.glob("image.*")).rename(folder / "photographs/a.tif")
    (folder / "photographs/b.tif").write_bytes(VALID["TIFF"][0])


SCORE = ["stages", "score", "sample_submission.csv", "sample_submission.csv", "--height", "6", "--width", "8"]
CONVERT = ["stages", "convert", "out.zip", "--images", "photographs", "--test-share", "0.5"]
COMMANDS: list[tuple[str, list[str], Callable[[Path], None]]] = [
    ("submission of masks", [*SCORE, "--classes", "pit", "line"], _project),
    ("submission of pairs", [*SCORE, "--classes", "pit", "line"], _project),
    ("tables of metrics", ["stages", "compare", "workspace", "workspace"], _nothing),
    ("table of an ablation", ["stages", "ablate", "--show"], _nothing),
    ("table of colours", [*CONVERT, "--labels", "photographs", "--colours", "colours.csv"], _photographs),
    ("params.yaml", ["stages", "recipe", "sample"], _project),
    ("recipe", ["stages", "recipe", "own.yaml", "--source", "."], _project),
    ("ablation.yaml", ["stages", "ablate"], _project),
    ("archive", ["stages.download"], _source),
    ("metrics", ["stages", "summary"], _finished),
    ("COCO", [*CONVERT, "--coco", "labels.json"], _photographs),
    ("own image TIFF", [*CONVERT, "--labels", "photographs"], _own_image),
]


@pytest.mark.long
@pytest.mark.parametrize(("name", "words", "prepare"), COMMANDS, ids=[name for name, _, _ in COMMANDS])
def test_a_refusal_in_a_process(name: str, words: list[str], prepare: Callable[[Path], None], tmp_path: Path) -> None:
    """A message that begins with the command's name, and nothing else on stderr but progress."""
    reader = next(each for each in of_kinds(KINDS) if each.name == name)
    refused: list[Files] = []

    def each(files: Files) -> None:
        if len(refused) < EACH and campaign.read_once(reader, files)[0].outcome == REFUSED:
            refused.append(files)

    campaign.batch(reader, SEED, 20 * EACH, each)
    assert refused
    for number, files in enumerate(refused):
        folder = tmp_path / str(number)
        campaign.write(folder, files)
        prepare(folder)
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", *words]
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
        said = ended.stderr.strip()
        assert ended.returncode == 1, (ended.stdout, said)
        assert "Traceback" not in said
        assert "Warning" not in said
        label = words[1] if words[0] == "stages" else words[0].removeprefix("stages.")
        assert f"{label}: " in said
