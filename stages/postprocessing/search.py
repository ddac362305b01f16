"""Choose the rules of post-processing, on validation images only.

    plan = search.plan(classes, (height, width), gate="max")
    tables = [search.table(prediction, true, plan) for …]        # one small table an image
    rules = search.choose(tables, plan)                          # for images that are not among these
    parts = search.parts(samples, 5, seed)
    honest = search.crossfit(tables, parts, plan)                # for the images of each part, chosen on the others

Every class is searched by itself: a pixel is its own where no other class is more probable. Post-processing goes one
step further and gives a pixel to the second most probable class where the first is barred; this the search leaves out,
and between classes that hardly overlap it makes no difference. For a single class the search is exact.

Mean Dice by itself would empty a class of which few images have a mask: every false alarm costs 1, every mask lost only
its Dice. So a share of what the masks score without post-processing has to remain, and a class that no image has a mask
of is left alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from stages.dataset import folds
from stages.dataset.prepared import Sample
from stages.pipeline.cli import UserError
from stages.postprocessing import rules as postprocess
from stages.postprocessing.prediction import HALF, Prediction
from stages.postprocessing.rules import Gate, Rule, Rules
from stages.scoring import dice

THRESHOLDS = (51, 64, 77, 90, 102, 115, 128, 141, 153, 166, 179, 192, 204, 223, 242)  # 0.2 … 0.95
GATES = 40  # how many are tried at most
TIE = 1e-9  # differences of mean Dice below it are rounding

Counts = npt.NDArray[np.int64]
Objective = npt.NDArray[np.float64]
Grid = tuple[tuple[int, ...], ...]  # the values to try, ascending, for each class


@dataclass(frozen=True)
class Plan:
    """What is searched, and what is given.

    Attributes:
        gate, factors, softmax: as in `Rules`.
        thresholds, min_components, min_areas: the values to try; a single one a class is used as given.
        gates: the same; None: taken from the scores of the images.
        min_positive_dice_ratio: share of a class's positive Dice (mean over the images that have it) at the mildest
            setting that must remain, 0 … 1.
    """

    gate: Gate
    factors: tuple[float, ...] | None
    softmax: bool
    thresholds: Grid
    min_components: Grid
    min_areas: Grid
    gates: Grid | None
    min_positive_dice_ratio: float


@dataclass(frozen=True)
class Table:
    """What the search has to know of one image: a few kilobytes, whatever the size of the image.

    Attributes:
        scores: of the gates, int64 (classes,).
        true: pixels of the true mask, int64 (classes,).
        predicted, hits: pixels of the predicted mask and those of them in the true one, int32
            (classes, thresholds, min_components).
    """

    scores: Counts
    true: Counts
    predicted: npt.NDArray[np.int32]
    hits: npt.NDArray[np.int32]


def plan(
    classes: int,
    size: tuple[int, int],
    gate: Gate = "none",
    factors: tuple[float, ...] | None = None,
    softmax: bool = True,
    *,
    thresholds: tuple[int, ...] | None = None,
    min_components: tuple[int, ...] | None = None,
    min_areas: tuple[int, ...] | None = None,
    gates: tuple[int, ...] | None = None,
    min_positive_dice_ratio: float = 0.0,
) -> Plan:
    """Lay the search out.

    Args:
        classes: how many, the background not counted.
        size: height and width of the images, in pixels.
        gate, factors, softmax: as in `Rules`.
        thresholds, min_components, min_areas, gates: None is searched; one value a class is used as given.
        min_positive_dice_ratio: as in `Plan`.

    Raises:
        UserError: a list of values is not one a class, or there are gates where `gate` is none.
    """
    given = {"thresholds": thresholds, "min_components": min_components, "min_areas": min_areas, "gates": gates}
    for name, values in given.items():
        if values is not None and len(values) != classes:
            raise UserError(f"{name}: expected {classes} values, one a class, found {len(values)}")
    if gate == "none" and any(gates or ()):
        raise UserError(f"gates: expected 0 for every class, as there is no gate, found {list(gates or ())}")
    pixels = size[0] * size[1]
    return Plan(
        gate,
        factors,
        softmax,
        _grid(classes, thresholds, THRESHOLDS),
        _grid(classes, min_components, _geometric(pixels // 8192, pixels // 64, 2)),
        _grid(classes, min_areas, _geometric(pixels // 8192, pixels // 16, 2**0.5)),
        _grid(classes, gates, (0,)) if gates or gate == "none" else None,
        min_positive_dice_ratio,
    )


def table(prediction: Prediction, true: npt.NDArray[np.uint8], plan: Plan) -> Table:
    """Count what the search needs of one image.

    Args:
        prediction: as the networks gave it; it is corrected here if the plan has factors.
        true: label map, uint8 (height, width).
        plan: the values to count for.
    """
    pixels, classes = prediction.pixels, len(plan.thresholds)
    if plan.factors:
        pixels = postprocess.corrected(pixels, plan.factors, plan.softmax)
    shape = classes, len(plan.thresholds[0]), len(plan.min_components[0])
    predicted, hits = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    for number, own in enumerate(_owned(pixels)):
        if own.max(initial=0) >= plan.thresholds[number][0]:
            predicted[number], hits[number] = _count(
                own, true == number + 1, plan.thresholds[number], plan.min_components[number]
            )
    return Table(
        postprocess.scores(pixels, prediction.presence, plan.gate),
        np.bincount(true.reshape(-1), minlength=classes + 1)[1:].astype(np.int64),
        predicted,
        hits,
    )


def choose(tables: Sequence[Table], plan: Plan) -> Rules:
    """The rules that score best on these images, class by class, by mean Dice (both masks empty: 1).

    A plateau is safer than a peak: the score of each setting is averaged with those of its neighbours in the grid
    (1/4, 1/2, 1/4 along each of the four directions) before the best is taken. Of equally good ones the mildest is:
    the smallest gate, then min_area, then min_component, then the threshold nearest to 128. Settings that leave less
    than plan.min_positive_dice_ratio of the positive Dice which the mildest of all has are out; without an image that
    has the class, so are all but the mildest.

    Args:
        tables: of one image each, at least one.
        plan: the one by which they were counted.
    """
    rules = tuple(_choose(tables, plan, number) for number in range(len(plan.thresholds)))
    return Rules(plan.gate, rules, plan.factors, plan.softmax)


def parts(samples: Sequence[Sample], count: int, seed: int) -> npt.NDArray[np.int64]:
    """Split images into parts for `crossfit`: near-duplicates together, classes spread evenly.

    Returns:
        int64 (images,): a part in 0 … for each image; fewer than `count` where there are fewer groups of
        near-duplicates.
    """
    groups = np.array([sample.group for sample in samples], np.int64)
    count = min(count, len(np.unique(groups)))
    if count < 2:
        return np.zeros(len(samples), np.int64)
    split = folds.assign(np.array([sample.pixels for sample in samples], np.int64), groups, count, seed)
    return np.unique(split, return_inverse=True)[1].astype(np.int64)  # no number without an image


def crossfit(tables: Sequence[Table], parts: npt.NDArray[np.int64], plan: Plan) -> list[Rules]:
    """Rules for each part, chosen on the images of all the others.

    A single part has no others: its rules are those of `postprocess.plain`.
    """
    if not parts.any():
        return [postprocess.plain(len(plan.thresholds))]
    return [
        choose([table for table, other in zip(tables, parts.tolist(), strict=True) if other != part], plan)
        for part in range(int(parts.max()) + 1)
    ]


def mean_dice(tables: Sequence[Table], plan: Plan, number: int, gates: Sequence[int]) -> Objective:
    """Mean Dice of one class at every setting.

    An image counts 1 or 0 when its mask is emptied, and its Dice where the mask is kept: that is when its area reaches
    min_area and its score the gate. So the sum is that of all emptied, plus what each kept mask gains; the gains are
    put into bins of area and score once, and summed from above.

    Args:
        number: ClassId - 1.
        gates: ascending, from 0 or a single value.

    Returns:
        float64 (thresholds, min_components, min_areas, gates).
    """
    predicted = np.stack([table.predicted[number] for table in tables]).astype(np.int64)  # (images, …, …)
    hits = np.stack([table.hits[number] for table in tables]).astype(np.int64)
    true = np.array([table.true[number] for table in tables])[:, np.newaxis, np.newaxis]
    scores = np.array([table.scores[number] for table in tables])[:, np.newaxis, np.newaxis]
    emptied = (true == 0).astype(np.float64)
    gains = dice.dice(hits, true, predicted) - emptied
    areas, settings = plan.min_areas[number], predicted.shape[1] * predicted.shape[2]
    # Bin 0 is below every value: emptied at all of them.
    area = np.searchsorted(areas, predicted, side="right")
    opened = np.searchsorted(gates, scores, side="right")
    shape = settings, len(areas) + 1, len(gates) + 1
    setting = np.arange(settings).reshape(predicted.shape[1:])
    cells = (setting * shape[1] + area) * shape[2] + opened
    bins = np.bincount(cells.reshape(-1), gains.reshape(-1), minlength=shape[0] * shape[1] * shape[2]).reshape(shape)
    sums = bins[:, ::-1, ::-1].cumsum(axis=1).cumsum(axis=2)[:, ::-1, ::-1][:, 1:, 1:]
    means: Objective = (emptied.sum() + sums) / len(tables)
    return means.reshape(*predicted.shape[1:], len(areas), len(gates))


def _choose(tables: Sequence[Table], plan: Plan, number: int) -> Rule:
    """The rule of one class."""
    gates = plan.gates[number] if plan.gates else _gates(tables, number)
    means = mean_dice(tables, plan, number, gates)
    admitted = _admitted(tables, plan, number, gates)
    means[~admitted] = means[admitted].min()  # as neighbours
    for axis in range(means.ndim):
        means = _smooth(means, axis)
    means[~admitted] = -1
    threshold, component, area, gate = np.nonzero(means >= means.max() - TIE)
    levels = np.array(plan.thresholds[number])[threshold]
    best = np.lexsort((levels, np.abs(levels - HALF), component, area, gate))[0]  # the last key leads
    return Rule(
        threshold=int(levels[best]),
        gate=gates[gate[best]],
        min_area=plan.min_areas[number][area[best]],
        min_component=plan.min_components[number][component[best]],
    )


def _admitted(tables: Sequence[Table], plan: Plan, number: int, gates: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Of each setting whether it leaves enough of the positive Dice, in the shape of `mean_dice`."""
    shape = len(plan.thresholds[number]), len(plan.min_components[number]), len(plan.min_areas[number]), len(gates)
    mildest = int(np.argmin(np.abs(np.array(plan.thresholds[number]) - HALF))), 0, 0, 0
    there = [table for table in tables if table.true[number]]
    if there:
        positive = mean_dice(there, plan, number, gates)
        return np.asarray(positive >= plan.min_positive_dice_ratio * positive[mildest] - TIE)
    alone = np.zeros(shape, np.bool_)
    alone[mildest] = True
    return alone


