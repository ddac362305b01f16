"""YAML: params.yaml, recipes, ablation.yaml, dvc.yaml and dvc.lock."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from ruamel.yaml import YAML

from stages.ablation import plan
from stages.dataset.layout import Layout
from stages.pipeline import recipes, recorded, settings, unchanged, yaml_files
from stages.pipeline.cli import UserError
from tests.fuzzing import changes
from tests.fuzzing.reader import Files, Reader

KIND = "yaml"
ROOT = Path(__file__).parents[2]


def _text(path: Path) -> str:
    """Without lines of comments, whose changes would change nothing."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return "".join(f"{line}\n" for line in (re.sub(r"\s+# .*", "", line) for line in lines) if not line.startswith("#"))


PARAMS = _text(ROOT / "params.yaml")
RECIPES = [_text(path) for path in sorted((ROOT / "recipes").glob("*.yaml"))]
PLAN = _text(ROOT / "ablation.yaml")
STAGES = _text(ROOT / "dvc.yaml")
OUT = b"x\n"
LOCK = """schema: '2.0'
stages:
  predict:
    cmd: python -m stages.predict
    outs:
    - path: data/submission.csv
      hash: md5
      md5: 401b30e3b8b5d629635a5c613cdb7919
      size: 2
"""


def yaml(*valid: str) -> SearchStrategy[bytes]:
    """YAML whose values are changed, or whose text or bytes are. JSON is YAML, and written faster."""
    contents = [YAML(typ="safe", pure=True).load(text) for text in valid]
    changed = changes.value(contents).map(changes.as_json)
    deep = [b"[" * 3000, b"a: " * 3000, b"{a: " * 3000, b"- " * 50_000, b"&a [*a]", b"a: &a {b: *a}", b"? ? ? :", b""]
    raw = changes.raw([text.encode() for text in valid])
    return st.one_of(changed, changed, changes.text(valid), raw, st.sampled_from(deep))


def leaves(content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value by its dotted name."""
    if isinstance(content, dict):
        for key, inner in content.items():
            yield from leaves(inner, f"{name}.{key}")
    else:
        yield name, list(content) if isinstance(content, tuple) else content


def parameters(folder: Path) -> str | None:
    """Read params.yaml; what is read must be what stands there."""
    options = settings.load(folder / "params.yaml")
    Layout.of(options.competition)
    stands = dict(leaves(YAML(typ="safe", pure=True).load((folder / "params.yaml").read_text(encoding="utf-8"))))
    for name, found in leaves(options.model_dump()):
        if (
            stands[name] != found
            and str(stands[name]).strip(" ") != str(found)
            and _plain(stands[name]) != _plain(found)
        ):
            return f"{name}: expected {stands[name]!r}, found {found!r}"
    return None


def _plain(content: Any) -> Any:
    return [str(each) for each in content] if isinstance(content, list) else content


def recipe(folder: Path) -> str | None:
    """Apply a recipe; what it sets must stand in params.yaml then."""
    path = folder / "params.yaml"
    content = yaml_files.read(folder / "own.yaml", "a recipe")
    if not isinstance(content, dict):
        raise UserError("own.yaml: expected a mapping")
    recipes.apply([content], path)
    after = dict(leaves(yaml_files.read(path, "the parameters")))
    settings.load(path)
    wrong = [name for name, value in leaves(content) if after.get(name) != value and value == value]
    return f"{wrong[0]}: not as in the recipe: {after.get(wrong[0])!r}" if wrong else None


def ablation(folder: Path) -> str | None:
    """Read a plan and check its variants."""
    path = folder / "ablation.yaml"
    found = plan.read(path)
    made = plan.variants(found, yaml_files.read(folder / "params.yaml", "the parameters"), path)
    return None if len(made) == 1 + len(found.variants) + (found.last is not None) else f"found {len(made)} variants"


def stages(folder: Path) -> str | None:
    """Watch what a stage depends on."""
    unchanged.Watch("train").check()
    return None


def lock(folder: Path) -> str | None:
    """Compare an output with dvc.lock."""
    recorded.check(Path("data/submission.csv"))
    text = (folder / "dvc.lock").read_text(encoding="utf-8")
    return None if "401b30e3b8b5d629635a5c613cdb7919" in text else "accepted with another hash"


def _recipes() -> SearchStrategy[Files]:
    valid = {"params.yaml": PARAMS.encode(), "own.yaml": RECIPES[0].encode()}
    return changes.one_of_files(valid, {"own.yaml": yaml(*RECIPES), "params.yaml": yaml(PARAMS)})


READERS = [
    Reader("params.yaml", KIND, yaml(PARAMS).map(changes.named("params.yaml")), parameters),
    Reader("recipe", KIND, _recipes(), recipe),
    Reader(
        "ablation.yaml",
        KIND,
        changes.one_of_files({"params.yaml": PARAMS.encode()}, {"ablation.yaml": yaml(PLAN)}),
        ablation,
    ),
    Reader(
        "dvc.yaml",
        KIND,
        changes.one_of_files(
            {"params.yaml": PARAMS.encode(), "dvc.yaml": STAGES.encode()},
            {"dvc.yaml": yaml(STAGES), "params.yaml": yaml(PARAMS)},
        ),
        stages,
    ),
    Reader("dvc.lock", KIND, changes.one_of_files({"data/submission.csv": OUT}, {"dvc.lock": yaml(LOCK)}), lock),
]
