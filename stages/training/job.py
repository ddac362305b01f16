"""What the networks of one run have in common."""

from dataclasses import dataclass

from stages.dataset.prepared import Dataset
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
        processes: how many make the crops; 0: threads of the training process.
    """

    data: Dataset
    options: Train
    seed: int
    cluster: Cluster = SINGLE_DEVICE
    processes: int = 0
