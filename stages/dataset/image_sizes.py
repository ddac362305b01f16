"""The own sizes of the images in a folder, from their headers."""

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path

from stages.dataset import images
from stages.dataset.image_names import ImageNames
from stages.dataset.images import ImageError, Size
from stages.dataset.layout import Layout
from stages.pipeline import limits
from stages.pipeline.cli import UserError


class ImageSizes:
    """Height and width of images by their ids; headers are read only where sizes may differ.

    Args:
        folder: of the images; it may be missing if all images have one size.
        names: the files in it.
        layout: says whether all images have one size.
    """

    def __init__(self, folder: Path, names: ImageNames, layout: Layout) -> None:
        self.folder, self.names, self.layout = folder, names, layout
        self._read = lru_cache(maxsize=1024)(images.size)

    def of(self, image: str) -> Size:
        """Height and width of an image in pixels.

        Raises:
            UserError: there is no such image, or it cannot be read.
        """
        if self.layout.images.sizes == "equal":
            return self.layout.size
        file = self.names.file(image)
        size = None if file is None else self._read(self.folder / file)
        if size is None:
            found = "none" if file is None else f"{file}, which cannot be read"
            raise UserError(f"{self.folder}: expected an image {image}, whose size its masks need, found {found}")
        return size

    def scored(self, image: str) -> Size:
        """Height and width at which the competition scores the masks of an image."""
        return self.layout.scored_size(self.of(image))

    def pixels(self, files: Collection[str], count: int) -> int:
        """Pixels of `count` images, of which `files` are on disk."""
        if self.layout.images.sizes == "equal":
            return count * self.layout.pixels
        return sum(height * width for height, width in map(self.of, files))


def check_storable(size: Size, layout: Layout, path: Path) -> None:
    """See that the probabilities of an image can be stored, before a network is trained for it.

    Args:
        size: height and width of the image as networks see it, before it is cut into tiles.
        layout: names the classes.
        path: of the image.

    Raises:
        ImageError: they cannot. Only images that are cut into tiles can be larger than the settings allow.
    """
    reason = limits.not_stored(size, layout.number_of_classes)
    if reason is not None:
        raise ImageError(f"{path}: {reason}: cut it into smaller images first")
