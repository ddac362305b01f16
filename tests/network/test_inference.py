from pathlib import Path

import numpy as np
import pytest

from stages import settings

pytestmark = pytest.mark.slow


def left_half(images):  # type: ignore[no-untyped-def]
    """A network that calls the left half class 1 and knows nothing of what it sees."""
    import tensorflow as tf

    one = np.zeros((*images.shape, 2), np.float32)
    one[:, :, : images.shape[2] // 2, 1] = 1
    one[..., 0] = 1 - one[..., 1]
    return tf.constant(one)


def test_every_image_comes_back_in_order_whatever_the_batch() -> None:
    """Five images in batches of two: the last is filled up, and what filled it up is dropped."""
    import tensorflow as tf

    from stages.network import inference

    sizes = []

    def network(images):  # type: ignore[no-untyped-def]
        sizes.append(len(images))
        return tf.stack([tf.cast(images, tf.float32)] * 2, axis=-1)

    images = [np.full((2, 3), number, np.uint8) for number in range(5)]
    found = list(inference.probabilities([network], images, 2))
    assert [int(probability[0, 0, 0]) for probability in found] == [0, 1, 2, 3, 4]
    assert sizes == [2, 2, 2]


def test_networks_are_averaged() -> None:
    """Probabilities 0.2 and 0.6 give 0.4."""
    import tensorflow as tf

    from stages.network import inference

    networks = [lambda images, p=p: tf.fill((*images.shape, 2), p) for p in (0.2, 0.6)]
    (mean,) = inference.probabilities(networks, [np.zeros((2, 2), np.uint8)], 1)
    np.testing.assert_allclose(mean, 0.4, rtol=1e-6)


def test_flips_are_turned_back_before_averaging() -> None:
    """A network that always answers "left" answers "both halves equally" over mirror images."""
    from stages.network import inference

    image = np.zeros((2, 4), np.uint8)
    (plain,) = inference.probabilities([left_half], [image], 1)
    (flipped,) = inference.probabilities([left_half], [image], 1, flips=True)
    np.testing.assert_array_equal(plain[0, :, 1], [1, 1, 0, 0])
    np.testing.assert_array_equal(flipped[0, :, 1], [0.5] * 4)


def test_saved_network_gives_the_probabilities_of_the_live_one(options: settings.Train, tmp_path: Path) -> None:
    """A SavedModel from grey levels to probabilities that sum to 1, without the random fingerprint."""
    from stages.network import inference, model

    network = model.build(options, 2)
    inference.save(network, "softmax", tmp_path / "fold_0")
    image = np.random.default_rng(1).integers(0, 255, (1, 40, 72)).astype(np.uint8)
    loaded = inference.load(tmp_path / "fold_0")(image).numpy()
    np.testing.assert_allclose(loaded, inference.Probability(network, "softmax")(image), atol=1e-6)
    np.testing.assert_allclose(loaded.sum(axis=-1), 1, rtol=1e-5)
    assert not (tmp_path / "fold_0" / "fingerprint.pb").exists()
