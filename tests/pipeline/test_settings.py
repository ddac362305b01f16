"""`params.yaml`: the committed one is correct, and every mistake gets its message, word for word."""

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.pipeline import settings, train_settings
from stages.pipeline.cli import UserError

COMMITTED = Path(__file__).parents[2] / "params.yaml"

Load = Callable[..., settings.Settings]


def parameters() -> dict[str, Any]:
    """The committed parameters, with fixed values where the tests rely on them, so that params.yaml may change."""
    content = yaml.safe_load(COMMITTED.read_text(encoding="utf-8"))
    content["competition"]["classes"] = ["pit", "line", "scratch", "patch"]
    content["preprocess"]["folds"] = 5
    content["train"] |= {"folds": [0], "class_weights": None}
    return content


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads `parameters()` with some changed, given as `{"train.epochs": 3}`; `...` removes the key."""

    def changed(changes: dict[str, Any]) -> settings.Settings:
        content = parameters()
        for key, value in changes.items():
            *sections, name = key.split(".")
            place = content
            for section in sections:
                place = place[section]
            place[name] = value
            if value is ...:
                del place[name]
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return settings.load(path)

    return changed


def lines(error: pytest.ExceptionInfo[UserError], path: Path) -> list[str]:
    """The message's lines, without the file's name that starts each."""
    found = str(error.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in found)
    return [line.removeprefix(f"{path}: ") for line in found]


def test_the_committed_parameters_load() -> None:
    """They are valid, and have the values in the file."""
    content = yaml.safe_load(COMMITTED.read_text(encoding="utf-8"))
    loaded = settings.load(COMMITTED)
    assert loaded.model_dump(mode="json").keys() == content.keys()
    assert loaded.seed == content["seed"]
    assert list(loaded.competition.classes) == content["competition"]["classes"]
    assert loaded.preprocess.folds - 1 not in loaded.train.folds


def test_every_value_is_explained() -> None:
    """In the committed file, every key has a comment above it, alone or together with its neighbours."""
    explained = False
    for line in COMMITTED.read_text(encoding="utf-8").splitlines()[2:]:
        if not line.strip():
            explained = False
        elif line.strip().startswith("#"):
            explained = True
        else:
            assert explained or line.endswith(":"), line


def test_an_engine_that_is_not_installed(load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without its package, the message says before any work what to install."""
    assert load({"inference.engine": "openvino"}).inference.engine == "openvino"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert load({"inference.engine": "tensorflow"}).inference.engine == "tensorflow"
    with pytest.raises(UserError) as error:
        load({"inference.engine": "openvino"})
    assert lines(error, tmp_path / "params.yaml") == [
        "inference: engine: openvino: expected the package openvino, found none: "
        f"{sys.executable} -m pip install openvino"
    ]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "nncf" else name)
    with pytest.raises(UserError, match=r"precision: int8: expected the package nncf, found none: .*pip install nncf"):
        load({"inference.engine": "auto", "inference.precision": "int8"})


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_a_precision_that_the_engine_lacks(load: Load, precision: str, tmp_path: Path) -> None:
    """TensorFlow runs networks in float32 alone."""
    with pytest.raises(UserError) as error:
        load({"inference.engine": "tensorflow", "inference.precision": precision})
    assert lines(error, tmp_path / "params.yaml") == [
        f"inference: precision: expected auto or float32 with the engine tensorflow, found {precision}: set "
        "inference.engine to auto or openvino"
    ]


def test_settings_are_frozen() -> None:
    """No code can change a parameter."""
    loaded = settings.load(COMMITTED)
    with pytest.raises(ValueError, match="frozen"):
        loaded.train.epochs = 3
    assert isinstance(loaded.train.folds, tuple)


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
    ("train.foreground_fraction", True, "train: foreground_fraction: expected a number, not true or false"),
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
        "train: foreground_fraction: input should be less than or equal to 1; found 1.1",
    ),
    (
        "train.loss",
        "mse",
        "train: loss: input should be 'cce', 'cce_dice', 'cce_jaccard', 'dice', 'focal', 'lovasz', 'bce' or "
        "'bce_dice'; found 'mse'",
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
        "postprocess.gates",
        [0, 0, 0, -1],
        "postprocess: gates: number 4: input should be greater than or equal to 0; found -1",
    ),
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
        "train: decoder_filters: list should have at least 5 items after validation, not 2; found [16, 8]",
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


