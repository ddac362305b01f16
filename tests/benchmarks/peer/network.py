"""The same U-Net by PyTorch and segmentation_models_pytorch."""

from typing import Any

import numpy as np
import torch


def build(options: dict[str, Any]) -> Any:
    """The network with random weights, channels last, and the threads that the other side has.

    Args:
        options: threads, seed, encoder, decoder (widths, coarse to fine) and outputs (the background included).

    Returns:
        A module from grey levels, float32 (batch, 1, height, width) in 0 … 255, to logits
        (batch, outputs, height, width).
    """
    smp = library()
    torch.set_num_threads(options["threads"])
    torch.manual_seed(options["seed"])
    network = smp.Unet(
        options["encoder"],
        encoder_weights=None,
        in_channels=1,
        classes=options["outputs"],
        decoder_channels=tuple(options["decoder"]),
    )
    return Scaled(network).to(memory_format=torch.channels_last)


def library() -> Any:
    """segmentation_models_pytorch.

    It imports torchvision, whose own operators do not load beside a CPU build of PyTorch from another index. The
    network uses none of them, so it is enough that their names exist.
    """
    try:
        import torchvision
    except RuntimeError:
        operators = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            operators.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision  # noqa: F401
    import segmentation_models_pytorch as smp

    return smp


class Scaled(torch.nn.Module):  # type: ignore[misc]
    """A network that scales grey levels as this project's does."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, grey: Any) -> Any:
        """From (batch, 1, height, width) in 0 … 255 to logits."""
        return self.network(grey / 64 - 1.5)


class Probability(torch.nn.Module):  # type: ignore[misc]
    """A network as it is used: uint8 (batch, height, width) in, float32 (batch, classes, height, width) out."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Any) -> Any:
        """The probability of each class at each pixel, without the background."""
        return torch.softmax(self.network(images[:, None].float()).float(), 1)[:, 1:]


def precision(options: dict[str, Any]) -> Any:
    """The context in which the network computes in options["precision"]: float32 or bfloat16."""
    return torch.autocast("cpu", torch.bfloat16, enabled=options["precision"] == "bfloat16")


def describe(network: Any) -> dict[str, Any]:
    """What shows whether it is the same network, and by which library."""
    kernels = [tuple(weight.shape) for weight in network.parameters() if weight.ndim == 4]
    return {
        "parameters": sum(weight.numel() for weight in network.parameters()),
        "kernels": [[height, width, given, made] for made, given, height, width in kernels],
        "threads": torch.get_num_threads(),
        "version": f"PyTorch {torch.__version__}",
    }


def with_masks(network: Any, images: np.ndarray[Any, Any], options: dict[str, Any]) -> Any:
    """Scale the last layer of a random network, so that it predicts as a trained one does; see `inference.SHARE`.

    Args:
        network: from `build`.
        images: uint8 (batch, height, width).
        options: share of the pixels in a class, and spread of the logits.

    Returns:
        A `Probability` in evaluation mode.
    """
    network.eval()
    last = network.network.segmentation_head[0]
    with torch.inference_mode():
        logits = network(torch.from_numpy(images)[:, None].float())
        lead = (logits[:, 1:].amax(1) - logits[:, 0]).numpy()
    scale = float(options["spread"] / lead.std())
    with torch.no_grad():
        last.weight *= scale
        last.bias *= scale
        last.bias[0] += scale * float(np.quantile(lead, 1 - options["share"]))
    return Probability(network).eval()
