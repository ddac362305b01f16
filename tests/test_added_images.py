"""Images are added to a data set: preprocess leaves the others in their folds."""

import json
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from stages import preprocess
from stages.dataset.prepared import Dataset
from stages.pipeline import cli, paths
from tests.conftest import draw_competition

ROOT = Path(__file__).parents[1]
# Images of the tiny competition whose mean correlates with either by 0.75 or more, and in either order.
BRIDGED = [(0, 5), (0, 10), (1, 6), (4, 8), (7, 10), (5, 9), (5, 0), (10, 0), (6, 1), (8, 4), (10, 7), (9, 5)]


def state(**competition: object) -> None:
    """Write params.yaml of three folds into the working folder."""
    parameters = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    parameters["competition"] |= competition
    parameters["preprocess"] |= {"folds": 3}
    Path("params.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")


def folds() -> dict[str, int]:
    """Run the stage; the fold of each image."""
    preprocess.preprocess()
    return {sample.image: sample.fold for sample in Dataset(paths.PREPARED).index}


def figures() -> dict[str, int]:
    """What the stage records of kept folds."""
    recorded: dict[str, int] = json.loads(paths.PREPROCESS_METRICS.read_text(encoding="utf-8"))["kept_folds"]
    return recorded


@pytest.fixture
def before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The folds of the tiny competition's 12 images, which are to be kept from now on."""
    monkeypatch.chdir(tmp_path)
    draw_competition(paths.RAW)
    state(image_height=32, image_width=64)
    found = folds()
    shutil.copy(paths.FOLDS_TABLE, paths.KEPT_FOLDS)
    return found


def add(name: str, image: np.ndarray) -> None:
    """Add a training image, which is clean."""
    cv2.imwrite(str(paths.TRAIN_IMAGES / name), image)


def noise(seed: int) -> np.ndarray:
    """A texture that no other image has."""
    return np.random.default_rng(seed).integers(0, 256, (32, 64), dtype=np.uint8)


def test_old_images_keep_their_fold(before: dict[str, int]) -> None:
    """Three are added before, between and behind the others, one is renamed and one removed; each fold gets one."""
    for number, name in enumerate(("a.png", "train_05b.png", "z.png")):
        add(name, noise(100 + number))
    (paths.TRAIN_IMAGES / "train_09.jpg").rename(paths.TRAIN_IMAGES / "photo.jpg")
    (paths.TRAIN_IMAGES / "train_10.jpg").unlink()
    after = folds()
    expected = {name: fold for name, fold in before.items() if name != "train_10.jpg"}
    expected["photo.jpg"] = expected.pop("train_09.jpg")
    assert {name: after.get(name) for name in expected} == expected
    assert np.ptp(np.bincount(list(after.values()))) <= 1
    assert figures() == {"kept": 11, "new": 3, "gone": 1, "moved": 0, "moved_to_held_out": 0}
    first = paths.FOLDS_TABLE.read_bytes()
    shutil.copy(paths.FOLDS_TABLE, paths.KEPT_FOLDS)
    assert folds() == after
    assert paths.FOLDS_TABLE.read_bytes() == first


def test_a_bridge_between_a_training_and_a_held_out_image(
    before: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The new image resembles both, so that all three belong together: the held-out fold wins."""
    pairs = ([f"train_{number:02}.jpg" for number in pair] for pair in BRIDGED)
    pair = next(pair for pair in pairs if before[pair[0]] == 2 != before[pair[1]])
    held_out, trained = pair
    ends = [cv2.imread(str(paths.TRAIN_IMAGES / name), cv2.IMREAD_GRAYSCALE).astype(int) for name in pair]
    add("bridge.png", ((ends[0] + ends[1]) // 2).astype(np.uint8))
    after = folds()
    assert {after[name] for name in (held_out, trained, "bridge.png")} == {2}
    assert {name: fold for name, fold in after.items() if name not in (trained, "bridge.png")} == {
        name: fold for name, fold in before.items() if name != trained
    }
    assert "1 of them into the held-out fold" in capsys.readouterr().out


def test_tables_that_do_not_fit(before: dict[str, int]) -> None:
    """Another data set's is refused, and nothing is written; so is one that leaves a fold without images."""
    paths.KEPT_FOLDS.write_text("image,fold\nother.png,2\n", encoding="utf-8")
    written = paths.FOLDS_TABLE.stat().st_mtime_ns
    with pytest.raises(cli.UserError, match=r"kept_folds\.csv: expected images of this data set"):
        preprocess.preprocess()
    paths.KEPT_FOLDS.write_text("image,fold\n" + "".join(f"{name},2\n" for name in before), encoding="utf-8")
    with pytest.raises(cli.UserError, match=r"kept_folds\.csv: expected images for every fold, found none for fold 0"):
        preprocess.preprocess()
    assert paths.FOLDS_TABLE.stat().st_mtime_ns == written


def test_real_photographs_are_added(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """200 of 900 real strips, then 20 more of them: the 200 stay, and every fold gets its share of each class."""
    monkeypatch.chdir(tmp_path)
    state(image_height=200, image_width=200, classes=["inclusion", "patches", "scratches"])
    with zipfile.ZipFile(real_data / "steel-900.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("train_images/"))[::3][:220]
        later = names[::11]
        lines = archive.read("train.csv").decode().splitlines(keepends=True)
        present = [name for name in names if name not in later]
        test = [name for name in archive.namelist() if name.startswith("test_images/")]
        archive.extractall(paths.RAW, [*present, *test, "sample_submission.csv"])
        write_table(lines, present)
        before = folds()
        shutil.copy(paths.FOLDS_TABLE, paths.KEPT_FOLDS)
        archive.extractall(paths.RAW, later)
        write_table(lines, names)
    after = folds()
    assert figures() == {"kept": 200, "new": 20, "gone": 0, "moved": 0, "moved_to_held_out": 0}
    assert {name: after[name] for name in before} == before
    recorded = json.loads(paths.PREPROCESS_METRICS.read_text(encoding="utf-8"))["folds"].values()
    assert np.ptp([fold["images"] for fold in recorded]) <= 1
    for name in ("inclusion", "patches", "scratches"):
        assert np.ptp([fold["classes"][name] for fold in recorded]) <= 1


def write_table(lines: list[str], names: list[str]) -> None:
    """Write train.csv with the rows of these images."""
    files = {Path(name).name for name in names}
    rows = [line for line in lines[1:] if line.split(",")[0] in files]
    paths.TRAIN_TABLE.write_text("".join(lines[:1] + rows), encoding="utf-8")
