"""The labels of one's own images, whatever form they have: ClassId and mask of every object.

Pictures are read when they are needed; polygons are drawn with OpenCV, their outline included.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from stages.conversion import label_pictures, run_lengths
from stages.conversion.image_files import UPRIGHT, ImageKind
from stages.conversion.label_pictures import Colour, Palettes
from stages.pipeline.arrays import Bool, Float64
from stages.pipeline.cli import UserError

Masks = list[tuple[int, Bool]]  # ClassId and mask, boolean (height, width)
Size = tuple[int, int]  # height and width in pixels


class Label(Protocol):
    """The masks of one image."""

    def stated_size(self) -> Size | None:
        """The size of the image by the label itself; None: it does not say.

        Raises:
            UserError: the label cannot be read.
        """

    def masks(self, size: Size) -> Masks:
        """ClassId and mask of each object in an image of this height and width.

        Raises:
            UserError: the label cannot be read, or does not fit the image.
        """


@dataclass(frozen=True)
class LabelledImage:
    """One image and its label.

    Attributes:
        image: the file as it was found.
        name: its name in the competition.
        label: its masks; None for an image without a defect.
    """

    image: Path
    name: str
    label: Label | None = None

    def masks(self, kind: ImageKind) -> Masks:
        """ClassId and mask of each object, at the image's size as stored.

        Viewers turn a photograph as EXIF says, and most programs draw labels on the turned picture. The size of the
        label tells on which picture it was drawn; masks drawn on the turned one are turned back.

        Args:
            kind: of the image.

        Raises:
            UserError: the label does not fit the image, or it cannot be told on which picture it was drawn.
        """
        if self.label is None:
            return []
        if kind.orientation == UPRIGHT:
            return self.label.masks(kind.size)
        stated, turns = self.label.stated_size(), kind.shown_size != kind.size
        if turns and stated == kind.shown_size:
            return [(class_id, _turned_back(mask, kind.orientation)) for class_id, mask in self.label.masks(stated)]
        masks = self.label.masks(kind.size)
        if not any(mask.any() for _, mask in masks) or (turns and stated is not None):
            return masks
        raise UserError(
            f"{self.image}: expected an upright image, found EXIF orientation {kind.orientation}: its label fits the "
            "picture as stored and as viewers show it. Was it drawn on what viewers show, turn the pixels (mogrify "
            "-auto-orient); was it drawn on the stored pixels, remove the orientation (exiftool -Orientation=)"
        )


def _turned_back(mask: Bool, orientation: int) -> Bool:
    """A mask of the shown picture, on the picture as stored; for the orientations that swap height and width."""
    back = {5: mask.T, 6: np.rot90(mask), 7: np.rot90(mask, 2).T, 8: np.rot90(mask, -1)}[orientation]
    return np.ascontiguousarray(back)


@dataclass(frozen=True)
class Pictures:
    """One or several label pictures.

    Attributes:
        files: each with the class of its white pixels; 0 for a picture that holds class ids, or colours.
        colours: ClassId of each colour; None: class ids or black and white.
        palettes: the colours of class ids in the other labels.
    """

    files: tuple[tuple[Path, int], ...]
    colours: Mapping[Colour, int] | None = None
    palettes: Palettes | None = None

    def stated_size(self) -> Size | None:
        """As in `Label`."""
        return label_pictures.size(self.files[0][0])

    def masks(self, size: Size) -> Masks:
        """As in `Label`."""
        found: Masks = []
        for file, class_id in self.files:
            if self.colours is None:
                drawn = label_pictures.label_map(file, class_id, self.palettes)
            else:
                drawn = label_pictures.by_colour(file, self.colours)
            if drawn.shape != size:
                raise UserError(
                    f"{file}: expected {size[0]}×{size[1]} pixels (height×width), as its image, found "
                    f"{drawn.shape[0]}×{drawn.shape[1]}"
                )
            found += [(number, drawn == number) for number in np.unique(drawn[drawn > 0]).tolist()]
        return found


@dataclass(frozen=True)
class Shape:
    """One object.

    Attributes:
        class_id: its class.
        polygons: corners, each across and down in turn, in pixels from the upper left corner of the image, or as shares
            of its sides.
        encoded: COCO's run lengths; None: polygons.
        where: file and object, for messages.
    """

    class_id: int
    polygons: tuple[tuple[float, ...], ...]
    encoded: Any
    where: str


@dataclass(frozen=True)
class Shapes:
    """The objects of one image.

    Attributes:
        shapes: the objects.
        where: file and image, for messages.
        size: height and width of the image as the file states them, if it does.
        relative: whether corners are shares of the image's sides.
    """

    shapes: tuple[Shape, ...]
    where: str
    size: Size | None = None
    relative: bool = False

    def stated_size(self) -> Size | None:
        """As in `Label`."""
        return self.size

    def masks(self, size: Size) -> Masks:
        """As in `Label`."""
        if self.size is not None and self.size != size and self.shapes:
            raise UserError(
                f"{self.where}: expected labels of an image of {size[0]}×{size[1]} pixels (height×width), as the image "
                f"is, found {self.size[0]}×{self.size[1]}"
            )
        return [(shape.class_id, _drawn(shape, size, self.relative)) for shape in self.shapes]


def stated_size(height: Any, width: Any, where: str) -> Size | None:
    """A size as a label file states it; None if it leaves it out.

    Raises:
        UserError: it is not two whole numbers.
    """
    if height is None or width is None:
        return None
    if type(height) is not int or type(width) is not int:
        raise UserError(f"{where}: expected height and width in whole pixels, found {height!r} and {width!r}")
    return height, width


def polygon(numbers: Any, where: str) -> tuple[float, ...]:
    """The corners of a polygon, across and down in turn.

    Raises:
        UserError: it has fewer than three corners, or something is not a finite number.
    """
    try:
        corners = np.array(numbers, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{where}: expected a polygon of numbers, found {str(numbers)[:60]}") from None
    if corners.ndim != 1 or len(corners) < 6 or len(corners) % 2 or not np.isfinite(corners).all():
        raise UserError(f"{where}: expected a polygon of at least 3 corners, found {corners.size} numbers")
    return tuple(corners.tolist())


def _drawn(shape: Shape, size: Size, relative: bool) -> Bool:
    if shape.encoded is not None:
        try:
            return run_lengths.decode(shape.encoded, size)
        except ValueError as error:
            raise UserError(f"{shape.where}: {error}") from None
    drawn = np.zeros(size, np.bool_)
    scale = np.array([size[1], size[0]] if relative else [1, 1], np.float64)
    for numbers in shape.polygons:
        corners = np.array(numbers, np.float64).reshape(-1, 2) * scale
        if (corners < -1).any() or (corners > np.array([size[1], size[0]]) + 1).any():
            raise UserError(
                f"{shape.where}: expected corners inside {size[0]}×{size[1]} pixels (height×width), found "
                f"{corners.min(axis=0).round(1).tolist()} … {corners.max(axis=0).round(1).tolist()} (across, down)"
            )
        drawn |= filled(corners, size)
    return drawn


def filled(corners: Float64, size: Size) -> Bool:
    """The pixels whose centres lie inside a polygon, by the even-odd rule; those under its corners if there are none.

    Pixel 0 reaches from 0 to 1, so that a polygon of whole numbers covers as many pixels as its area says. A centre on
    the outline counts where the polygon begins, and not where it ends.

    Args:
        corners: float64 (n, 2): across, down, in pixels.
        size: height and width of the image.

    Returns:
        Boolean (height, width).

        >>> filled(np.array([[1.0, 0.0], [3.0, 0.0], [3.0, 1.0], [1.0, 1.0]]), (2, 4)).astype(int).tolist()
        [[0, 1, 1, 0], [0, 0, 0, 0]]
    """
    height, width = size
    crossings = np.zeros((height, width + 1), np.int32)
    for (x, y), (next_x, next_y) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        first, last = (int(np.clip(np.ceil(each - 0.5), 0, height)) for each in sorted((y, next_y)))
        if last > first:
            rows = np.arange(first, last)
            across = x + (rows + 0.5 - y) * (next_x - x) / (next_y - y)
            np.add.at(crossings, (rows, np.clip(np.ceil(across - 0.5), 0, width).astype(np.int64)), 1)
    inside: Bool = np.cumsum(crossings, axis=1)[:, :width] % 2 == 1
    if not inside.any():
        columns, rows = np.clip(corners, 0, (width - 1, height - 1)).astype(np.int64).T
        inside[rows, columns] = True
    return inside
