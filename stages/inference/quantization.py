"""From a network in float32 to one in int8, by NNCF's quantisation after training.

Activations are mapped to 256 levels, whose ends are the smallest and largest values over the calibration images. NNCF's
default, the mean of each image's extremes, would cut off what only some images have, and defects are that. The layers
next to the image and to the probabilities stay in float32: they are a small part of the time, and most of the error.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stages.dataset.prepared import Dataset, Sample
from stages.inference import openvino
from stages.pipeline import settings
from stages.pipeline.cli import UserError

CALIBRATION_IMAGES = 300  # NNCF's own number
LAYERS = {"Convolution", "GroupConvolution", "MatMul"}  # what takes the time of a network, as OpenVINO calls it


def calibration(data: Dataset, folds: Sequence[int]) -> list[Sample]:
    """The images that activations are measured on: of the validation folds, evenly spread; tiles, if they are cut.

    Raises:
        UserError: these folds have no image.
    """
    samples = data.tiles([sample for fold in folds for sample in data.fold(fold)])
    if not samples:
        raise UserError(
            "params.yaml: inference: precision: int8 needs validation images to calibrate on; expected some in "
            f"train.folds = {list(folds)}, found none"
        )
    count = min(len(samples), CALIBRATION_IMAGES)
    return [samples[number * len(samples) // count] for number in range(count)]


def quantize(network: Path, data: Dataset, samples: list[Sample], folder: Path) -> None:
    """Quantise a network, and write network.xml and network.bin. Two fresh processes write the same bytes.

    Args:
        network: the folder of a SavedModel.
        data: the prepared images.
        samples: what `calibration` returned.
        folder: where; made if necessary.

    Raises:
        UserError: a package is not installed.
    """
    package, nncf = openvino.imported(), _imported()
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    model = package.Core().read_model(network)
    model.reshape([1, *data.layout.shape])
    images = nncf.Dataset(samples, lambda sample: data.images[sample.position][None])
    quantized = nncf.quantize(
        model,
        images,
        subset_size=len(samples),
        preset=nncf.QuantizationPreset.MIXED,  # activations that are negative too get a range of their own
        ignored_scope=nncf.IgnoredScope(names=sorted(_at_both_ends(model))),
        advanced_parameters=nncf.AdvancedQuantizationParameters(
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX
        ),
    )
    folder.mkdir(parents=True, exist_ok=True)
    package.save_model(quantized, folder / openvino.QUANTIZED, compress_to_fp16=False)


def _imported() -> Any:
    """NNCF.

    Raises:
        UserError: it cannot be imported.
    """
    try:
        import nncf
    except ImportError as error:
        raise UserError(
            f"params.yaml: inference: precision: int8: nncf cannot be imported ({error}): {settings.installing('nncf')}"
        ) from None
    nncf.set_log_level(logging.WARNING)
    return nncf


def _at_both_ends(model: Any) -> set[str]:
    """Names of the operations between the image and the first layers, and of the last layers, these included."""
    return _first(model) | _last(model)


def _first(model: Any) -> set[str]:
    found: set[str] = set()
    waiting = [parameter.output(0) for parameter in model.get_parameters()]
    while waiting:
        for node in (target.get_node() for target in waiting.pop().get_target_inputs()):
            name, kind = node.get_friendly_name(), node.get_type_name()
            if name in found or kind == "ShapeOf":  # sizes are computed from there, not pixels
                continue
            found.add(name)
            waiting += [] if kind in LAYERS else node.outputs()
    return found


def _last(model: Any) -> set[str]:
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [result.input_value(0).get_node() for result in model.get_results()]
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() in seen:
            continue
        seen.add(node.get_friendly_name())
        if node.get_type_name() in LAYERS:
            found.add(node.get_friendly_name())
        else:
            waiting += [value.get_node() for value in node.input_values()]
    return found
