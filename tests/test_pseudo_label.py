"""The stage pseudo_label: what it labels, who labels, and that nothing of what networks are scored on gets through.

The networks are drawn: each paints a class of its own, so that labels tell who made them. They come through a stand-in
for DVC's cache; `tests/test_pipeline.py` takes them from the real one.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from stages.dataset import pseudo_labels
from stages.dataset.prepared import Dataset
from stages.inference import engines, ensemble
from stages.inference.averaging import Network
from stages.inference.ensemble import Ensemble, EnsembleMember
from stages.pipeline import paths
from stages.pipeline.arrays import Float32, UInt8
from stages.pipeline.cli import UserError
from tests.support import tiny

HEIGHT, WIDTH = tiny.HEIGHT, tiny.WIDTH
FOLDS, HELD_OUT = (0, 1), 2
# The class that each network paints, into rows of its own; all of them paint class 4 into the last rows.
PAINTS = {"fold_0": 1, "fold_1": 2, "final": 3, "blend_0/fold_0": 3}
SURE = 0.9


def member(folder: str, fold: int | None) -> EnsembleMember:
    """A network of sigmoids for four classes."""
    return EnsembleMember(folder, fold, False, False, (1.0,) * 5, (0.2,) * 5)


TEACHER = [
    member("fold_0", 0), member("fold_1", 1), member("final", None), member("blend_0/fold_0", 0),
]  # fmt: skip


def painter(class_id: int) -> Network:
    """A network that paints its class, and class 4; where the image's first pixel is black it is unsure of class 4."""

    def answer(images: UInt8) -> tuple[Float32, Float32]:
        pixels = np.zeros((*images.shape, 4), np.float32)
        rows = slice(6 * class_id, 6 * class_id + 6)
        pixels[:, rows, :, class_id - 1] = SURE
        pixels[:, -6:, :, 3] = SURE
        for image, found in zip(images, pixels, strict=True):
            if image[:4, :4].max() < 8:
                found[-6:, :, 3] = 0.55
        return pixels, np.ones((len(images), 4), np.float32)

    return answer


