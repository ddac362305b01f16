"""`ensemble.json`, which train writes beside the networks in data/model: what other stages need to know of them."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from stages.pipeline import hashes
from stages.pipeline.arrays import Float64
from stages.pipeline.cli import UserError

FILE = "ensemble.json"


@dataclass(frozen=True)
class EnsembleMember:
    """One network.

    Attributes:
        folder: of its SavedModel, inside data/model.
        fold: its validation fold, on which it was not trained. None: it was trained on every fold, the held-out one
            included.
        softmax: whether the probabilities of a pixel, the background's included, sum to 1.
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
    """All networks, and the summary of the prepared data on which they were trained.

    Attributes:
        sha256: of each file of the networks, by its path in data/model; known to `read` alone.
    """

    data: dict[str, Any]
    members: list[EnsembleMember]
    sha256: dict[str, str] = field(default_factory=dict, compare=False)

    def of_fold(self, fold: int) -> list[EnsembleMember]:
        """The networks that were not trained on a validation fold and may be scored on it."""
        return [member for member in self.members if member.fold == fold]

    @property
    def scored(self) -> list[EnsembleMember]:
        """The networks that were not trained on the held-out fold."""
        return [member for member in self.members if member.fold is not None]


def write(folder: Path, ensemble: Ensemble) -> None:
    """Write ensemble.json into the folder of the networks, which are complete, with the SHA-256 of their files."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file != folder / FILE)
    checksums = {file.relative_to(folder).as_posix(): hashes.sha256(file) for file in files}
    content = {"data": ensemble.data, "members": [asdict(member) for member in ensemble.members], "sha256": checksums}
    (folder / FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> Ensemble:
    """Read ensemble.json in the folder of the networks.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        data = content["data"]
        checksums = content.get("sha256", {})  # none in those of an earlier version, which train.blend may bring
        if not isinstance(data, dict) or not isinstance(checksums, dict):
            raise TypeError("data or sha256")
        members = [_member(member) for member in content["members"]]
    except FileNotFoundError:
        raise UserError(f"{folder}: expected the networks that train writes, with {FILE}, found none") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        raise UserError(
            f"{folder / FILE}: expected what train writes, found a damaged file: run dvc repro --force train"
        ) from None
    return Ensemble(data, members, checksums)


def _member(content: dict[str, Any]) -> EnsembleMember:
    """One network, from JSON.

    Raises:
        TypeError: a value has another type than `write` gives it.
    """
    folder, fold, flags = content["folder"], content["fold"], (content["softmax"], content["presence"])
    lists = {name: content[name] for name in ("class_weights", "crop_share")}
    numbers = [number for values in lists.values() if isinstance(values, list) for number in values]
    whole = isinstance(folder, str) and type(fold) in (int, type(None)) and all(type(flag) is bool for flag in flags)
    if not whole or not all(isinstance(values, list) for values in lists.values()):
        raise TypeError("folder, fold, softmax, presence, class_weights or crop_share")
    if not all(type(number) in (int, float) for number in numbers) or not np.isfinite(np.array(numbers, float)).all():
        raise TypeError("class_weights or crop_share")
    return EnsembleMember(**content | {name: tuple(values) for name, values in lists.items()})


def check_files(folder: Path, ensemble: Ensemble, network: str) -> None:
    """See that the files of one network are those that train wrote: engines crash on some damage, and miss some.

    Args:
        folder: of the networks.
        ensemble: what `read` returned for it; of an earlier version, it has no checksums, and nothing is checked.
        network: the folder of one of its members.

    Raises:
        UserError: a file is missing or another.
    """
    for name, expected in ensemble.sha256.items():
        file = folder / name
        if name.startswith(f"{network}/") and not (file.is_file() and hashes.sha256(file) == expected):
            raise UserError(
                f"{file}: expected the file that train wrote, found another or none: run dvc repro --force train"
            )


def softmax(members: list[EnsembleMember]) -> bool:
    """Whether the averaged probabilities of a pixel, with the background's, sum to 1: if those of every network do."""
    return all(member.softmax for member in members)


def factors(members: list[EnsembleMember], image_share: Float64) -> tuple[float, ...]:
    """By which factor training raised the odds of each class over the background.

        f_c = (w_c · s_c / t_c) / (w_0 · s_0 / t_0)

    with the weight w of a class in the loss, its share s of the pixels in the crops, and its share t of the pixels in
    the images. For several networks it is the geometric mean, since these factors multiply odds. Source: Saerens,
    Latinne and Decaestecker, Adjusting the outputs of a classifier to new a priori probabilities, 2002.

    Args:
        members: the networks, at least one; all with softmax, or all without.
        image_share: t, float64 (1 + classes,), the background first.

    Returns:
        One factor per class; 1 for a class that is in no crop or in no image.
    """
    logarithms = []
    for member in members:
        emphasis = np.array(member.class_weights) * np.array(member.crop_share)
        usable = (emphasis > 0) & (image_share > 0)
        ratio = np.divide(emphasis, image_share, out=np.ones(len(emphasis)), where=usable)
        relative = np.where(usable, ratio / ratio[0], 1.0)
        logarithms.append(np.log(relative[1:]))
    return tuple(np.exp(np.mean(logarithms, axis=0)).tolist())
