"""The two files that Kaggle's own client reads to publish an export as a private model:

kaggle models create -p FOLDER
kaggle models variations create -p FOLDER -r zip
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.exporting import card
from stages.exporting.networks import Format
from stages.kaggle.bundle import LONGEST_NAME
from stages.pipeline.cli import UserError

FILES = MODEL, VARIATION = "model-metadata.json", "model-instance-metadata.json"
FRAMEWORKS = {"onnx": "onnx", "openvino": "other", "savedmodel": "tensorFlow2"}  # as the client names them
OWNER, SLUG = re.compile(r"[a-z0-9]+([_-][a-z0-9]+)*"), re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")  # as the client checks


@dataclass(frozen=True)
class KaggleModel:
    """Where the export goes.

    Attributes:
        owner: a user of Kaggle, or an organisation.
        slug: name of the model in its address.
    """

    owner: str
    slug: str

    @classmethod
    def parsed(cls, text: str) -> "KaggleModel":
        """From OWNER/SLUG.

        Raises:
            UserError: the text has another form.
        """
        owner, _, slug = text.partition("/")
        if not (OWNER.fullmatch(owner) and SLUG.fullmatch(slug)) or len(slug) > LONGEST_NAME:
            raise UserError(
                f"--kaggle-model: expected OWNER/SLUG in small letters, digits and hyphens, the slug of at most "
                f"{LONGEST_NAME} characters; found {text!r}"
            )
        return cls(owner, slug)


def write(folder: Path, model: KaggleModel, form: Format) -> None:
    """Write both files into the folder of an export, with its model card as the description."""
    description = (folder / card.FILE).read_text(encoding="utf-8")
    _write_json(
        folder / MODEL,
        {
            "ownerSlug": model.owner,
            "title": model.slug.replace("-", " "),
            "slug": model.slug,
            "subtitle": "",
            "isPrivate": True,
            "description": description,
        },
    )
    _write_json(
        folder / VARIATION,
        {
            "ownerSlug": model.owner,
            "modelSlug": model.slug,
            "instanceSlug": form,
            "framework": FRAMEWORKS[form],
            "overview": "",
            "usage": description,
            "licenseName": "Other",  # the card says which
            "fineTunable": False,
            "trainingData": [],
        },
    )


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
