"""The chosen post-processing on disk."""

import json
from pathlib import Path

import pytest

from stages.pipeline.cli import UserError
from stages.postprocessing import rules, rules_file
from stages.postprocessing.rules import Rule, Rules


def test_each_image_gets_the_rules_of_its_part(tmp_path: Path) -> None:
    """Other images get the common rules; validation images get those that were chosen on the other parts."""
    others = Rules("area", (Rule(100, 5, 6, 7),), (1.5,), softmax=False)
    first, second = (Rules("area", (Rule(threshold, 0, 0, 0),)) for threshold in (90, 110))
    rules_file.write(tmp_path / "rules.json", others, [(["a.jpg", "b.jpg"], first), (["c.jpg"], second)])
    found = rules_file.read(tmp_path / "rules.json")
    assert found.rules == others
    assert found.of_image == {"a.jpg": first, "b.jpg": first, "c.jpg": second}


@pytest.mark.parametrize("content", ["", "{}", '{"rules": {}, "parts": []}', "[1]"])
def test_something_else_is_refused(tmp_path: Path, content: str) -> None:
    """One message, whatever is wrong with the file."""
    (tmp_path / "rules.json").write_text(content)
    with pytest.raises(UserError, match="expected"):
        rules_file.read(tmp_path / "rules.json")
    with pytest.raises(UserError, match=r"none.json: expected what the stage postprocess writes, found"):
        rules_file.read(tmp_path / "none.json")


@pytest.mark.parametrize("images", [[["a.jpg"], ["a.jpg"]], [["a.jpg", 1]], [["a.jpg", None]], ["ab", ["b"]]])
def test_every_image_is_named_once(tmp_path: Path, images: list[object]) -> None:
    """An image in two parts would get the rules of either."""
    content = rules.plain(1).to_json()
    parts = [{"images": each, "rules": content} for each in images]
    (tmp_path / "rules.json").write_text(json.dumps({"rules": content, "parts": parts}))
    with pytest.raises(UserError, match=r"rules.json: expected what .* found: images that are not named once each"):
        rules_file.read(tmp_path / "rules.json")


def test_plain_rules_survive(tmp_path: Path) -> None:
    """No post-processing is written and read as such."""
    rules_file.write(tmp_path / "rules.json", rules.plain(3), [])
    assert rules_file.read(tmp_path / "rules.json").rules == rules.plain(3)
