from pathlib import Path

import numpy as np
import pytest

from stages.dataset.prepared import IMAGES, Dataset, ImageStore
from stages.pipeline import settings

pytestmark = pytest.mark.slow


def test_a_crop_depends_on_its_number_and_the_seed_alone(prepared: Dataset, options: settings.Train) -> None:
    """Two readers of one seed agree on any crop, in any order of asking; another seed differs."""
    from stages.training.crops import Crops

    samples = prepared.training(0)
    first, second, other = (Crops(prepared, samples, options, seed) for seed in (7, 7, 8))
    for number in (5, 0, 17):
        np.testing.assert_array_equal(first[number], second[number])
    assert any((first[number][0] != other[number][0]).any() for number in range(4))


def test_pixels_are_those_of_an_epochs_crops(prepared: Dataset, options: settings.Train) -> None:
    """Background and classes add up to the area of 8 crops of 32×32, or of as many as may be counted."""
    from stages.training.crops import Crops

    crops = Crops(prepared, prepared.training(0), options, 7)
    expected = sum(np.bincount(crops[number][1].ravel(), minlength=3) for number in range(8))
    np.testing.assert_array_equal(crops.pixels(most=100), expected)
    assert crops.pixels(most=3).sum() == 3 * 32 * 32


def test_defect_crops_show_rare_classes_as_often_as_common_ones(prepared: Dataset, options: settings.Train) -> None:
    """Of 200 crops on defects, where class 2 is in one image and class 1 in four, about half show class 2."""
    from stages.training.crops import Crops

    bright = [sample for sample in prepared.index if sample.pixels[0]]
    dark = [sample for sample in prepared.index if sample.pixels[1]]
    crops = Crops(prepared, [*bright, dark[0]], options.model_copy(update={"foreground_fraction": 1.0}), 7)
    shown = sum((crops[number][1] == 2).any() for number in range(200))
    assert len(bright) > 3
    assert 80 <= shown <= 120


def test_fewer_crops_on_defects_from_epoch_to_epoch(prepared: Dataset, options: settings.Train) -> None:
    """From 1 to 0 over three epochs: all, about half, then what chance gives; crops are those of such fractions."""
    from stages.training.crops import Crops

    small = {"crop_height": 4, "crop_width": 4, "crops_per_image": 10}
    falling, always, never = (
        Crops(prepared, prepared.index, changed(options, **small, foreground_fraction=fraction), 7)
        for fraction in ((1.0, 0.0), 1.0, 0.0)
    )
    epoch = falling.per_epoch
    shown = [np.mean([falling[number][1].any() for number in range(k * epoch, (k + 1) * epoch)]) for k in range(3)]
    assert shown[0] == 1
    assert 0.4 < shown[1] < 0.8
    assert shown[2] < 0.25
    for number in (0, 1, 2):
        np.testing.assert_array_equal(falling[number][0], always[number][0])
        np.testing.assert_array_equal(falling[2 * epoch + number][0], never[2 * epoch + number][0])
        np.testing.assert_array_equal(falling[5 * epoch + number][0], never[5 * epoch + number][0])


def test_pixels_of_crops_that_differ_from_epoch_to_epoch(prepared: Dataset, options: settings.Train) -> None:
    """Counted in crops of all epochs, so that class weights fit the training and not its start."""
    from stages.training.crops import Crops

    small = {"crop_height": 4, "crop_width": 4, "crops_per_image": 10}
    first, all_epochs = (
        Crops(prepared, prepared.index, changed(options, **small, foreground_fraction=fraction), 7)
        for fraction in (1.0, (1.0, 0.0))
    )
    shares = [pixels[0] / pixels.sum() for pixels in (first.pixels(2000), all_epochs.pixels(2000))]
    assert shares[0] + 0.15 < shares[1]
    assert all_epochs.pixels(2000).sum() == first.pixels(2000).sum() == first.per_epoch * 16
    assert all_epochs.pixels(7).sum() == 7 * 16


def test_an_epoch_visits_every_image_as_often_as_asked(prepared: Dataset, options: settings.Train) -> None:
    """4 training images twice each make 8 crops, 4 batches of 2."""
    from stages.training.crops import Crops

    samples = prepared.training(0)
    crops = Crops(prepared, samples, options, 7)
    assert (len(samples), crops.steps, crops.per_epoch) == (4, 4, 8)
    for epoch in range(3):
        assert sorted(crops._order(epoch)) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_defect_crops_hold_a_defect(prepared: Dataset, options: settings.Train) -> None:
    """With foreground_fraction 1 every crop shows some of a defect, though a quarter of the images are clean."""
    from stages.training.crops import Crops

    crops = Crops(prepared, prepared.index, options.model_copy(update={"foreground_fraction": 1.0}), 7)
    assert all(crops[number][1].any() for number in range(40))


