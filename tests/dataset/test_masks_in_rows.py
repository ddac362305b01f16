"""The true masks of a prepared data set do not depend on how the table cuts a mask into rows and runs."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from stages.dataset import true_masks
from tests.support import tiny

Cut = Callable[[list[tuple[int, int]]], list[list[tuple[int, int]]]]  # the rows of a mask, each a list of runs

CUTS: dict[str, Cut] = {
    "touching runs in one row": lambda runs: [[part for run in runs for part in halves(run)]],
    "touching runs in two rows": lambda runs: [[halves(run)[0] for run in runs], [halves(run)[-1] for run in runs]],
    "the second row first": lambda runs: [[halves(run)[-1] for run in runs], [halves(run)[0] for run in runs]],
    "a row per run": lambda runs: [[run] for run in runs],
    "rows that overlap": lambda runs: [runs, [halves(run)[0] for run in runs]],
    "a row twice": lambda runs: [runs, runs],
}


def halves(run: tuple[int, int]) -> list[tuple[int, int]]:
    """A run in two that touch; one pixel stays whole."""
    start, length = run
    return [(start, 1), (start + 1, length - 1)] if length > 1 else [run]


def masks(folder: Path, competition: Path) -> tuple[bytes, bytes]:
    """The bytes of masks.npy and masks_index.npy."""
    project = tiny.project(folder, competition)
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    params["competition"]["columns"]["instances"] = True
    (project / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    failed, reported = tiny.run(project, ("download", "preprocess"))
    assert failed is None, reported
    prepared = project / "data/prepared"
    return (prepared / true_masks.RUNS).read_bytes(), (prepared / true_masks.INDEX).read_bytes()


@pytest.mark.parametrize("cut", CUTS)
def test_a_mask_has_the_same_bytes_however_it_is_cut(competition_folder: Path, tmp_path: Path, cut: str) -> None:
    """Rows of instances and runs that touch or overlap are joined before they are stored."""
    expected = masks(tmp_path / "whole", competition_folder)
    table = competition_folder / "train.csv"
    with table.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    place = header.index("EncodedPixels")
    cut_rows = []
    for row in rows:
        numbers = list(map(int, row[place].split()))
        for part in CUTS[cut](list(zip(numbers[::2], numbers[1::2], strict=True))):
            text = " ".join(f"{start} {length}" for start, length in part)
            cut_rows.append([*row[:place], text, *row[place + 1 :]])
    assert cut_rows != rows
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *cut_rows])
    assert masks(tmp_path / "cut", competition_folder) == expected
