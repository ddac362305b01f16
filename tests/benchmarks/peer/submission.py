"""From image files to a submission by PyTorch and the usual NumPy snippets, as in many notebooks on Kaggle."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from tests.benchmarks.peer import network

Array = np.ndarray[Any, Any]


def prepare(folder: Path, options: dict[str, Any]) -> tuple[dict[str, Any], Callable[[], dict[str, int]]]:
    """Load the network and describe it; the work writes FOLDER/peer.csv."""
    files = sorted((folder / "data/raw/test_images").iterdir())
    model = network.with_masks(network.build(options), read(files), options)
    return network.describe(model), lambda: write(folder / "peer.csv", files, model, options)


def read(files: list[Path]) -> Array:
    """Images of equal size, uint8 (image, height, width)."""
    return np.stack([cv2.imread(str(file), cv2.IMREAD_GRAYSCALE) for file in files])


def write(path: Path, files: list[Path], model: Any, options: dict[str, Any]) -> dict[str, int]:
    """Predict all images in batches and write the CSV; returns how many images it has."""
    size = options["batch_size"]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["ImageId_ClassId", "EncodedPixels"])
        for start in range(0, len(files), size):
            batch = files[start : start + size]
            with torch.inference_mode(), network.precision(options):
                found = model(torch.from_numpy(read(batch))).numpy()
            for image, probabilities in zip(batch, found, strict=True):
                best, sure = probabilities.argmax(0), probabilities.max(0) >= 0.5
                for number in range(len(probabilities)):
                    mask = without_small(sure & (best == number), options["min_component"], options["min_area"])
                    table.writerow([f"{image.name}_{number + 1}", encode(mask)])
    return {"images": len(files)}


def without_small(mask: Array, min_component: int, min_area: int) -> Array:
    """The mask without components below one area, and without anything if less than the other is left."""
    _, components, figures, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    large = figures[:, cv2.CC_STAT_AREA] >= min_component
    large[0] = False  # what is not in the mask
    kept = large[components]
    return kept if kept.sum() >= min_area else np.zeros_like(kept)


def encode(mask: Array) -> str:
    """Run lengths down the columns, the first pixel being 1."""
    pixels = np.concatenate([[0], mask.T.flatten(), [0]])
    runs = np.where(pixels[1:] != pixels[:-1])[0] + 1
    runs[1::2] -= runs[::2]
    return " ".join(str(number) for number in runs)
