"""The drawn strips beside the real ones, where these are at hand."""

from pathlib import Path

import numpy as np
import pytest

from stages.synthetic import generate
from tests.synthetic import likeness


def test_drawn_strips_have_the_figures_of_real_ones(real_data: Path) -> None:
    """Half of them lie between a tenth and nine tenths of the real ones, for every figure of the grey levels."""
    real = [likeness.surface(grey) for grey, _ in likeness.real(real_data / "severstal-sample.zip")]
    drawn = [likeness.surface(grey) for grey, _ in likeness.drawn(20)]
    for name in real[0]:
        low, high = np.percentile([figures[name] for figures in real], (10, 90))
        assert low <= np.median([figures[name] for figures in drawn]) <= high, name


def test_images_are_compressed_as_the_real_ones(real_data: Path) -> None:
    """With the same tables of quantisation."""
    drawn = generate.encode(np.zeros((16, 16), np.uint8))
    real = next(likeness.files(real_data / "severstal-sample.zip"))[1]
    assert tables(drawn) == tables(real)


@pytest.mark.parametrize("levels", [(50, 100), (100, 50)])
def test_contrast_is_the_ratio_to_the_ring(levels: tuple[int, int]) -> None:
    """A square of one grey level on another, 4 added to both."""
    grey = np.full((64, 64), levels[1], np.uint8)
    mask = np.zeros((64, 64), np.bool_)
    mask[20:40, 20:40] = True
    grey[mask] = levels[0]
    (found,) = likeness.contrast(grey, mask, mask)
    assert found["median"] == pytest.approx((levels[0] + 4) / (levels[1] + 4))


def tables(jpeg: bytes) -> bytes:
    """What stands between the first table of quantisation and the frame."""
    return jpeg[jpeg.index(b"\xff\xdb") : jpeg.index(b"\xff\xc0")]
