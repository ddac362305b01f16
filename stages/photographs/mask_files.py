"""What segment writes.

OUT/
    masks.csv            one row for each photograph and class, see `HEADER`
    masks/NAME.png       0 for the background, else the class, 1, 2, … in the order of `segment.json`; where classes may
                         overlap NAME.CLASS.png instead, one per class: 255 inside, 0 outside
    overlays/NAME.jpg    the photograph with the outlines of its masks and the names of their classes
    segment.json         the numbers of the classes, what computed the masks, and the MD5 of networks and rules
"""

import csv
import json
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from stages.dataset import label_maps
from stages.dataset.layout import Layout
from stages.figures import overlays
from stages.photographs.segmenting import SegmentedPhotograph
from stages.photographs.trained_model import TrainedModel
from stages.pipeline import outputs
from stages.pipeline.arrays import UInt8
from stages.postprocessing import evidence
from stages.postprocessing.expectations import Expected
from stages.postprocessing.prediction import FULL

TABLE, LEGEND, MASKS, OVERLAYS = "masks.csv", "segment.json", "masks", "overlays"
# pixels: of the mask, in the photograph's own. share: of the photograph. components: 8-connected parts of the mask.
# Probabilities are the networks' own, before post-processing: the largest of the class anywhere in the photograph, and
# the mean over its mask, empty without one. Expected Dice and its interval: see `stages.postprocessing.expectations`.
HEADER = (
    "image", "class", "pixels", "share", "components", "largest_probability", "mean_probability", "expected_dice",
    "expected_low", "expected_high",
)  # fmt: skip
INSIDE = 255  # in the picture of a class that may overlap others

Row = list[Any]


class MaskTable:
    """masks.csv, which grows: rows are kept in a nameless file, so that memory does not grow with them.

    Args:
        path: of the table.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows = tempfile.TemporaryFile("w+", encoding="utf-8", newline="")  # noqa: SIM115  (until `close`)
        self._writer = csv.writer(self._rows, lineterminator="\n")
        self._writer.writerow(HEADER)

    def add(self, rows: Iterable[Row]) -> None:
        """Keep rows for the next `publish`."""
        for image, name, *figures in rows:
            self._writer.writerow([outputs.escaped(image), outputs.escaped(name), *figures])

    def publish(self) -> None:
        """Write the table anew, with all rows."""
        self._rows.flush()
        self._rows.seek(0)
        with outputs.file(self.path) as stream:
            shutil.copyfileobj(self._rows, stream)
        self._rows.seek(0, 2)

    def close(self) -> None:
        """Give up the rows, once they are published."""
        self._rows.close()


def write(folder: Path, segmented: SegmentedPhotograph, model: TrainedModel) -> list[Row]:
    """Write mask and overlay of a photograph, each complete or not at all; returns its rows of the table.

    Raises:
        UserError: they cannot be written.
    """
    name, labels, layout = segmented.photograph.name, segmented.labels, model.layout
    if label_maps.are_planes(labels):
        for class_id, title in enumerate(layout.classes, start=1):
            mask = label_maps.of_class(labels, class_id).astype(np.uint8) * np.uint8(INSIDE)
            outputs.write_bytes(folder / MASKS / f"{name}.{title}.png", _encoded(".png", mask))
    else:
        outputs.write_bytes(folder / MASKS / f"{name}.png", _encoded(".png", labels))
    picture = overlay(segmented, layout)
    outputs.write_bytes(folder / OVERLAYS / f"{name}.jpg", _encoded(".jpg", picture[:, :, ::-1]))
    return rows(segmented, model)


def write_legend(folder: Path, model: TrainedModel) -> None:
    """Write segment.json."""
    content = {
        "classes": {str(number): name for number, name in enumerate(model.layout.classes, start=1)},
        "overlapping": model.layout.overlapping,
        **model.engine.metrics,
        "views": str(model.views),
        "md5": model.md5,
    }
    with outputs.file(folder / LEGEND) as stream:
        stream.write(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def rows(segmented: SegmentedPhotograph, model: TrainedModel) -> list[Row]:
    """The rows of a photograph, one for each class, in the order of `HEADER`."""
    found, every = [], expected(segmented, model)
    for class_id, name in enumerate(model.layout.classes, start=1):
        mask = label_maps.of_class(segmented.labels, class_id)
        levels = segmented.prediction.pixels[..., class_id - 1]
        pixels = int(np.count_nonzero(mask))
        components = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] - 1 if pixels else 0
        inside = levels[label_maps.resized(mask.astype(np.uint8), levels.shape) != 0] if pixels else levels[:0]
        mean = round(float(inside.mean()) / FULL, 4) if inside.size else None
        largest = round(int(levels.max(initial=0)) / FULL, 4)
        image = segmented.photograph.path.name
        of_class = every[class_id - 1]
        expectation = [None] * 3 if of_class is None else [f"{number:.3f}" for number in of_class]
        found.append([image, name, pixels, f"{pixels / mask.size:.6f}", components, largest, mean, *expectation])
    return found


def expected(segmented: SegmentedPhotograph, model: TrainedModel) -> list[Expected | None]:
    """What to expect of the mask of each class; None where nothing is."""
    if model.fitted is None:
        return [None] * len(model.layout.classes)
    prediction, distance = segmented.prediction, model.fitted.training.distance(segmented.features)
    labels = label_maps.resized(segmented.labels, prediction.pixels.shape[:2])
    return model.fitted.model.expected(evidence.of_image(prediction, labels, model.rules, distance))


def overlay(segmented: SegmentedPhotograph, layout: Layout) -> UInt8:
    """The photograph with outlines, below its name and those of the classes that it shows: RGB.

    Small photographs are enlarged; of large ones, pixels are left out.
    """
    arrays = overlays.enlarge(segmented.image, segmented.labels)
    image, labels = overlays.reduced(*arrays, width=overlays.MOST_ROWS)
    colours = {layout.classes[k - 1]: overlays.colour(k) for k in label_maps.present(segmented.labels)}
    title = segmented.photograph.path.name + ("" if colours else "   no mask")
    return overlays.caption(overlays.outline(image, labels), title, colours)


def _encoded(suffix: str, picture: UInt8) -> bytes:
    """The bytes of an image file; colours in OpenCV's order, blue first."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 90] if suffix == ".jpg" else []
    return bytes(cv2.imencode(suffix, np.ascontiguousarray(picture), quality)[1].tobytes())
