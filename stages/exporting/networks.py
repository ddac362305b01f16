"""The networks that `predict` uses, written in one of the formats, each in a folder of its own as the ensemble has it.

onnx         networks/fold_0/network.onnx
openvino     networks/fold_0/network.xml and network.bin
savedmodel   networks/fold_0/saved_model.pb and variables/, as train wrote them
"""

import shutil
from pathlib import Path
from typing import Literal, get_args

from stages.exporting import onnx_conversion
from stages.inference import ensemble, openvino, quantized
from stages.inference.ensemble import Ensemble
from stages.pipeline import paths

Format = Literal["onnx", "openvino", "savedmodel"]
FORMATS: tuple[Format, ...] = get_args(Format)
FOLDER = "networks"


def check_packages(form: Format) -> None:
    """See that what writes the format is installed.

    Raises:
        UserError: it is not.
    """
    if form == "onnx":
        onnx_conversion.check_packages()
    elif form == "openvino":
        openvino.imported()


def write(form: Format, precision: str, channels: int, target: Path) -> dict[str, float]:
    """Write every network of data/model.

    Args:
        form: the format.
        precision: what computes them; with int8 and the format openvino, those of data/quantized are written.
        channels: of the images, 1 or 3.
        target: the folder of the export; gets `FOLDER`.

    Returns:
        The path of each network's folder in the export, and by how much a probability differed from that of the network
        that train wrote, on noise; 0 where it is the same network.

    Raises:
        UserError: a network is missing, is not the one that was written, or cannot be converted.
    """
    saved = ensemble.read(paths.MODEL)
    names = [member.folder for member in saved.members]
    differences = {}
    for number, name in enumerate(names, start=1):
        print(f"export: network {number} of {len(names)}: {name}", flush=True)
        ensemble.check_files(paths.MODEL, saved, name)
        place = f"{FOLDER}/{name}"
        differences[place] = 0.0
        if form == "onnx":
            differences[place] = onnx_conversion.convert(paths.MODEL / name, target / place, channels)
        elif form == "savedmodel":
            shutil.copytree(paths.MODEL / name, target / place)
        elif precision == "int8":
            _copy_quantized(saved, name, target / place)
        else:
            _save_for_openvino(paths.MODEL / name, target / place)
    return differences


def _copy_quantized(saved: Ensemble, name: str, target: Path) -> None:
    quantized.check_files(paths.QUANTIZED, quantized.read(paths.QUANTIZED), saved, name)
    shutil.copytree(paths.QUANTIZED / name, target)


def _save_for_openvino(network: Path, target: Path) -> None:
    package = openvino.imported()
    target.mkdir(parents=True)
    package.save_model(package.Core().read_model(network), target / openvino.QUANTIZED, compress_to_fp16=False)