def _smooth(values: Objective, axis: int) -> Objective:
    """Mean with both neighbours along an axis, the value itself twice; outside lies what lies at the edge."""
    padded = np.pad(values, [(int(axis == other),) * 2 for other in range(values.ndim)], mode="edge")
    below, above = (np.take(padded, np.arange(values.shape[axis]) + shift, axis) for shift in (0, 2))
    return np.asarray((below + 2 * values + above) / 4)


def _gates(tables: Sequence[Table], number: int) -> tuple[int, ...]:
    """0, and scores of images that have a mask of the class to lose, evenly spaced in rank."""
    seen = [int(table.scores[number]) for table in tables if table.predicted[number].any()]
    if not seen:
        return (0,)
    ranks = np.linspace(0, 1, GATES - 1)
    return tuple(sorted({0, *np.quantile(seen, ranks, method="nearest").astype(int).tolist()}))


def _owned(pixels: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.uint8]]:
    """Of each class its levels where it is the most probable one (of equals the lower ClassId), elsewhere 0."""
    planes = [np.ascontiguousarray(plane) for plane in np.moveaxis(pixels, -1, 0)]
    best = planes[0]
    for plane in planes[1:]:
        best = np.maximum(best, plane)
    owned, free = [], np.ones(best.shape, np.bool_)
    for plane in planes:
        own = (plane == best) & free
        free &= ~own
        owned.append(np.where(own, plane, np.uint8(0)))
    return owned


