"""Extrapolation from part of the work: seconds of a stage at full scale, on this machine and with one GPU."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """Measurements of one stage, whose work grows with the number of images.

    Attributes:
        start: seconds before the work: Python, its packages, TensorFlow.
        work: seconds for the images that it processed.
        done: how many it processed.
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
        """Whether nothing has to be extrapolated."""
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
    """Time of one training: epochs of steps and of validation on whole images.

    Attributes:
        start: seconds for everything else: imports, tracing, export.
        step, image: seconds per step, and per image in validation.
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
    """Steps of an epoch; an incomplete batch is left out."""
    return max(1, images * crops_per_image // batch_size)


def with_gpu(
    training: Training, inference: dict[str, Stage], step: float, image: float, mirrored: bool
) -> dict[str, float]:
    """Seconds with a GPU of the stages that run a network. Their start-up takes as long as here.

    Args:
        training: as measured here.
        inference: the stages that run a network on images, by name.
        step: seconds of the GPU per training step.
        image: seconds of the GPU per image in infer.
        mirrored: whether `image` includes four mirror images; validation uses one.
    """
    validated = image / 4 if mirrored else image
    trained = training.epochs * (training.steps * step + training.validation * validated)
    seconds = {"train": training.start + trained}
    return seconds | {name: stage.start + stage.images * image for name, stage in inference.items()}