def test_class_weights_may_be_three_things(load: Load) -> None:
    """Nothing, a list, or a name."""
    assert load({"train.class_weights": None}).train.class_weights is None
    assert load({"train.class_weights": [1, 10, 10, 1, 6]}).train.class_weights == (1, 10, 10, 1, 6)
    assert load({"train.class_weights": "balanced"}).train.class_weights == "balanced"


def test_an_unknown_backbone(load: Load, tmp_path: Path) -> None:
    """The message, before any work, lists the known ones."""
    with pytest.raises(UserError) as error:
        load({"train.backbone": "resnet999"})
    (found,) = lines(error, tmp_path / "params.yaml")
    assert found.startswith("train: backbone: input should be 'resnet18', ")
    assert found.endswith("; found 'resnet999'")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train.final": "all", "train.learning_rate_schedule": "plateau", "train.warmup_epochs": 0},
            "train: final: a training on every fold has no validation fold to detect a plateau on; expected "
            "learning_rate_schedule cosine or constant, found plateau",
        ),
        (
            {"train.label_smoothing": 0.1, "train.loss": "dice"},
            "train: label_smoothing: expected 0 or a loss with cross-entropy (cce, cce_dice, cce_jaccard, bce, "
            "bce_dice), found 0.1 with dice",
        ),
        (
            {"train.warmup_epochs": 2, "train.learning_rate_schedule": "constant"},
            "train: warmup_epochs: expected 0 or learning_rate_schedule cosine, found 2.0 with constant",
        ),
        (
            {"train.mixup": 0.2, "train.batch_size": 1},
            "train: mixup: expected 0 or a batch_size above 1, as it mixes the crops of a batch; found 1",
        ),
        (
            {"train.quarter_turns": True, "train.crop_height": 128, "train.crop_width": 256},
            "train: quarter_turns: expected square crops, found 128×256 (crop_height, crop_width)",
        ),
        (
            {"postprocess.gate": "none", "postprocess.gates": [0, 5, 0, 0]},
            "postprocess: gates: expected null or zeros with gate none, found [0, 5, 0, 0]",
        ),
        (
            {"postprocess.gate": "max", "postprocess.gates": [0, 5, 0, 300]},
            "postprocess: gates: expected numbers in 0 … 255 with gate max, found [0, 5, 0, 300]",
        ),
        (
            {"train.warmup_epochs": 5, "train.epochs": 5},
            "train: warmup_epochs: expected less than epochs = 5, found 5.0",
        ),
    ],
)
def test_training_parameters_that_do_not_fit(
    load: Load, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    """Parameters that contradict each other are reported before any work."""
    with pytest.raises(UserError) as error:
        load(changes)
    assert lines(error, tmp_path / "params.yaml") == [message]


def test_encoder_weights_from_a_file(load: Load, tmp_path: Path) -> None:
    """The path of an existing file is accepted."""
    file = tmp_path / "encoder.h5"
    file.touch()
    assert load({"train.encoder_weights": str(file)}).train.encoder_weights == str(file)


@pytest.mark.slow
def test_backbones_are_those_of_segmentation_models() -> None:
    """All, and no others."""
    from typing import get_args

    import segmentation_models as sm

    assert list(get_args(train_settings.Backbone)) == sm.get_available_backbone_names()


def test_an_impossible_date(tmp_path: Path) -> None:
    """YAML reads 2020-99-99 as a date."""
    path = tmp_path / "params.yaml"
    path.write_text("seed: 2020-99-99\n")
    with pytest.raises(UserError, match=r"expected YAML, found: month must be in 1\.\.12"):
        settings.load(path)


HOSTILE = {
    "an object": ("!!python/object/apply:os.system ['touch owned']", "could not determine a constructor for the tag"),
    "a module": ("!!python/module:antigravity", "could not determine a constructor for the tag"),
    "a name": ("!!python/name:os.system", "could not determine a constructor for the tag"),
    "deep lists": ("[" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_yaml(tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """YAML that would run code or that cannot be parsed ends in one line that names the file; nothing is run."""
    monkeypatch.chdir(tmp_path)
    value, message = HOSTILE[case]
    Path("params.yaml").write_text(f"seed: {value}\n")
    with pytest.raises(UserError) as error:
        settings.load(Path("params.yaml"))
    assert str(error.value).startswith("params.yaml: expected YAML, found: ")
    assert message in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert os.listdir() == ["params.yaml"]


@pytest.mark.parametrize(("key", "new"), settings.RENAMED.items(), ids=str)
def test_the_old_name_of_a_key(load: Load, tmp_path: Path, key: tuple[str, ...], new: str) -> None:
    """One line names the new one; that the new one is missing needs no second line."""
    section, old = key
    with pytest.raises(UserError) as error:
        load({f"{section}.{old}": 0.5, f"{section}.{new}": ...})
    expected = f"{section}: the key {old!r} is now called {new!r}: rename it"
    assert lines(error, tmp_path / "params.yaml") == [expected]


def test_the_old_and_the_new_name_of_a_key(load: Load, tmp_path: Path) -> None:
    """The new one alone is not enough: the old one has to go."""
    with pytest.raises(UserError) as error:
        load({"train.most_black": 0.5})
    expected = "train: the key 'most_black' is now called 'max_black_fraction': rename it"
    assert lines(error, tmp_path / "params.yaml") == [expected]


def test_an_unknown_key(load: Load, tmp_path: Path) -> None:
    """A misspelt key is reported with the known ones, in a section and at the top level."""
    with pytest.raises(UserError) as error:
        load({"predict.from": "pairs"})
    assert lines(error, tmp_path / "params.yaml") == ["predict: unknown key 'from'; expected one of: form"]
    with pytest.raises(UserError) as error:
        load({"trian": {}})
    assert lines(error, tmp_path / "params.yaml") == [
        "unknown key 'trian'; expected one of: seed, download, competition, preprocess, train, inference, "
        "postprocess, predict, kernel"
    ]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("train.epochs", "train: the key 'epochs' is missing"),
        ("train", "the key 'train' is missing"),
        ("seed", "the key 'seed' is missing"),
    ],
)
def test_a_missing_key(load: Load, tmp_path: Path, key: str, expected: str) -> None:
    """There are no defaults, so a missing key is a mistake."""
    with pytest.raises(UserError) as error:
        load({key: ...})
    assert lines(error, tmp_path / "params.yaml") == [expected]


def test_all_mistakes_are_reported_at_once(load: Load, tmp_path: Path) -> None:
    """Three mistakes in two sections give three lines."""
    with pytest.raises(UserError) as error:
        load({"train.epoch": 6, "train.epochs": ..., "predict.form": None})
    found = lines(error, tmp_path / "params.yaml")
    assert len(found) == 3
    assert "train: the key 'epochs' is missing" in found
    assert "predict: form: input should be 'sample' or 'pairs'; found None" in found
    assert any(line.startswith("train: unknown key 'epoch'; expected one of: architecture, ") for line in found)


def test_numbers_as_people_write_them(load: Load, tmp_path: Path) -> None:
    """`1e-3` is a number, although YAML 1.1 reads it as text; whole numbers are numbers too."""
    path = tmp_path / "params.yaml"
    content = yaml.safe_dump(parameters() | {"train": parameters()["train"] | {"learning_rate": 0.25}})
    path.write_text(content.replace("learning_rate: 0.25", "learning_rate: 1e-3"), encoding="utf-8")
    assert yaml.safe_load(path.read_text(encoding="utf-8"))["train"]["learning_rate"] == "1e-3"
    assert settings.load(path).train.learning_rate == 0.001
    assert load({"train.learning_rate": 1}).train.learning_rate == 1.0


def test_another_competition(load: Load) -> None:
    """Three classes and square images are valid too."""
    changes = {"slug": "x", "image_height": 200, "image_width": 200, "classes": ["a", "b", "c"]}
    competition = parameters()["competition"] | changes
    assert load({"competition": competition}).competition.classes == ("a", "b", "c")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a mapping of keys to values, found None"),
        (b"- 1\n", "expected a mapping of keys to values, found [1]"),
        (b"train: [", "expected YAML, found: while parsing a flow node"),
        (b"\tseed: 1", "expected YAML, found: while scanning for the next token found character '\\t'"),
        (b"\xff\xfe", "expected YAML, found: 'utf-8' codec can't decode byte 0xff"),
        (b"<<<<<<< HEAD\nseed: 1\n=======\nseed: 2\n", "expected YAML, found: "),
    ],
)
def test_what_is_no_parameter_file(tmp_path: Path, content: bytes, message: str) -> None:
    """An empty file, broken YAML, another encoding or a merge conflict ends in one line."""
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        settings.load(path)
    (line,) = lines(error, path)
    assert line.startswith(message)


def test_no_file(tmp_path: Path) -> None:
    """The message names the path if there is no params.yaml, or a folder of that name."""
    for path, reason in ((tmp_path / "params.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError) as error:
            settings.load(path)
        assert lines(error, path) == [f"expected the parameters of the pipeline, found no readable file ({reason})"]
