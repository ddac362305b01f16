"""The images on which two runs differ most, with both predictions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stages.dataset import label_maps
from stages.dataset.prepared import Dataset, Sample
from stages.figures import gallery
from stages.figures.gallery import Item
from stages.pipeline.arrays import Int64
from stages.pipeline.cli import UserError
from stages.scoring.per_image import ImageScores

MOST = 40  # images on the page

Predicted = dict[str, dict[str, str]]  # run lengths by image and class, as in `predicted.read`


@dataclass(frozen=True)
class Differing:
    """An image that two runs segment differently.

    Attributes:
        index: its place among the scores.
        image: its file name.
        a, b: mean Dice over the classes that have a true mask, or a predicted one in either run.
        by_class: Dice of each of these classes, of A and of B.
    """

    index: int
    image: str
    a: float
    b: float
    by_class: dict[str, tuple[float, float]]

    @property
    def difference(self) -> float:
        """B minus A."""
        return self.b - self.a


def ranked(a: ImageScores, b: ImageScores) -> list[Differing]:
    """The images whose scores differ, those that differ most first.

    Args:
        a, b: the same images.
    """
    found = []
    for index, image in enumerate(a.images):
        if np.array_equal(a.predicted[index], b.predicted[index]) and np.array_equal(
            a.intersection[index], b.intersection[index]
        ):
            continue
        there = (a.true[index] > 0) | (a.predicted[index] > 0) | (b.predicted[index] > 0)
        by_class = {
            name: (float(a.dice[index, k]), float(b.dice[index, k])) for k, name in enumerate(a.classes) if there[k]
        }
        mean_a, mean_b = (sum(values) / len(by_class) for values in zip(*by_class.values(), strict=True))
        found.append(Differing(index, image, mean_a, mean_b, by_class))
    return sorted(found, key=lambda each: (-abs(each.difference), each.image))


def samples(data: Dataset, scores: ImageScores, shown: Sequence[Differing]) -> list[Sample]:
    """The images in the prepared data, in the order of `shown`.

    Raises:
        UserError: they are not there, or have other true masks than those that were scored.
    """
    by_name = {sample.image: sample for sample in data.index}
    found = []
    for each in shown:
        sample = by_name.get(each.image)
        if sample is None or not np.array_equal(_areas(data, sample), scores.true[each.index]):
            raise UserError(
                f"data/prepared: expected the images that were scored, found none or another {each.image}: "
                "run dvc checkout data/prepared in a folder that has these runs' data"
            )
        found.append(sample)
    return found


def _areas(data: Dataset, sample: Sample) -> Int64:
    return label_maps.pixels(data.truth(sample), len(data.classes))[1:]


def items(
    data: Dataset, chosen: Sequence[Sample], shown: Sequence[Differing], a: Predicted, b: Predicted
) -> Iterator[Item]:
    """The data of each image that the page needs, as in `gallery.items`, with the masks `truth`, `A` and `B`."""
    for each, sample in zip(shown, chosen, strict=True):
        labels = data.truth(sample)
        details = ", ".join(f"{name} {one:.3f} → {other:.3f}" for name, (one, other) in each.by_class.items())
        yield {
            "name": each.image,
            "caption": f"Dice A {each.a:.3f}, B {each.b:.3f}, B − A {each.difference:+.3f} ({details})",
            "height": labels.shape[0],
            "width": labels.shape[1],
            "classes": {name: abs(other - one) for name, (one, other) in each.by_class.items()},
            "clean": not labels.any(),
            "keys": {"difference": abs(each.difference), "gain": each.difference},
            "masks": {
                "truth": gallery.truth(labels, data.classes),
                "A": a.get(each.image, {}),
                "B": b.get(each.image, {}),
            },
            "jpeg": gallery.jpeg(data.picture(sample), gallery.HEIGHT),
        }
