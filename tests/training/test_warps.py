"""Pictures drawn by hand move together with their masks, whatever moves them."""

import cv2
import numpy as np
import pytest

from stages.pipeline import settings
from stages.training import warps

OFF = {"rotation": 0, "scale": 0, "elastic": 0, "grid_distortion": 0}
KINDS: dict[str, dict[str, float]] = {
    "rotation": {"rotation": 30},
    "scale": {"scale": 0.5},
    "elastic": {"elastic": 8},
    "grid": {"grid_distortion": 0.4},
    "everything": {"rotation": 30, "scale": 0.25, "elastic": 6, "grid_distortion": 0.3},
}

# A white square, class 1, on black in an image of 160×300.
LABELS = np.zeros((160, 300), np.uint8)
LABELS[50:110, 120:180] = 1
IMAGE = 255 * LABELS


def warp_of(
    options: settings.Train, seed: int, changes: dict[str, float], corner: tuple[int, int] = (90, 20)
) -> warps.Warp:
    """The warp of a crop 128 pixels wide and 120 high, with nothing on but the changes."""
    changed = options.model_copy(update=OFF | changes)
    return warps.drawn(changed, np.random.default_rng(seed), corner, (128, 120))


def iou(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boolean masks."""
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("kind", KINDS)
def test_a_square_and_its_mask_move_together(options: settings.Train, kind: str) -> None:
    """Where the warped picture of the mask is more than half white, there lies the warped mask; both have moved."""
    straight, moved = LABELS[20:140, 90:218] == 1, 0
    for seed in range(20):
        warp = warp_of(options, seed, KINDS[kind])
        image, labels = warp(IMAGE, cv2.INTER_LINEAR), warp(LABELS, cv2.INTER_NEAREST)
        assert image.shape == labels.shape == (120, 128)
        assert set(np.unique(labels)) == {0, 1}
        assert iou(image > 127, labels == 1) > 0.97
        moved += iou(straight, labels == 1) < 0.97
    assert moved >= 15


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [1, 5])
def test_planes_move_as_label_maps_do(options: settings.Train, kind: str, classes: int) -> None:
    """Each plane of overlapping classes by itself."""
    warp = warp_of(options, 3, KINDS[kind])
    planes = np.stack([np.roll(LABELS, 7 * number, axis=1) for number in range(classes)], axis=-1)
    found = warp(planes, cv2.INTER_NEAREST)
    assert found.shape == (120, 128, classes)
    for number in range(classes):
        np.testing.assert_array_equal(found[..., number], warp(planes[..., number].copy(), cv2.INTER_NEAREST))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("corner", [(0, 0), (172, 40)])
def test_nothing_comes_from_outside_of_the_image(options: settings.Train, kind: str, corner: tuple[int, int]) -> None:
    """At the image's corners, what lies outside is mirrored: a white image stays white."""
    white = np.full((160, 300, 3), 255, np.uint8)
    for seed in range(10):
        assert (warp_of(options, seed, KINDS[kind], corner)(white, cv2.INTER_LINEAR) == 255).all()


def test_no_change_is_the_crop_itself(options: settings.Train) -> None:
    """A warp of nothing, and a distortion of almost nothing, give the pixels of the window."""
    image = np.random.default_rng(0).integers(0, 256, (160, 300), np.uint8)
    assert not warps.changes(options.model_copy(update=OFF))
    np.testing.assert_array_equal(warp_of(options, 0, {})(image, cv2.INTER_LINEAR), image[20:140, 90:218])
    nearly = warp_of(options, 0, {"elastic": 1e-6})
    np.testing.assert_array_equal(nearly(image, cv2.INTER_LINEAR), image[20:140, 90:218])


def test_scale_shows_the_square_larger_or_smaller(options: settings.Train) -> None:
    """With 0.25, its sides become 1/1.25 … 1.25 times as long, in both directions about equally often."""
    sides = [
        (warp_of(options, seed, {"scale": 0.25})(LABELS, cv2.INTER_NEAREST) == 1).sum() ** 0.5 / 60
        for seed in range(40)
    ]
    assert 0.78 < min(sides) < 0.9
    assert 1.1 < max(sides) < 1.27
    assert 10 < sum(side > 1 for side in sides) < 30


def test_a_right_angle_and_a_zoom_by_hand(options: settings.Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bar of 60×8 at the centre, turned by 90° and twice as large, is 16 wide and higher than the crop."""

    class Most:
        def uniform(self, low: float, high: float) -> float:
            return high

    labels = np.zeros((160, 300), np.uint8)
    labels[76:84, 124:184] = 1
    changed = options.model_copy(update=OFF | {"rotation": 90, "scale": 1})
    found = warps.drawn(changed, Most(), (90, 20), (128, 120))(labels, cv2.INTER_NEAREST)  # type: ignore[arg-type]
    assert abs(int(found.sum()) - 120 * 16) <= 120
    assert found.any(axis=1).all()
    assert abs(int(found.any(axis=0).sum()) - 16) <= 1


@pytest.mark.parametrize("kind", [{"elastic": 16}, {"grid_distortion": 0.99}])
def test_distortions_do_not_fold(options: settings.Train, kind: dict[str, float]) -> None:
    """The largest that params.yaml takes: what lies further right in the crop lies further right in the image."""
    for seed in range(50):
        maps = warp_of(options, seed, kind).maps
        assert maps is not None
        assert (np.diff(maps[0], axis=1) > 0).all()
        assert (np.diff(maps[1], axis=0) > 0).all()
