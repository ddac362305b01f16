"""The chosen post-processing on disk: what the test images get, and what each validation image is scored with.

{"rules": …, "parts": [{"images": [NAME, …], "rules": …}, …]}
"""

import json
from dataclasses import dataclass
from pathlib import Path

from stages.pipeline import outputs
from stages.pipeline.cli import UserError
from stages.postprocessing.rules import Rules


@dataclass(frozen=True)
class Fitted:
    """Rules for images that chose nothing, and for those that did.

    Attributes:
        rules: for the held-out fold, for test images, and for a notebook.
        of_image: for each validation image, chosen without it and its near-duplicates.
    """

    rules: Rules
    of_image: dict[str, Rules]


def write(path: Path, rules: Rules, parts: list[tuple[list[str], Rules]]) -> None:
    """Write rules, and for each part of the validation images its names and the rules that the other parts chose."""
    content = {
        "rules": rules.to_json(),
        "parts": [{"images": images, "rules": chosen.to_json()} for images, chosen in parts],
    }
    with outputs.file(path) as stream:
        json.dump(content, stream, indent=1)
        stream.write("\n")


def read(path: Path) -> Fitted:
    """Read what `write` has written.

    Raises:
        UserError: it is not there, or something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        parts = [(part["images"], Rules.from_json(part["rules"])) for part in content["parts"]]
        return Fitted(Rules.from_json(content["rules"]), {image: rules for images, rules in parts for image in images})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: expected what the stage postprocess writes, found: {error}") from None
