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


MOST_STAGES = 5  # of a decoder; with one less it ends at half of the resolution


def _loader_processes(value: Any) -> Literal["auto"] | int:
    if value == "auto" or (type(value) is int and 0 <= value <= MOST_PROCESSES):
        return value  # type: ignore[no-any-return]
    raise ValueError(f"expected auto or a whole number in 0 … {MOST_PROCESSES}, found {value!r}")


def _foreground_fraction(value: Any) -> float | tuple[float, float]:
    numbers = list(value) if isinstance(value, list | tuple) else [value]
    numeric = [number for number in numbers if isinstance(number, int | float) and not isinstance(number, bool)]
    fits = len(numeric) == len(numbers) and all(0 <= number <= 1 for number in numbers)
    if not fits or (isinstance(value, list | tuple) and len(numbers) != 2):
        raise ValueError(f"expected a number in 0 … 1, or [first, last] of such numbers, found {value!r}")
    return (float(numbers[0]), float(numbers[1])) if len(numbers) == 2 else float(numbers[0])


# Losses with a cross-entropy, the only term that label smoothing and hard pixels change.
WITH_CROSS_ENTROPY = (
    "cce", "cce_dice", "cce_jaccard", "cce_image_dice", "bce", "bce_dice", "bce_image_dice", "focal_dice_bce",
)  # fmt: skip
SIGMOIDS = ("bce", "bce_dice", "bce_image_dice", "focal_dice_bce")  # losses that decide each class by itself

# The encoders of segmentation_models and of stages.training.efficientnet_lite. Importing them here
# would import TensorFlow; a test compares the two lists.
Backbone = Literal[
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "seresnet18", "seresnet34", "seresnet50",
    "seresnet101", "seresnet152", "seresnext50", "seresnext101", "senet154", "resnext50", "resnext101", "vgg16",
    "vgg19", "densenet121", "densenet169", "densenet201", "inceptionresnetv2", "inceptionv3", "mobilenet",
    "mobilenetv2", "efficientnetb0", "efficientnetb1", "efficientnetb2", "efficientnetb3", "efficientnetb4",
    "efficientnetb5", "efficientnetb6", "efficientnetb7", "efficientnetlite0", "efficientnetlite2",
]  # fmt: skip


class Train(Section):
    """Network, loss, crops and schedule."""

    architecture: Literal["Unet", "Linknet", "FPN"]
    backbone: Backbone
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]
    encoder_weights: Annotated[str | None, PlainValidator(_encoder_weights)]
    downscale: Annotated[Literal[1, 2, 4], BeforeValidator(whole)]
    decoder_filters: Annotated[tuple[PositiveInt, ...], Field(min_length=4, max_length=5)]
    decoder_attention: Literal["scse"] | None
    batch_norm_momentum: Annotated[Number, Field(gt=0, lt=1)]
    loss: Literal[
        "cce", "cce_dice", "cce_jaccard", "cce_image_dice", "dice", "tversky", "focal", "lovasz",
        "bce", "bce_dice", "bce_image_dice", "focal_dice_bce",
    ]  # fmt: skip
    hard_pixels: Annotated[Number, Field(gt=0, le=1)]
    class_weights: Annotated[str | tuple[float, ...] | None, PlainValidator(_class_weights)]
    epochs: PositiveInt
    batch_size: PositiveInt
    crops_per_image: PositiveInt
    crop_height: PositiveInt
    crop_width: PositiveInt
    foreground_fraction: Annotated[float | tuple[float, float], PlainValidator(_foreground_fraction)]
    foreground_sampling: Literal["equal", "sqrt", "natural"]
    max_black_fraction: Annotated[Number, Field(gt=0, le=1)]
    pseudo_share: Share
    flips: Flag
    quarter_turns: Flag
    rotation: Annotated[Number, Field(ge=0, le=180)]
    scale: Annotated[Number, Field(ge=0, le=1)]
    elastic: Annotated[Number, Field(ge=0, le=16)]
    grid_distortion: Share
    brightness: Share
    contrast: Share
    gamma: Annotated[Number, Field(ge=0, le=4)]
    clahe: Annotated[Number, Field(ge=0, le=1)]
    blur: Annotated[Number, Field(ge=0, le=10)]
    noise: Share
    coarse_dropout: Share
    black_bars: Annotated[Number, Field(ge=0, le=1)]
    mixup: Annotated[Number, Field(ge=0)]
    label_smoothing: Share
    presence_weight: Annotated[Number, Field(ge=0)]
    deep_supervision: Annotated[Number, Field(ge=0)]
    learning_rate: Annotated[Number, Field(gt=0)]
    encoder_learning_rate: Annotated[Number, Field(gt=0, le=1)]
    frozen_epochs: NaturalInt
    weight_decay: Share
    weights_average: Share
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
        if self.architecture == "FPN" and len(self.decoder_filters) < MOST_STAGES:
            raise ValueError(
                f"decoder_filters: expected {MOST_STAGES} numbers, of which FPN takes the first, found "
                f"{list(self.decoder_filters)}: only Unet and Linknet can end at half of the resolution; set, for "
                f"example, {[*self.decoder_filters, self.decoder_filters[-1]]}"
            )
        if self.final and self.learning_rate_schedule == "plateau":
            raise ValueError(
                "final: a training on every fold has no validation fold to detect a plateau on; expected "
                "learning_rate_schedule cosine or constant, found plateau"
            )
        for name, off in (("label_smoothing", 0), ("hard_pixels", 1)):
            if getattr(self, name) != off and self.loss not in WITH_CROSS_ENTROPY:
                raise ValueError(
                    f"{name}: expected {off} or a loss with cross-entropy ({', '.join(WITH_CROSS_ENTROPY)}), "
                    f"found {getattr(self, name)} with {self.loss}"
                )
        if isinstance(self.foreground_fraction, tuple) and self.epochs == 1:
            raise ValueError(
                f"foreground_fraction: expected one number with epochs = 1, found {list(self.foreground_fraction)}"
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
        self._check_encoder()
        return self

    def _check_encoder(self) -> None:
        """Sparing the encoder makes sense only where it has learnt something before."""
        for name, off in (("encoder_learning_rate", 1), ("frozen_epochs", 0)):
            value = getattr(self, name)
            if value != off and self.encoder_weights is None:
                raise ValueError(
                    f"{name}: expected {off} without an encoder's weights, since random ones have to learn at the full "
                    f"rate, found {value} with encoder_weights null: set encoder_weights or {name}: {off}"
                )
        if self.frozen_epochs and self.frozen_epochs >= self.epochs:
            raise ValueError(f"frozen_epochs: expected less than epochs = {self.epochs}, found {self.frozen_epochs}")
