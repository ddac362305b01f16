"""data/expected_dice.json: what is expected of predicted masks, and the numbers of the training images.

{"expectations": …, "training": …}
"""

import json
from dataclasses import dataclass
from pathlib import Path

from stages.pipeline import outputs
from stages.pipeline.cli import UserError
from stages.postprocessing.expectations import Model
from stages.postprocessing.reference import Reference

AGAIN = "run dvc repro --force expected_dice"


@dataclass(frozen=True)
class Fitted:
    """What the stage expected_dice has learned.

    Attributes:
        model: from the evidence of a mask to its expected Dice.
        training: the images that networks were trained on, as numbers.
    """

    model: Model
    training: Reference


def write(path: Path, fitted: Fitted) -> None:
    """Write both."""
    with outputs.file(path) as stream:
        json.dump({"expectations": fitted.model.to_json(), "training": fitted.training.to_json()}, stream, indent=1)
        stream.write("\n")


def read(path: Path) -> Fitted:
    """Read what `write` has written.

    Raises:
        UserError: the file is missing or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Fitted(Model.from_json(content["expectations"]), Reference.from_json(content["training"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)[:200]
        raise UserError(f"{path}: expected what the stage expected_dice writes, found: {reason}: {AGAIN}") from None
