"""`inference.engine` and `inference.precision`: what runs the networks. Only the chosen engine is imported."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from stages.inference import cpu, gpus, processor, tensorflow_start
from stages.inference.averaging import Network, Views
from stages.pipeline import settings
from stages.pipeline.cli import UserError


@dataclass(frozen=True)
class Engine:
    """What runs the networks: masks are the same wherever both are.

    Attributes:
        name: tensorflow or openvino.
        precision: float32, bfloat16 or int8; tensorflow has float32 alone.
    """

    name: str
    precision: str

    @property
    def metrics(self) -> dict[str, str]:
        """As it stands in metrics/."""
        return {"engine": self.name, "precision": self.precision}

    def __str__(self) -> str:
        return f"{self.name} in {self.precision}"


NOTEBOOK = Engine("tensorflow", "float32")  # of the Kaggle notebook


FILE = "engine.json"  # in the folder of probabilities: what computed them


def write(folder: Path, engine: Engine, views: Views) -> None:
    """Write engine.json into a folder of probabilities."""
    content = engine.metrics | {"views": str(views)}
    (folder / FILE).write_text(json.dumps(content) + "\n", encoding="utf-8")


def read(folder: Path) -> tuple[Engine, str]:
    """Read engine.json: the engine, and the views in words.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        found = name, precision, views = content["engine"], content["precision"], content["views"]
        if not all(isinstance(value, str) for value in found):
            raise TypeError("engine, precision or views")
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise UserError(
            f"{folder / FILE}: expected what infer writes, found none or a damaged file: run dvc repro --force infer"
        ) from None
    return Engine(name, precision), views


def chosen(options: settings.Inference) -> Engine:
    """What `auto` means on this machine.

    TensorFlow where it should find an NVIDIA GPU, unless a precision is asked for that it does not have; OpenVINO
    elsewhere. With OpenVINO, bfloat16 where the processor is faster in it. int8 is never chosen by itself.

    Raises:
        UserError: bfloat16 is asked for, and the processor does not have it; or OpenVINO is not installed.
    """
    name, precision = options.engine, options.precision
    if name == "auto":
        on_gpu = precision in ("auto", "float32") and gpus.expected()
        name = "tensorflow" if on_gpu else "openvino"
    if name == "openvino" and find_spec("openvino") is None:
        raise UserError(
            "params.yaml: inference: engine: expected the package openvino, found none: "
            f"{settings.installing('openvino')}, or set inference.engine to tensorflow"
        )
    if precision == "auto":
        precision = "bfloat16" if name == "openvino" and processor.gains_from_bfloat16() else "float32"
    elif precision == "bfloat16" and not processor.has_bfloat16():
        raise UserError(
            "params.yaml: inference: precision: bfloat16: expected a processor with avx512_bf16 or amx_bf16, found "
            "none: set inference.precision to auto or float32"
        )
    return Engine(name, precision)


def load(engine: str, folder: Path, precision: str = "float32") -> Network:
    """Load a network that train has saved, or one that quantize has made of it.

    Args:
        engine: "tensorflow" or "openvino".
        folder: of one SavedModel; for int8, of one quantised network.
        precision: "float32"; with OpenVINO also "bfloat16" or "int8".

    Raises:
        UserError: there is no network, the engine is not installed, or the environment gives an impossible number of
            threads.
    """
    if engine not in ("tensorflow", "openvino"):
        raise ValueError(f"engine: expected tensorflow or openvino, found {engine!r}")
    cpu.configure()
    cpu.threads()
    if engine == "openvino":
        from stages.inference import openvino

        return _loaded(lambda: openvino.load(folder, precision), folder, "quantize" if precision == "int8" else "train")
    if precision != "float32":
        raise ValueError(f"precision: expected float32 with tensorflow, found {precision!r}")
    tensorflow_start.start()
    from stages.inference import savedmodel

    return _loaded(lambda: savedmodel.load(folder), folder)


def _loaded(load: Callable[[], Network], folder: Path, writer: str = "train") -> Network:
    """Load a network; whatever an engine raises about a damaged one becomes one message."""
    try:
        return load()
    except (UserError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  (engines raise many types)
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{folder}: expected the network that {writer} writes, found one that cannot be loaded ({reason}): "
            f"run dvc repro --force {writer}"
        ) from None