def _count(
    own: npt.NDArray[np.uint8], true: npt.NDArray[np.bool_], thresholds: tuple[int, ...], components: tuple[int, ...]
) -> tuple[Counts, Counts]:
    """Pixels predicted, and those of them that are true, int64 (thresholds, min_components)."""
    rows, columns = (np.flatnonzero((own >= thresholds[0]).any(axis=axis)) for axis in (1, 0))
    inside = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)  # mostly much less than the image
    own, true = own[inside], true[inside]
    predicted, hits = np.zeros((2, len(thresholds), len(components)), np.int64)
    for row, threshold in enumerate(thresholds):
        mask = own >= threshold
        count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
        areas = np.bincount(labels[mask], minlength=count)  # number 0, the rest of the image, has none
        right = np.bincount(labels[mask & true], minlength=count)
        kept = areas[:, np.newaxis] >= components
        predicted[row], hits[row] = areas @ kept, right @ kept
    return predicted, hits


def _grid(classes: int, given: tuple[int, ...] | None, searched: tuple[int, ...]) -> Grid:
    return (searched,) * classes if given is None else tuple((value,) for value in given)


def _geometric(first: int, last: int, ratio: float) -> tuple[int, ...]:
    """0, and whole numbers from `first` to `last` that grow by a ratio; 1 does what 0 does and is left out."""
    first = max(first, 2)
    steps = int(np.floor(np.log(max(last, first) / first) / np.log(ratio) + 1e-9))
    return tuple(sorted({0, *(round(first * ratio**step) for step in range(steps + 1))}))
