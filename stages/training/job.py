"""What the networks of one run have in common."""

from dataclasses import dataclass

from stages.dataset.prepared import Dataset
from stages.dataset.pseudo_labels import NONE, PseudoSets
from stages.pipeline.settings import Train
from stages.training.distribution import SINGLE_DEVICE, Cluster


@dataclass(frozen=True)
class Job:
    """What is trained, on what, and by which devices.

    Attributes:
        data: the prepared data set.
        options: the section `train` of params.yaml.
        seed: decides initial weights and crops.
        cluster: the devices that share the work.
        pseudo: additional training images, if the options ask for a share of them.
        processes: how many make the crops; 0: threads of the training process.
    """

    data: Dataset
    options: Train
    seed: int
    cluster: Cluster = SINGLE_DEVICE
    pseudo: PseudoSets = NONE
    processes: int = 0
