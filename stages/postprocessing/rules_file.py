"""The chosen post-processing on disk: rules for test images, and rules for each validation image.

{"rules": …, "parts": [{"images": [NAME, …], "rules": …}, …]}
"""

import json
from dataclasses import dataclass
from pathlib import Path

from stages.pipeline import outputs, paths
from stages.pipeline.cli import UserError
from stages.postprocessing.rules import Rules

AGAIN = "run dvc repro --force postprocess"


@dataclass(frozen=True)
class FittedRules:
    """The rules that the stage postprocess has chosen.

    Attributes:
        rules: chosen on all validation images. Used for the held-out fold, for test images and in the notebook.
        of_image: for each validation image, rules that were chosen without it and without its near-duplicates.
    """

    rules: Rules
    of_image: dict[str, Rules]

    def of(self, image: str) -> Rules:
        """The rules of a validation image.

        Raises:
            UserError: the file names it nowhere.
        """
        if image not in self.of_image:
            raise UserError(f"{paths.RULES}: expected rules for the validation image {image}, found none: {AGAIN}")
        return self.of_image[image]


def write(path: Path, rules: Rules, parts: list[tuple[list[str], Rules]]) -> None:
    """Write the rules, and for each part of the validation images its names and the rules chosen on the other parts."""
    content = {
        "rules": rules.to_json(),
        "parts": [{"images": images, "rules": chosen.to_json()} for images, chosen in parts],
    }
    with outputs.file(path) as stream:
        json.dump(content, stream, indent=1)
        stream.write("\n")


def read(path: Path) -> FittedRules:
    """Read what `write` has written.

    Raises:
        UserError: the file is missing or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        parts = [(part["images"], Rules.from_json(part["rules"])) for part in content["parts"]]
        of_image = {image: rules for images, rules in parts for image in images}
        if len(of_image) != sum(len(images) for images, _ in parts) or not all(
            isinstance(name, str) for name in of_image
        ):
            raise ValueError("images that are not named once each")
        return FittedRules(Rules.from_json(content["rules"]), of_image)
    except (UserError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)[:200]
        raise UserError(f"{path}: expected what the stage postprocess writes, found: {reason}: {AGAIN}") from None
