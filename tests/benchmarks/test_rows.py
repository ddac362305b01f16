"""The benchmarks run at small sizes and write a file of the correct form. No test asserts a time."""

import argparse
import json
import re
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.benchmarks import peers
from tests.benchmarks.__main__ import choose, main, table, write
from tests.benchmarks.measuring import ROWS, measure
from tests.benchmarks.rows import Place, Row
from tests.benchmarks.timing import alternate, summary

KEYS = {
    "work", "beside", "unit", "ours", "other", "pairs", "ratio", "ratio_low", "ratio_high", "to_reach", "at_most",
    "met", "quick", "machine",
}  # fmt: skip


def row(to_reach: float | None, at_most: bool = False) -> Row:
    """A row without a measurement."""
    return Row("some-row", "work", "other", to_reach, lambda place: iter(()), at_most)


def test_names_are_unique() -> None:
    """`--only` and the file use names, which start with their group."""
    names = [each.name for each in ROWS]
    assert len(set(names)) == len(names)
    assert {each.group for each in ROWS} == {"masks", "start", "data", "training", "submission", "network", "memory"}


def test_ratio_is_the_median_of_the_pairs_ratios() -> None:
    """Ratios 2, 4 and 0.5 have the median 2; the ratio of the sums, 9/8, does not count."""
    figures = summary(row(2.0), [(1.0, 2.0), (1.0, 4.0), (6.0, 3.0)])
    assert (figures["ratio"], figures["ratio_low"], figures["ratio_high"]) == (2.0, 0.5, 4.0)
    assert figures["met"] is True
    assert summary(row(2.1), [(1.0, 2.0)])["met"] is False
    assert summary(row(None), [(1.0, 2.0)])["met"] is None


def test_an_upper_bound_is_for_ours_divided_by_the_other() -> None:
    """3 is 1.5 times as much as 2: at most 1.5 is met, at most 1.4 is not."""
    assert summary(row(1.5, at_most=True), [(3.0, 2.0)])["met"] is True
    assert summary(row(1.4, at_most=True), [(3.0, 2.0)])["met"] is False


def test_works_alternate() -> None:
    """Ours, the other's, ours, the other's."""
    done: list[str] = []
    pairs = list(alternate([(lambda: done.append("ours"), lambda: done.append("other"))] * 2))
    assert done == ["ours", "other", "ours", "other"]
    assert len(pairs) == 2


def test_rows_that_were_not_measured_are_kept(tmp_path: Path) -> None:
    """A second, partial run replaces only its own rows."""
    file = tmp_path / "benchmarks.json"
    write(file, {"a": {"ratio": 1}, "b": {"ratio": 2}})
    write(file, {"b": {"ratio": 3}})
    assert json.loads(file.read_text()) == {"a": {"ratio": 1}, "b": {"ratio": 3}}


def test_an_unknown_row_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The message lists the known rows."""
    with pytest.raises(SystemExit):
        main(["--only", "maskz"])
    assert "found maskz" in capsys.readouterr().err


def small(names: list[str], folder: Path, data: Path) -> None:
    """Measure rows at small sizes and check their figures."""
    measured = measure(names, Place(folder, quick=True, data=data))
    assert list(measured) == names
    for figures in measured.values():
        assert set(figures) == KEYS
        assert figures["quick"]
        assert 0 < figures["ratio_low"] <= figures["ratio"] <= figures["ratio_high"]
    assert json.loads(json.dumps(measured, allow_nan=False)) == measured
    assert table(measured).count("\n") == 1 + len(names)


def test_masks_and_data(tmp_path: Path, real_data: Path) -> None:
    """The rows without TensorFlow, at small sizes; those of masks also compare the results of both tasks."""
    small([row.name for row in ROWS if row.group == "masks"] + ["data-preprocess"], tmp_path, real_data)


def test_start(tmp_path: Path) -> None:
    """The start of one command."""
    small(["start-submit"], tmp_path, tmp_path)


@pytest.mark.slow
def test_batches(tmp_path: Path) -> None:
    """The row of batches, at a small size."""
    small(["data-batches"], tmp_path, tmp_path)


def test_choice_by_group() -> None:
    """A group's name selects all its rows."""
    parser = argparse.ArgumentParser()
    assert {row.group for row in choose(["start", "masks-coco"], parser)} == {"start", "masks"}


PEERS = [
    "training-peer-128-best",
    "submission-peer-openvino-float32-bfloat16",
    "network-openvino-float32-onnxruntime",
    "network-openvino-float32-pytorch",
]


def test_rows_without_the_opponents_folder_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The message names the command that installs them; nothing is measured, and TensorFlow is not imported."""
    monkeypatch.setattr(peers, "FOLDER", tmp_path / ".bench-peers")
    names = [row.name for row in ROWS if row.name.startswith(("network-", "submission-peer-", "training-peer-"))]
    assert set(PEERS) < set(names)
    assert measure(names, Place(tmp_path, quick=True, data=tmp_path)) == {}
    skipped = "skipped: PyTorch is not installed in .bench-peers: run make bench-peers\n"
    assert capfd.readouterr().err.count(skipped) == len(names)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
@pytest.mark.skipif(not peers.FOLDER.is_dir(), reason="make bench-peers was not run")
def test_opponents(tmp_path: Path) -> None:
    """The rows of PyTorch and onnxruntime, at small sizes; they also compare networks and answers."""
    small(PEERS, tmp_path, tmp_path)


KERNELS = [(7, 7, 1, 64), (1, 1, 64, 64), (3, 3, 64, 64)]


@pytest.mark.parametrize(
    ("kernels", "parameters", "threads", "message"),
    [
        ([[7, 7, 1, 64], [3, 3, 64, 64]], 10_000, 0, None),
        ([[7, 7, 1, 64], [3, 3, 64, 64]], 10_020, 0, "10000 parameters and 10020"),
        ([[7, 7, 1, 64], [3, 3, 64, 64]], 10_000, 1, "threads"),
        ([[7, 7, 1, 64], [3, 3, 64, 32]], 10_000, 0, "ours alone: .*64, 64.*; the opponent's: .*64, 32"),
        ([[7, 7, 1, 64]], 10_000, 0, "ours alone: .*3, 3, 64, 64"),
    ],
)
def test_the_network_must_be_the_same(
    kernels: list[list[int]], parameters: int, threads: int, message: str | None
) -> None:
    """All kernels but the shortcut of the first unit, 0.1 % of the parameters, and the threads are compared."""
    description = {"kernels": kernels, "parameters": parameters, "threads": peers.threads() + threads}
    with pytest.raises(peers.PeerError, match=message) if message else nullcontext():
        peers.check_same(KERNELS, 10_000, description)


def test_only_the_opponents_process_imports_pytorch() -> None:
    """What is installed in .bench-peers alone is imported in tests/benchmarks/peer alone."""
    alone = re.compile(r"^\s*(?:import|from)\s+(torch|torchvision|segmentation_models_pytorch)\b", re.MULTILINE)
    files = [*(peers.ROOT / "stages").rglob("*.py"), *(peers.ROOT / "tests").rglob("*.py")]
    folders = {file.parent for file in files if alone.search(file.read_text(encoding="utf-8"))}
    assert folders == {peers.ROOT / "tests/benchmarks/peer"}
