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
    from stages.training import losses

    loss = losses.cce(np.array([1, 3], np.float32))(LABELS, logits((0.8, 0.2), (0.5, 0.5)))
    assert float(loss) == pytest.approx((-np.log(0.8) - 3 * np.log(0.5)) / 2)


def test_cce_of_certain_logits_is_finite() -> None:
    """A logit of -1,000 for the true class costs 1,000, not infinity."""
    from stages.training import losses

    loss = losses.cce(np.ones(2, np.float32))(LABELS, np.array([[[[0, 1000], [0, 0]]]], np.float32))
    assert float(loss) == pytest.approx((1000 + np.log(2)) / 2)


def test_cce_is_that_of_segmentation_models_where_nothing_is_clipped() -> None:
    """Its mean runs over the channels too."""
    import segmentation_models as sm

    from stages.training import losses

    weights = np.array([1, 2, 3], np.float32)
    random = np.random.default_rng(0)
    scores, labels = random.normal(size=(2, 3, 3, 3)).astype(np.float32), random.integers(0, 3, (2, 3, 3))
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    expected = 3 * float(
        sm.losses.CategoricalCELoss(class_weights=weights)(np.eye(3, dtype="f")[labels], probabilities)
    )
    assert float(losses.cce(weights)(labels, scores)) == pytest.approx(expected, rel=1e-5)


# A 3×3 mask of class 1, at least two thirds probable where it is and one third where it is not.
MASK = np.array([[[0, 0, 0], [0, 1, 1], [0, 1, 1]]], np.uint8)
P = np.where(MASK == 1, 2 / 3, 1 / 3)
SOFTMAX = np.log(np.stack([1 - P, P], axis=-1)).astype(np.float32)  # logits
SIGMOID = np.log(P / (1 - P))[..., np.newaxis].astype(np.float32)

# Worked out by hand: 4 pixels of 9 are there; p sums to 8/3 on them and to 5/3 on the others.
ENTROPY = (5 * -np.log(2 / 3) + 4 * 3 * -np.log(2 / 3)) / 9  # weights 1 and 3
DICE = 1 - 2 * (8 / 3) / (8 / 3 + 5 / 3 + 4)
JACCARD = 1 - (8 / 3) / (4 + 5 / 3)
TVERSKY = 1 - (8 / 3) / (8 / 3 + 0.3 * 5 / 3 + 0.7 * (4 - 8 / 3))
# All errors are 1/3, and the gradients of the Jaccard loss along a sorted list add up to 1.
LOVASZ = 1 / 3
BY_HAND = {
    "cce": ENTROPY,
    "focal": ENTROPY * (1 / 3) ** 2,
    "dice": DICE,
    "tversky": TVERSKY,
    "cce_dice": ENTROPY + DICE,
    "cce_jaccard": ENTROPY + JACCARD,
    "cce_image_dice": ENTROPY + DICE,  # of a single image with a single class
    "lovasz": LOVASZ,
    "bce": ENTROPY,  # of one class, the sigmoid's p is what the softmax's was
    "bce_dice": ENTROPY + DICE,
    "bce_image_dice": ENTROPY + DICE,
    "focal_dice_bce": ENTROPY * (1 / 3) ** 2 + DICE + ENTROPY,
}
SIGMOIDS = ("bce", "bce_dice", "bce_image_dice", "focal_dice_bce")


def of(name: str, weights: tuple[float, ...], labels: np.ndarray, logits: np.ndarray) -> float:
    """Value of a loss of the table."""
    from stages.training import losses

    return float(losses.LOSSES[name].make(np.array(weights, np.float32))(labels, logits))


def test_every_loss_has_a_value_by_hand() -> None:
    """And params.yaml accepts those and no others."""
    from typing import get_args

    from stages.pipeline.settings import Train
    from stages.training import losses

    assert set(losses.LOSSES) == set(BY_HAND) == set(get_args(Train.model_fields["loss"].annotation))


