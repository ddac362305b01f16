"""`model.json`: everything that turns a photograph into masks, besides the networks' own weights."""

import json
from pathlib import Path
from typing import Any

from stages.exporting import exported
from stages.exporting.networks import Format
from stages.inference.engines import Engine
from stages.pipeline.settings import Settings
from stages.postprocessing.rules import Rules

VERSION = 1  # of the form of model.json


def content(options: Settings, form: Format, engine: Engine, networks: list[str], rules: Rules) -> dict[str, Any]:
    """What `exported.load` reads, and people who write a reader of their own.

    Args:
        options: the parameters of the run.
        form: of the networks.
        engine: that runs them.
        networks: their folders in the export.
        rules: of post-processing.
    """
    competition = options.competition
    size = ["batch", "height", "width"]
    return {
        "version": VERSION,
        "format": form,
        "precision": engine.precision,
        "networks": networks,
        "input": {
            "name": "grey_levels" if competition.images.channels == 1 else "colours",
            "type": "uint8",
            "shape": size if competition.images.channels == 1 else [*size, 3],
            "values": "0 … 255 as stored, red first if colours: the networks normalise them, scale them down by "
            "`downscale` and fill them up to their stride themselves",
        },
        "outputs": {
            "probabilities": {
                "type": "float32",
                "shape": [*size, len(competition.classes)],
                "values": "that a pixel is of each class, without the background",
            },
            "presence": {
                "type": "float32",
                "shape": ["batch", len(competition.classes)],
                "values": "that a class is in the image; 1 for networks without an image-level head",
            },
        },
        "inference": {
            "batch_size": options.inference.batch_size,
            "flips": options.inference.flips,
            "scales": list(options.inference.scales),
            "downscale": options.train.downscale,
        },
        "competition": competition.model_dump(mode="json"),
        "rules": rules.to_json(),
    }


def write(folder: Path, description: dict[str, Any]) -> None:
    """Write model.json."""
    text = json.dumps(description, indent=2, ensure_ascii=False)
    (folder / exported.FILE).write_text(text + "\n", encoding="utf-8")
