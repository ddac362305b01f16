"""From an image's own size to the size at which networks see it, and back.

`stages.dataset.layout.Images.sizes` decides: images of one size stay as they are; others are resized, or filled up with
their mirror image at the right and lower edges. Images that are cut into tiles (see `stages.dataset.tiles`) keep their
size, and are filled up to one tile. Masks go the same way. Probabilities come back to the size at which the
competition scores. Used by training, inference and the Kaggle notebook alike: it needs NumPy and OpenCV only.
"""

from pathlib import Path

import cv2

from stages.dataset import images, label_maps
from stages.dataset.images import ImageError, Size
from stages.dataset.layout import Layout
from stages.pipeline.arrays import UInt8


def read(path: Path, layout: Layout) -> tuple[UInt8, Size]:
    """Read an image as networks see it, and its own height and width.

    Returns:
        uint8 of `layout.shape`, or of the image's own size if it is cut into tiles; and the size.

    Raises:
        ImageError: see `fitted` and `images.native`.
    """
    image = native(contents(path, layout), path, layout)
    return fitted(image, layout, path), (image.shape[0], image.shape[1])


def contents(path: Path, layout: Layout) -> bytes:
    """The bytes of an image file; see `images.contents`."""
    return images.contents(path, _expected(layout))


def native(raw: bytes, path: Path, layout: Layout) -> UInt8:
    """Decode an image at its own size, which must be that of the layout if all images have one size.

    Raises:
        ImageError: see `images.native`.
    """
    return images.native(raw, path, layout.images, _expected(layout))


def fitted(image: UInt8, layout: Layout, path: Path) -> UInt8:
    """An image as networks see it.

    Raises:
        ImageError: the image is larger than the size to which images are padded.
    """
    height, width = image.shape[:2]
    if (height, width) == layout.size:
        return image
    if layout.images.sizes == "padded":
        if height > layout.height or width > layout.width:
            raise ImageError(
                f"{path}: expected at most {layout}, the size to which images are padded (competition.image_height, "
                f"image_width), found {height}×{width}; choose a larger size, or images.sizes: resized or tiled"
            )
        return _padded(image, layout.size)
    if layout.images.sizes == "tiled":
        return _padded(image, fitted_size((height, width), layout))
    return _resized(image, layout)


def fitted_size(size: Size, layout: Layout) -> Size:
    """Height and width of what `fitted` makes of an image of this size."""
    if layout.images.sizes != "tiled":
        return layout.size
    return max(size[0], layout.height), max(size[1], layout.width)


def thumbnail(image: UInt8, layout: Layout) -> UInt8:
    """A fitted image at `layout.size`, whatever its own, so that images can be compared."""
    return image if image.shape[:2] == layout.size else _resized(image, layout)


def _resized(image: UInt8, layout: Layout) -> UInt8:
    height, width = image.shape[:2]
    smaller = height * width > layout.pixels
    return label_maps.resize(image, layout.size, cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def fitted_labels(labels: UInt8, layout: Layout) -> UInt8:
    """A label map or planes, brought to the working size as `fitted` brings the image."""
    if labels.shape[:2] == layout.size:
        return labels
    if layout.images.sizes == "resized":
        return label_maps.resized(labels, layout.size)
    return _padded(labels, fitted_size((labels.shape[0], labels.shape[1]), layout))


def restored(values: UInt8, layout: Layout, size: Size) -> UInt8:
    """Probabilities or grey levels at the working size, brought to the size at which the competition scores.

    Args:
        values: uint8 of shape (height, width) or (height, width, channels), at the size of `fitted`.
        layout: says what was done to the image.
        size: height and width of the image itself.

    Returns:
        The same kind, of `layout.scored_size(size)`; the very same array if nothing has to be done.
    """
    if layout.images.sizes in ("padded", "tiled"):
        values = values[: size[0], : size[1]]
    target = layout.scored_size(size)
    if values.shape[:2] == target:
        return values
    smaller = values.shape[0] * values.shape[1] > target[0] * target[1]
    return label_maps.resize(values, target, cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def _expected(layout: Layout) -> Size | None:
    return layout.size if layout.images.sizes == "equal" else None


def _padded(values: UInt8, size: Size) -> UInt8:
    """Mirrored at the right and lower edges until it has this height and width."""
    if values.shape[:2] == size:
        return values
    rows, columns = (_mirrored(length, side) for length, side in zip(values.shape, size, strict=False))
    return values[rows][:, columns]


def _mirrored(length: int, side: int) -> list[int]:
    """Places 0 … length-1, then back and forth, `side` of them."""
    places = [*range(length), *range(length - 1, -1, -1)]
    return [places[place % len(places)] for place in range(side)]
