from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.pipeline import settings
from stages.pipeline.arrays import UInt8

pytestmark = pytest.mark.slow


def left_half(images: UInt8) -> Any:
    """A network that calls the left half class 1 and knows nothing of what it sees."""
    import tensorflow as tf

    one = np.zeros((*images.shape, 1), np.float32)
    one[:, :, : images.shape[2] // 2] = 1
    return tf.constant(one), tf.ones((len(images), 1))


def test_every_image_comes_back_in_order_whatever_the_batch() -> None:
    """Five images in batches of two: the last is filled up, and what filled it up is dropped."""
    import tensorflow as tf

    from stages.inference import savedmodel as inference

    sizes = []

    def network(images: UInt8) -> Any:
        sizes.append(len(images))
        pixels = tf.stack([tf.cast(images, tf.float32) / 255] * 2, axis=-1)
        return pixels, pixels[:, 0, 0]

    images = [np.full((2, 3), number, np.uint8) for number in range(5)]
    found = list(inference.predictions([network], images, 2))
    assert [int(prediction.pixels[0, 0, 0]) for prediction in found] == [0, 1, 2, 3, 4]
    assert [prediction.presence.tolist() for prediction in found] == [[number] * 2 for number in range(5)]
    assert sizes == [2, 2, 2]


def test_networks_are_averaged() -> None:
    """Probabilities 0.2 and 0.6 give 0.4, which is 102 of 255; presence 0.5 and 1 gives 191.25, rounded."""
    import tensorflow as tf

    from stages.inference import savedmodel as inference

    networks: list[Any] = [
        lambda images, p=p, there=there: (tf.fill((*images.shape, 2), p), tf.fill((len(images), 2), there))
        for p, there in ((0.2, 0.5), (0.6, 1.0))
    ]
    (mean,) = inference.predictions(networks, [np.zeros((2, 2), np.uint8)], 1)
    assert (mean.pixels.dtype, mean.pixels.shape) == (np.uint8, (2, 2, 2))
    np.testing.assert_array_equal(mean.pixels, 102)
    assert mean.presence.tolist() == [191, 191]


def test_flips_are_turned_back_before_averaging() -> None:
    """A network that always answers "left" answers "both halves equally" over mirror images."""
    from stages.inference import savedmodel as inference
    from stages.inference.averaging import Views

    image = np.zeros((2, 4), np.uint8)
    (plain,) = inference.predictions([left_half], [image], 1)
    (flipped,) = inference.predictions([left_half], [image], 1, Views(flips=True))
    assert plain.pixels[0, :, 0].tolist() == [255, 255, 0, 0]
    assert flipped.pixels[0, :, 0].tolist() == [128] * 4  # 127.5, rounded to the even number


def test_saved_network_gives_the_probabilities_of_the_live_one(options: settings.Train, tmp_path: Path) -> None:
    """A SavedModel from grey levels to probabilities that sum to 1, without the random fingerprint."""
    from stages.inference import savedmodel as inference
    from stages.training import model

    network = model.build(options, 2)
    inference.save(network, "softmax", tmp_path / "fold_0")
    image = np.random.default_rng(1).integers(0, 255, (1, 40, 72)).astype(np.uint8)
    pixels, presence = (np.asarray(found) for found in inference.load(tmp_path / "fold_0")(image))
    live, _ = inference.Probability(network, "softmax")(image)
    np.testing.assert_allclose(pixels, live, atol=1e-6)
    assert pixels.shape == (1, 40, 72, 2)
    assert (pixels > 0).all()
    assert (pixels.sum(axis=-1) < 1).all()  # the rest is the background's
    np.testing.assert_array_equal(presence, 1)  # no image-level head
    assert not (tmp_path / "fold_0" / "fingerprint.pb").exists()


def test_the_image_level_head_is_saved_too(options: settings.Train, tmp_path: Path) -> None:
    """A network with the head says of each class how likely it is in the image; the largest of all places counts."""
    import tensorflow as tf

    from stages.inference import savedmodel as inference
    from stages.training import model

    tf.keras.utils.set_random_seed(1)
    network = model.build(options.model_copy(update={"presence_weight": 0.1}), 2)
    inference.save(network, "sigmoid", tmp_path / "fold_0")
    image = np.random.default_rng(1).integers(0, 255, (3, 40, 72)).astype(np.uint8)
    pixels, presence = (np.asarray(found) for found in inference.load(tmp_path / "fold_0")(image))
    assert (pixels.shape, presence.shape) == ((3, 40, 72, 3), (3, 2))
    assert ((presence >= 0) & (presence <= 1)).all()  # float32 rounds what is nearly 1 to 1
    assert (presence < 1).any()  # without a head, it is 1 everywhere
