"""Pseudo-labels by the networks of another experiment: which of them may label, and how sure they are of an image."""

from pathlib import Path

from stages.inference import engines, ensemble
from stages.inference.averaging import Network
from stages.inference.engines import Engine
from stages.inference.ensemble import Ensemble, EnsembleMember
from stages.pipeline import settings
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError
from stages.postprocessing.prediction import FULL, HALF


def engine(options: settings.Inference) -> Engine:
    """What runs the networks: as in infer, but float32 for int8, because quantize has seen this experiment's only."""
    chosen = engines.chosen(options)
    return Engine(chosen.name, "float32") if chosen.precision == "int8" else chosen


def labelling(networks: Ensemble, fold: int | None, where: str) -> list[EnsembleMember]:
    """The networks that label for the network of a fold: those that were validated on the same fold.

    All others have seen its masks and would pass them on. No network that was trained on the held-out fold labels.

    Args:
        networks: of the other experiment.
        fold: None for the network of train.final, which is scored on no fold: every network but those that were trained
            on the held-out fold.
        where: names the experiment in messages.

    Raises:
        UserError: there is none.
    """
    found = networks.scored if fold is None else networks.of_fold(fold)
    if not found:
        needed = "not trained on the held-out fold" if fold is None else f"validated on fold {fold}, as in train.folds"
        folds = sorted({member.fold for member in networks.scored if member.fold is not None})
        raise UserError(
            f"{where}: expected a network that was {needed}, found networks of fold "
            f"{', '.join(map(str, folds)) or 'none'}: labels by others would tell what its masks show. Train that fold "
            "there, or leave it out here"
        )
    return found


class Labellers:
    """The networks in a folder, each checked and loaded when it is first asked for."""

    def __init__(self, folder: Path, networks: Ensemble, engine: Engine) -> None:
        self._folder, self._networks, self.engine = folder, networks, engine
        self._loaded: dict[str, Network] = {}

    def of(self, members: list[EnsembleMember]) -> list[Network]:
        """The networks of these members, in order.

        Raises:
            UserError: one is missing or damaged.
        """
        for name in (member.folder for member in members if member.folder not in self._loaded):
            ensemble.check_files(self._folder, self._networks, name)
            self._loaded[name] = engines.load(self.engine.name, self._folder / name, self.engine.precision)
        return [self._loaded[member.folder] for member in members]


def confidence(pixels: UInt8) -> float:
    """How sure networks are of an image, 0.5 … 1: as sure as of the class of which they are least sure.

    Of a class with pixels above probability 1/2, it is the mean probability of these pixels; of any other class, 1
    minus the largest probability of a pixel. A mean over all pixels would hardly differ between images, because most
    pixels are background.

    Args:
        pixels: probabilities, uint8 (height, width, classes), 255 for 1.

        >>> import numpy as np
        >>> confidence(np.array([[[255, 0], [153, 51]]], np.uint8))  # class 1: (255 + 153) / 2; class 2: 255 - 51
        0.8
    """
    surest = []
    for plane in (pixels[..., number] for number in range(pixels.shape[2])):
        inside = plane[plane >= HALF]
        surest.append(float(inside.mean()) if inside.size else float(FULL - plane.max(initial=0)))
    return min(surest) / FULL
