"""`params.yaml`: the committed one is correct, and every mistake gets its message, word for word."""

import sys
from pathlib import Path

import pytest
import yaml

from stages.pipeline import settings
from stages.pipeline.cli import UserError
from tests.support.parameters import COMMITTED, Load, lines, parameters


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
        "unknown key 'trian'; expected one of: seed, download, competition, preprocess, pseudo_label, train, "
        "inference, postprocess, predict, kernel"
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


def test_one_class_and_overlaps_exclude_each_other(load: Load) -> None:
    """Classes that overlap are several in one image."""
    changes = {"competition.overlapping_classes": True, "train.loss": "bce", "postprocess.one_class": True}
    with pytest.raises(UserError, match=r"postprocess: one_class: expected false, because competition.overlapping_c"):
        load(changes)