@pytest.fixture
def project(competition_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A prepared tiny competition in three folds; the current folder, with drawn networks as the experiment teacher."""
    folder = tiny.project(tmp_path / "project", competition_folder)
    assert tiny.run(folder, ["download", "preprocess"])[0] is None
    monkeypatch.chdir(folder)
    monkeypatch.setattr("dvc.api.DVCFileSystem", Cache)
    monkeypatch.setattr(engines, "load", lambda engine, place, precision: painter(PAINTS[place.name]))
    teach(TEACHER, Dataset(paths.PREPARED).summary)
    change("inference", flips=False)  # what is painted is not symmetrical
    return folder


class Cache:
    """Stands in for `DVCFileSystem`: what the folder "teacher" holds is in DVC's cache."""

    def __init__(self, rev: str, subrepos: bool) -> None:
        if rev != "teacher":
            raise FileNotFoundError(rev)

    def get(self, _: str, target: str, recursive: bool) -> None:
        """Copy it."""
        shutil.copytree("teacher", target)


def teach(members: list[EnsembleMember], summary: dict[str, Any]) -> None:
    """Write the networks of the experiment teacher, trained on the data of this summary."""
    shutil.rmtree("teacher", ignore_errors=True)
    for each in members:
        Path("teacher", each.folder).mkdir(parents=True)
        Path("teacher", each.folder, "saved_model.pb").write_text(each.folder)
    ensemble.write(Path("teacher"), Ensemble(summary, members))


def change(section: str, **values: object) -> None:
    """Set some parameters."""
    content = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    content[section] |= values
    Path("params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")


def run(
    experiment: str | None = "teacher", final: str | None = "all", confidence: float = 0.5
) -> tuple[str | None, str]:
    """Run the stage for the networks of both folds and that of train.final; all images are sure enough."""
    change("train", folds=list(FOLDS), final=final, pseudo_share=0.3 if experiment else 0)
    change("pseudo_label", experiment=experiment, confidence=confidence)
    return tiny.run(Path(), ["pseudo_label"])


def labelled(fold: int | None) -> dict[str, UInt8]:
    """Label maps of the set for a network, by the name of their image."""
    found = pseudo_labels.read(paths.PSEUDO, Dataset(paths.PREPARED), [fold]).of(fold)
    return {sample.image: found.labels[sample.position] for sample in found.index}


def metrics() -> Any:
    """metrics/pseudo_label.json."""
    return json.loads(paths.PSEUDO_METRICS.read_text())


def add_copies() -> dict[str, int]:
    """Copy every training image among the test images, somewhat brighter; returns the fold of each copy by its name."""
    folds = {}
    for sample in Dataset(paths.PREPARED).index:
        name = f"copy_of_{sample.image}"
        image = cv2.imread(str(paths.TRAIN_IMAGES / sample.image), cv2.IMREAD_GRAYSCALE)
        assert image is not None
        brighter = cv2.convertScaleAbs(image, alpha=0.9, beta=12)
        cv2.imwrite(str(paths.TEST_IMAGES / name), cv2.merge([brighter] * 3))
        folds[name] = sample.fold
    return folds


def test_nothing_that_a_network_is_scored_on_is_in_its_set(project: Path) -> None:
    """No image of the competition's training set is; of their near-duplicates among the test images, only those of
    folds that the network is trained on. The held-out fold's are in no set, that of train.final included."""
    copies = add_copies()
    assert set(copies.values()) == {*FOLDS, HELD_OUT}
    failed, printed = run()
    assert failed is None, printed
    training = {sample.image for sample in Dataset(paths.PREPARED).index}
    others = {"test_0.jpg", "test_1.jpg", "test_2.jpg"}
    for fold, allowed in ((0, {1}), (1, {0}), (None, {0, 1})):
        names = set(labelled(fold))
        assert not names & training
        assert names == others | {name for name, of in copies.items() if of in allowed}
        left_out = sum(of not in allowed for of in copies.values())
        assert metrics()[pseudo_labels.set_name(fold)]["near_duplicates"] == left_out


def test_a_network_is_taught_by_those_alone_that_share_its_validation_fold(project: Path) -> None:
    """Each set shows the class of its fold's network. That of train.final shows what the scored networks agree on.
    A network that was trained on the held-out fold, or that the teacher had blended in, labels nothing."""
    failed, printed = run()
    assert failed is None, printed
    shown = [set(np.unique(list(labelled(fold).values())).tolist()) for fold in (0, 1, None)]
    assert shown == [{0, 1, 4}, {0, 2, 4}, {0, 4}]
    assert (labelled(0)["test_0.jpg"][6:12] == 1).all()
    sets = json.loads((paths.PSEUDO / "summary.json").read_text())["sets"]
    assert sets == {"fold_0": ["fold_0"], "fold_1": ["fold_1"], "final": ["fold_0", "fold_1"]}
    assert not (paths.PSEUDO / "networks").exists()


@pytest.mark.parametrize("members", [[member("fold_0", 0)], [member("fold_0", 0), member("final", None)]])
def test_a_fold_without_a_network_of_its_own_is_not_labelled(project: Path, members: list[EnsembleMember]) -> None:
    """Neither by that of another fold nor by one that has seen everything."""
    teach(members, Dataset(paths.PREPARED).summary)
    failed, message = run()
    assert failed == "pseudo_label"
    assert "pseudo_label: experiment: teacher: expected a network that was validated on fold 1, as in train" in message
    assert "found networks of fold 0" in message
    assert not paths.PSEUDO.exists()


def test_networks_of_other_folds_are_refused(project: Path) -> None:
    """What was held out there may have been trained on here."""
    teach(TEACHER, Dataset(paths.PREPARED).summary | {"digest": "other"})
    failed, message = run()
    assert failed == "pseudo_label"
    assert "params.yaml: pseudo_label: experiment: teacher: expected networks of the same images, masks, " in message
    assert not paths.PSEUDO.exists()


def test_an_unknown_experiment(project: Path) -> None:
    """One message."""
    failed, message = run("nobody")
    assert failed == "pseudo_label"
    assert "params.yaml: pseudo_label: experiment: nobody: expected an experiment or commit with data/model" in message


def test_without_an_experiment_the_set_is_empty(project: Path) -> None:
    """The same bytes whatever the data; nothing can be read from it."""
    assert run(None)[0] is None
    before = (paths.PSEUDO / "summary.json").read_bytes()
    assert [path.name for path in paths.PSEUDO.iterdir()] == ["summary.json"]
    assert metrics() == {"images": 0}
    add_copies()
    change("preprocess", duplicate_correlation=0.9)
    assert run(None)[0] is None
    assert (paths.PSEUDO / "summary.json").read_bytes() == before


def test_images_of_which_the_networks_are_unsure_are_left_out(project: Path) -> None:
    """Class 4 has a mean probability of 0.55 in one image: 0.5 takes it, 0.7 does not, and 0.95 takes none."""
    dark = cv2.imread(str(paths.TEST_IMAGES / "test_1.jpg"))
    assert dark is not None
    dark[:8, :8] = 0
    cv2.imwrite(str(paths.TEST_IMAGES / "test_1.jpg"), dark)
    for least, kept in ((0.5, {"test_0.jpg", "test_1.jpg", "test_2.jpg"}), (0.7, {"test_0.jpg", "test_2.jpg"})):
        failed, printed = run(final=None, confidence=least)
        assert failed is None, printed
        assert set(labelled(0)) == kept
        assert metrics()["fold_0"] == {
            "labelled": len(kept), "unsure": 3 - len(kept), "near_duplicates": 0, "networks": 1,
            "with_class": {"pits": len(kept), "cracks": 0, "scratches": 0, "patches": len(kept)},
        }  # fmt: skip
    failed, message = run(final=None, confidence=0.95)
    assert failed == "pseudo_label"
    assert "fold_0: expected test images of which its networks are sure, found none among 3 (0 near-dup" in message


def test_a_competition_without_test_images(project: Path) -> None:
    """One message: in some, they exist only where the notebook runs."""
    shutil.rmtree(paths.TEST_IMAGES)
    failed, message = run()
    assert failed == "pseudo_label"
    assert "expected images in data/raw/test_images, found none (in some competitions they exist only where" in message
    assert run(None)[0] is None


def test_a_test_image_that_is_damaged(project: Path) -> None:
    """One message with its name."""
    (paths.TEST_IMAGES / "test_1.jpg").write_bytes(b"no image")
    failed, message = run()
    assert failed == "pseudo_label"
    assert "test_1.jpg" in message


def test_what_train_reads_is_what_was_written(project: Path) -> None:
    """Images come from data/raw, pixels of each class are counted, and rows point to their images."""
    assert run()[0] is None
    found = pseudo_labels.read(paths.PSEUDO, Dataset(paths.PREPARED), list(FOLDS)).of(1)
    assert [sample.image for sample in found.index] == ["test_0.jpg", "test_1.jpg", "test_2.jpg"]
    for sample in found.index:
        expected = cv2.imread(str(paths.TEST_IMAGES / sample.image), cv2.IMREAD_GRAYSCALE)
        np.testing.assert_array_equal(found.images[sample.position], expected)
        assert sample.pixels == (0, 6 * WIDTH, 0, 6 * WIDTH)
        assert sample.fold == -1
    assert found.tiles(found.index) == found.index


@pytest.mark.parametrize("kind", ["tiled", "overlapping"])
def test_tiles_and_overlapping_classes(project: Path, kind: str) -> None:
    """Images of two tiles give two rows each; planes come back as planes, with both classes where both are."""
    tiled: dict[str, object] = {"image_width": 48, "images": images_of("tiled")}
    change("competition", **(tiled if kind == "tiled" else {"overlapping_classes": True}))
    change("train", loss="bce")
    assert tiny.run(Path(), ["preprocess"])[0] is None
    teach(TEACHER, Dataset(paths.PREPARED).summary)
    failed, printed = run()
    assert failed is None, printed
    found = pseudo_labels.read(paths.PSEUDO, Dataset(paths.PREPARED), [0]).of(0)
    image = cv2.imread(str(paths.TEST_IMAGES / "test_0.jpg"), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    if kind == "overlapping":
        assert found.labels[0].shape == (HEIGHT, WIDTH, 4)
        assert found.labels[0][..., 0].sum() == found.index[0].pixels[0] == 6 * WIDTH
        return
    assert [sample.image for sample in found.index[:3]] == ["test_0.jpg", "test_0.jpg", "test_1.jpg"]
    for place, columns in ((0, slice(0, 48)), (1, slice(16, 64))):
        np.testing.assert_array_equal(found.images[place], image[:, columns])
        assert (found.labels[place][6:12] == 1).all()
    assert found.index[0].pixels == (6 * 48, 0, 0, 6 * 48)


def images_of(sizes: str) -> dict[str, object]:
    """The section competition.images with this way of sizes."""
    content = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    return dict(content["competition"]["images"]) | {"sizes": sizes}


def test_what_train_refuses(project: Path) -> None:
    """No pseudo-labels, none for a network, those of other data, damaged files: each ends in one message."""
    data = Dataset(paths.PREPARED)

    def refused(*folds: int | None) -> str:
        with pytest.raises(UserError) as error:
            pseudo_labels.read(paths.PSEUDO, data, folds).of(folds[0])
        return str(error.value)

    assert refused(0).startswith("data/pseudo: expected what pseudo_label writes, with summary.json, found none: run")
    assert run(None)[0] is None
    assert "found those of other data or none: run dvc repro pseudo_label" in refused(0)
    assert run(final=None)[0] is None
    assert "found none for final: run dvc repro pseudo_label" in refused(None)
    data.summary["digest"] = "other"
    assert "found those of other data or none" in refused(0)
    data = Dataset(paths.PREPARED)
    shutil.rmtree(paths.PSEUDO / "fold_1")
    assert "fold_1" in refused(1)
    for file in ("fold_0/index.csv", "fold_0/labels.png.index.npy", "images.png.bin"):
        content = (paths.PSEUDO / file).read_bytes()
        (paths.PSEUDO / file).write_bytes(content[:-1])
        assert f"data/pseudo/{file}: expected the file that pseudo_label wrote, found a damaged one" in refused(0)
        (paths.PSEUDO / file).write_bytes(content)
    for text in ("", "{}", "[]", '{"experiment": 1, "data": 1, "sets": [], "sha256": 1}'):
        (paths.PSEUDO / "summary.json").write_text(text)
        assert "summary.json: expected the file that pseudo_label wrote, found a damaged one" in refused(0)
