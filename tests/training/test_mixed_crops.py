"""Crops of which a share comes from images with pseudo-labels."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.dataset import pseudo_label_writer, pseudo_labels
from stages.dataset.prepared import Dataset
from stages.dataset.pseudo_labels import PseudoSets
from stages.pipeline import settings

pytestmark = pytest.mark.slow


@pytest.fixture
def pseudo(prepared: Dataset, tmp_path: Path) -> PseudoSets:
    """Two test images for fold 0, all of grey level 50, all of class 2; one of them also for fold 1."""
    files = []
    for number in range(2):
        files.append(tmp_path / f"test_{number}.png")
        cv2.imwrite(str(files[-1]), np.full((40, 72), 50, np.uint8))
    folder = tmp_path / "pseudo"
    folder.mkdir()
    stored = pseudo_label_writer.StoredImages(files, prepared.layout, folder)
    for fold, numbers in ((0, (0, 1)), (1, (1,))):
        writer = pseudo_label_writer.SetWriter(folder / f"fold_{fold}", stored)
        for number in numbers:
            writer.add(number, np.full((40, 72), 2, np.uint8), 0.9)
        writer.close()
    pseudo_label_writer.write_summary(folder, "teacher", prepared.summary, {"fold_0": ["x"], "fold_1": ["x"]})
    return pseudo_labels.read(folder, prepared, [0, 1])


def changed(options: settings.Train, **changes: object) -> settings.Train:
    """The options with other values."""
    return options.model_copy(update=changes)


def test_without_a_share_crops_are_as_ever(prepared: Dataset, options: settings.Train, pseudo: PseudoSets) -> None:
    """The very class and the same bytes, whether there are pseudo-labels or none."""
    from stages.training import mixed_crops
    from stages.training.crops import Crops
    from stages.training.job import Job

    plain = Crops(prepared, prepared.training(0), options, 7)
    for job in (Job(prepared, options, 7), Job(prepared, options, 7, pseudo=pseudo)):
        crops = mixed_crops.of(job, 0, prepared.training(0))
        assert type(crops) is Crops
        for number in range(20):
            for ours, theirs in zip(crops[number], plain[number], strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_a_share_of_the_crops_has_pseudo_labels(prepared: Dataset, options: settings.Train, pseudo: PseudoSets) -> None:
    """30% of 600; the others are those without pseudo-labels, and an epoch has as many."""
    from stages.training import mixed_crops
    from stages.training.crops import Crops
    from stages.training.job import Job

    samples = prepared.training(0)
    plain = Crops(prepared, samples, options, 7)
    job = Job(prepared, changed(options, pseudo_share=0.3), 7, pseudo=pseudo)
    crops = mixed_crops.of(job, 0, samples)
    assert (crops.steps, crops.per_epoch) == (plain.steps, plain.per_epoch)
    shown = 0
    for number in range(600):
        image, labels = crops[number]
        if (image == 50).all():
            assert (labels == 2).all()
            shown += 1
        else:
            np.testing.assert_array_equal(image, plain[number][0])
    assert shown / 600 == pytest.approx(0.3, abs=0.06)


def test_how_many_crops_come_from_test_images(
    prepared: Dataset,
    options: settings.Train,
    pseudo: PseudoSets,
    few_layers: None,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Said when a training starts, as they are in the first epoch."""
    from stages.training import fit, mixed_crops
    from stages.training.job import Job

    job = Job(prepared, changed(options, pseudo_share=0.3, epochs=1, warmup_epochs=0), 7, pseudo=pseudo)
    fit.fit(job, 0, tmp_path / "fold_0", lambda *_: None)
    crops = mixed_crops.of(job, 0, prepared.training(0))
    shown = sum(bool((crops[number][0] == 50).all()) for number in range(crops.per_epoch))
    words = f"train: fold_0: {shown} of {crops.per_epoch} crops in the first epoch come from 2 test images with pseudo"
    assert words in capfd.readouterr().out


def test_a_crop_still_depends_on_its_number_and_the_seed_alone(
    prepared: Dataset, options: settings.Train, pseudo: PseudoSets
) -> None:
    """In any order of asking, so that a training can continue from any crop."""
    from stages.training import mixed_crops
    from stages.training.job import Job

    job = Job(prepared, changed(options, pseudo_share=0.5), 7, pseudo=pseudo)
    first, second = (mixed_crops.of(job, 0, prepared.training(0)) for _ in range(2))
    forwards = [first[number] for number in range(30)]
    for number in reversed(range(30)):
        for ours, theirs in zip(second[number], forwards[number], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_class_weights_count_pseudo_labels(prepared: Dataset, options: settings.Train, pseudo: PseudoSets) -> None:
    """Pixels are those of the crops that are trained on: more of class 2 than without."""
    from stages.training import mixed_crops
    from stages.training.job import Job

    counts = [
        mixed_crops.of(Job(prepared, changed(options, pseudo_share=share), 7, pseudo=pseudo), 0, prepared.training(0))
        .pixels(most=100)
        for share in (0, 0.5)
    ]  # fmt: skip
    assert counts[0].sum() == counts[1].sum()
    assert counts[1][2] > counts[0][2] + 32 * 32


def test_the_second_phase_has_true_masks_alone(prepared: Dataset, options: settings.Train) -> None:
    """Whatever the share in the first."""
    from stages.training import fit

    (second,) = fit.full_size(changed(options, pseudo_share=0.5, full_size_epochs=1), prepared)
    assert second.pseudo_share == 0


def test_a_network_is_known_by_the_labels_of_its_own_set(
    prepared: Dataset, options: settings.Train, pseudo: PseudoSets, tmp_path: Path
) -> None:
    """Other labels for fold 1 train fold 0 not again; other images, or none at all, do."""
    from stages.training.job import Job
    from stages.training.network_cache import fingerprint

    asked = changed(options, pseudo_share=0.3)

    def known(fold: int, sets: PseudoSets) -> str:
        return fingerprint(Job(prepared, asked, 1, pseudo=sets), fold)

    before = [known(fold, pseudo) for fold in (0, 1)]
    summary = tmp_path / "pseudo/summary.json"
    for file, differ in (("fold_1/labels.png.bin", [False, True]), ("images.png.bin", [True, True])):
        content = json.loads(summary.read_text())
        content["sha256"][file] = "0" * 64
        summary.write_text(json.dumps(content))
        after = [known(fold, pseudo_labels.read(tmp_path / "pseudo", prepared, [0, 1])) for fold in (0, 1)]
        assert [one != other for one, other in zip(before, after, strict=True)] == differ
    assert known(0, pseudo_labels.NONE) not in before


def test_a_training_with_pseudo_labels_ends(
    prepared: Dataset, options: settings.Train, pseudo: PseudoSets, tmp_path: Path, few_layers: None
) -> None:
    """Both phases; the pixels that are returned are those of the second, without pseudo-labels."""
    from stages.training import fit
    from stages.training.job import Job

    small = changed(options, epochs=1, full_size_epochs=1, full_size_batch_size=2, warmup_epochs=0)
    jobs = [Job(prepared, changed(small, pseudo_share=share), 7, pseudo=pseudo) for share in (0, 0.5)]
    plain, mixed = (fit.fit(job, 0, tmp_path / f"state_{n}", lambda *_: None) for n, job in enumerate(jobs))
    assert plain.pixels.tolist() == mixed.pixels.tolist()
    assert plain.history[0]["loss"] != mixed.history[0]["loss"]
    assert len(mixed.history) == 2
