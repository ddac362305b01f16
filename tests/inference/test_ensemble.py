"""What is known of the networks."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages.inference import ensemble
from stages.inference.ensemble import EnsembleMember
from stages.pipeline.cli import UserError


def member(folder: str, fold: int | None, weights: tuple[float, ...], shares: tuple[float, ...]) -> EnsembleMember:
    """A softmax network without an image-level head."""
    return EnsembleMember(folder, fold, True, False, weights, shares)


ZERO = member("fold_0", 0, (1, 4), (0.8, 0.2))
OTHER = member("blend_0/fold_0", 0, (1, 1), (0.5, 0.5))
FINAL = member("final", None, (1, 1), (0.9, 0.1))


def test_who_may_be_scored_on_what(tmp_path: Path) -> None:
    """A fold by the networks that have not seen it; the held-out fold by none that has seen everything."""
    ensemble.write(tmp_path, ensemble.Ensemble({"digest": "x"}, [ZERO, OTHER, FINAL]))
    found = ensemble.read(tmp_path)
    assert found.data == {"digest": "x"}
    assert found.members == [ZERO, OTHER, FINAL]
    assert found.of_fold(0) == [ZERO, OTHER]
    assert found.of_fold(1) == []
    assert found.scored == [ZERO, OTHER]


def test_factors_by_hand() -> None:
    """Weight 4, and a fifth of the crops' pixels where the images have a tenth: 4·(0.2/0.1) / (1·(0.8/0.9)) = 9."""
    assert ensemble.factors([ZERO], np.array([0.9, 0.1])) == pytest.approx((9,))


def test_factors_of_several_networks_are_their_geometric_mean() -> None:
    """The second has (0.5/0.1) / (0.5/0.9) = 9 too; one with factor 1 gives the mean 3."""
    plain = member("fold_1", 1, (1, 1), (0.9, 0.1))
    assert ensemble.factors([ZERO, OTHER], np.array([0.9, 0.1])) == pytest.approx((9,))
    assert ensemble.factors([ZERO, plain], np.array([0.9, 0.1])) == pytest.approx((3,))


def test_a_class_that_does_not_occur_is_left_alone() -> None:
    """Weight 0, or no pixel in the images: factor 1."""
    lacking = member("fold_0", 0, (1, 0, 2), (0.9, 0, 0.1))
    assert ensemble.factors([lacking], np.array([0.9, 0.1, 0]))[0] == 1
    assert ensemble.factors([lacking], np.array([0.9, 0.1, 0]))[1] == 1


def test_exclusive_only_if_all_are() -> None:
    """One network of sigmoids is enough for probabilities that need not sum to 1."""
    sigmoids = EnsembleMember("fold_1", 1, False, False, (1, 1), (0.5, 0.5))
    assert ensemble.softmax([ZERO, OTHER])
    assert not ensemble.softmax([ZERO, sigmoids])


def test_no_notes(tmp_path: Path) -> None:
    """A folder without them is no folder of networks, nor one with other content."""
    with pytest.raises(UserError, match=r"expected the networks that train writes, with ensemble\.json, found none"):
        ensemble.read(tmp_path)
    for content in ("", "{}", '{"data": {}, "members": [{"folder": "x"}]}', '{"data": 1, "members": []}', "[" * 99_999):
        (tmp_path / ensemble.FILE).write_text(content)
        with pytest.raises(UserError, match=r"ensemble\.json: expected what train writes, .* dvc repro --force train"):
            ensemble.read(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"folder": None},
        {"fold": True},
        {"fold": "0"},
        {"softmax": 1},
        {"presence": "false"},
        {"class_weights": "14"},
        {"class_weights": [1, "4"]},
        {"crop_share": {"0.8": 1}},
        {"crop_share": [0.8, float("nan")]},
        {"crop_share": [0.8, 10**400]},
        {"more": 1},
    ],
)
def test_a_network_of_other_values(tmp_path: Path, change: dict[str, object]) -> None:
    """A text would be taken for a list of its letters, and true for fold 1."""
    (tmp_path / ensemble.FILE).write_text(json.dumps({"data": {}, "members": [vars(ZERO) | change]}))
    with pytest.raises(UserError, match=r"ensemble\.json: expected what train writes, found a damaged file"):
        ensemble.read(tmp_path)
