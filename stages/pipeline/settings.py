"""`params.yaml`, typed and checked. Parameters reach the stages in no other way.

There are no defaults here: every value is in params.yaml, with its explanation.

    >>> load().train.learning_rate            # doctest: +SKIP
    0.002
"""

import importlib.util
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from stages.pipeline import paths, yaml_files
from stages.pipeline.competition_settings import Competition as Competition
from stages.pipeline.postprocess_settings import Postprocess as Postprocess
from stages.pipeline.sections import (
    Flag,
    Number,
    PositiveInt,
    Renamed,
    Section,
    Text,
    check,
)
from stages.pipeline.train_settings import SIGMOIDS
from stages.pipeline.train_settings import Train as Train


class Download(Section):
    """Where the data comes from."""

    source: Text
    sample_train_images: Annotated[int, Field(ge=20, strict=True)]
    sample_test_images: PositiveInt

    @field_validator("source")
    @classmethod
    def _outside(cls, source: str) -> str:
        try:
            place = Path(source).expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise ValueError(f"expected sample, kaggle or a path, found {source!r} ({error})") from None
        for removed in map(Path.resolve, paths.REMOVED):
            if source not in ("sample", "kaggle") and (removed in (place, *place.parents) or place in removed.parents):
                where = removed.relative_to(Path.cwd()) if removed.is_relative_to(Path.cwd()) else removed
                raise ValueError(
                    f"expected data neither inside nor around {where}, which DVC or a stage empties, found {source!r}: "
                    "move it elsewhere first"
                )
        return source


class Preprocess(Section):
    """Folds and near-duplicates."""

    folds: Annotated[int, Field(ge=3, strict=True)]
    duplicate_correlation: Annotated[Number, Field(gt=0, le=1)]
    group_by: str | None

    @field_validator("group_by")
    @classmethod
    def _pattern(cls, text: str | None) -> str | None:
        try:
            if text is not None and not re.compile(text).groups:
                raise ValueError(f"expected a pattern with a group in brackets, such as ^(case\\d+)_, found {text!r}")
        except re.error as error:
            raise ValueError(f"expected a regular expression, found {text!r}: {error}") from None
        return text


class PseudoLabel(Section):
    """Test images as additional training images, labelled by the networks of another experiment."""

    experiment: Text | None
    confidence: Annotated[Number, Field(ge=0.5, le=1)]


def installing(package: str) -> str:
    """The command that installs a package for the Python that runs."""
    return f"{sys.executable} -m pip install {package}"


class Inference(Section):
    """How images become probabilities, on this machine and on Kaggle."""

    batch_size: PositiveInt
    flips: Flag
    scales: Annotated[tuple[Annotated[Number, Field(ge=0.25, le=4)], ...], Field(min_length=1)]
    engine: Literal["auto", "tensorflow", "openvino"]
    precision: Literal["auto", "float32", "bfloat16", "int8"]

    @field_validator("scales")
    @classmethod
    def _once_each(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(scales)) != len(scales):
            raise ValueError(f"expected each scale once, found {list(scales)}")
        return scales

    @model_validator(mode="after")
    def _precision_fits(self) -> "Inference":
        if self.engine == "tensorflow" and self.precision in ("bfloat16", "int8"):
            raise ValueError(
                f"precision: expected auto or float32 with the engine tensorflow, found {self.precision}: set "
                "inference.engine to auto or openvino"
            )
        precision = f"precision: {self.precision}"
        needed = [("engine: openvino", "openvino")] if self.engine == "openvino" else []
        needed += [(precision, "openvino")] if self.precision in ("bfloat16", "int8") else []
        needed += [(precision, "nncf")] if self.precision == "int8" else []
        for value, package in needed:
            if importlib.util.find_spec(package) is None:
                raise ValueError(f"{value}: expected the package {package}, found none: {installing(package)}")
        return self


class Predict(Section):
    """The form of the submission."""

    form: Literal["sample", "pairs"]


class Kernel(Section):
    """The notebook for competitions that accept no CSV file."""

    owner: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] | None
    accelerator: Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")] | None
    hours: Annotated[Number, Field(gt=0, le=12)]


