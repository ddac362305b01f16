"""Files in data/state that are damaged, cut off, empty or missing: told, and a new training follows."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.dataset.prepared import Dataset
from stages.pipeline import settings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_layers")]


def flipped(file: Path) -> None:
    """One bit in the middle."""
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(bytes(raw))


def half(file: Path) -> None:
    """The first half."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    """No byte."""
    file.write_bytes(b"")


def other_json(file: Path) -> None:
    """JSON, and not what was written."""
    file.write_text("[]")


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("average.weights.h5", flipped),
        ("average.weights.h5", Path.unlink),
        ("finished.json", flipped),
        ("finished.json", half),
        ("finished.json", other_json),
    ],
)  # fmt: skip
def test_a_finished_network(
    file: str, damage: Callable[[Path], None], prepared: Dataset, options: settings.Train, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """It is trained again, to the same weights."""
    from stages.training import fit
    from stages.training.job import Job

    job, state = Job(prepared, options.model_copy(update={"epochs": 1}), 1), tmp_path / "state"
    before = fit.fit(job, 0, state, lambda *logs: None)
    checksum = json.loads((state / "finished.json").read_text())["sha256"]
    damage(state / file)
    again = fit.fit(job, 0, state, lambda *logs: None)
    assert f"state/{file}: damaged, so this network is trained again" in capsys.readouterr().out
    assert again.history == before.history
    assert json.loads((state / "finished.json").read_text())["sha256"] == checksum


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("progress.json", flipped),
        ("progress.json", other_json),
        ("best_*.weights.h5", Path.unlink),
        ("best_*.weights.h5", flipped),
        ("epoch_1/weights.data*", flipped),
        ("epoch_1/weights.index", empty),
    ],
)
def test_a_training_that_was_interrupted(
    file: str, damage: Callable[[Path], None], prepared: Dataset, options: settings.Train, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """It starts over, and ends as an undisturbed one."""
    from stages.training import fit
    from stages.training.job import Job

    class Interrupted(Exception):  # noqa: N818
        """Like Ctrl-C."""

    def interrupt(epoch: int, logs: dict[str, float]) -> None:
        if epoch == 2:
            raise Interrupted

    job, state = Job(prepared, options, 1), tmp_path / "state"
    with pytest.raises(Interrupted):
        fit.fit(job, 0, state, interrupt)
    found = min((state / "phase_1").glob(file))
    damage(found)
    again = fit.fit(job, 0, state, lambda *logs: None)
    printed = capsys.readouterr().out
    assert f"phase_1/{found.relative_to(state / 'phase_1')}: damaged, so this training starts over" in printed
    assert again.history == fit.fit(job, 0, tmp_path / "undisturbed", lambda *logs: None).history


def test_the_files_of_an_epoch_stay_until_the_next_is_whole(
    prepared: Dataset, options: settings.Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the next best weights were written and before progress.json was: it continues."""
    from stages.training import checksums, fit
    from stages.training.job import Job

    written = []

    def write_record(path: Path, content: dict[str, object]) -> None:
        if path.name == "progress.json":
            written.append(path)
            if len(written) == 2:
                raise KeyboardInterrupt
        original(path, content)

    original, job, state = checksums.write_record, Job(prepared, options, 1), tmp_path / "state"
    monkeypatch.setattr(checksums, "write_record", write_record)
    with pytest.raises(KeyboardInterrupt):
        fit.fit(job, 0, state, lambda *logs: None)
    monkeypatch.undo()
    record = json.loads((state / "phase_1/progress.json").read_text())
    assert checksums.damaged(state / "phase_1", record["sha256"]) is None
