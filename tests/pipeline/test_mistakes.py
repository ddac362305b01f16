"""Each wrong value in `params.yaml` gets its message, word for word."""

import math
from pathlib import Path

import pytest

from stages.pipeline.cli import UserError
from tests.support.parameters import Load, lines

MISTAKES = [
    # Types
    ("seed", True, "seed: input should be a valid integer; found True"),
    ("seed", -1, "seed: input should be greater than or equal to 0; found -1"),
    ("seed", 2**31, "seed: input should be less than 2147483648; found 2147483648"),
    ("train", None, "train: expected a mapping of keys to values, found None"),
    ("train.epochs", True, "train: epochs: input should be a valid integer; found True"),
    ("train.epochs", 6.0, "train: epochs: input should be a valid integer; found 6.0"),
    ("train.epochs", "6", "train: epochs: input should be a valid integer; found '6'"),
    ("train.epochs", None, "train: epochs: input should be a valid integer; found None"),
    ("train.epochs", 0, "train: epochs: input should be greater than 0; found 0"),
    ("train.learning_rate", True, "train: learning_rate: expected a number, not true or false"),
    ("train.brightness", False, "train: brightness: expected a number, not true or false"),
    ("train.contrast", True, "train: contrast: expected a number, not true or false"),
    (
        "train.foreground_fraction",
        True,
        "train: foreground_fraction: expected a number in 0 … 1, or [first, last] of such numbers, found True",
    ),
    ("train.batch_norm_momentum", True, "train: batch_norm_momentum: expected a number, not true or false"),
    (
        "preprocess.duplicate_correlation",
        True,
        "preprocess: duplicate_correlation: expected a number, not true or false",
    ),
    # Impossible values
    ("train.learning_rate", 0, "train: learning_rate: input should be greater than 0; found 0"),
    ("train.learning_rate", math.inf, "train: learning_rate: input should be a finite number; found inf"),
    ("train.learning_rate", math.nan, "train: learning_rate: input should be a finite number; found nan"),
    ("train.brightness", 1, "train: brightness: input should be less than 1; found 1"),
    (
        "train.foreground_fraction",
        1.1,
        "train: foreground_fraction: expected a number in 0 … 1, or [first, last] of such numbers, found 1.1",
    ),
    (
        "train.foreground_fraction",
        [0.5, 0.2, 0],
        "train: foreground_fraction: expected a number in 0 … 1, or [first, last] of such numbers, found [0.5, 0.2, 0]",
    ),
    ("train.hard_pixels", 0, "train: hard_pixels: input should be greater than 0; found 0"),
    ("train.scale", 1.5, "train: scale: input should be less than or equal to 1; found 1.5"),
    ("train.elastic", 17, "train: elastic: input should be less than or equal to 16; found 17"),
    ("train.grid_distortion", 1, "train: grid_distortion: input should be less than 1; found 1"),
    ("train.coarse_dropout", 1, "train: coarse_dropout: input should be less than 1; found 1"),
    ("train.black_bars", 2, "train: black_bars: input should be less than or equal to 1; found 2"),
    (
        "train.loss",
        "mse",
        "train: loss: input should be 'cce', 'cce_dice', 'cce_jaccard', 'cce_image_dice', 'dice', 'tversky', 'focal', "
        "'lovasz', 'bce', 'bce_dice', 'bce_image_dice' or 'focal_dice_bce'; found 'mse'",
    ),
    (
        "train.precision",
        "float16",
        "train: precision: input should be 'auto', 'float32', 'mixed_float16' or 'mixed_bfloat16'; found 'float16'",
    ),
    ("train.flips", "yes", "train: flips: input should be a valid boolean; found 'yes'"),
    ("inference.flips", 1, "inference: flips: input should be a valid boolean; found 1"),
    ("train.downscale", True, "train: downscale: expected a whole number, found True"),
    ("train.downscale", 2.0, "train: downscale: expected a whole number, found 2.0"),
    ("train.downscale", 3, "train: downscale: input should be 1, 2 or 4; found 3"),
    (
        "competition.image_width",
        10**11,
        "competition: image_width: input should be less than or equal to 32768; found 100000000000",
    ),
    (
        "download.source",
        "data/raw",
        "download: source: expected data neither inside nor around data/raw, which DVC or a stage empties, "
        "found 'data/raw': move it elsewhere first",
    ),
    (
        "download.source",
        "./data/../data/raw/train.csv",
        "download: source: expected data neither inside nor around data/raw, which DVC or a stage empties, "
        "found './data/../data/raw/train.csv': move it elsewhere first",
    ),
    (
        "train.encoder_weights",
        "coco",
        "train: encoder_weights: expected null, imagenet or the path of an .h5 file, found 'coco'",
    ),
    (
        "postprocess.thresholds",
        [0, 1, 2, 3],
        "postprocess: thresholds: expected numbers in 1 … 255 (255: probability 1), found 0",
    ),
    (
        "postprocess.min_areas",
        [600],
        "postprocess: min_areas: expected null or 4 numbers, one for each of pit, line, scratch, patch; found [600]",
    ),
    (
        "postprocess.gate",
        "presence",
        "postprocess: gate: presence needs networks that predict which classes are present: set train.presence_weight "
        "above 0 (for example 0.1), or choose gate none, max or area",
    ),
    (
        "postprocess.veto",
        True,
        "postprocess: veto: true needs networks that predict which classes are present: set train.presence_weight "
        "above 0 (for example 0.1), or veto to false",
    ),
    (
        "postprocess.vetoes",
        [0, 0, 3, 0],
        "postprocess: vetoes: expected null or zeros with veto false, found [0, 0, 3, 0]",
    ),
    (
        "postprocess.vetoes",
        [3],
        "postprocess: vetoes: expected null or 4 numbers, one for each of pit, line, scratch, patch; found [3]",
    ),
    (
        "postprocess.objective",
        "recall",
        "postprocess: objective: input should be 'competition' or 'find_defects'; found 'recall'",
    ),
    ("postprocess.min_precision", 0, "postprocess: min_precision: input should be greater than 0; found 0"),
    ("inference.scales", [], "inference: scales: list should have at least 1 item after validation, not 0; found []"),
    ("inference.scales", [1, 1.0], "inference: scales: expected each scale once, found [1.0, 1.0]"),
    (
        "inference.scales",
        [1.0, 0.1],
        "inference: scales: number 2: input should be greater than or equal to 0.25; found 0.1",
    ),
    (
        "postprocess.gates",
        [0, 0, 0, -1],
        "postprocess: gates: number 4: input should be greater than or equal to 0; found -1",
    ),
    (
        "pseudo_label.experiment",
        "teacher",
        "pseudo_label: experiment: expected null, or train.pseudo_share above 0 (for example 0.3), the share of the "
        "crops that come from images with pseudo-labels; found teacher with 0",
    ),
    (
        "pseudo_label.confidence",
        0.4,
        "pseudo_label: confidence: input should be greater than or equal to 0.5; found 0.4",
    ),
    (
        "train.pseudo_share",
        0.3,
        "train: pseudo_share: expected 0, or the name of an experiment in pseudo_label.experiment, whose networks "
        "label the test images; found 0.3 with null",
    ),
    ("train.pseudo_share", 1, "train: pseudo_share: input should be less than 1; found 1"),
    ("train.blend", ["a", "a"], "train: blend: expected each experiment once, found ['a', 'a']"),
    ("train.mixup", -1, "train: mixup: input should be greater than or equal to 0; found -1"),
    (
        "inference.engine",
        "torch",
        "inference: engine: input should be 'auto', 'tensorflow' or 'openvino'; found 'torch'",
    ),
    (
        "inference.precision",
        "half",
        "inference: precision: input should be 'auto', 'float32', 'bfloat16' or 'int8'; found 'half'",
    ),
    ("predict.form", "rows", "predict: form: input should be 'sample' or 'pairs'; found 'rows'"),
    ("preprocess.folds", 2, "preprocess: folds: input should be greater than or equal to 3; found 2"),
    (
        "preprocess.duplicate_correlation",
        0,
        "preprocess: duplicate_correlation: input should be greater than 0; found 0",
    ),
    (
        "train.decoder_filters",
        [16, 8],
        "train: decoder_filters: list should have at least 4 items after validation, not 2; found [16, 8]",
    ),
    # The competition
    (
        "competition.slug",
        "https://kaggle.com/c/x",
        "competition: slug: string should match pattern '^[a-z0-9_-]+$'; found 'https://kaggle.com/c/x'",
    ),
    ("competition.classes", "scratch", "competition: classes: input should be a valid list; found 'scratch'"),
    (
        "competition.classes",
        [],
        "competition: classes: list should have at least 1 item after validation, not 0; found []",
    ),
    (
        "competition.classes",
        ["a", "b", "a"],
        "competition: classes: expected different names (upper case or not), found ['a', 'b', 'a']",
    ),
    (
        "competition.classes",
        ["background"],
        "competition: classes: 'background' is the name for pixels without a class; choose another",
    ),
    (
        "competition.classes",
        ["a b"],
        "competition: classes: number 1: string should match pattern '^[A-Za-z0-9_][A-Za-z0-9_-]*$'; found 'a b'",
    ),
    ("competition.classes", [1], "competition: classes: number 1: input should be a valid string; found 1"),
    # Folds
    (
        "train.folds",
        [0, 4],
        "train: folds: fold 4 is the last of preprocess.folds = 5 and held out for evaluate; expected some of 0 … 3",
    ),
    ("train.folds", [5], "train: folds: there is no fold 5; expected some of 0 … 3"),
    ("train.folds", [-1], "train: folds: number 1: input should be greater than or equal to 0; found -1"),
    ("train.folds", [1, 1], "train: folds: expected each fold once, found [1, 1]"),
    ("train.folds", [], "train: folds: list should have at least 1 item after validation, not 0; found []"),
    ("train.folds", [True], "train: folds: number 1: input should be a valid integer; found True"),
    ("train.folds", 0, "train: folds: input should be a valid list; found 0"),
    # Class weights
    *(
        (
            "train.class_weights",
            weights,
            "train: class_weights: expected 5 numbers of at least 0, the background first, then "
            f"pit, line, scratch, patch; found {found}",
        )
        for weights, found in (
            ([10, 10, 1, 6], "[10.0, 10.0, 1.0, 6.0]"),
            ([1, 1, 1, 1, -1], "[1.0, 1.0, 1.0, 1.0, -1.0]"),
            ([0, 0, 0, 0, 0], "[0.0, 0.0, 0.0, 0.0, 0.0]"),
        )
    ),
    *(
        (
            "train.class_weights",
            weights,
            f"train: class_weights: expected balanced, sqrt_balanced, null or a list of numbers, found {weights!r}",
        )
        for weights in ("even", 3, [1, 2, 3, 4, math.nan], [1, 2, 3, 4, "x"], [1, 2, 3, 4, True])
    ),
]


@pytest.mark.parametrize(("key", "value", "message"), MISTAKES)
def test_mistakes(load: Load, tmp_path: Path, key: str, value: object, message: str) -> None:
    """One wrong value gives one line: where, what was expected, what was found."""
    with pytest.raises(UserError) as error:
        load({key: value})
    assert lines(error, tmp_path / "params.yaml") == [message]