class Settings(Section):
    """All of params.yaml, and the rules that involve several sections."""

    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)]
    download: Download
    competition: Competition
    preprocess: Preprocess
    pseudo_label: PseudoLabel
    train: Train
    inference: Inference
    postprocess: Postprocess
    predict: Predict
    kernel: Kernel

    @property
    def training_seed(self) -> int:
        """The seed of initial weights and crops."""
        return self.seed if self.train.seed is None else self.train.seed

    @model_validator(mode="after")
    def _folds_fit(self) -> "Settings":
        held_out, folds = self.preprocess.folds - 1, self.train.folds
        if len(set(folds)) != len(folds):
            raise ValueError(f"train: folds: expected each fold once, found {list(folds)}")
        for fold in folds:
            if fold == held_out:
                raise ValueError(
                    f"train: folds: fold {fold} is the last of preprocess.folds = {self.preprocess.folds} and held "
                    f"out for evaluate; expected some of 0 … {held_out - 1}"
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
        for name in ("thresholds", "gates", "min_areas", "min_components", "vetoes"):
            levels = getattr(self.postprocess, name)
            if levels is not None and len(levels) != len(classes):
                raise ValueError(
                    f"postprocess: {name}: expected null or {len(classes)} numbers, one for each of "
                    f"{', '.join(classes)}; found {list(levels)}"
                )
        return self

    @model_validator(mode="after")
    def _overlaps_fit(self) -> "Settings":
        if self.competition.overlapping_classes and self.train.loss not in SIGMOIDS:
            raise ValueError(
                f"train: loss: expected one of {', '.join(SIGMOIDS)}, which decide each class by itself, because "
                f"competition.overlapping_classes is true; found {self.train.loss}"
            )
        if self.competition.overlapping_classes and self.postprocess.one_class:
            raise ValueError(
                "postprocess: one_class: expected false, because competition.overlapping_classes is true: an image "
                "with one class has no overlaps; found true"
            )
        return self

    @model_validator(mode="after")
    def _pseudo_labels_fit(self) -> "Settings":
        experiment, share = self.pseudo_label.experiment, self.train.pseudo_share
        if experiment is not None and not share:
            raise ValueError(
                "pseudo_label: experiment: expected null, or train.pseudo_share above 0 (for example 0.3), the share "
                f"of the crops that come from images with pseudo-labels; found {experiment} with {share:g}"
            )
        if experiment is None and share:
            raise ValueError(
                "train: pseudo_share: expected 0, or the name of an experiment in pseudo_label.experiment, whose "
                f"networks label the test images; found {share:g} with null"
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
                "postprocess: gate: presence needs networks that predict which classes are present: set "
                "train.presence_weight above 0 (for example 0.1), or choose gate none, max or area"
            )
        return self

    @model_validator(mode="after")
    def _vetoes_fit(self) -> "Settings":
        veto, vetoes = self.postprocess.veto, self.postprocess.vetoes or ()
        if not veto and any(vetoes):
            raise ValueError(f"postprocess: vetoes: expected null or zeros with veto false, found {list(vetoes)}")
        if veto and not self.train.presence_weight:
            raise ValueError(
                "postprocess: veto: true needs networks that predict which classes are present: set "
                "train.presence_weight above 0 (for example 0.1), or veto to false"
            )
        return self

    @model_validator(mode="after")
    def _form_fits(self) -> "Settings":
        columns, rows = self.competition.columns, self.competition.submission.rows
        if self.predict.form == "pairs" and (columns.image_and_class is None or rows not in ("sample", "classes")):
            raise ValueError(
                "predict: form: expected sample, because pairs needs competition.columns.image_and_class and "
                f"competition.submission.rows: sample or classes; found pairs with {columns.image_and_class} and {rows}"
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


# Keys that had another name before, by where they stood.
RENAMED: Renamed = {
    ("train", "defect_crops"): "foreground_fraction",
    ("train", "defect_classes"): "foreground_sampling",
    ("train", "most_black"): "max_black_fraction",
    ("postprocess", "keep_positive"): "min_positive_dice_ratio",
}


def load(path: Path = paths.PARAMS) -> Settings:
    """Read and check `params.yaml`.

    Raises:
        UserError: the file is missing or not YAML, a key is unknown or missing, a value has the wrong type or is
            impossible. The message lists every mistake on its own line, each as `params.yaml: section: key: …`.
    """
    return parsed(yaml_files.read(path, "the parameters of the pipeline"), path)


def parsed(content: Any, path: Path = paths.PARAMS) -> Settings:
    """Check the content of `params.yaml`; raises as `load` does."""
    return check(Settings, content, str(path), RENAMED)
