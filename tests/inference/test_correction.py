"""What post-processing has to know about the ensemble."""

from typing import Any

import numpy as np
import pytest

from stages.dataset.prepared import Dataset
from stages.inference import correction, ensemble
from stages.inference.ensemble import EnsembleMember
from stages.pipeline.cli import UserError
from stages.pipeline.settings import Postprocess

SOFTMAX = EnsembleMember("fold_0", 0, True, False, (1.0, 2.0, 4.0), (0.5, 0.25, 0.25))
SIGMOID = EnsembleMember("fold_1", 1, False, True, (1.0, 2.0, 4.0), (0.5, 0.25, 0.25))


def options(**changes: Any) -> Postprocess:
    """Parameters of post-processing that search everything, with changes."""
    searched = dict.fromkeys(("thresholds", "gates", "min_areas", "min_components", "vetoes"))
    others = {"enabled": True, "gate": "max", "divide_by_weights": True, "min_positive_dice_ratio": 0.0, "parts": 5}
    others |= {"objective": "competition", "min_precision": 0.5, "veto": False, "one_class": False}
    return Postprocess(**searched | others | changes)


def test_factors_are_asked_for(prepared: Dataset) -> None:
    """There are none without post-processing, or if the probabilities are used as they are."""
    for changes in ({"enabled": False}, {"divide_by_weights": False}):
        assert correction.factors(options(**changes), [SOFTMAX], prepared, (0,)) is None


def test_factors_come_from_images_that_nothing_is_chosen_or_reported_on(prepared: Dataset) -> None:
    """With fold 0 validated and fold 2 held out, the shares of the classes are those of fold 1."""
    pixels = np.sum([sample.pixels for sample in prepared.fold(1)], axis=0)
    shares = np.array([4 * 40 * 72 - pixels.sum(), *pixels]) / (4 * 40 * 72)
    found = correction.factors(options(), [SOFTMAX], prepared, (0,))
    assert found == pytest.approx(ensemble.factors([SOFTMAX], shares))


def test_without_further_images_all_but_the_held_out_ones_count(prepared: Dataset) -> None:
    """Folds 0 and 1 are both validation folds."""
    samples = prepared.fold(0) + prepared.fold(1)
    pixels = np.sum([sample.pixels for sample in samples], axis=0)
    shares = np.array([8 * 40 * 72 - pixels.sum(), *pixels]) / (8 * 40 * 72)
    found = correction.factors(options(), [SOFTMAX], prepared, (0, 1))
    assert found == pytest.approx(ensemble.factors([SOFTMAX], shares))


def test_two_kinds_of_networks_are_refused(prepared: Dataset) -> None:
    """Softmax and sigmoids have different corrections."""
    with pytest.raises(UserError, match="divide_by_weights: expected networks of one kind"):
        correction.factors(options(), [SOFTMAX, SIGMOID], prepared, (0,))


def test_a_gate_by_presence_needs_a_head_in_every_network() -> None:
    """Other gates do not."""
    correction.check_presence(options(), [SOFTMAX])
    correction.check_presence(options(gate="presence"), [SIGMOID])
    with pytest.raises(UserError, match="gate: presence needs an image-level head in every network"):
        correction.check_presence(options(gate="presence"), [SOFTMAX, SIGMOID])


def test_a_veto_needs_a_head_in_every_network() -> None:
    """As the gate; one message for both."""
    correction.check_presence(options(veto=True), [SIGMOID])
    correction.check_presence(options(veto=True, enabled=False), [SOFTMAX])
    with pytest.raises(UserError, match="postprocess: veto: true needs an image-level head in every network"):
        correction.check_presence(options(veto=True), [SOFTMAX, SIGMOID])
    with pytest.raises(UserError, match="gate: presence and veto: true needs an image-level head"):
        correction.check_presence(options(veto=True, gate="presence"), [SOFTMAX])
