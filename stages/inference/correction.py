"""What post-processing has to know about the ensemble: the class weights that its probabilities are divided by."""

import numpy as np

from stages.dataset.prepared import Dataset
from stages.inference import ensemble
from stages.inference.ensemble import EnsembleMember
from stages.pipeline.arrays import Float64
from stages.pipeline.cli import UserError
from stages.pipeline.settings import Postprocess


def factors(
    options: Postprocess, members: list[EnsembleMember], data: Dataset, folds: tuple[int, ...]
) -> tuple[float, ...] | None:
    """The factors of `Rules`; None if the probabilities are used as they are.

    Args:
        options: of post-processing.
        members: the networks whose probabilities are averaged.
        data: what they were trained on.
        folds: the validation folds.

    Raises:
        UserError: softmax and sigmoid networks together, which have no common correction.
    """
    if not (options.enabled and options.divide_by_weights):
        return None
    if len({member.softmax for member in members}) > 1:
        raise UserError(
            "params.yaml: postprocess: divide_by_weights: expected networks of one kind, found softmax and sigmoid "
            "ones (train.blend)"
        )
    return ensemble.factors(members, _class_shares(data, folds))


def check_presence(options: Postprocess, members: list[EnsembleMember]) -> None:
    """See that every network can answer whether a class is in the image, if the gate or the veto asks that.

    Raises:
        UserError: a network has no image-level head.
    """
    asking = ["gate: presence"] * (options.gate == "presence") + ["veto: true"] * options.veto
    if options.enabled and asking and not all(member.presence for member in members):
        raise UserError(
            f"params.yaml: postprocess: {' and '.join(asking)} needs an image-level head in every network; found "
            "some without: run dvc repro train with train.presence_weight above 0, and blend experiments that have one"
        )


def _class_shares(data: Dataset, folds: tuple[int, ...]) -> Float64:
    """Share of each class, the background first, in the pixels of images that are neither held out nor validated on.

    If every fold but the held-out one is a validation fold, the shares in those: there are no other images.
    """
    others = [sample for sample in data.index if sample.fold not in (*folds, data.held_out)]
    samples = others or [sample for sample in data.index if sample.fold != data.held_out]
    pixels = np.sum([sample.pixels for sample in samples], axis=0)
    seen = data.area(samples)
    return np.asarray(np.concatenate([[seen - pixels.sum()], pixels]) / seen)
