"""Drawn defects: no pasted look. Edges fade, lines waver and break up, contrast varies within and between."""

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from stages.pipeline.arrays import Float32
from stages.synthetic.defects import DRAWERS
from stages.synthetic.patch import Patch

ROOM = (272, 1616)
PITS, CRACKS, SCRATCHES, PATCHES = 1, 2, 3, 4
DRAWN = 24


def drawn(class_id: int) -> Iterator[Patch]:
    """Some defects of a class."""
    for seed in range(DRAWN):
        yield DRAWERS[class_id](np.random.default_rng((seed, class_id)), ROOM)


def change(patch: Patch) -> Float32:
    """How much a defect changes the logarithm of the grey levels: 0 nothing, negative darker."""
    return np.asarray(np.log(patch.gain), np.float32)


def inward(patch: Patch) -> Float32:
    """Distance to the border of the extent in pixels, negative outside: 0.5 and -0.5 on both sides of the border."""
    inside = patch.extent.astype(np.uint8)
    far = [cv2.distanceTransform(side, cv2.DIST_L2, 5) for side in (inside, 1 - inside)]
    return np.asarray(np.where(patch.extent, far[0] - 0.5, 0.5 - far[1]), np.float32)


def upright_streaks() -> Iterator[Patch]:
    """The scratches that run through the whole height, and no bands, which are wider."""
    return (patch for patch in drawn(SCRATCHES) if patch.extent.shape[0] == ROOM[0] and patch.extent.shape[1] < 150)


@pytest.mark.parametrize("class_id", DRAWERS)
def test_a_defect_stays_in_its_room(class_id: int) -> None:
    """It is no larger than there is room for, changes nothing far from its extent, and is to be seen within."""
    for patch in drawn(class_id):
        assert patch.gain.shape == patch.extent.shape == patch.cover.shape
        assert patch.gain.shape[0] <= ROOM[0]
        assert patch.gain.dtype == patch.cover.dtype == np.float32
        assert patch.extent.any()
        assert np.abs(change(patch))[inward(patch) < -25].sum() <= 0.1 * np.abs(change(patch)).sum()
        assert np.abs(change(patch)[patch.extent]).mean() > 2 * np.abs(change(patch)[~patch.extent]).mean()


@pytest.mark.parametrize("class_id", DRAWERS)
def test_an_edge_is_no_step(class_id: int) -> None:
    """From 8 pixels outside of the outline to 8 inside, no single pixel brings half of the change."""
    profile = np.zeros(16)
    for patch in drawn(class_id):
        away, amount = inward(patch), np.abs(change(patch))
        for place, distance in enumerate(np.arange(-7.5, 8)):
            near = np.abs(away - distance) <= 0.5
            profile[place] += amount[near].mean() / DRAWN if near.any() else 0
    rise = profile.max() - profile[0]
    assert rise > 0.02
    assert np.diff(profile).max() < rise / 2, profile.round(3)


def test_a_patch_fades_along_a_part_of_its_rim() -> None:
    """Two pixels within the outline, the steel beneath is covered fully in some places, and much less in others."""
    beside = [patch.cover[np.abs(inward(patch) - 1.5) <= 0.5] / patch.cover.max() for patch in drawn(PATCHES)]
    assert np.percentile(np.concatenate(beside), 10) < 0.8
    assert np.percentile(np.concatenate(beside), 90) > 0.95


def test_streaks_waver() -> None:
    """The darkest or brightest column of each row strays from the straight line through all of them."""
    strays = []
    for patch in upright_streaks():
        strength = np.abs(cv2.GaussianBlur(change(patch), (0, 0), 1.0))
        column = int(strength.sum(axis=0).argmax())
        around = strength[:, max(column - 7, 0) : column + 8]
        centre = (around * np.arange(around.shape[1])).sum(axis=1) / (around.sum(axis=1) + 1e-6)
        rows = np.arange(len(centre))
        strays.append(np.std(centre - np.polyval(np.polyfit(rows, centre, 1), rows)))
    assert len(strays) >= 3
    assert np.median(strays) > 0.4


def test_streaks_are_not_equally_strong_everywhere() -> None:
    """Along a streak, the weakest tenth of its rows has at most half of the strongest tenth's contrast."""
    ratios = []
    for patch in upright_streaks():
        rows = np.abs(change(patch)).sum(axis=1)
        ratios.append(np.percentile(rows, 10) / np.percentile(rows, 90))
    assert np.median(ratios) < 0.5


def test_contrast_varies_from_defect_to_defect() -> None:
    """The strongest quarter of a class changes the grey levels at least 1.4 times as much as the weakest."""
    for class_id in DRAWERS:
        amounts = [np.abs(change(patch)[patch.extent]).mean() for patch in drawn(class_id)]
        assert np.percentile(amounts, 87) > 1.4 * np.percentile(amounts, 13), class_id


def test_contrast_differs_between_the_classes() -> None:
    """Cracks are dark alone, pits dark with bright burrs; scratches and patches are dark or bright."""
    dark, bright = {}, {}
    for class_id in DRAWERS:
        values = [change(patch)[patch.extent] for patch in drawn(class_id)]
        dark[class_id] = np.array([np.percentile(value, 2) for value in values])
        bright[class_id] = np.array([np.percentile(value, 98) for value in values])
    assert bright[CRACKS].max() < 0.15
    assert np.median(dark[CRACKS]) < -0.25
    for class_id in (PITS, SCRATCHES, PATCHES):
        assert np.median(bright[class_id]) > 2 * np.median(bright[CRACKS])
    assert (bright[SCRATCHES] > -dark[SCRATCHES]).any()
    assert (bright[SCRATCHES] < -dark[SCRATCHES]).any()


def test_a_covered_strip_loses_its_grain() -> None:
    """Under a patch the steel's own texture is weaker; without cover nothing but the gain changes."""
    steel = np.asarray(100 + np.random.default_rng(0).standard_normal((40, 60)), np.float32)
    even, extent = np.ones_like(steel), np.ones(steel.shape, np.bool_)
    np.testing.assert_array_equal(Patch(2 * even, extent, 0 * even).lay(steel, slice(0, 40)), 2 * steel)
    covered = Patch(even, extent, 0.8 * even).lay(steel[10:30], slice(10, 30))
    assert covered.shape == (20, 60)
    assert covered.std() < 0.4 * steel.std()
