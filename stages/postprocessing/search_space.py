"""The values that the search for post-processing tries, for each class."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from stages.dataset.layout import Layout, Metric
from stages.pipeline.cli import UserError
from stages.pipeline.settings import Postprocess
from stages.postprocessing.rules import Gate

VETOES = (0, 1, 3, 7, 15, 31)  # where the head says no, the smallest mask is 1, 2, 4, … 32 times as large
THRESHOLDS = (51, 64, 77, 90, 102, 115, 128, 141, 153, 166, 179, 192, 204, 223, 242)  # 0.2 … 0.95

Grid = tuple[tuple[int, ...], ...]  # the values to try, ascending, for each class


@dataclass(frozen=True)
class SearchSpace:
    """What is searched, and what is fixed.

    Attributes:
        gate, factors, softmax, overlapping, one_class: as in `Rules`.
        thresholds, min_components, min_areas: the values to try. A single value per class is used as it is.
        gates: the same; None: taken from the scores of the images.
        min_positive_dice_ratio: share of a class's positive Dice (mean over the images that have the class) at the
            mildest setting that must remain, 0 … 1.
        metric: the score that is maximised.
        vetoes: as thresholds; empty: there is no veto.
        objective: competition: `metric` is maximised. find_defects: the share of the images with a class in which its
            mask is found, at a precision of at least `min_precision`; see `search.choose`.
    """

    gate: Gate
    factors: tuple[float, ...] | None
    softmax: bool
    thresholds: Grid
    min_components: Grid
    min_areas: Grid
    gates: Grid | None
    min_positive_dice_ratio: float
    metric: Metric = field(default_factory=Metric)
    overlapping: bool = False
    vetoes: Grid = ()
    objective: Literal["competition", "find_defects"] = "competition"
    min_precision: float = 0
    one_class: bool = False

    def vetoes_of(self, index: int) -> tuple[int, ...]:
        """The vetoes to try for the class with ClassId index + 1."""
        return self.vetoes[index] if self.vetoes else (0,)

    @property
    def counts_joined(self) -> bool:
        """Whether pixels are counted for the masks of all classes joined.

        The metric has to join them. Where predicted masks overlap, pixels of the joined mask do not follow from those
        of the single ones.
        """
        return self.metric.joined and not self.overlapping


def search_space(
    options: Postprocess,
    layout: Layout,
    size: tuple[int, int],
    factors: tuple[float, ...] | None = None,
    softmax: bool = True,
) -> SearchSpace:
    """Combine what the parameters fix with the grids for all else.

    Args:
        options: a list of values fixes one value per class; null is searched.
        layout: its classes, whether they overlap, and the metric.
        size: height and width in pixels of the masks that are counted.
        factors, softmax: as in `Rules`.

    Raises:
        UserError: a list does not have one value per class, or there are gates although `gate` is none.
    """
    classes = layout.number_of_classes
    for name in ("thresholds", "min_components", "min_areas", "gates", "vetoes"):
        values = getattr(options, name)
        if values is not None and len(values) != classes:
            raise UserError(f"{name}: expected {classes} values, one per class, found {len(values)}")
    gates = options.gates
    if options.gate == "none" and any(gates or ()):
        raise UserError(f"gates: expected 0 for every class, because gate is none, found {list(gates or ())}")
    pixels = size[0] * size[1]
    return SearchSpace(
        options.gate,
        factors,
        softmax,
        _grid(classes, options.thresholds, THRESHOLDS),
        _grid(classes, options.min_components, _geometric(pixels // 8192, pixels // 64, 2)),
        _grid(classes, options.min_areas, _geometric(pixels // 8192, pixels // 16, 2**0.5)),
        _grid(classes, gates, (0,)) if gates or options.gate == "none" else None,
        options.min_positive_dice_ratio,
        layout.metric,
        layout.overlapping,
        _grid(classes, options.vetoes, VETOES) if options.veto else (),
        options.objective,
        options.min_precision,
        options.one_class,
    )


def _grid(classes: int, fixed: tuple[int, ...] | None, searched: tuple[int, ...]) -> Grid:
    return (searched,) * classes if fixed is None else tuple((value,) for value in fixed)


def _geometric(first: int, last: int, ratio: float) -> tuple[int, ...]:
    """0, then whole numbers from `first` to `last` in a geometric series. 1 does the same as 0 and is left out."""
    first = max(first, 2)
    steps = int(np.floor(np.log(max(last, first) / first) / np.log(ratio) + 1e-9))
    return tuple(sorted({0, *(round(first * ratio**step) for step in range(steps + 1))}))