def test_crops_are_clipped_to_a_smaller_image(prepared: Dataset, options: settings.Train) -> None:
    """A crop of 128×256 of a 40×72 image is the image."""
    from stages.training.crops import Crops

    crops = Crops(prepared, prepared.index, options.model_copy(update={"crop_height": 128, "crop_width": 256}), 7)
    image, labels = crops[0]
    assert image.shape == labels.shape == (40, 72)


def test_labels_follow_their_pixels_through_all_changes(prepared: Dataset, options: settings.Train) -> None:
    """After flips, brightness and contrast, class 1 is still where it is brightest, class 2 where darkest."""
    from stages.training import batches
    from stages.training.crops import Crops

    crops = Crops(prepared, prepared.training(0), options, 7)
    shown = set()
    for grey, labels in batches.dataset(crops, 0, 4):
        assert grey.shape == (2, 32, 32, 1)
        assert grey.numpy().min() >= 0
        assert grey.numpy().max() <= 255
        for image, label_map in zip(grey.numpy()[..., 0], labels.numpy(), strict=True):
            background = image[label_map == 0]
            for class_id, sign in ((1, 1), (2, -1)):
                pixels = image[label_map == class_id]
                if pixels.size and background.size:
                    shown.add(class_id)
                    assert sign * pixels.mean() > sign * background.mean() + 30
    assert shown == {1, 2}


def test_batches_from_the_middle_are_those_of_a_whole_run(prepared: Dataset, options: settings.Train) -> None:
    """The epochs 1 and 2 alone give the batches that they have after epoch 0."""
    from stages.training import batches
    from stages.training.crops import Crops

    crops = Crops(prepared, prepared.training(0), options, 7)
    whole = list(batches.dataset(crops, 0, 3))[crops.steps :]
    for (grey, labels), (grey_later, labels_later) in zip(whole, batches.dataset(crops, 1, 3), strict=True):
        np.testing.assert_array_equal(grey, grey_later)
        np.testing.assert_array_equal(labels, labels_later)


def changed(options: settings.Train, **changes: object) -> settings.Train:
    """The options with other values, all crops whole images unless said otherwise."""
    whole = {
        "crop_height": 40,
        "crop_width": 72,
        "foreground_fraction": 0,
        "flips": False,
        "brightness": 0,
        "contrast": 0,
    }
    return options.model_copy(update=whole | changes)


def test_a_turned_crop_turns_its_labels_alike(prepared: Dataset, options: settings.Train) -> None:
    """Turned by up to 45 degrees, the bright square still lies under its label, and its corners have moved."""
    from stages.training.crops import Crops

    samples = [sample for sample in prepared.index if sample.pixels[0]]
    straight, turned = (Crops(prepared, samples, changed(options, rotation=angle), 7) for angle in (0, 45))
    moved = 0
    for number in range(8):
        image, labels = turned[number]
        assert image.shape == labels.shape == (40, 72)
        assert set(np.unique(labels)) <= {0, 1, 2}
        inside = image[labels == 1]
        assert inside.size == 0 or np.median(inside) > 200
        moved += (labels != straight[number][1]).any()
    assert moved == 8


def test_quarter_turns_swap_rows_and_columns_of_half_of_the_crops(prepared: Dataset, options: settings.Train) -> None:
    """Each square crop is the one without quarter turns or its transpose, labels included; others are refused."""
    from stages.pipeline.cli import UserError
    from stages.training.crops import Crops

    square = {"crop_height": 40, "crop_width": 40}
    plain, turned = (
        Crops(prepared, prepared.index, changed(options, **square, quarter_turns=q), 7) for q in (False, True)
    )
    swapped = 0
    for number in range(20):
        image, labels = turned[number]
        swap = (image != plain[number][0]).any()
        swapped += swap
        expected = [part.T if swap else part for part in plain[number]]
        np.testing.assert_array_equal(image, expected[0])
        np.testing.assert_array_equal(labels, expected[1])
    assert 5 <= swapped <= 15
    with pytest.raises(UserError, match="expected square crops, found 40×72"):
        Crops(prepared, prepared.index, changed(options, quarter_turns=True), 7)


