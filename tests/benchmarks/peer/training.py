"""A training step by PyTorch, as a user would write it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.benchmarks.peer import network


def prepare(folder: Path, options: dict[str, Any]) -> tuple[dict[str, Any], Callable[[], list[float]]]:
    """Take two steps, and describe the network; the work is options["steps"] steps, and returns their losses."""
    smp = network.library()
    model = network.build(options)
    with np.load(folder / "batch.npz") as batch:
        images = torch.from_numpy(batch["images"]).permute(0, 3, 1, 2)  # lies in memory channels last
        labels = torch.from_numpy(batch["labels"]).long()
    weights = torch.tensor(options["class_weights"])
    dice = smp.losses.DiceLoss("multiclass", list(range(1, options["outputs"])), from_logits=True)
    optimizer = torch.optim.Adam(model.parameters(), options["learning_rate"])
    compiled = torch.compile(model) if options["compile"] else model

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with network.precision(options):
            logits = compiled(images)
        logits = logits.float()
        loss = torch.nn.functional.cross_entropy(logits, labels, weights) + dice(logits, labels)
        loss.backward()
        optimizer.step()
        return float(loss.item())

    for _ in range(2):
        step()
    return network.describe(model), lambda: [step() for _ in range(options["steps"])]
