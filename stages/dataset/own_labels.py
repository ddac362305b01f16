"""The labels of one's own images: pictures, COCO, YOLO-segmentation and LabelMe files.

Each reader gives, for each image, something with `masks`: ClassId and mask of every object. Pictures are read when they
are needed; polygons are drawn with OpenCV, their outline included.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from stages.dataset import label_images
from stages.pipeline.arrays import Bool
from stages.pipeline.cli import UserError

Masks = list[tuple[int, Bool]]  # ClassId and mask, boolean (height, width)
Size = tuple[int, int]


class Label(Protocol):
    """The masks of one image."""

    def masks(self, size: Size) -> Masks:
        """ClassId and mask of each object in an image of this height and width.

        Raises:
            UserError: the label cannot be read, or does not fit the image.
        """


@dataclass(frozen=True)
class Pictures:
    """One or several label pictures.

    Attributes:
        files: each with the class of its white pixels; 0 for a picture that holds class ids, or colours.
        colours: ClassId of each colour (red, green, blue); None: class ids or black and white.
    """

    files: tuple[tuple[Path, int], ...]
    colours: Mapping[tuple[int, int, int], int] | None = None

    def masks(self, size: Size) -> Masks:
        """As in `Label`."""
        found: Masks = []
        for file, class_id in self.files:
            if self.colours is None:
                drawn = label_images.label_map(file, class_id)
            else:
                drawn = label_images.by_colour(file, self.colours)
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
        polygons: corners, float (corners, 2), across and down, in pixels from the upper left corner of the image, or
            as shares of its sides.
        encoded: COCO's run lengths; None: polygons.
        where: file and object, for messages.
    """

    class_id: int
    polygons: tuple[tuple[float, ...], ...]
    encoded: Any
    where: str


@dataclass(frozen=True)
class Shapes:
    """The objects of one image; `relative`: whether corners are shares of the image's sides."""

    shapes: tuple[Shape, ...]
    relative: bool = False

    def masks(self, size: Size) -> Masks:
        """As in `Label`."""
        return [(shape.class_id, _drawn(shape, size, self.relative)) for shape in self.shapes]


def _drawn(shape: Shape, size: Size, relative: bool) -> Bool:
    if shape.encoded is not None:
        return _decoded(shape, size)
    drawn = np.zeros(size, np.uint8)
    scale = np.array([size[1], size[0]] if relative else [1, 1], np.float64)
    for polygon in shape.polygons:
        corners = np.array(polygon, np.float64)
        if len(corners) < 6 or len(corners) % 2 or not np.isfinite(corners).all():
            raise UserError(f"{shape.where}: expected a polygon of at least 3 corners, found {len(corners)} numbers")
        corners = corners.reshape(-1, 2) * scale
        if (corners < -1).any() or (corners > np.array([size[1], size[0]]) + 1).any():
            raise UserError(
                f"{shape.where}: expected corners inside {size[0]}×{size[1]} pixels (height×width), found "
                f"{corners.min(axis=0).round(1).tolist()} … {corners.max(axis=0).round(1).tolist()} (across, down)"
            )
        cv2.fillPoly(drawn, [np.rint(corners - (0 if not relative else 0.5)).astype(np.int32)], 1)
    return drawn.astype(np.bool_)


def _decoded(shape: Shape, size: Size) -> Bool:
    try:
        from pycocotools import mask as coco_masks
    except ImportError:
        raise UserError(
            f"{shape.where}: COCO's run lengths need the package pycocotools, which is not installed (pip install "
            'pycocotools, or the extra "coco" of pyproject.toml)'
        ) from None
    encoded = shape.encoded
    try:
        if list(encoded["size"]) != list(size):
            raise UserError(f"{shape.where}: expected a mask of {list(size)} pixels, found {encoded['size']}")
        if isinstance(encoded["counts"], list):
            encoded = coco_masks.frPyObjects(encoded, *size)
        return np.asarray(coco_masks.decode(encoded)).astype(np.bool_)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{shape.where}: expected COCO's run lengths, found others ({error})") from None


