"""What is known of the networks in data/model: `ensemble.json`, which train writes beside them."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.pipeline.cli import UserError

FILE = "ensemble.json"


@dataclass(frozen=True)
class EnsembleMember:
    """One network.

    Attributes:
        folder: of its SavedModel, inside data/model.
        fold: the validation fold, which it has not seen. None: it has seen every fold, the held-out one included.
        softmax: whether the probabilities of a pixel sum to 1 with the background's (softmax).
        presence: whether it has an image-level head.
        class_weights: in its loss, the background first.
        crop_share: share of each class in the pixels that it was trained on, the background first.
    """

    folder: str
    fold: int | None
    softmax: bool
    presence: bool
    class_weights: tuple[float, ...]
    crop_share: tuple[float, ...]


@dataclass(frozen=True)
class Ensemble:
    """All of them, and the summary of the prepared data that they were trained on."""

    data: dict[str, Any]
    members: list[EnsembleMember]

    def of_fold(self, fold: int) -> list[EnsembleMember]:
        """The networks that have not seen a validation fold, and may be scored on it."""
        return [member for member in self.members if member.fold == fold]

    @property
    def scored(self) -> list[EnsembleMember]:
        """The networks that have not seen the held-out fold."""
        return [member for member in self.members if member.fold is not None]


def write(folder: Path, notes: Ensemble) -> None:
    """Write the notes into the folder of the networks."""
    content = {"data": notes.data, "members": [asdict(member) for member in notes.members]}
    (folder / FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> Ensemble:
    """Read the notes in the folder of the networks.

    Raises:
        UserError: there are none.
    """
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        data = content["data"]
        members = [
            EnsembleMember(**member | {name: tuple(member[name]) for name in ("class_weights", "crop_share")})
            for member in content["members"]
        ]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{folder}: expected the networks that train writes, with {FILE}, found none") from None
    return Ensemble(data, members)


def softmax(members: list[EnsembleMember]) -> bool:
    """Whether the averaged probabilities of a pixel sum to 1 with the background's: those of every network do."""
    return all(member.softmax for member in members)


def factors(members: list[EnsembleMember], image_share: npt.NDArray[np.float64]) -> tuple[float, ...]:
    """How much more training made of a pixel of each class than of one of the background.

        f_c = (w_c · s_c / t_c) / (w_0 · s_0 / t_0)

    with the weight w in the loss, the share s of a class in the pixels of the crops, and its share t in the images. Of
    several networks the geometric mean, since such factors multiply odds. Source: Saerens, Latinne and Decaestecker,
    Adjusting the outputs of a classifier to new a priori probabilities, 2002.

    Args:
        members: the networks, at least one; all of one kind.
        image_share: t, float64 (1 + classes,), the background first.

    Returns:
        One factor a class; 1 for a class that is in no crop or no image.
    """
    logarithms = []
    for member in members:
        of_pixel = np.array(member.class_weights) * np.array(member.crop_share)
        usable = (of_pixel > 0) & (image_share > 0)
        ratio = np.divide(of_pixel, image_share, out=np.ones(len(of_pixel)), where=usable)
        relative = np.where(usable, ratio / ratio[0], 1.0)
        logarithms.append(np.log(relative[1:]))
    return tuple(np.exp(np.mean(logarithms, axis=0)).tolist())
