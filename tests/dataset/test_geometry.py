"""From an image's own size to the size of the network, and back."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.dataset import geometry
from stages.dataset.images import ImageError
from stages.dataset.layout import Images, Layout, SubmissionForm

IMAGE = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40


def layout(height: int, width: int, sizes: str, form: SubmissionForm | None = None) -> Layout:
    """Two classes; networks see height × width."""
    images = Images(sizes=sizes)  # type: ignore[arg-type]
    return Layout(("pit", "line"), height, width, images=images, submission=form or SubmissionForm())


def test_an_image_of_the_size_of_the_network_stays_as_it_is() -> None:
    """The very same array, both ways, whatever the others are like."""
    for sizes in ("equal", "resized", "padded"):
        of = layout(2, 3, sizes)
        assert geometry.fitted(IMAGE, of, Path("a.png")) is IMAGE
        assert geometry.restored(IMAGE, of, (2, 3)).base is IMAGE if sizes == "padded" else True
        np.testing.assert_array_equal(geometry.restored(IMAGE, of, (2, 3)), IMAGE)


def test_padding_mirrors_and_is_cut_off_again() -> None:
    """Right and lower edges are mirrored, more than once if need be; masks go the same way."""
    of = layout(3, 8, "padded")
    padded = geometry.fitted(IMAGE, of, Path("a.png"))
    assert padded.tolist() == [
        [0, 40, 80, 80, 40, 0, 0, 40],
        [120, 160, 200, 200, 160, 120, 120, 160],
        [120, 160, 200, 200, 160, 120, 120, 160],
    ]
    np.testing.assert_array_equal(geometry.restored(padded, of, (2, 3)), IMAGE)
    labels = np.array([[0, 0, 1], [0, 0, 0]], np.uint8)
    assert geometry.fitted_labels(labels, of)[0].tolist() == [0, 0, 1, 1, 0, 0, 0, 0]


def test_an_image_that_is_too_large_to_be_padded() -> None:
    """The message names the image, both sizes and the way out."""
    with pytest.raises(ImageError, match=r"a\.png: expected at most 1×3, the size to which images are padded .* 2×3"):
        geometry.fitted(IMAGE, layout(1, 3, "padded"), Path("a.png"))


def test_resizing_keeps_labels_and_comes_back() -> None:
    """A mask of whole quarters is the same quarter at half the size; probabilities come back at the image's size."""
    of = layout(8, 8, "resized")
    labels = np.zeros((16, 32), np.uint8)
    labels[:8, 16:] = 2
    fitted = geometry.fitted_labels(labels, of)
    assert (fitted.shape, set(np.unique(fitted)), int((fitted == 2).sum())) == ((8, 8), {0, 2}, 16)
    planes = np.zeros((16, 32, 2), np.uint8)
    planes[:8, 16:, 1] = 1
    assert geometry.fitted_labels(planes, of)[..., 1].sum() == 16
    level = np.full((8, 8, 2), 128, np.uint8)
    restored = geometry.restored(level, of, (16, 32))
    assert (restored.shape, set(np.unique(restored))) == ((16, 32, 2), {128})


def test_masks_are_scored_at_the_size_that_is_stated() -> None:
    """350×525 for Clouds, whatever the image's size."""
    of = layout(8, 8, "resized", SubmissionForm(height=5, width=7))
    assert of.scored_size((1400, 2100)) == (5, 7)
    assert geometry.restored(np.zeros((8, 8, 2), np.uint8), of, (1400, 2100)).shape == (5, 7, 2)
    assert layout(8, 8, "resized").scored_size((14, 21)) == (14, 21)


def test_another_size_is_refused_where_all_are_equal(tmp_path: Path) -> None:
    """Read from the header, with the keys that would allow it."""
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), IMAGE)
    with pytest.raises(
        ImageError, match=r"expected 2×4 pixels .* found 2×3; images of different sizes need competition"
    ):
        geometry.read(path, layout(2, 4, "equal"))
    image, size = geometry.read(path, layout(4, 6, "resized"))
    assert (image.shape, size) == ((4, 6), (2, 3))


def test_images_that_are_cut_into_tiles_keep_their_size() -> None:
    """Only a side shorter than a tile is filled up by mirroring, and cut off again. Thumbnails have one size."""
    of = layout(3, 2, "tiled")
    whole = geometry.fitted(IMAGE, of, Path("a.png"))
    assert whole.tolist() == [[0, 40, 80], [120, 160, 200], [120, 160, 200]]
    assert geometry.fitted_size((2, 3), of) == whole.shape
    assert geometry.fitted_labels(IMAGE, of).tolist() == whole.tolist()
    np.testing.assert_array_equal(geometry.restored(whole, of, (2, 3)), IMAGE)
    assert geometry.thumbnail(whole, of).shape == (3, 2)