@pytest.mark.parametrize("name", BY_HAND)
def test_3_by_3_mask(name: str) -> None:
    """The value worked out by hand above."""
    logits = SIGMOID if name in SIGMOIDS else SOFTMAX
    assert of(name, (1, 3), MASK, logits) == pytest.approx(BY_HAND[name], abs=1e-4)


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "cce": -np.log(2 / 3),
        "focal": -np.log(2 / 3) / 9,
        "dice": 1,  # the class is invented where there is none: no overlap at all
        "tversky": 1,
        "cce_dice": -np.log(2 / 3) + 1,
        "cce_jaccard": -np.log(2 / 3) + 1,
        "cce_image_dice": -np.log(2 / 3) + 1,
        "lovasz": 1 / 3,  # of the background, the only class there
        "bce": -np.log(2 / 3),
        "bce_dice": -np.log(2 / 3) + 1,
        "bce_image_dice": -np.log(2 / 3) + 1,
        "focal_dice_bce": -np.log(2 / 3) * (1 + 1 / 9) + 1,
    }.items(),
)
def test_3_by_3_background(name: str, expected: float) -> None:
    """A batch without a defect, every pixel one third probable to be one; the weight of class 1 plays no part."""
    logits = (
        np.log(1 / 2) * np.ones((1, 3, 3, 1)) if name in SIGMOIDS else np.log([2 / 3, 1 / 3]) + np.zeros((1, 3, 3, 2))
    )
    assert of(name, (1, 3), np.zeros((1, 3, 3), np.uint8), logits.astype("f")) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["image_dice", "sigmoid_image_dice"])
def test_dice_of_each_image(name: str) -> None:
    """A mask of one pixel counts as much as one of four, and an image without a mask not at all."""
    import tensorflow as tf

    from stages.training import losses

    small, clean = np.zeros((2, 1, 3, 3), np.uint8)
    small[0, 0, 0] = 1
    labels = np.concatenate([MASK, small, clean])
    p = np.stack([P[0], np.full((3, 3), 1 / 2), np.full((3, 3), 0.9)])
    logits = np.log(p / (1 - p))[..., np.newaxis].astype(np.float32)
    if name == "image_dice":
        logits = np.concatenate([np.zeros_like(logits), logits], axis=-1)
    small_dice = 2 * 0.5 / (1 + 9 / 2)
    given = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(given)
        value = getattr(losses, name)(np.ones(2, np.float32))(labels, given)
    assert float(value) == pytest.approx(1 - ((1 - DICE) + small_dice) / 2)
    assert not tape.gradient(value, given)[2].numpy().any()


def test_lovasz_of_hard_predictions_is_one_minus_iou() -> None:
    """Classes 1 and background: 1 - 2/5 and 1 - 4/7 on a 3×3 mask of which two pixels are missed and one invented."""
    predicted = np.array([[[1, 0, 0], [0, 1, 1], [0, 0, 0]]])
    logits = np.where(np.eye(2)[predicted] == 1, 50, -50).astype(np.float32)
    assert of("lovasz", (1, 1), MASK, logits) == pytest.approx(((1 - 2 / 5) + (1 - 4 / 7)) / 2, abs=1e-5)


def test_lovasz_leaves_classes_out_that_are_not_in_the_batch() -> None:
    """A third class that is neither there nor probable changes nothing."""
    three = np.concatenate([SOFTMAX, np.full((1, 3, 3, 1), -50, np.float32)], axis=-1)
    assert of("lovasz", (1, 1, 1), MASK, three) == pytest.approx(LOVASZ, abs=1e-5)


@pytest.mark.parametrize("name", ["dice", "tversky", "lovasz"])
def test_weights_that_play_no_part(name: str) -> None:
    """As the docstrings say."""
    assert of(name, (1, 1), MASK, SOFTMAX) == of(name, (1, 50), MASK, SOFTMAX)


