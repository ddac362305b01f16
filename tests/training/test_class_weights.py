import numpy as np
import pytest

from stages.training import class_weights


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    """The same formula as compute_class_weight("balanced")."""
    from sklearn.utils.class_weight import compute_class_weight

    true = np.repeat([0, 1, 2], [90, 8, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=true)
    np.testing.assert_allclose(class_weights.of_classes("balanced", np.bincount(true)), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["balanced", "sqrt_balanced"])
def test_weights_average_to_one_over_all_pixels(kind: str) -> None:
    """So the loss of a network that knows nothing does not depend on the kind of weights."""
    pixels = np.array([9_000, 900, 100])
    weights = class_weights.of_classes(kind, pixels)
    assert (weights * pixels).sum() / pixels.sum() == pytest.approx(1)


def test_sqrt_balanced_weights_go_with_the_root_of_rarity() -> None:
    """A class 100 times rarer weighs 10 times as much."""
    weights = class_weights.of_classes("sqrt_balanced", np.array([10_000, 100]))
    assert weights[1] / weights[0] == pytest.approx(10)


def test_a_class_that_does_not_occur_weighs_nothing() -> None:
    """And does not make the other weights infinite."""
    np.testing.assert_allclose(class_weights.of_classes("balanced", np.array([50, 0, 50])), [1, 0, 1])


def test_list_and_none() -> None:
    """A list is taken as it is; none weighs all alike."""
    np.testing.assert_array_equal(class_weights.of_classes([1, 10], np.array([5, 5])), [1, 10])
    np.testing.assert_array_equal(class_weights.of_classes(None, np.array([5, 5])), [1, 1])
