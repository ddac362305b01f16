"""The recipes in recipes/, and how a recipe gets into params.yaml."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.dataset.layout import Layout
from stages.pipeline import recipes, settings, yaml_files
from stages.pipeline.cli import UserError

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
NAMES = [path.stem for path in RECIPES]
SAMPLE = yaml.safe_load((ROOT / "recipes/sample.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def params(tmp_path: Path) -> Path:
    """A copy of the committed params.yaml."""
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml"))


def content(path: Path) -> Any:
    """Of a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def keys(section: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Every key below, with its sections."""
    for key, value in section.items():
        yield f"{above}{key}"
        if isinstance(value, Mapping):
            yield from keys(value, f"{above}{key}.")


def comments(path: Path) -> list[str]:
    """The comments of a file."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.lstrip().startswith("#")]


@pytest.mark.parametrize("path", RECIPES, ids=NAMES)
def test_a_recipe_gives_parameters_that_are_accepted(path: Path, params: Path) -> None:
    """All of it arrives, comments stay, and applying it again changes nothing."""
    recipe = content(path)
    recipes.apply([SAMPLE, recipe], params)
    loaded, written = settings.load(params), content(params)
    Layout.of(loaded.competition)
    assert set(keys(recipe)) <= set(keys(written))
    for section, values in recipe.items():
        for key, value in values.items():
            found = written[section][key]
            assert (found | value if isinstance(value, dict) else value) == found
    assert comments(params) == comments(ROOT / "params.yaml")
    assert recipes.apply([SAMPLE, recipe], params) == []


@pytest.mark.parametrize("path", RECIPES, ids=NAMES)
def test_the_sample_undoes_every_recipe(path: Path, params: Path) -> None:
    """Letter by letter, so that going back shows no change in git."""
    recipes.apply([SAMPLE, content(path)], params)
    recipes.apply([SAMPLE], params)
    assert params.read_bytes() == (ROOT / "params.yaml").read_bytes()


@pytest.mark.parametrize("path", RECIPES, ids=NAMES)
def test_the_sample_has_every_key_that_a_recipe_sets(path: Path) -> None:
    """Otherwise something of one recipe would remain under the next."""
    assert set(keys(content(path))) <= set(keys(SAMPLE))


def test_the_sample_states_all_that_a_competition_fixes(params: Path) -> None:
    """And equals the committed parameters."""
    assert SAMPLE["competition"] == content(params)["competition"]
    assert recipes.apply([SAMPLE], params) == []


@pytest.mark.parametrize("path", RECIPES, ids=NAMES)
def test_a_recipe_begins_with_what_it_is(path: Path) -> None:
    """The list of recipes shows the line."""
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    assert first.endswith(".")
    assert len(first) <= 120


def test_changes_are_listed(params: Path) -> None:
    """Old and new value of each key that changes, as YAML writes them, and nothing else."""
    changes = recipes.apply(
        [
            {
                "competition": {"classes": ["a"], "run_lengths": {"empty": ["-1"]}},
                "train": {"final": "all", "epochs": 7},
            }
        ],
        params,
    )
    assert changes == [
        "competition.classes: [pits, cracks, scratches, patches] -> [a]",
        'competition.run_lengths.empty: [] -> ["-1"]',
        "train.final: null -> all",
    ]


def test_texts_that_yaml_reads_otherwise_are_quoted(params: Path) -> None:
    """`1e3` and `010` would become numbers; `no` is a text in YAML 1.2, which DVC reads."""
    recipes.apply([{"competition": {"classes": ["1e3", "no"], "columns": {"class_labels": ["010", "yes"]}}}], params)
    assert settings.load(params).competition.classes == ("1e3", "no")
    assert 'classes: ["1e3", no]' in params.read_text(encoding="utf-8")
    assert settings.load(params).competition.columns.class_labels == ("010", "yes")


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (
            {"train": {"epoch": 3}},
            "the recipe's key train.epoch: expected one that params.yaml has: seed, architecture,",
        ),
        (
            {"training": {}},
            "the recipe's key training: expected one that params.yaml has: seed, download, competition,",
        ),
        ({"train": {"epochs": 0}}, "train: epochs: input should be greater than 0; found 0"),
        ({"train": 5}, "train: expected a mapping of keys to values, found 5"),
        ({"train": {"epochs": {"a": 1}}}, "train: epochs: input should be a valid integer; found {'a': 1}"),
        ({"competition": {"overlapping_classes": True}}, "train: loss: expected one of bce, bce_dice, bce_image_dice"),
        (
            {"competition": {"files": {"train_images": "a.png"}}},
            "expected a regular expression with at least one group",
        ),
    ],
)
def test_what_is_wrong_is_not_written(recipe: dict[str, Any], message: str, params: Path) -> None:
    """The parameters are checked before the file is touched."""
    with pytest.raises(UserError) as reported:
        recipes.apply([{"seed": 1}, recipe], params)
    assert message in str(reported.value)
    assert params.read_bytes() == (ROOT / "params.yaml").read_bytes()
    assert [path.name for path in params.parent.iterdir()] == ["params.yaml"]


@pytest.mark.parametrize("text", ["[1, 2]", "x", "", "5: {6: 7}"])
def test_parameters_of_another_kind(text: str, params: Path) -> None:
    """A list, a text, nothing, or other keys."""
    params.write_text(text)
    with pytest.raises(UserError, match=r"expected a mapping of keys to values|expected one that params.yaml has: 5"):
        recipes.apply([SAMPLE], params)
    assert params.read_text() == text


def test_a_key_that_stands_twice(params: Path) -> None:
    """DVC refuses such a file; nothing is guessed here either."""
    with params.open("a", encoding="utf-8") as file:
        file.write("seed: 3\n")
    with pytest.raises(UserError, match=r'found duplicate key "seed" with value "3" .* in line'):
        recipes.apply([SAMPLE], params)
    assert yaml_files.parsed("a: {b: 1}\nc: {b: 1}\n", "x") == {"a": {"b": 1}, "c": {"b": 1}}