@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("labels", [MASK, np.zeros_like(MASK)], ids=["mask", "background"])
@pytest.mark.parametrize("size", [0, 1, 60_000])
def test_float16_logits_give_finite_losses_and_gradients(name: str, labels: np.ndarray, size: int) -> None:
    """Up to the largest that float16 holds, right and wrong."""
    import tensorflow as tf

    from stages.training import losses

    kind = losses.LOSSES[name]
    channels = 2 if kind.activation == "sigmoid" else 3
    logits = tf.constant(size * np.random.default_rng(0).choice([-1, 1], (1, 3, 3, channels)), tf.float16)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = kind.make(np.array([1, 2, 3], np.float32))(tf.constant(labels), logits)
    assert value.dtype == tf.float32
    assert np.isfinite(value)
    assert np.isfinite(tape.gradient(value, logits)).all()


@pytest.mark.parametrize("name", BY_HAND)
def test_descent_on_a_loss_draws_the_mask(name: str) -> None:
    """From logits of zero, the gradient alone makes every pixel of a two-class mask right."""
    import tensorflow as tf

    from stages.training import losses

    labels = np.array([[[0, 0, 2], [0, 1, 1], [0, 1, 1]]], np.uint8)
    kind = losses.LOSSES[name]
    loss = kind.make(np.array([1, 2, 2], np.float32))
    logits = tf.Variable(tf.zeros((1, 3, 3, 2 if kind.activation == "sigmoid" else 3)))
    optimizer = tf.keras.optimizers.legacy.Adam(0.1)
    for _ in range(60):
        optimizer.minimize(lambda: loss(labels, logits), [logits])
    scores = logits.numpy()
    if kind.activation == "sigmoid":
        scores = np.concatenate([np.zeros((1, 3, 3, 1)), scores], axis=-1)
    np.testing.assert_array_equal(scores.argmax(axis=-1), labels)


def test_label_smoothing_of_cce() -> None:
    """With 0.2, log p becomes 0.8·log p[true] + 0.2·(log p[0] + log p[1]) / 2."""
    from stages.training import losses

    loss = losses.cce(np.array([1, 3], np.float32), 0.2)(LABELS, logits((0.8, 0.2), (0.5, 0.5)))
    first = 0.8 * np.log(0.8) + 0.2 * (np.log(0.8) + np.log(0.2)) / 2
    assert float(loss) == pytest.approx((-first - 3 * np.log(0.5)) / 2)


def test_label_smoothing_of_bce() -> None:
    """With 0.2, what is there is 0.9 and what is not 0.1: the mean over two pixels of one class."""
    from stages.training import losses

    scores = np.log(np.array([[[[0.8 / 0.2], [0.6 / 0.4]]]], np.float32))
    loss = losses.bce(np.ones(2, np.float32), 0.2)(LABELS, scores)
    background = -0.1 * np.log(0.8) - 0.9 * np.log(0.2)
    there = -0.9 * np.log(0.6) - 0.1 * np.log(0.4)
    assert float(loss) == pytest.approx((background + there) / 2)


def test_the_losses_with_a_cross_entropy_are_those_that_settings_name() -> None:
    """They take the label smoothing and the share of hard pixels; the others have no such arguments."""
    import inspect

    from stages.pipeline import train_settings
    from stages.training import losses

    arguments = {name: list(inspect.signature(kind.make).parameters) for name, kind in losses.LOSSES.items()}
    taking = [name for name, taken in arguments.items() if taken == ["weights", "smoothing", "hard_pixels"]]
    assert tuple(taking) == train_settings.WITH_CROSS_ENTROPY
    assert all(taken == ["weights"] for name, taken in arguments.items() if name not in taking)


def test_the_losses_with_sigmoids_are_those_that_settings_name() -> None:
    """Classes may overlap with these alone."""
    from stages.pipeline import train_settings
    from stages.training import losses

    sigmoids = [name for name, kind in losses.LOSSES.items() if kind.activation == "sigmoid"]
    assert tuple(sigmoids) == train_settings.SIGMOIDS == SIGMOIDS


