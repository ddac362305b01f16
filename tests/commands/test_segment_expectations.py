"""What segment expects of the masks of new photographs, and when it says that these are of another kind."""

from pathlib import Path

import numpy as np
import pytest

from stages.dataset import shift
from stages.inference import engines
from stages.pipeline import paths, recorded
from stages.postprocessing import evidence, expectation_file
from stages.postprocessing.expectation_file import Fitted
from stages.postprocessing.expectations import Model, Neighbours
from stages.postprocessing.reference import Reference
from tests.support import trained
from tests.support.segmenting import photograph, segment, table

COLUMNS = len(evidence.NAMES) + len(trained.CLASSES)


@pytest.fixture(autouse=True)
def _arithmetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose networks are arithmetic, in the current folder, which has what the stage expected_dice writes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engines, "load", lambda *name_and_place: trained.network)
    trained.make(Path())
    record()


def record(classes: tuple[str, ...] = trained.CLASSES, light: float = 110.0) -> None:
    """Of twenty masks with a Dice of 0.30, 0.32, … 0.68, whatever they look like; nothing of empty ones."""
    dice = np.linspace(0.3, 0.68, 20)
    marked = Neighbours(np.zeros(COLUMNS), np.ones(COLUMNS), np.zeros(COLUMNS), 0.0, np.zeros(20), dice)
    mean = np.where([name in ("brightness", "black") for name in shift.FEATURES], 0.0, 50.0)
    mean[0] = light
    training = Reference(mean, np.full(len(shift.FEATURES), 20.0), 100)
    expectation_file.write(paths.EXPECTED_DICE, Fitted(Model(list(classes), marked, None), training))
    trained.record(Path())


def test_a_mask_has_an_expected_dice() -> None:
    """The mean of its neighbours and all of their range; nothing where there is no mask, since nothing was learned."""
    segment(str(photograph("a.png", (0, 8, 0, 20))), "--out", "out")
    pits, cracks = table("out")
    low, expected, high = (float(pits[name]) for name in ("expected_low", "expected_dice", "expected_high"))
    assert 0.3 <= low < expected < high <= 0.68
    assert expected == pytest.approx(0.49, abs=0.02)
    assert [cracks[name] for name in ("expected_dice", "expected_low", "expected_high")] == ["", "", ""]


def test_photographs_in_other_light(capsys: pytest.CaptureFixture[str]) -> None:
    """Five photographs of level 110, where the training images had 200: told once, with both means."""
    record(light=200.0)
    for name in "abcde":
        photograph(f"in/{name}.png")
    segment("in", "--out", "out")
    told = [line for line in capsys.readouterr().err.splitlines() if "brightness" in line]
    assert told == [
        "segment: WARNING: brightness has moved: 110 on average in 5 photographs, 200 in the training images: trust "
        "masks and expected Dice less"
    ]


def test_photographs_in_the_same_light(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is said; nor of four photographs, which are too few to tell."""
    for name in "abcde":
        photograph(f"in/{name}.png")
    segment("in", "--out", "out")
    assert "brightness" not in capsys.readouterr().err
    record(light=200.0)
    segment(*(f"in/{name}.png" for name in "abcd"), "--out", "four")
    assert "brightness" not in capsys.readouterr().err


def test_light_that_changes_after_many_photographs(capsys: pytest.CaptureFixture[str]) -> None:
    """The latest twenty show it, although the mean of all is near; their number is told."""
    for number in range(120):
        photograph(f"in/{number:03}.png", *([] if number < 100 else [(0, 32, 0, 20)]))  # a part of level 204 at the end
    segment("in", "--out", "out")
    told = capsys.readouterr().err
    assert "brightness has moved: 139.4 on average in 20 photographs, 110 in the training images" in told


def test_another_file_than_the_recorded_one(capsys: pytest.CaptureFixture[str]) -> None:
    """It is not used; nor is one for other classes, or one of other rules."""
    path = str(photograph("a.png"))
    paths.EXPECTED_DICE.write_text(paths.EXPECTED_DICE.read_text() + " ")
    segment(path, "--out", "out", status=1)
    assert str(paths.EXPECTED_DICE) in capsys.readouterr().err
    record(classes=("pits", "dents"))
    segment(path, "--out", "out", status=1)
    assert "expected the classes pits, cracks, found pits, dents" in capsys.readouterr().err
    record()
    lock = Path(recorded.LOCK)
    stages = lock.read_text().partition("expected_dice:")
    md5 = recorded.md5(paths.RULES)
    lock.write_text(stages[0] + stages[1] + stages[2].replace(md5, "f" * 32, 1))
    segment(path, "--out", "out", status=1)
    assert str(paths.RULES) in capsys.readouterr().err
