"""`train.precision`: in what the layers of a network compute, on the processor or on the GPUs of this machine."""

from typing import Any

import tensorflow as tf

from stages.inference import processor
from stages.pipeline.cli import UserError
from stages.pipeline.settings import Train

# The smallest compute capability of NVIDIA's GPUs whose tensor cores take these numbers.
CAPABILITY = {"mixed_float16": (7, 0), "mixed_bfloat16": (8, 0)}


def resolved(options: Train, gpus: int) -> Train:
    """The options with the precision that training will compute in.

    Args:
        options: the section `train` of params.yaml.
        gpus: how many GPUs take part; 0: the processor.

    Returns:
        The same options, `precision` being float32, mixed_float16 or mixed_bfloat16. "auto" becomes mixed_bfloat16
        where every GPU multiplies such numbers itself, or the processor is faster in them, and float32 elsewhere.

    Raises:
        UserError: a GPU, or the processor, lacks the precision that was asked for.
    """
    wanted = options.precision
    if wanted == "auto":
        gains = not _missing("mixed_bfloat16", gpus) if gpus else processor.gains_from_bfloat16()
        return options.model_copy(update={"precision": "mixed_bfloat16" if gains else "float32"})
    missing = _missing(wanted, gpus)
    if missing:
        raise UserError(f"params.yaml: train: precision: {wanted}: {missing}: set train.precision to auto or float32")
    return options


def _missing(precision: str, gpus: int) -> str:
    """What training in this precision needs and does not find; empty if nothing."""
    if precision == "float32":
        return ""
    if gpus:
        needed = CAPABILITY[precision]
        found = min(_capabilities()[:gpus])
        if found >= needed:
            return ""
        return f"expected GPUs of compute capability {_dotted(needed)} or more, found {_dotted(found)}"
    return processor.missing(precision)


def _capabilities() -> list[tuple[int, int]]:
    """Of each GPU; (0, 0) for one that does not tell, which is not NVIDIA's."""
    details: list[dict[str, Any]] = [
        tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")
    ]
    return [tuple(of.get("compute_capability", (0, 0))) for of in details]


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))