def test_the_harder_of_two_pixels() -> None:
    """They cost -log 0.8 and 3·-log 0.5; a half is the second alone, and so is the least share."""
    from stages.training import losses

    for share in (0.5, 0.01):
        loss = losses.cce(np.array([1, 3], np.float32), 0, share)(LABELS, logits((0.8, 0.2), (0.5, 0.5)))
        assert float(loss) == pytest.approx(-3 * np.log(0.5))


def test_hard_pixels_where_classes_overlap() -> None:
    """Two pixels in two classes, p = 0.5, 0.8 and 0.6, 0.9: the harder half of the four is 0.5 and 0.6."""
    from stages.training import losses

    planes = np.array([[[[1, 1], [0, 1]]]], np.uint8)  # the first pixel is in both classes
    scores = np.log(np.array([[[[0.5 / 0.5, 0.8 / 0.2], [0.4 / 0.6, 0.9 / 0.1]]]], np.float32))
    loss = losses.bce(np.ones(3, np.float32), 0, 0.5)(planes, scores)
    assert float(loss) == pytest.approx(-(np.log(0.5) + np.log(0.6)) / 2)


def test_pixels_that_are_equally_hard_count_alike() -> None:
    """Nothing is known yet, every pixel costs log 2: all have a gradient, whichever share is asked for."""
    import tensorflow as tf

    from stages.training import losses

    scores = tf.zeros((1, 3, 3, 2))
    with tf.GradientTape() as tape:
        tape.watch(scores)
        value = losses.cce(np.ones(2, np.float32), 0, 0.25)(MASK, scores)
    assert float(value) == pytest.approx(np.log(2))
    assert (tape.gradient(value, scores).numpy() != 0).all()


def test_the_largest_values_are_those_of_a_sort() -> None:
    """Every place of 400 values of all sizes, many of them equal, zeros among them."""
    import tensorflow as tf

    from stages.training import hard_pixels

    random = np.random.default_rng(0)
    values = (10.0 ** random.integers(-30, 30, 400) * random.integers(0, 4, 400)).astype(np.float32)
    for place, expected in enumerate(np.sort(values)[::-1], start=1):
        assert hard_pixels._largest(tf.constant(values), tf.constant(place)).numpy() == expected


def test_all_pixels_are_hard_pixels() -> None:
    """A share of 1 is the plain loss, to the last bit."""
    from stages.pipeline import train_settings
    from stages.training import losses

    weights = np.array([1, 3], np.float32)
    for name in train_settings.WITH_CROSS_ENTROPY:
        scores = SIGMOID if name in SIGMOIDS else SOFTMAX
        make = losses.LOSSES[name].make
        assert float(make(weights, 0, 1.0)(MASK, scores)) == float(make(weights)(MASK, scores))


def test_focal_dice_bce_where_classes_overlap() -> None:
    """One pixel in both of two classes, p = 0.6 and 0.8."""
    planes = np.array([[[[1, 1]]]], np.uint8)
    p = np.array([0.6, 0.8])
    entropy = -np.log(p)
    dice = 1 - (2 * p / (p + 1)).mean()
    expected = entropy.mean() + ((1 - p) ** 2 * entropy).mean() + dice
    scores = np.log(p / (1 - p)).reshape(1, 1, 1, 2).astype("f")
    assert of("focal_dice_bce", (1, 1, 1), planes, scores) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("size", [0, 1, 60_000])
def test_hard_pixels_of_float16_logits_have_finite_gradients(size: int) -> None:
    """Up to the largest that float16 holds; the gradient reaches the logits in their own type."""
    import tensorflow as tf

    from stages.training import losses

    scores = tf.constant(size * np.random.default_rng(0).choice([-1, 1], (1, 3, 3, 2)), tf.float16)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        value = losses.LOSSES["focal_dice_bce"].make(np.array([1, 2, 3], np.float32), 0, 0.3)(MASK, scores)
    assert value.dtype == tf.float32
    assert np.isfinite(value)
    assert np.isfinite(tape.gradient(value, scores)).all()