def test_black_crops_are_drawn_again(prepared: Dataset, options: settings.Train, tmp_path: Path) -> None:
    """Beside a black half, crops of at most a tenth black lie in the other half; without the limit many are black."""
    from stages.training.crops import BLACK, Crops

    stack = ImageStore(tmp_path / "prepared" / IMAGES, "r+")
    for sample in prepared.index:
        image = stack[sample.position].copy()
        image[:, :36] = 5
        stack[sample.position] = image
    small = {"crop_height": 8, "crop_width": 8}
    anywhere, bright = (
        Crops(prepared, prepared.index, changed(options, **small, max_black_fraction=most), 7) for most in (1, 0.1)
    )
    black = [[(crops[number][0] <= BLACK).mean() for number in range(40)] for crops in (anywhere, bright)]
    assert sum(share > 0.1 for share in black[0]) > 12
    assert sum(share > 0.1 for share in black[1]) <= 2  # eight tries may all fail


@pytest.mark.parametrize(("drawn", "expected"), [("equal", 0.5), ("sqrt", 1 / 3), ("natural", 1 / 5)])
def test_classes_are_visited_as_often_as_asked(
    prepared: Dataset, options: settings.Train, drawn: str, expected: float
) -> None:
    """Class 1 is in four images, class 2 in one: it gets a half, 1 : 2 by square roots, or 1 : 4."""
    from stages.training.crops import Crops

    bright = [sample for sample in prepared.index if sample.pixels[0]][:4]
    dark = [sample for sample in prepared.index if sample.pixels[1]][:1]
    crops = Crops(prepared, [*bright, *dark], changed(options, foreground_fraction=1.0, foreground_sampling=drawn), 7)
    shown = np.mean([(crops[number][1] == 2).any() for number in range(400)])
    assert shown == pytest.approx(expected, abs=0.08)


def test_noise_changes_grey_levels_by_its_spread(prepared: Dataset, options: settings.Train) -> None:
    """Each crop draws a spread of up to 0.1 of the full scale; the labels stay."""
    from stages.training import batches
    from stages.training.crops import Crops

    plain, noisy = (
        next(iter(batches.dataset(Crops(prepared, prepared.index, changed(options, noise=noise), 7), 0, 1)))
        for noise in (0, 0.1)
    )
    spread = np.std(np.subtract(noisy[0], plain[0], dtype=np.float32), axis=(1, 2, 3))
    assert (spread > 0).all()
    assert (spread < 26).all()
    np.testing.assert_array_equal(plain[1], noisy[1])


def test_the_head_is_told_which_classes_a_crop_shows(prepared: Dataset, options: settings.Train) -> None:
    """1 for each class with a pixel in the crop, else 0."""
    from stages.training import batches
    from stages.training.crops import Crops

    crops = Crops(prepared, prepared.index, changed(options, presence_weight=0.1), 7)
    seen = set()
    for _, true in batches.dataset(crops, 0, 1):
        for labels, presence in zip(true["logits"].numpy(), true["presence"].numpy(), strict=True):
            assert presence.tolist() == [float((labels == 1).any()), float((labels == 2).any())]
            seen.add(tuple(presence.tolist()))
    assert seen == {(0, 0), (1, 0), (0, 1)}


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 3), (8, 6, 7)])
def test_flips_move_labels_with_their_pixels(shape: tuple[int, ...], options: settings.Train) -> None:
    """All four ways occur, of label maps and of any number of planes; the same crop is always flipped alike."""
    from stages.training import augment

    image = np.arange(48, dtype=np.uint8).reshape(8, 6)
    labels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    ways = {}
    for number in range(30):
        found, moved = augment.augmented(changed(options, flips=True), 7, number, image, labels)
        again = augment.augmented(changed(options, flips=True), 7, number, image, labels)
        np.testing.assert_array_equal(found, again[0])
        rows, columns = int(found[0, 0]) // 6, int(found[0, 0]) % 6
        down, across = 1 if rows == 0 else -1, 1 if columns == 0 else -1
        np.testing.assert_array_equal(found, image[::down, ::across])
        np.testing.assert_array_equal(moved, labels[::down, ::across])
        ways[down, across] = True
    assert len(ways) == 4


def test_grey_levels_are_changed_about_the_mean(options: settings.Train) -> None:
    """Contrast keeps the mean, brightness moves it by at most its share of the full scale; colours alike."""
    from stages.training import augment

    image = np.random.default_rng(1).integers(60, 190, (40, 50, 3), np.uint8)
    labels = np.zeros((40, 50), np.uint8)
    for number in range(20):
        found, _ = augment.augmented(changed(options, contrast=0.3), 7, number, image, labels)
        assert abs(found.mean() - image.mean()) < 1
        assert 0.65 < found.std() / image.std() < 1.35
        found, _ = augment.augmented(changed(options, brightness=0.1), 7, number, image, labels)
        assert abs(found.mean() - image.mean()) < 26
        assert found.std() == pytest.approx(image.std(), rel=0.02)
