import numpy as np
import pytest

from stages import settings
from stages.competition.prepared import Prepared

pytestmark = pytest.mark.slow


def test_a_crop_depends_on_its_number_and_the_seed_alone(prepared: Prepared, options: settings.Train) -> None:
    """Two readers of one seed agree on any crop, in any order of asking; another seed differs."""
    from stages.network.batches import Crops

    entries = prepared.training(0)
    first, second, other = (Crops(prepared, entries, options, seed) for seed in (7, 7, 8))
    for number in (5, 0, 17):
        np.testing.assert_array_equal(first[number], second[number])
    assert any((first[number][0] != other[number][0]).any() for number in range(4))


def test_pixels_are_those_of_an_epochs_crops(prepared: Prepared, options: settings.Train) -> None:
    """Background and classes add up to the area of 8 crops of 32×32, or of as many as may be counted."""
    from stages.network.batches import Crops

    crops = Crops(prepared, prepared.training(0), options, 7)
    expected = sum(np.bincount(crops[number][1].ravel(), minlength=3) for number in range(8))
    np.testing.assert_array_equal(crops.pixels(most=100), expected)
    assert crops.pixels(most=3).sum() == 3 * 32 * 32


def test_defect_crops_show_rare_classes_as_often_as_common_ones(prepared: Prepared, options: settings.Train) -> None:
    """Of 200 crops on defects, where class 2 is in one image and class 1 in four, about half show class 2."""
    from stages.network.batches import Crops

    bright = [entry for entry in prepared.index if entry.pixels[0]]
    dark = [entry for entry in prepared.index if entry.pixels[1]]
    crops = Crops(prepared, [*bright, dark[0]], options.model_copy(update={"defect_crops": 1.0}), 7)
    shown = sum((crops[number][1] == 2).any() for number in range(200))
    assert len(bright) > 3
    assert 80 <= shown <= 120


def test_an_epoch_visits_every_image_as_often_as_asked(prepared: Prepared, options: settings.Train) -> None:
    """4 training images twice each make 8 crops, 4 batches of 2."""
    from stages.network.batches import Crops

    entries = prepared.training(0)
    crops = Crops(prepared, entries, options, 7)
    assert (len(entries), crops.steps, crops.per_epoch) == (4, 4, 8)
    for epoch in range(3):
        assert sorted(crops._order(epoch)) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_defect_crops_hold_a_defect(prepared: Prepared, options: settings.Train) -> None:
    """With defect_crops 1 every crop shows some of a defect, though a quarter of the images are clean."""
    from stages.network.batches import Crops

    crops = Crops(prepared, prepared.index, options.model_copy(update={"defect_crops": 1.0}), 7)
    assert all(crops[number][1].any() for number in range(40))


def test_crops_are_clipped_to_a_smaller_image(prepared: Prepared, options: settings.Train) -> None:
    """A crop of 128×256 of a 40×72 image is the image."""
    from stages.network.batches import Crops

    crops = Crops(prepared, prepared.index, options.model_copy(update={"crop_height": 128, "crop_width": 256}), 7)
    image, labels = crops[0]
    assert image.shape == labels.shape == (40, 72)


def test_labels_follow_their_pixels_through_all_changes(prepared: Prepared, options: settings.Train) -> None:
    """After flips, brightness and contrast, class 1 is still where it is brightest, class 2 where darkest."""
    from stages.network import batches

    crops = batches.Crops(prepared, prepared.training(0), options, 7)
    shown = set()
    for grey, labels in batches.dataset(crops, options, 0, 4):
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


def test_batches_from_the_middle_are_those_of_a_whole_run(prepared: Prepared, options: settings.Train) -> None:
    """The epochs 1 and 2 alone give the batches that they have after epoch 0."""
    from stages.network import batches

    crops = batches.Crops(prepared, prepared.training(0), options, 7)
    whole = list(batches.dataset(crops, options, 0, 3))[crops.steps :]
    for (grey, labels), (grey_later, labels_later) in zip(whole, batches.dataset(crops, options, 1, 3), strict=True):
        np.testing.assert_array_equal(grey, grey_later)
        np.testing.assert_array_equal(labels, labels_later)
