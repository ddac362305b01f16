"""LabelMe: a JSON file per image."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from stages.conversion import text_files
from stages.conversion.labels import Shape, Shapes, Size, polygon, stated_size
from stages.conversion.remarks import some, tell
from stages.pipeline.cli import UserError


@dataclass(frozen=True)
class LabelMeFile:
    """What a LabelMe file holds.

    Attributes:
        file: its path.
        image_path: of the image, as the file states it.
        size: height and width of the image as the file states them.
        objects: of each object the name of its class, its corners, and where it stands.
    """

    file: Path
    image_path: str | None
    size: Size | None
    objects: tuple[tuple[str, tuple[float, ...], str], ...]


def read(file: Path) -> LabelMeFile:
    """Read a file of polygons and rectangles.

    Raises:
        UserError: it is not such a file, or holds shapes of another kind.
    """
    content = text_files.json_object(file)
    shapes, stated = content.get("shapes"), content.get("imagePath")
    if not isinstance(shapes, list):
        raise UserError(f"{file}: expected a LabelMe file with shapes, found none")
    if isinstance(stated, str) and "\0" in stated:
        raise UserError(f"{file}: expected imagePath to name an image, found {stated!r}")
    objects = []
    for number, shape in enumerate(shapes, start=1):
        where = f"{file}: shape {number}"
        if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
            raise UserError(f"{where}: expected a label, found {str(shape)[:60]}")
        objects.append((shape["label"], _corners(shape, where), where))
    size = stated_size(content.get("imageHeight"), content.get("imageWidth"), str(file))
    return LabelMeFile(file, stated if isinstance(stated, str) and stated else None, size, tuple(objects))


def label(content: LabelMeFile, class_ids: Mapping[str, int]) -> Shapes:
    """The label of an image.

    Args:
        content: of the file.
        class_ids: ClassId of each name.

    Raises:
        UserError: the file has another class.
    """
    shapes = []
    for name, corners, where in content.objects:
        if name not in class_ids:
            raise UserError(f"{where}: expected one of {', '.join(class_ids)}, found {name}")
        shapes.append(Shape(class_ids[name], (corners,), None, where))
    return Shapes(tuple(shapes), str(content.file), content.size)


def check_image_paths(owners: Mapping[Path, LabelMeFile], images: Collection[Path]) -> None:
    """See that each file belongs to the image that it names itself; a name that no image has is told.

    Args:
        owners: the file of each image.
        images: all images.

    Raises:
        UserError: it names another image that is there too.
    """
    by_stem, by_path = {path.stem: path for path in images}, {path.resolve(): path for path in images}
    renamed = []
    for image, content in owners.items():
        if content.image_path is None:
            continue
        stated = PureWindowsPath(content.image_path)  # it takes / and \
        other = by_path.get((content.file.parent / stated.as_posix()).resolve())
        if other is None and stated.stem != image.stem:
            other = by_stem.get(stated.stem)
            renamed += [] if other else [f"{content.file.name}: {content.image_path}"]
        if other not in (None, image):
            raise UserError(
                f"{content.file}: expected imagePath to name {image}, to which its own name belongs, found "
                f"{content.image_path}, which is {other}"
            )
    if renamed:
        tell(f"imagePath names no image and is ignored, the names of the files count: {some(renamed)}")


def _corners(shape: dict[str, Any], where: str) -> tuple[float, ...]:
    kind = shape.get("shape_type") or "polygon"
    if kind not in ("polygon", "rectangle"):
        raise UserError(f"{where}: expected a polygon or a rectangle, found a {kind}")
    points = shape.get("points")
    if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
        raise UserError(f"{where}: expected points of two numbers, found {str(points)[:60]}")
    if kind == "rectangle" and len(points) == 2:
        (left, top), (right, bottom) = points
        points = [[left, top], [right, top], [right, bottom], [left, bottom]]
    return polygon([number for point in points for number in point], where)
