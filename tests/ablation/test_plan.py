from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.ablation import plan
from stages.ablation.plan import Variant
from stages.pipeline.cli import UserError

ROOT = Path(__file__).parents[2]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
A = {"name": "a"}


def variants(folder: Path, **content: Any) -> list[Variant]:
    """The variants of an ablation.yaml with this content."""
    path = folder / "ablation.yaml"
    path.write_text(yaml.safe_dump(content))
    return plan.variants(plan.read(path), PARAMS, path)


def test_the_baseline_comes_first_and_variants_build_on_it(tmp_path: Path) -> None:
    """A variant has the baseline's parameters and its own, and by default is compared with it."""
    first, a, b = variants(
        tmp_path,
        seeds=[3],
        baseline={"set": {"train.epochs": 7}, "seeds": [3, 4]},
        variants=[A | {"set": {"train.loss": "cce"}}],
        last={"name": "B!", "set": {"train.rotation": 5}, "compared_with": "a"},
    )
    assert (first.name, first.compared_with, first.changed, first.seeds) == ("baseline", None, {}, (3, 4))
    assert (a.compared_with, a.seeds, a.params["train"]["epochs"], a.params["train"]["loss"]) == (
        "baseline", (3,), 7, "cce",
    )  # fmt: skip
    assert (b.compared_with, b.slug, b.params["train"]["loss"]) == ("a", "b", PARAMS["train"]["loss"])
    assert [each.last for each in (first, a, b)] == [False, False, True]


def test_the_committed_plan_of_the_sample() -> None:
    """It fits the committed params.yaml, and changes nothing of it but the seed."""
    made = plan.variants(plan.read(ROOT / "docs/studies/sample.yaml"), PARAMS, Path("sample.yaml"))
    assert made[0].params == PARAMS
    assert not made[-1].last


def test_the_committed_plan() -> None:
    """It fits the committed params.yaml."""
    made = plan.variants(plan.read(ROOT / "ablation.yaml"), PARAMS, Path("ablation.yaml"))
    assert made[0].compared_with is None
    assert made[-1].last
    assert made[0].params["competition"]["image_height"] == 200


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variant": []}, "unknown key 'variant'; expected one of: data, seeds, baseline, variants, last"),
        ({"steps": [A]}, "the key 'steps' is now called 'variants': rename it"),
        ({"base": {}}, "the key 'base' is now called 'baseline': rename it"),
        ({"source": "sample"}, "the key 'source' is now called 'data': rename it"),
        ({"variants": [A | {"beside": "baseline"}]},
         "variants: number 1: the key 'beside' is now called 'compared_with': rename it"),
        ({"budget": 360}, "unknown key 'budget'"),
        ({"variants": []}, "variants: list should have at least 1 item after validation, not 0; found []"),
        ({"variants": [A, {"nam": "b"}]}, "variants: number 2: the key 'name' is missing"),
        ({"variants": [A | {"set": [1]}]},
         "variants: number 1: set: expected a mapping of keys to values, found [1]"),
        ({"baseline": {"epochs": 1}}, "baseline: unknown key 'epochs'; expected one of: set, seeds"),
        ({"seeds": [1.5]}, "seeds: number 1: input should be a valid integer; found 1.5"),
        ({"seeds": [1, 1]}, "baseline: seeds: expected each seed once, found [1, 1]"),
        ({"baseline": {"set": {"train.epoch": 1}}},
         "baseline: set: unknown parameter 'train.epoch'; expected in train: "),
        ({"baseline": {"set": {"trian.epochs": 1}}},
         "baseline: set: unknown parameter 'trian.epochs'; expected in the top level: seed, "),
        ({"baseline": {"set": {"seed.epochs": 1}}},
         "baseline: set: unknown parameter 'seed.epochs'; expected in seed: no key below it"),
        ({"baseline": {"set": {"train": {}}}},
         "baseline: set: expected a single parameter, found the section 'train': name a key of it"),
        ({"last": {"name": "z", "set": {"train.epochs": 0}}},
         "z: train: epochs: input should be greater than 0; found 0"),
        ({"baseline": {"set": {"train.folds": [0, 4], "preprocess.folds": 5}}},
         "baseline: train: folds: fold 4 is the last of "),
        ({"variants": [A, A]}, "a: expected another name: its experiments would be called a, as those of 'a'"),
        ({"variants": [A], "last": A}, "a: expected another name: its experiments would be called a, as those of 'a'"),
        ({"variants": [A, {"name": "A!"}]},
         "A!: expected another name: its experiments would be called a, as those of 'a'"),
        ({"variants": [{"name": "Baseline"}]}, "Baseline: expected another name: "),
        ({"variants": [{"name": "!"}]}, "!: expected a name with letters or digits"),
        ({"variants": [A | {"compared_with": "b"}, {"name": "b"}]},
         "a: compared_with: expected a variant above it (baseline), found 'b'"),
        ({"variants": [A | {"seeds": [7]}]},
         "a: seeds: expected at least one of those of baseline, [1], to compare with, found [7]"),
        ({"variants": [A | {"set": {"train.folds": [1]}}]},
         "a: train.folds: expected [0], the validation folds of baseline, found [1]"),
        ({"variants": [A | {"set": {"preprocess.folds": 4}}]},
         "a: set: expected parameters of training and of later stages, found 'preprocess.folds', which decides "),
        ({"variants": [A | {"set": {"train.seed": 4}}]}, "a: set: expected no seed here, found 'train.seed'"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    """Each gets a message that says where, what was expected and what was found."""
    with pytest.raises(UserError) as error:
        variants(tmp_path, **({"variants": [A]} | changes))
    assert f"{tmp_path / 'ablation.yaml'}: {message}" in str(error.value)


def test_no_plan(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(UserError, match=r"ablation.yaml: expected the variants to run, found no readable file"):
        plan.read(tmp_path / "ablation.yaml")