def coco(file: Path) -> tuple[list[str], dict[str, Label]]:
    """Read a COCO file: the names of its categories, and the labels by the names of the images' files.

    Images without an annotation have an empty label: COCO lists them.

    Raises:
        UserError: it is not such a file, or an annotation names an image or a category that is not there.
    """
    content = _json(file)
    try:
        categories = sorted(content["categories"], key=lambda category: category["id"])
        names = [str(category["name"]) for category in categories]
        class_ids = {category["id"]: number for number, category in enumerate(categories, start=1)}
        images = {image["id"]: str(image["file_name"]) for image in content["images"]}
        shapes: dict[str, list[Shape]] = {name: [] for name in images.values()}
        for number, annotation in enumerate(content["annotations"], start=1):
            where = f"{file}: annotation {annotation.get('id', number)}"
            if annotation["image_id"] not in images or annotation["category_id"] not in class_ids:
                raise UserError(f"{where}: expected an image and a category of this file, found others")
            found = annotation["segmentation"]
            polygons = tuple(map(tuple, found)) if isinstance(found, list) else ()
            shape = Shape(class_ids[annotation["category_id"]], polygons, None if polygons else found, where)
            shapes[images[annotation["image_id"]]].append(shape)
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{file}: expected a COCO file with images, annotations and categories, found no {error}"
        ) from None
    return names, {Path(name).name: Shapes(tuple(of)) for name, of in shapes.items()}


def yolo(file: Path, classes: int) -> Label:
    """Read a YOLO-segmentation file: on each line a class from 0, then corners as shares of the image's sides.

    Raises:
        UserError: a line holds something else.
    """
    shapes = []
    for number, line in enumerate(_text(file).splitlines(), start=1):
        where = f"{file}, line {number}"
        if not line.strip():
            continue
        first, *corners = line.split()
        try:
            polygon = tuple(map(float, corners))
        except ValueError:
            raise UserError(f"{where}: expected numbers, found {line[:60]!r}") from None
        if not first.isdigit() or int(first) >= classes:
            raise UserError(f"{where}: expected a class in 0 … {classes - 1} (--classes), found {first[:20]!r}")
        if len(polygon) == 4:
            raise UserError(f"{where}: expected the corners of a polygon, found a box: these labels are of detection")
        shapes.append(Shape(int(first) + 1, (polygon,), None, where))
    return Shapes(tuple(shapes), relative=True)


def labelme(file: Path, class_of: Callable[[str], int]) -> Label:
    """Read a LabelMe file: polygons and rectangles with the name of their class.

    Raises:
        UserError: it is not such a file, or holds shapes of another kind.
    """
    content, shapes = _json(file), []
    try:
        for number, shape in enumerate(content["shapes"], start=1):
            where, kind = f"{file}: shape {number}", shape.get("shape_type", "polygon")
            corners = [(float(across), float(down)) for across, down in shape["points"]]
            if kind == "rectangle" and len(corners) == 2:
                (left, top), (right, bottom) = corners
                corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
            elif kind != "polygon":
                raise UserError(f"{where}: expected a polygon or a rectangle, found a {kind}")
            polygon = tuple(number for corner in corners for number in corner)
            shapes.append(Shape(class_of(str(shape["label"])), (polygon,), None, where))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{file}: expected a LabelMe file with shapes, found others ({error})") from None
    return Shapes(tuple(shapes))


def labelme_names(files: Sequence[Path]) -> list[str]:
    """The names of the classes in LabelMe files, sorted."""
    names: set[str] = set()
    for file in files:
        shapes = _json(file).get("shapes", [])
        names |= {str(shape.get("label")) for shape in shapes if isinstance(shape, dict)}
    return sorted(names)


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(_text(file))
    except ValueError as error:
        raise UserError(f"{file}: expected JSON, found: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: expected a JSON object, found {type(content).__name__}")
    return content


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{file}: expected a readable file ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: expected text in UTF-8, found: {error}") from None
