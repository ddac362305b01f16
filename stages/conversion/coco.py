"""COCO files: polygons or run lengths of many images in one file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.conversion import text_files
from stages.conversion.labels import Shape, Shapes, polygon, stated_size
from stages.pipeline.cli import UserError


@dataclass(frozen=True)
class CocoFile:
    """What a COCO file holds.

    Attributes:
        categories: their names, in the order of their ids.
        labels: of each image, by its file name with / between folders; an image without an annotation has no shapes.
    """

    categories: list[str]
    labels: dict[str, Shapes]


def read(file: Path, known: Sequence[str] | None = None) -> CocoFile:
    """Read a COCO file.

    Args:
        file: of it.
        known: categories whose place here is their ClassId; None: those of the file.

    Raises:
        UserError: it is not such a file; an id or a name occurs twice; or an annotation names an image or a category
            that is not there, or has no segmentation.
    """
    content = text_files.json_object(file)
    for key in ("images", "categories", "annotations"):
        if not isinstance(content.get(key), list) or not all(isinstance(one, dict) for one in content[key]):
            raise UserError(f"{file}: expected a COCO file with images, annotations and categories, found no {key}")
    named = _by_id(file, content["categories"], "name")
    names = [name for _, name in sorted(named.items(), key=lambda one: (str(type(one[0])), one[0]))]
    class_ids = {name: number for number, name in enumerate(known or names, start=1)}
    files = _by_id(file, content["images"], "file_name")
    found: dict[Any, list[Shape]] = {image: [] for image in files}
    for number, annotation in enumerate(content["annotations"], start=1):
        where = f"{file}: annotation {annotation.get('id', number)}"
        image, category = annotation.get("image_id"), annotation.get("category_id")
        if not _is_id(image) or not _is_id(category) or image not in files or category not in named:
            raise UserError(f"{where}: expected an image and a category of this file, found {image!r} and {category!r}")
        if named[category] not in class_ids:
            raise UserError(f"{where}: expected one of {', '.join(class_ids)}, found {named[category]}")
        found[image].append(_shape(annotation, class_ids[named[category]], where))
    labels = {}
    for image in content["images"]:
        where, name = f"{file}: {image['file_name']}", files[image["id"]]
        size = stated_size(image.get("height"), image.get("width"), where)
        labels[name] = Shapes(tuple(found[image["id"]]), where, size)
    return CocoFile(names, labels)


def _by_id(file: Path, entries: Sequence[dict[str, Any]], name: str) -> dict[Any, str]:
    """The names of images or categories by their ids; neither may occur twice."""
    found: dict[Any, str] = {}
    seen: set[str] = set()
    for entry in entries:
        if not _is_id(entry.get("id")) or not isinstance(entry.get(name), str) or not entry[name]:
            raise UserError(f"{file}: expected an id and a {name}, found {str(entry)[:80]}")
        text = entry[name].replace("\\", "/").removeprefix("./") if name == "file_name" else entry[name]
        if entry["id"] in found or text in seen:
            raise UserError(f"{file}: expected every id and every {name} once, found {entry['id']} ({text}) again")
        found[entry["id"]] = text
        seen.add(text)
    return found


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str)


def _shape(annotation: dict[str, Any], class_id: int, where: str) -> Shape:
    found = annotation.get("segmentation")
    if isinstance(found, dict):
        return Shape(class_id, (), found, where)
    if not found:
        what = "a box alone: these labels are of detection" if annotation.get("bbox") else "none"
        raise UserError(f"{where}: expected a segmentation (polygons or run lengths), found {what}")
    if not isinstance(found, list) or not all(isinstance(one, list) for one in found):
        raise UserError(f"{where}: expected a list of polygons, or run lengths, found {str(found)[:60]}")
    return Shape(class_id, tuple(polygon(one, where) for one in found), None, where)
