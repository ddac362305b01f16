"""The section `train` of params.yaml."""

import math
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from stages.pipeline.sections import Flag, NaturalInt, Number, PositiveInt, Section, Share, Text, refuse_bool, whole

MOST_PROCESSES = 256  # that make crops


def _class_weights(value: Any) -> str | tuple[float, ...] | None:
    if value is None or value in ("balanced", "sqrt_balanced"):
        return value  # type: ignore[no-any-return]
    if isinstance(value, list | tuple):
        with suppress(ValueError, TypeError):
            weights = tuple(float(refuse_bool(weight)) for weight in value)
            if all(map(math.isfinite, weights)):
                return weights
    raise ValueError(f"expected balanced, sqrt_balanced, null or a list of numbers, found {value!r}")


def _encoder_weights(value: Any) -> str | None:
    if value is None or value == "imagenet" or (isinstance(value, str) and Path(value).is_file()):
        return value  # type: ignore[no-any-return]
    raise ValueError(f"expected null, imagenet or the path of an .h5 file, found {value!r}")


def _loader_processes(value: Any) -> Literal["auto"] | int:
    if value == "auto" or (type(value) is int and 0 <= value <= MOST_PROCESSES):
        return value  # type: ignore[no-any-return]
    raise ValueError(f"expected auto or a whole number in 0 … {MOST_PROCESSES}, found {value!r}")


# Losses with a cross-entropy, the only term that label smoothing changes.
SMOOTHED = ("cce", "cce_dice", "cce_jaccard", "bce", "bce_dice")

# The encoders of segmentation_models. Importing it here would import TensorFlow; a test compares the two lists.
Backbone = Literal[
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "seresnet18", "seresnet34", "seresnet50",
    "seresnet101", "seresnet152", "seresnext50", "seresnext101", "senet154", "resnext50", "resnext101", "vgg16",
    "vgg19", "densenet121", "densenet169", "densenet201", "inceptionresnetv2", "inceptionv3", "mobilenet",
    "mobilenetv2", "efficientnetb0", "efficientnetb1", "efficientnetb2", "efficientnetb3", "efficientnetb4",
    "efficientnetb5", "efficientnetb6", "efficientnetb7",
]  # fmt: skip


class Train(Section):
    """Network, loss, crops and schedule."""

    architecture: Literal["Unet", "Linknet", "FPN"]
    backbone: Backbone
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]
    encoder_weights: Annotated[str | None, PlainValidator(_encoder_weights)]
    downscale: Annotated[Literal[1, 2, 4], BeforeValidator(whole)]
    decoder_filters: Annotated[tuple[PositiveInt, ...], Field(min_length=5, max_length=5)]
    batch_norm_momentum: Annotated[Number, Field(gt=0, lt=1)]
    loss: Literal["cce", "cce_dice", "cce_jaccard", "dice", "focal", "lovasz", "bce", "bce_dice"]
    class_weights: Annotated[str | tuple[float, ...] | None, PlainValidator(_class_weights)]
    epochs: PositiveInt
    batch_size: PositiveInt
    crops_per_image: PositiveInt
    crop_height: PositiveInt
    crop_width: PositiveInt
    foreground_fraction: Annotated[Number, Field(ge=0, le=1)]
    foreground_sampling: Literal["equal", "sqrt", "natural"]
    max_black_fraction: Annotated[Number, Field(gt=0, le=1)]
    flips: Flag
    quarter_turns: Flag
    rotation: Annotated[Number, Field(ge=0, le=180)]
    brightness: Share
    contrast: Share
    noise: Share
    mixup: Annotated[Number, Field(ge=0)]
    label_smoothing: Share
    presence_weight: Annotated[Number, Field(ge=0)]
    learning_rate: Annotated[Number, Field(gt=0)]
    learning_rate_schedule: Literal["constant", "cosine", "plateau"]
    warmup_epochs: Annotated[Number, Field(ge=0)]
    plateau_patience: PositiveInt
    early_stopping_patience: PositiveInt
    monitor: Literal["mean_f1", "mean_dice", "positive_mean_dice", "global_dice", "iou_thresholds"]
    validation_batch_size: PositiveInt
    loader_processes: Annotated[Literal["auto"] | int, PlainValidator(_loader_processes)]
    average_best: PositiveInt
    full_size_epochs: NaturalInt
    full_size_batch_size: PositiveInt
    full_size_downscale: Annotated[Literal[1, 2, 4], BeforeValidator(whole)]
    full_size_learning_rate: Annotated[Number, Field(gt=0)]
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)] | None
    folds: Annotated[tuple[NaturalInt, ...], Field(min_length=1)]
    final: Literal["all"] | None
    blend: tuple[Text, ...]

    @model_validator(mode="after")
    def _fits(self) -> "Train":
        if self.final and self.learning_rate_schedule == "plateau":
            raise ValueError(
                "final: a training on every fold has no validation fold to detect a plateau on; expected "
                "learning_rate_schedule cosine or constant, found plateau"
            )
        if self.label_smoothing and self.loss not in SMOOTHED:
            raise ValueError(
                f"label_smoothing: expected 0 or a loss with cross-entropy ({', '.join(SMOOTHED)}), "
                f"found {self.label_smoothing} with {self.loss}"
            )
        if self.warmup_epochs and self.learning_rate_schedule != "cosine":
            raise ValueError(
                f"warmup_epochs: expected 0 or learning_rate_schedule cosine, found {self.warmup_epochs} with "
                f"{self.learning_rate_schedule}"
            )
        if self.mixup and self.batch_size == 1:
            raise ValueError("mixup: expected 0 or a batch_size above 1, as it mixes the crops of a batch; found 1")
        if len(set(self.blend)) != len(self.blend):
            raise ValueError(f"blend: expected each experiment once, found {list(self.blend)}")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs: expected less than epochs = {self.epochs}, found {self.warmup_epochs}")
        return self
