"""Tables that people open in a spreadsheet program: no name is a formula there, and stages read it unchanged."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stages.figures import vega
from stages.inference import probabilities
from stages.kaggle import leaderboard
from stages.pipeline import outputs
from stages.postprocessing.prediction import Prediction
from stages.scoring import per_image

ROOT = Path(__file__).parents[2]
NAMES = ['=HYPERLINK("http://x","y").png', "+1+2.png", "-1-2.png", "@SUM(1).png", "'=a.png", "'a'.png", "a=1.png", "-1"]
START = re.compile(r"[=+\-@\t\r]")
NUMBER = re.compile(r"[+-]?[0-9.]+([eE][+-]?[0-9]+)?")


def cells(path: Path) -> list[str]:
    """All cells as a spreadsheet program reads them."""
    with path.open(encoding="utf-8", newline="") as file:
        return [cell for row in csv.reader(file) for cell in row]


def has_formula(path: Path) -> bool:
    """Whether a cell would be taken for one."""
    return any(START.match(cell) and not NUMBER.fullmatch(cell) for cell in cells(path))


@given(st.text(alphabet="'=+-@\t\ra1.e\u0664", max_size=6))
@example("'" * 5 + "=")
def test_what_is_escaped_is_read_back(text: str) -> None:
    """Whatever the text, also with apostrophes of its own; and no result is a formula."""
    written = outputs.escaped(text)
    assert outputs.unescaped(written) == text
    assert not START.match(written) or NUMBER.fullmatch(written)


@pytest.mark.parametrize("number", ["-0.5", "+1", "-1e-05", "-.5", "-3."])
def test_numbers_stay_numbers(number: str, tmp_path: Path) -> None:
    """As texts, and as what they are."""
    outputs.write_table(tmp_path / "x.csv", ["a", "b"], [(number, float(number))])
    assert cells(tmp_path / "x.csv")[2:] == [number, str(float(number))]


def test_a_table_for_a_competition_stays_as_it_is(tmp_path: Path) -> None:
    """Kaggle would not know the ids otherwise."""
    outputs.write_table(tmp_path / "x.csv", ["=id"], [(name,) for name in NAMES], for_competition=True)
    assert cells(tmp_path / "x.csv") == ["=id", *NAMES]


def test_readers_of_tables_know_the_names(tmp_path: Path) -> None:
    """Scores of images, charts, probabilities and the leaderboard."""
    scores, numbers = tmp_path / "images.csv", (1, "pit", 0.5, 4, 4, 2)
    header = ["split", "image", "group", "class", "dice", "true_pixels", "predicted_pixels", "intersection"]
    outputs.write_table(scores, header, [("held_out", name, *numbers) for name in NAMES])
    with scores.open(encoding="utf-8", newline="") as file:
        assert per_image.read(file, "images.csv")["held_out"].images == NAMES
    assert [row["image"] for row in vega.read(scores, "run")] == NAMES

    prediction = Prediction(np.ones((2, 3, 1), np.uint8), np.ones(1, np.uint8))
    possible = [name for name in NAMES if "/" not in name]
    probabilities.write(tmp_path / "cache", [(name, prediction) for name in possible])
    assert list(probabilities.Cache(tmp_path / "cache").presence) == possible

    board = tmp_path / "leaderboard.csv"
    sent = [leaderboard.Submission("now", "+a", "1", name, "-0.5", "", str(n), "0") for n, name in enumerate(NAMES)]
    for each in sent:
        leaderboard.record(board, each)
    assert leaderboard.read(board) == sent

    assert not any(map(has_formula, [scores, tmp_path / "cache/presence.csv", board]))


def test_every_table_is_written_by_the_one_function() -> None:
    """Except for the tables of a competition, as download reads them and Kaggle scores them, and one that grows."""
    sources = {
        path.relative_to(ROOT / "stages").as_posix(): path.read_text(encoding="utf-8")
        for path in (ROOT / "stages").rglob("*.py")
    }
    written = {name for name, text in sources.items() if re.search(r"csv\.(Dict)?[wW]riter|to_csv|savetxt", text)}
    grows = "photographs/mask_files.py"
    assert written == {"pipeline/outputs.py", "conversion/competition.py", "synthetic/generate.py", grows}
    assert "outputs.escaped(image), outputs.escaped(name)" in sources[grows]
    unchanged = {name for name, text in sources.items() if "for_competition=True" in text}
    assert unchanged == {"dataset/submission.py", "conversion/competition.py"}


def test_every_reader_of_a_table_undoes_it() -> None:
    """Where a stage or command reads CSV: either a competition's, or one that `write_table` has written."""
    competition = {"dataset/tables.py", "conversion/class_rules.py"}
    for path in (ROOT / "stages").rglob("*.py"):
        name, text = path.relative_to(ROOT / "stages").as_posix(), path.read_text(encoding="utf-8")
        if re.search(r"csv\.(Dict)?[rR]eader\(|read_csv\(", text) and name not in competition:
            assert "unescaped(" in text or "map(outputs.unescaped" in text, name
