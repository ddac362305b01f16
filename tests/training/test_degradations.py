"""Grey levels, hidden rectangles and black bars: what is seen no more has no mask."""

import numpy as np
import pytest

from stages.pipeline import settings
from stages.pipeline.arrays import UInt8
from stages.training.degradations import MOST_RECTANGLES, degraded, rectangles

OFF = {"gamma": 0, "clahe": 0, "blur": 0, "coarse_dropout": 0, "black_bars": 0}
KINDS: dict[str, float] = {"gamma": 0.5, "clahe": 1, "blur": 2, "coarse_dropout": 0.4, "black_bars": 1}
IMAGE = np.random.default_rng(1).integers(60, 190, (64, 100), np.uint8)
LABELS = np.ones((64, 100), np.uint8)


def made(
    options: settings.Train, number: int, on: dict[str, float], image: UInt8 = IMAGE, labels: UInt8 = LABELS
) -> tuple[UInt8, UInt8]:
    """A crop with nothing on but these."""
    return degraded(options.model_copy(update=OFF | on), 7, number, image, labels)


def test_nothing_is_on(options: settings.Train) -> None:
    """The crop itself comes back."""
    image, labels = made(options, 0, {})
    assert image is IMAGE
    assert labels is LABELS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(64, 100), (64, 100, 3)])
@pytest.mark.parametrize("planes", [(), (1,), (5,)])
def test_a_crop_depends_on_seed_and_number(
    options: settings.Train, kind: str, shape: tuple[int, ...], planes: tuple[int, ...]
) -> None:
    """The same number, the same crop; other numbers differ. Shapes stay, and what is given is not written to."""
    image = np.random.default_rng(1).integers(60, 190, shape, np.uint8)
    labels = np.ones((64, 100, *planes), np.uint8)
    image.flags.writeable = labels.flags.writeable = False
    one, same, other = (made(options, number, {kind: KINDS[kind]}, image, labels) for number in (5, 5, 6))
    assert one[0].shape == shape
    assert one[1].shape == labels.shape
    np.testing.assert_array_equal(one[0], same[0])
    np.testing.assert_array_equal(one[1], same[1])
    assert (one[0] != image).any()
    assert (one[0] != other[0]).any()


@pytest.mark.parametrize("kind", ["gamma", "clahe", "blur"])
def test_masks_stay_where_only_grey_levels_change(options: settings.Train, kind: str) -> None:
    """The same object comes back."""
    assert made(options, 2, {kind: KINDS[kind]})[1] is LABELS


@pytest.mark.parametrize("kind", ["coarse_dropout", "black_bars"])
def test_each_change_draws_the_same_whatever_else_is_on(options: settings.Train, kind: str) -> None:
    """A rectangle or a bar lies where it lies without gamma and blur."""
    alone, both = made(options, 4, {kind: 0.9}), made(options, 4, {"gamma": 0.5, "blur": 1, kind: 0.9})
    np.testing.assert_array_equal(alone[1], both[1])


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
@pytest.mark.parametrize("size", [(256, 1600), (200, 90)])
def test_rectangles_leave_the_stated_share(share: float, size: tuple[int, int]) -> None:
    """They do not overlap, and together cover the share, but for parts of pixels."""
    random = np.random.default_rng(0)
    for _ in range(50):
        hidden = np.zeros(size, int)
        for place in rectangles(share, size, random.random(), random.random(3 * MOST_RECTANGLES)):
            hidden[place] += 1
        assert hidden.max() == 1
        assert share * 0.8 - 0.01 <= hidden.mean() <= share


def test_hidden_rectangles_are_grey_and_have_no_mask(options: settings.Train) -> None:
    """Of each crop up to 0.4, on average about half of that, at the mean grey level; all else stays."""
    shares = []
    for number in range(60):
        image, labels = made(options, number, {"coarse_dropout": 0.4})
        hidden = labels == 0
        shares.append(hidden.mean())
        assert (image[hidden] == round(IMAGE.mean())).all()
        np.testing.assert_array_equal(image[~hidden], IMAGE[~hidden])
    assert max(shares) <= 0.4
    assert 0.15 < np.mean(shares) < 0.23


def test_a_hidden_rectangle_of_a_colour_image_has_its_mean_colour(options: settings.Train) -> None:
    """Each channel's own mean."""
    colours = np.empty((64, 100, 3), np.uint8)
    colours[:] = (200, 30, 90)
    image, labels = made(options, 1, {"coarse_dropout": 0.4}, colours)
    assert (labels == 0).any()
    np.testing.assert_array_equal(image, colours)


def test_black_bars_cover_a_side(options: settings.Train) -> None:
    """About half of 200 crops get one, at either side, up to half of the crop wide; masks end at its edge."""
    sides = {"left": 0, "right": 0, "none": 0}
    for number in range(200):
        image, labels = made(options, number, {"black_bars": 0.5})
        hidden = (labels == 0).all(axis=0)
        assert (hidden == (labels == 0).any(axis=0)).all()
        side = "none" if not hidden.any() else "left" if hidden[0] else "right"
        sides[side] += 1
        if side == "none":
            continue
        width = int(hidden.sum())
        assert width <= 51
        from_side, levels = (image, hidden) if side == "left" else (image[:, ::-1], hidden[::-1])
        assert levels[:width].all()
        assert from_side[:, : max(width - 4, 0)].max(initial=0) <= 16
        np.testing.assert_array_equal(image[:, ~hidden][:, 4:-4], IMAGE[:, ~hidden][:, 4:-4])
    assert 70 < sides["none"] < 130
    assert min(sides["left"], sides["right"]) > 30


def test_gamma_keeps_black_and_white(options: settings.Train) -> None:
    """With 1, the middle grey 128 becomes 255·(128/255)² = 64 … 255·(128/255)^½ = 181."""
    levels = np.array([[0, 128, 255]], np.uint8)
    found = [made(options, number, {"gamma": 1}, levels, LABELS[:1, :3])[0][0].tolist() for number in range(60)]
    assert {(first, last) for first, _, last in found} == {(0, 255)}
    middle = [value for _, value, _ in found]
    assert 64 <= min(middle) < 75
    assert 165 < max(middle) <= 181


def test_blur_spreads_a_point(options: settings.Train) -> None:
    """Its light stays about the same, its height falls, by another amount in each crop."""
    image = np.zeros((41, 41), np.uint8)
    image[20, 20] = 255
    heights = {int(made(options, number, {"blur": 2}, image, LABELS[:41, :41])[0].max()) for number in range(20)}
    assert len(heights) > 8
    assert min(heights) < 20


def test_clahe_evens_out_contrast(options: settings.Train) -> None:
    """A weak pattern gets stronger, by other factors in each crop; a fraction of 0.5 leaves about half as they are."""
    weak = np.random.default_rng(0).integers(100, 110, (64, 96), np.uint8)
    gains = [made(options, number, {"clahe": 0.5}, weak, weak)[0].std() / weak.std() for number in range(100)]
    changed = [gain for gain in gains if gain != 1]
    assert 30 < len(changed) < 70
    assert min(changed) > 1
    assert max(changed) > 1.5 * min(changed)
