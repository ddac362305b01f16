import numpy as np
import pytest

pytestmark = pytest.mark.slow

# Two pixels of one image: the first is background, the second class 1.
LABELS = np.array([[[0, 1]]], np.uint8)  # (batch, height, width)


def logits(*probabilities: tuple[float, ...]) -> np.ndarray:
    """Logits of shape (1, 1, pixels, classes) whose softmax is the given probabilities."""
    return np.log(np.array([[probabilities]], np.float32))


def test_cce_is_the_weighted_mean_of_minus_log_p() -> None:
    """(1·-log 0.8 + 3·-log 0.5) / 2 pixels."""
    from stages.network import losses

    loss = losses.cce(np.array([1, 3], np.float32))(LABELS, logits((0.8, 0.2), (0.5, 0.5)))
    assert float(loss) == pytest.approx((-np.log(0.8) - 3 * np.log(0.5)) / 2)


def test_cce_of_certain_logits_is_finite() -> None:
    """A logit of -1,000 for the true class costs 1,000, not infinity."""
    from stages.network import losses

    loss = losses.cce(np.ones(2, np.float32))(LABELS, np.array([[[[0, 1000], [0, 0]]]], np.float32))
    assert float(loss) == pytest.approx((1000 + np.log(2)) / 2)


def test_cce_dice_adds_one_minus_soft_dice_of_the_classes_without_the_background() -> None:
    """Soft Dice of class 1: 2·0.5 / (0.2 + 0.5 + 1) = 0.5882."""
    from stages.network import losses

    weights = np.ones(2, np.float32)
    probabilities = logits((0.8, 0.2), (0.5, 0.5))
    added = losses.cce_dice(weights)(LABELS, probabilities) - losses.cce(weights)(LABELS, probabilities)
    assert float(added) == pytest.approx(1 - 2 * 0.5 / (0.2 + 0.5 + 1), abs=1e-4)


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    """The same formula as compute_class_weight("balanced")."""
    from sklearn.utils.class_weight import compute_class_weight

    from stages.network import losses

    true = np.repeat([0, 1, 2], [90, 8, 2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=true)
    np.testing.assert_allclose(losses.class_weights("balanced", np.bincount(true)), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["balanced", "sqrt_balanced"])
def test_weights_average_to_one_over_all_pixels(kind: str) -> None:
    """So the loss of a network that knows nothing does not depend on the kind of weights."""
    from stages.network import losses

    pixels = np.array([9_000, 900, 100])
    weights = losses.class_weights(kind, pixels)  # type: ignore[arg-type]
    assert (weights * pixels).sum() / pixels.sum() == pytest.approx(1)


def test_sqrt_balanced_weights_go_with_the_root_of_rarity() -> None:
    """A class 100 times rarer weighs 10 times as much."""
    from stages.network import losses

    weights = losses.class_weights("sqrt_balanced", np.array([10_000, 100]))
    assert weights[1] / weights[0] == pytest.approx(10)


def test_a_class_that_does_not_occur_weighs_nothing() -> None:
    """And does not make the other weights infinite."""
    from stages.network import losses

    np.testing.assert_allclose(losses.class_weights("balanced", np.array([50, 0, 50])), [1, 0, 1])


def test_list_and_none() -> None:
    """A list is taken as it is; none weighs all alike."""
    from stages.network import losses

    np.testing.assert_array_equal(losses.class_weights([1, 10], np.array([5, 5])), [1, 10])
    np.testing.assert_array_equal(losses.class_weights(None, np.array([5, 5])), [1, 1])
