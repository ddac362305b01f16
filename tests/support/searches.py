"""Small images with predicted and true masks, for the search of post-processing."""

from dataclasses import replace
from typing import Any

import numpy as np

from stages.dataset.layout import Layout
from stages.pipeline.settings import Postprocess
from stages.postprocessing.counts import ImageCounts, count
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import Rules, label_map
from stages.postprocessing.search_space import SearchSpace
from stages.scoring import dice

SIZE = 8, 8
ONE, TWO, FOUR = (Layout.unnamed(classes, *SIZE) for classes in (1, 2, 4))


SMALL = SearchSpace(
    "max", None, True, ((64, 128, 200),), ((0, 2, 4),), ((0, 3, 6),), None, 0
)  # for one class and images of 8×8


Image = tuple[Prediction, np.ndarray]


def options(**changes: Any) -> Postprocess:
    """Parameters of post-processing that fix nothing and have no gate, with changes."""
    searched = dict.fromkeys(("thresholds", "gates", "min_areas", "min_components", "vetoes"))
    others = {"enabled": True, "gate": "none", "divide_by_weights": False, "min_positive_dice_ratio": 0.0, "parts": 5}
    others |= {"objective": "competition", "min_precision": 0.5, "veto": False, "one_class": False}
    return Postprocess(**searched | others | changes)


def image(*rectangles: tuple[int, int, int, int, int], true: tuple[int, int, int, int] | None = None) -> Image:
    """An image of one class: rectangles (level, top, bottom, left, right) that are predicted, and the true one."""
    pixels, labels = np.zeros((*SIZE, 1), np.uint8), np.zeros(SIZE, np.uint8)
    for level, top, bottom, left, right in rectangles:
        pixels[top:bottom, left:right] = level
    if true:
        labels[true[0] : true[1], true[2] : true[3]] = 1
    return Prediction(pixels, np.array([255], np.uint8)), labels


def counted(images: list[Image], space: SearchSpace = SMALL) -> list[ImageCounts]:
    """The counts of images."""
    return [count(prediction, true, space) for prediction, true in images]


def scored(images: list[Image], rules: Rules) -> float:
    """Mean Dice of the label maps that post-processing makes, of class 1."""
    maps = [(label_map(prediction, rules) == 1, true == 1) for prediction, true in images]
    counts = np.array([[(found & true).sum(), true.sum(), found.sum()] for found, true in maps])
    return float(dice.dice(*counts.T).mean())


def noise(seed: int) -> list[Image]:
    """Images of 8×8 with blurred noise for levels, a third of them without a true mask."""
    generator = np.random.default_rng(seed)
    images = []
    for number in range(9):
        coarse = generator.integers(0, 256, (4, 4, 1)).repeat(2, axis=0).repeat(2, axis=1)
        levels = (coarse + generator.integers(0, 256, (8, 8, 1))) // 2 // (1 + number % 2)
        true = (coarse[..., 0] > 150) & (number % 3 > 0)
        images.append((Prediction(levels.astype(np.uint8), np.array([number * 20], np.uint8)), true.astype(np.uint8)))
    return images


def only(space: SearchSpace, **searched: tuple[int, ...]) -> SearchSpace:
    """A search space in which everything is fixed but what is named."""
    given = {"thresholds": (128,), "min_components": (0,), "min_areas": (0,), "gates": (0,)}
    grids: dict[str, Any] = {name: (searched.get(name, values),) for name, values in given.items()}
    return replace(space, **grids)
