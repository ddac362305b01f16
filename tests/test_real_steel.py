"""The whole pipeline on real steel, with a small network, through DVC."""

import random
import zipfile
from pathlib import Path

import pytest

from tests.support import repository
from tests.support.repository import SMALL, call, check_submission, setting

pytestmark = pytest.mark.slow

STEEL_900 = ["competition.image_height=200", "competition.image_width=200"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with the current state of the project, in which nothing has run."""
    return repository.started(tmp_path / "clone")


def experiment(folder: Path, name: str, *parameters: str) -> str:
    """`dvc exp run -n name -S … -S …`."""
    return call(folder, "dvc", "exp", "run", "-n", name, *setting(*parameters))


@pytest.mark.prove
def test_real_steel_in_the_current_form(clone: Path, real_data: Path, tmp_path: Path) -> None:
    """Real images of 256×1600 and a three-column sample submission."""
    archive = some_of(real_data / "severstal-sample.zip", tmp_path / "some.zip", train=24, test=3)
    printed = experiment(clone, "severstal", *SMALL, f"download.source={archive}")
    assert "24 images in 3 folds" in printed
    assert check_submission(clone, 4, 256, 1600) == 3
    assert (clone / "data/submission.csv").read_text().startswith("ImageId,EncodedPixels,ClassId\n")


@pytest.mark.long
def test_real_steel_in_the_older_form(clone: Path, real_data: Path, tmp_path: Path) -> None:
    """Images of 200×200, not divisible by 32, and a two-column sample submission; crops are clipped."""
    archive = some_of(real_data / "steel-900.zip", tmp_path / "some.zip", train=36, test=6)
    crop = ["train.crop_height=256", "train.crop_width=256", "competition.classes=[inclusion,patches,scratches]"]
    printed = experiment(clone, "steel-900", *SMALL, *STEEL_900, *crop, f"download.source={archive}")
    assert "train: crops of 256×256 (train.crop_height, train.crop_width) clipped to 200×200" in printed
    assert check_submission(clone, 3, 200, 200) == 6
    assert (clone / "data/submission.csv").read_text().startswith("ImageId_ClassId,EncodedPixels\n")


def some_of(source: Path, target: Path, train: int, test: int) -> Path:
    """Copy some of the images of a zip into another one, with the rows that belong to them."""
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(target, "w") as part:
        names = random.Random(1).sample(whole.namelist(), len(whole.namelist()))  # noqa: S311
        kept = [name for name in names if name.startswith("train_images/")][:train]
        kept += [name for name in names if name.startswith("test_images/")][:test]
        files = {Path(name).name for name in kept}
        for table in ("train.csv", "sample_submission.csv"):
            lines = whole.read(table).decode().splitlines(keepends=True)
            rows = [line for line in lines[1:] if line.split(",")[0].split("_")[0] in files]
            part.writestr(table, "".join(lines[:1] + rows))
        for name in kept:
            part.writestr(name, whole.read(name))
    return target
