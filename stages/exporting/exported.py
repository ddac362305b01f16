"""An export, read back: from photographs to masks by the code that infer_test and predict run.

    model = load(Path("steel"))                          # checks every file first
    for labels in model.label_maps([Path("photo.jpg")]):
        …

This module and those that it imports need NumPy, OpenCV and one of onnxruntime, OpenVINO and TensorFlow, and are copied
into every export.
"""

import copy
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.dataset import images
from stages.dataset.images import ImageError
from stages.dataset.layout import Layout
from stages.exporting import manifest
from stages.inference import cpu, segmentation, tensorflow_start
from stages.inference.averaging import Network, Views
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError
from stages.postprocessing.rules import Rules

FILE = "model.json"


@dataclass(frozen=True)
class Exported:
    """The networks with all that `predict` does around them.

    Attributes:
        layout: how images are read, and the classes.
        networks: whose probabilities are averaged.
        views: what they see of each image.
        batch_size: images per call.
        rules: from probabilities to masks.
    """

    layout: Layout
    networks: list[Network]
    views: Views
    batch_size: int
    rules: Rules

    def label_maps(self, files: Iterable[Path]) -> Iterator[UInt8]:
        """Segment photographs, batch by batch.

        Yields:
            For each file in order its label map, uint8 (height, width): 0 for the background, else the place of the
            class in `layout.classes`, counted from 1. Where classes may overlap, planes (height, width, classes).

        Raises:
            UserError: a file is not an image as the networks were trained on.
        """
        try:
            yield from segmentation.label_maps(
                self.networks, map(self._checked, files), self.layout, self.batch_size, self.views, self.rules
            )
        except ImageError as error:
            raise UserError(str(error)) from None

    def _checked(self, file: Path) -> Path:
        """Refuse colours where grey levels are wanted: decoded as grey levels they would not be noticed."""
        if self.layout.images.channels == 1 and not self.layout.images.grey_from_colour:
            images.refuse_colours(images.contents(file), file)
        return file


def load(folder: Path) -> Exported:
    """Check the files of an export against its manifest, then load its networks.

    Raises:
        UserError: a file is missing, changed or unexpected, or the package that runs the networks is not installed.
    """
    manifest.check(folder, alone=False)
    content = json.loads((folder / FILE).read_text(encoding="utf-8"))
    try:
        networks = [_network(content["format"], folder / name, content["precision"]) for name in content["networks"]]
        inference = content["inference"]
        views = Views(inference["flips"], tuple(inference["scales"]))
        layout, rules = Layout.of(_Stated(content["competition"])), Rules.from_json(content["rules"])
        return Exported(layout, networks, views, inference["batch_size"], rules)
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{folder / FILE}: expected what this version exports, found no {error}: export again"
        ) from None


def _network(form: str, folder: Path, precision: str) -> Network:
    cpu.configure()
    if form == "onnx":
        from stages.inference import onnx

        return onnx.load(folder)
    if form == "openvino":
        from stages.inference import openvino

        return openvino.load(folder, precision)
    tensorflow_start.start()
    from stages.inference import savedmodel

    return savedmodel.load(folder)


@dataclass(frozen=True)
class _Stated:
    """The section `competition` of params.yaml, as `Layout.of` reads it."""

    content: dict[str, Any]

    def model_dump(self) -> dict[str, Any]:
        return copy.deepcopy(self.content)
