"""`params.yaml`, typed and checked: the only way in which parameters enter.

There are no defaults here: every value stands in params.yaml, with its explanation.

    >>> settings = load()                     # doctest: +SKIP
    >>> settings.train.learning_rate          # doctest: +SKIP
    0.001
"""

import importlib.util
import math
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)

from stages.pipeline import paths, yaml_files
from stages.pipeline.cli import UserError

PositiveInt = Annotated[int, Field(gt=0, strict=True)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$", max_length=60)]


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("expected a number, not true or false")
    return value


Number = Annotated[float, BeforeValidator(_no_bool)]
Share = Annotated[Number, Field(ge=0, lt=1)]
Flag = Annotated[bool, Field(strict=True)]
Side = Annotated[int, Field(gt=0, le=2**15, strict=True)]


def _whole(value: Any) -> Any:
    if type(value) is not int:
        raise ValueError(f"expected a whole number, found {value!r}")
    return value


def _class_weights(value: Any) -> str | tuple[float, ...] | None:
    if value is None or value in ("balanced", "sqrt_balanced"):
        return value  # type: ignore[no-any-return]
    if isinstance(value, list | tuple):
        with suppress(ValueError, TypeError):
            weights = tuple(float(_no_bool(weight)) for weight in value)
            if all(map(math.isfinite, weights)):
                return weights
    raise ValueError(f"expected balanced, sqrt_balanced, null or a list of numbers, found {value!r}")


def _encoder_weights(value: Any) -> str | None:
    if value is None or value == "imagenet" or (isinstance(value, str) and Path(value).is_file()):
        return value  # type: ignore[no-any-return]
    raise ValueError(f"expected null, imagenet or the path of an .h5 file, found {value!r}")


# Losses with a cross-entropy, which is what label smoothing changes.
SMOOTHED = ("cce", "cce_dice", "cce_jaccard", "bce", "bce_dice")

# Those of segmentation_models, which is not imported here since it brings TensorFlow along; a test compares them.
Backbone = Literal[
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "seresnet18", "seresnet34", "seresnet50",
    "seresnet101", "seresnet152", "seresnext50", "seresnext101", "senet154", "resnext50", "resnext101", "vgg16",
    "vgg19", "densenet121", "densenet169", "densenet201", "inceptionresnetv2", "inceptionv3", "mobilenet",
    "mobilenetv2", "efficientnetb0", "efficientnetb1", "efficientnetb2", "efficientnetb3", "efficientnetb4",
    "efficientnetb5", "efficientnetb6", "efficientnetb7",
]  # fmt: skip


class Section(BaseModel):
    """One mapping of params.yaml: frozen, complete, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Download(Section):
    """Where the data comes from."""

    source: Annotated[str, Field(min_length=1)]
    sample_train_images: Annotated[int, Field(ge=20, strict=True)]
    sample_test_images: PositiveInt

    @field_validator("source")
    @classmethod
    def _outside(cls, source: str) -> str:
        try:
            place = Path(source).expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise ValueError(f"expected sample, kaggle or a path, found {source!r} ({error})") from None
        raw = paths.RAW.resolve()
        if raw in (place, *place.parents):
            raise ValueError(
                f"expected data outside {paths.RAW}, which DVC empties before the stage starts, found {source!r}: "
                "move it elsewhere first"
            )
        return source


class Competition(Section):
    """What the competition fixes."""

    slug: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    image_height: Side
    image_width: Side
    classes: Annotated[tuple[Name, ...], Field(min_length=1, max_length=254)]

    @model_validator(mode="after")
    def _distinct(self) -> "Competition":
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes: expected different names, found {list(self.classes)}")
        if "background" in self.classes:
            raise ValueError("classes: 'background' is the name of pixels without a class; choose another")
        return self


class Preprocess(Section):
    """Folds and near-duplicates."""

    folds: Annotated[int, Field(ge=3, strict=True)]
    duplicate_correlation: Annotated[Number, Field(gt=0, le=1)]


class Train(Section):
    """Network, loss, crops and schedule."""

    architecture: Literal["Unet", "Linknet", "FPN"]
    backbone: Backbone
    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"]
    encoder_weights: Annotated[str | None, PlainValidator(_encoder_weights)]
    downscale: Annotated[Literal[1, 2, 4], BeforeValidator(_whole)]
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
    monitor: Literal["mean_f1", "mean_dice", "positive_mean_dice"]
    validation_batch_size: PositiveInt
    average_best: PositiveInt
    full_size_epochs: Annotated[int, Field(ge=0, strict=True)]
    full_size_batch_size: PositiveInt
    full_size_downscale: Annotated[Literal[1, 2, 4], BeforeValidator(_whole)]
    full_size_learning_rate: Annotated[Number, Field(gt=0)]
    folds: Annotated[tuple[Annotated[int, Field(ge=0, strict=True)], ...], Field(min_length=1)]
    final: Literal["all"] | None
    blend: tuple[Annotated[str, Field(min_length=1)], ...]

    @model_validator(mode="after")
    def _fits(self) -> "Train":
        if self.final and self.learning_rate_schedule == "plateau":
            raise ValueError(
                "final: a training on every fold has no validation to see a plateau by; expected "
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
            raise ValueError("mixup: expected 0 or a batch_size above 1, since it mixes the crops of a batch; found 1")
        if len(set(self.blend)) != len(self.blend):
            raise ValueError(f"blend: expected each experiment once, found {list(self.blend)}")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs: expected less than epochs = {self.epochs}, found {self.warmup_epochs}")
        return self


class Inference(Section):
    """What turns images into probabilities, here and on Kaggle."""

    batch_size: PositiveInt
    flips: Flag
    engine: Literal["tensorflow", "openvino"]

    @field_validator("engine")
    @classmethod
    def _installed(cls, engine: str) -> str:
        if engine == "openvino" and importlib.util.find_spec("openvino") is None:
            raise ValueError(
                "expected tensorflow, or openvino with its package, which is not installed (uv pip install openvino, "
                'or the extra "openvino" of pyproject.toml); found openvino'
            )
        return engine


Levels = Annotated[tuple[Annotated[int, Field(ge=0, strict=True)], ...], Field(min_length=1)] | None


class Postprocess(Section):
    """What turns probabilities into masks; null is searched on the validation folds."""

    enabled: Flag
    gate: Literal["none", "max", "area", "presence"]
    divide_by_weights: Flag
    min_positive_dice_ratio: Share
    parts: Annotated[int, Field(ge=2, strict=True)]
    thresholds: Levels
    gates: Levels
    min_areas: Levels
    min_components: Levels

    @model_validator(mode="after")
    def _levels(self) -> "Postprocess":
        for level in self.thresholds or ():
            if not 1 <= level <= 255:
                raise ValueError(f"thresholds: expected numbers in 1 … 255 (255: probability 1), found {level}")
        return self


class Predict(Section):
    """The form of the submission."""

    form: Literal["sample", "pairs"]


class Kernel(Section):
    """The notebook for competitions that take no CSV."""

    owner: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] | None
    accelerator: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")] | None
    hours: Annotated[Number, Field(gt=0, le=12)]


class Settings(Section):
    """All of params.yaml, with what one section asks of another."""

    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)]
    download: Download
    competition: Competition
    preprocess: Preprocess
    train: Train
    inference: Inference
    postprocess: Postprocess
    predict: Predict
    kernel: Kernel

    @model_validator(mode="after")
    def _folds_fit(self) -> "Settings":
        held_out, folds = self.preprocess.folds - 1, self.train.folds
        if len(set(folds)) != len(folds):
            raise ValueError(f"train: folds: expected each fold once, found {list(folds)}")
        for fold in folds:
            if fold == held_out:
                raise ValueError(
                    f"train: folds: fold {fold} is the last of preprocess.folds = {self.preprocess.folds}: it is held "
                    f"out for evaluate alone; expected some of 0 … {held_out - 1}"
                )
            if fold > held_out:
                raise ValueError(f"train: folds: there is no fold {fold}; expected some of 0 … {held_out - 1}")
        return self

    @model_validator(mode="after")
    def _classes_fit(self) -> "Settings":
        classes, weights = self.competition.classes, self.train.class_weights
        if isinstance(weights, tuple):
            expected = len(classes) + 1
            if len(weights) != expected or min(weights) < 0 or sum(weights) == 0:
                raise ValueError(
                    f"train: class_weights: expected {expected} numbers of at least 0, the background first, then "
                    f"{', '.join(classes)}; found {list(weights)}"
                )
        for name in ("thresholds", "gates", "min_areas", "min_components"):
            levels = getattr(self.postprocess, name)
            if levels is not None and len(levels) != len(classes):
                raise ValueError(
                    f"postprocess: {name}: expected null or {len(classes)} numbers, one for each of "
                    f"{', '.join(classes)}; found {list(levels)}"
                )
        return self

    @model_validator(mode="after")
    def _gates_fit(self) -> "Settings":
        gate, gates = self.postprocess.gate, self.postprocess.gates or ()
        if gate == "none" and any(gates):
            raise ValueError(f"postprocess: gates: expected null or zeros with gate none, found {list(gates)}")
        if gate in ("max", "presence") and any(level > 255 for level in gates):
            raise ValueError(f"postprocess: gates: expected numbers in 0 … 255 with gate {gate}, found {list(gates)}")
        if gate == "presence" and not self.train.presence_weight:
            raise ValueError(
                "postprocess: gate: presence asks for networks that say which classes are present: set "
                "train.presence_weight above 0 (0.1, say), or choose gate none, max or area"
            )
        return self

    @model_validator(mode="after")
    def _crops_fit(self) -> "Settings":
        height = min(self.train.crop_height, self.competition.image_height)
        width = min(self.train.crop_width, self.competition.image_width)
        if self.train.quarter_turns and height != width:
            raise ValueError(
                f"train: quarter_turns: expected square crops, found {height}×{width} (crop_height, crop_width)"
            )
        return self


def load(path: Path = paths.PARAMS) -> Settings:
    """Read and check `params.yaml`.

    Raises:
        UserError: the file is missing or not YAML, a key is unknown or missing, a value has the wrong type or is
            impossible. Every fault found is listed, each as `params.yaml: section: …`.
    """
    content = yaml_files.read(path, "the parameters of the pipeline")
    try:
        return Settings.model_validate(content)
    except ValidationError as error:
        faults = [fault for fault in error.errors() if not _follows(fault)]
        raise UserError("\n".join(f"{path}: {_describe(fault)}" for fault in faults)) from None


def _follows(fault: Any) -> bool:
    """Whether a list is called too short only because its wrong entries, told on their own, do not count."""
    return bool(fault["type"] == "too_short" and len(fault["input"]) >= fault["ctx"]["min_length"])


# Keys that had another name before, by where they stand.
RENAMED = {
    ("train", "defect_crops"): "foreground_fraction",
    ("train", "defect_classes"): "foreground_sampling",
    ("train", "most_black"): "max_black_fraction",
    ("postprocess", "keep_positive"): "min_positive_dice_ratio",
}


def _describe(fault: Any) -> str:
    """One line for one fault that pydantic found."""
    location = [part for part in fault["loc"] if isinstance(part, int) or not part.startswith(("literal", "tuple"))]
    section: Any = Settings
    for part in location[:-1]:
        section = section.model_fields[part].annotation if hasattr(section, "model_fields") else None
    if fault["type"] == "extra_forbidden":
        if new := RENAMED.get(tuple(location)):
            return ": ".join([*location[:-1], f"the key {location[-1]!r} is called {new!r} now: rename it"])
        known = ", ".join(section.model_fields)
        return ": ".join(map(str, [*location[:-1], f"unknown key {location[-1]!r}; expected one of: {known}"]))
    if fault["type"] == "missing":
        return ": ".join(map(str, [*location[:-1], f"the key {location[-1]!r} is missing"]))
    if fault["type"] == "value_error":
        return ": ".join(map(str, [*location, fault["ctx"]["error"]]))
    if fault["type"] == "model_type":
        return ": ".join(map(str, [*location, f"expected a mapping of keys to values, found {fault['input']!r}"]))
    message = (fault["msg"][0].lower() + fault["msg"][1:]).replace("tuple", "list")
    return ": ".join(map(str, [*location, f"{message}; found {fault['input']!r}"]))
