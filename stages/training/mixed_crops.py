"""Crops of which a share comes from test images with pseudo-labels."""

from typing import TYPE_CHECKING, Any

import numpy as np

from stages.dataset.prepared import Labelled, Sample
from stages.dataset.pseudo_labels import PseudoSets
from stages.pipeline.arrays import UInt8
from stages.pipeline.settings import Train
from stages.training.crops import Crops

if TYPE_CHECKING:  # it imports TensorFlow, which processes that make crops do without
    from stages.training.job import Job


class MixedCrops(Crops):
    """As many crops as without pseudo-labels; a fraction `pseudo_share` of them is of images that have them.

    Crop n still depends only on n and the seed. Crops with pseudo-labels are placed like all others, by the same
    options: on each class equally often, for example.
    """

    def __init__(
        self, data: Labelled, samples: list[Sample], options: Train, seed: int, sets: PseudoSets, fold: int | None
    ) -> None:
        super().__init__(data, samples, options, seed)
        self._sets, self._fold = sets, fold
        pseudo = sets.of(fold)
        self._pseudo = Crops(pseudo, pseudo.index, options, seed)
        self._pseudo.steps, self._pseudo.per_epoch = self.steps, self.per_epoch  # so that their epochs are the same

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process, which opens the data itself."""
        return MixedCrops, (self.data, self._images, self.options, self.seed, self._sets, self._fold)

    def __getitem__(self, number: int) -> tuple[UInt8, UInt8]:
        """Crop `number`; see `Crops`."""
        return self._pseudo[number] if self.is_pseudo(number) else super().__getitem__(number)

    def is_pseudo(self, number: int) -> bool:
        """Whether crop `number` comes from an image with pseudo-labels."""
        drawn = np.random.default_rng((self.seed, number, 2)).random()
        return bool(drawn < self.options.pseudo_share)

    def describe(self) -> str:
        """How many crops of the first epoch come from test images; in later ones about as many."""
        pseudo, share = sum(map(self.is_pseudo, range(self.per_epoch))), self.options.pseudo_share
        return (
            f"{pseudo} of {self.per_epoch} crops in the first epoch come from {len(self._sets.of(self._fold).index)} "
            f"test images with pseudo-labels (train.pseudo_share: {share:g})"
        )


def of(job: "Job", fold: int | None, samples: list[Sample]) -> Crops:
    """The crops for the network of a fold, or of train.final.

    Args:
        job: data, options and seed.
        fold: None for the network of train.final.
        samples: the training images.
    """
    if not job.options.pseudo_share:
        return Crops(job.data, samples, job.options, job.seed)
    return MixedCrops(job.data, samples, job.options, job.seed, job.pseudo, fold)
