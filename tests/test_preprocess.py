"""What preprocess stores, compared with a plain reading of the same files, and how it reports faults."""

import csv
import hashlib
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from stages import preprocess
from stages.dataset import descriptions, duplicates, preparation, validation
from stages.dataset.layout import Layout
from stages.dataset.prepared import Dataset
from stages.pipeline import cli, limits, paths, settings

ROOT = Path(__file__).parents[1]
HEIGHT, WIDTH = 32, 64


@pytest.fixture
def workplace(competition_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny competition as downloaded, in a folder of its own, in which the stage runs."""
    (tmp_path / "data").mkdir()
    shutil.move(competition_folder, tmp_path / "data/raw")
    parameters = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    parameters["competition"] |= {"image_height": HEIGHT, "image_width": WIDTH}
    parameters["preprocess"] |= {"folds": 3}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", [1, 5, 16])
def test_what_is_stored(workplace: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    """Images, label maps, pixels and digest are those of the files read one by one, however the work is cut up."""
    table = workplace / "data/raw/train.csv"
    with table.open("a", encoding="utf-8") as file:
        file.write("train_00.jpg,3,1 2\n")  # claims two pixels of class 1
    monkeypatch.setattr(preparation, "BLOCK", block)
    preprocess.preprocess()
    data = Dataset(workplace / "data/prepared")
    digest = hashlib.sha256()
    rows = []
    for sample in data.index:
        image = cv2.imread(str(workplace / "data/raw/train_images" / sample.image), cv2.IMREAD_GRAYSCALE)
        drawn, masks = np.zeros(HEIGHT * WIDTH, np.uint8), []
        for row in csv.DictReader(table.open(encoding="utf-8")):
            if row["ImageId"] == sample.image:
                masks.append(f"\n{row['ClassId']} {row['EncodedPixels']}")
            numbers = [int(number) for number in row["EncodedPixels"].split()]
            for start, length in zip(numbers[::2], numbers[1::2], strict=True):
                if row["ImageId"] == sample.image:
                    inside = np.s_[start - 1 : start - 1 + length]
                    drawn[inside] = np.maximum(drawn[inside], int(row["ClassId"]))
        labels = np.ascontiguousarray(drawn.reshape(WIDTH, HEIGHT).T)
        np.testing.assert_array_equal(data.images[sample.position], image)
        np.testing.assert_array_equal(data.labels[sample.position], labels)
        expected = duplicates.signature(np.asarray(image, np.uint8))
        np.testing.assert_allclose(np.asarray(data.signatures[sample.position]), expected, atol=1e-6)
        assert sample.pixels == tuple(int((labels == class_id).sum()) for class_id in (1, 2, 3, 4))
        content = (workplace / "data/raw/train_images" / sample.image).read_bytes()
        digest.update(hashlib.sha256(content + "".join(sorted(masks)).encode()).digest())
        rows.append((sample.image, sample.fold, sample.group, HEIGHT, WIDTH, *sample.pixels))
    digest.update(repr(rows).encode())
    assert data.summary["digest"] == digest.hexdigest()
    assert len({sample.group for sample in data.index}) == 12
    assert json.loads((workplace / "metrics/preprocess.json").read_text())["pixels_claimed_twice"] == 2


def test_faults_of_images_are_reported_before_those_of_masks(workplace: Path) -> None:
    """All are counted, the first ten reported: here one image that is cut off, then eleven wrong masks."""
    image = workplace / "data/raw/train_images/train_04.jpg"
    image.write_bytes(image.read_bytes()[:-200])
    with (workplace / "data/raw/train.csv").open("a", encoding="utf-8") as file:
        file.writelines(f"absent_{number}.jpg,1,1 1\n" for number in range(11))
    with pytest.raises(cli.UserError) as reported:
        preprocess.preprocess()
    first, *faults, last, how_to_correct = str(reported.value).split("\n  ")
    assert first == "the data has 12 fault(s):"
    assert "train_04.jpg: expected a whole JPEG" in faults[0]
    assert ["found no absent_" in fault for fault in faults] == [False] + 9 * [True]
    assert last == "… and 2 more"
    assert how_to_correct == validation.HOW_TO_CORRECT
    assert not (workplace / "data/prepared").exists()


def test_images_whose_probabilities_could_not_be_stored(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told before training, of training and of test images: infer would meet the limit hours later."""
    monkeypatch.setattr(limits, "MOST_ROWS", 4 * HEIGHT - 1)
    parameters = yaml.safe_load((workplace / "params.yaml").read_text(encoding="utf-8"))
    parameters["competition"] |= {"image_height": HEIGHT // 2}
    parameters["competition"]["images"] |= {"sizes": "tiled"}
    (workplace / "params.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    expected = r"jpg: expected at most 127 rows of probabilities \(height × classes\), found 32 × 4: cut it into"
    with pytest.raises(cli.UserError, match=expected):
        preprocess.preprocess()
    with pytest.raises(cli.UserError, match=expected):
        descriptions.test_images(paths.TEST_IMAGES, Layout.of(settings.load().competition))


def test_images_that_the_table_does_not_name(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They count as clean, which is told; if the table names clean images otherwise, it may be cut off."""
    table = workplace / "data/raw/train.csv"
    names = sorted(path.name for path in (workplace / "data/raw/train_images").iterdir())
    listed = {row["ImageId"] for row in csv.DictReader(table.open(encoding="utf-8"))}
    with table.open("a", encoding="utf-8") as file:
        file.writelines(f"{name},1,1 1\n" for name in names[:-3] if name not in listed)
    missing = len(set(names[-3:]) - listed)
    assert missing
    preprocess.preprocess()
    note = f"preprocess: {missing} of {len(names)} images have no row in data/raw/train.csv and count as clean"
    assert f"{note}\n" in capsys.readouterr().out
    with table.open("a", encoding="utf-8") as file:
        file.write(f"{names[0]},4,\n")
    preprocess.preprocess()
    assert f"{note}, although 1 of its rows have an empty mask: is it cut off" in capsys.readouterr().out
    with table.open("a", encoding="utf-8") as file:
        file.writelines(f"{name},4,\n" for name in names[-3:])
    preprocess.preprocess()
    assert "no row" not in capsys.readouterr().out


def test_images_that_belong_together_by_name(workplace: Path) -> None:
    """All of a patient share a fold, the held-out one or another; names without the pattern are refused."""

    def stated(pattern: str) -> None:
        parameters = yaml.safe_load((workplace / "params.yaml").read_text(encoding="utf-8"))
        parameters["preprocess"]["group_by"] = pattern
        (workplace / "params.yaml").write_text(yaml.safe_dump(parameters), encoding="utf-8")

    stated(r"^train_\d*([0-4])\.jpg$|^train_\d*(\d)\.jpg$")
    preprocess.preprocess()
    folds: dict[str, set[int]] = {}
    for sample in Dataset(paths.PREPARED).index:
        folds.setdefault(Path(sample.image).stem[-1], set()).add(sample.fold)
    assert len(folds) > 3
    assert all(len(found) == 1 for found in folds.values())
    stated("^(case)_")
    with pytest.raises(cli.UserError, match=r"preprocess.group_by: expected a pattern that is found in every image's"):
        preprocess.preprocess()
    for pattern, message in (("case", "a group in brackets"), ("(", "a regular expression")):
        stated(pattern)
        with pytest.raises(cli.UserError, match=f"preprocess: group_by: expected .*{message}"):
            settings.load()
