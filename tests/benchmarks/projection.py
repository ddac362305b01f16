"""From a part of the work to all of it: seconds of a stage at full size, on this machine and with one GPU."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """What one stage took, of which the work grows with the images.

    Attributes:
        start: seconds before the work: Python, its packages, TensorFlow.
        work: seconds for the images that it was given.
        done: how many those were.
        images: how many there are.
        peak: bytes of memory.
        disk: bytes of its outputs.
        grows: whether the outputs grow with the images.
    """

    start: float
    work: float
    done: int
    images: int
    peak: int
    disk: int
    grows: bool = False

    @property
    def whole(self) -> bool:
        """Whether nothing is left to compute."""
        return self.done >= self.images

    @property
    def seconds(self) -> float:
        """Seconds for all images."""
        return self.start + self.work * self.images / self.done

    @property
    def full_disk(self) -> float:
        """Bytes of the outputs for all images."""
        return self.disk * self.images / self.done if self.grows else self.disk


@dataclass(frozen=True)
class Training:
    """What training one network takes: so many epochs of steps, and of validation on whole images.

    Attributes:
        start: seconds before, between and after: packages, tracing, export.
        step, image: seconds a step, and seconds an image of validation.
        steps: of one epoch.
        validation: images.
        epochs: how many.
    """

    start: float
    step: float
    image: float
    steps: int
    validation: int
    epochs: int

    @property
    def seconds(self) -> float:
        """Seconds for all epochs."""
        return self.start + self.epochs * (self.steps * self.step + self.validation * self.image)


def steps_an_epoch(images: int, crops_per_image: int, batch_size: int) -> int:
    """Steps of an epoch on so many training images; an unfilled batch is left out."""
    return max(1, images * crops_per_image // batch_size)


def with_gpu(
    training: Training, inference: dict[str, Stage], step: float, image: float, mirrored: bool
) -> dict[str, float]:
    """Seconds of the stages that run a network, had they a GPU; what comes before their work is taken as it is here.

    Args:
        training: as it is here.
        inference: the stages that run a network on images, by name.
        step: seconds that the GPU takes for a training step.
        image: seconds that infer takes for an image with the GPU.
        mirrored: whether that is for four mirror images; validation looks at one.
    """
    validated = image / 4 if mirrored else image
    trained = training.epochs * (training.steps * step + training.validation * validated)
    seconds = {"train": training.start + trained}
    return seconds | {name: stage.start + stage.images * image for name, stage in inference.items()}
