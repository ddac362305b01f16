"""Labels of one's own images: pictures of class ids, black and white or colours, COCO, YOLO and LabelMe."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from stages.conversion import coco, image_files, label_pictures, labelme, yolo
from stages.conversion.label_pictures import Palettes
from stages.conversion.labels import Masks
from tests.fuzzing import changes
from tests.fuzzing.images import VALID
from tests.fuzzing.reader import Reader

KIND = "labels"
HEIGHT, WIDTH = 12, 16
IDS = np.zeros((HEIGHT, WIDTH), np.uint8)
IDS[2:5, 3:9], IDS[7:11, 8:14] = 1, 2
COLOURS = {(255, 0, 0): 1, (0, 255, 0): 2, (0, 0, 0): 0}
PALETTE = [0, 0, 0, 255, 0, 0, 0, 255, 0]


def _saved(picture: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def _pictures() -> dict[str, list[bytes]]:
    ids = Image.fromarray(IDS)
    palette = ids.copy()
    palette.putpalette(PALETTE)
    white = Image.fromarray(np.where(IDS > 0, 255, 0).astype(np.uint8))
    kinds = {
        "ids": [ids],
        "palette": [palette],
        "white": [white, white.convert("1"), white.convert("RGB")],
        "colour": [palette.convert("RGB")],
    }
    found = {}
    for name, pictures in kinds.items():
        found[name] = [_saved(each, form) for each in pictures for form in ("PNG", "BMP", "TIFF")]
        found[name] += [_saved(each, "TIFF", compression="tiff_lzw") for each in pictures]
    return found


COCO = {
    "images": [{"id": 1, "file_name": "a.png", "height": HEIGHT, "width": WIDTH}, {"id": 2, "file_name": "b.png"}],
    "categories": [{"id": 7, "name": "pit"}, {"id": 3, "name": "line"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 7, "segmentation": [[1, 1, 6, 1, 6, 5]], "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 3, "segmentation": {"size": [HEIGHT, WIDTH], "counts": [10, 5, 177]}},
        {"id": 3, "image_id": 2, "category_id": 3, "segmentation": {"size": [HEIGHT, WIDTH], "counts": ":5a5"}},
    ],
}
LABELME = {
    "version": "5.0",
    "imagePath": "a.png",
    "imageHeight": HEIGHT,
    "imageWidth": WIDTH,
    "shapes": [
        {"label": "pit", "points": [[1.0, 1.0], [6.0, 1.0], [6.0, 5.0]], "shape_type": "polygon"},
        {"label": "line", "points": [[2, 2], [9, 9]], "shape_type": "rectangle"},
    ],
}
YOLO = "0 0.1 0.1 0.4 0.1 0.4 0.5\n1 0.5 0.5 0.9 0.5 0.9 0.9 0.5 0.9\n"


def _wrong(masks: Masks, objects: int, classes: int) -> str | None:
    for class_id, mask in masks:
        if mask.shape != (HEIGHT, WIDTH) or mask.dtype != np.bool_ or not 1 <= class_id <= classes:
            return f"a mask of class {class_id}, {mask.dtype} {mask.shape}"
    return None if len(masks) == objects else f"expected {objects} objects, found {len(masks)}"


def coco_file(folder: Path) -> str | None:
    """Read a COCO file and draw its objects."""
    content = coco.read(folder / "labels.json")
    found = [each for label in content.labels.values() for each in label.masks((HEIGHT, WIDTH))]
    return _wrong(found, sum(len(label.shapes) for label in content.labels.values()), len(content.categories))


def labelme_file(folder: Path) -> str | None:
    """Read a LabelMe file and draw its objects."""
    content = labelme.read(folder / "labels.json")
    labelme.check_image_paths({folder / "a.png": content}, [folder / "a.png", folder / "b.png"])
    found = labelme.label(content, {"pit": 1, "line": 2}).masks((HEIGHT, WIDTH))
    return _wrong(found, len(content.objects), 2)


def yolo_file(folder: Path) -> str | None:
    """Read a YOLO file and draw its objects."""
    path = folder / "labels.txt"
    lines = [line for line in path.read_bytes().decode("utf-8-sig", "replace").splitlines() if line.strip()]
    return _wrong(yolo.read(path, 2).masks((HEIGHT, WIDTH)), len(lines), 2)


def _read(path: Path) -> Any:
    """The colours, by Pillow alone."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def ids_picture(folder: Path) -> str | None:
    """Read class ids."""
    path = next(folder.iterdir())
    found = label_pictures.label_map(path, 0, Palettes())
    with Image.open(path) as picture:
        values = np.asarray(picture)
    other = values if values.ndim == 2 else values[..., 0]
    return None if (found == other).all() else f"expected {other.tolist()}, found {found.tolist()}"


def white_picture(folder: Path) -> str | None:
    """Read a black-and-white picture."""
    path = next(folder.iterdir())
    found, levels = label_pictures.label_map(path, 3), _read(path)[..., 0]
    other = levels >= (1 if levels.max() == 1 else 128)
    return None if ((found == 3) == other).all() else f"expected {other.tolist()}, found {found.tolist()}"


def colour_picture(folder: Path) -> str | None:
    """Read a picture with a colour per class."""
    path = next(folder.iterdir())
    found, pixels = label_pictures.by_colour(path, COLOURS), _read(path)
    other = [[COLOURS[pixel[0], pixel[1], pixel[2]] for pixel in row] for row in pixels.tolist()]
    return None if found.tolist() == other else f"expected {other}, found {found.tolist()}"


def own_image(folder: Path) -> str | None:
    """Look at an image as convert does, and read it."""
    path = next(folder.iterdir())
    kind = image_files.kind(path)
    found = image_files.read(path, (0, 65535) if kind.deep else None)
    if kind.deep:
        image_files.largest_value(path)
    if kind.alpha:
        image_files.is_transparent(path)
    image_files.is_coloured(found)
    return None if found.shape[:2] == kind.size else f"expected {kind.size}, found {found.shape}"


_PICTURES = _pictures()
_DRAWN: dict[str, Callable[[Path], str | None]] = {
    "ids": ids_picture, "palette": ids_picture, "white": white_picture, "colour": colour_picture,
}  # fmt: skip
READERS = [
    Reader("COCO", KIND, changes.json_file(COCO).map(changes.named("labels.json")), coco_file),
    Reader("LabelMe", KIND, changes.json_file(LABELME).map(changes.named("labels.json")), labelme_file),
    Reader(
        "YOLO",
        KIND,
        st.one_of(changes.text([YOLO]), changes.raw([YOLO.encode()])).map(changes.named("labels.txt")),
        yolo_file,
    ),
    *(
        Reader(f"label picture of {name}", KIND, changes.raw(valid).map(changes.named("label.png")), _DRAWN[name])
        for name, valid in _PICTURES.items()
    ),
    *(
        Reader(f"own image {name}", KIND, changes.raw(VALID[name]).map(changes.named("image.png")), own_image)
        for name in ("PNG", "JPEG", "TIFF", "BMP")
    ),
]
