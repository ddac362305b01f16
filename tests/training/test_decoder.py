"""What changes the decoder: attention after its stages, and coarser stages that predict in training."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stages.dataset.prepared import Dataset
from stages.pipeline import settings
from tests.support.resuming import same_after_a_kill

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("architecture", "stages"), [("Unet", 5), ("Linknet", 5), ("FPN", 4)])
def test_every_architecture_takes_both(options: settings.Train, tmp_path: Path, architecture: str, stages: int) -> None:
    """Attention after each stage; three more outputs in training, and the same file of weights and answer without them.

    The gates change nothing in size: 64×96 pixels stay that.
    """
    from stages.training import deep_supervision, model

    changes = {
        "architecture": architecture, "decoder_attention": "scse", "deep_supervision": 0.5, "presence_weight": 0.1,
        "downscale": 1,
    }  # fmt: skip
    changed = options.model_copy(update=changes)
    network = model.build(changed, 2)
    images = np.random.default_rng(0).uniform(0, 255, (2, 60, 96, 1)).astype(np.float32)
    found = network(images)
    shapes = {name: tuple(output.shape) for name, output in found.items()}
    assert shapes == {
        "logits": (2, 60, 96, 3), "presence": (2, 2),
        "deep_2": (2, 32, 48, 3), "deep_4": (2, 16, 24, 3), "deep_8": (2, 8, 12, 3),
    }  # fmt: skip
    inner = next(layer for layer in network.layers if hasattr(layer, "layers"))
    assert sum(layer.name.endswith("_gates") for layer in inner.layers) == stages
    assert len(deep_supervision.layers(network)) == 3
    model.bare(network).save_weights(tmp_path / "some.weights.h5")
    exported = model.build(changed.model_copy(update={"deep_supervision": 0}), 2)
    assert exported.output_names == ["logits", "presence"]
    model.bare(exported).load_weights(tmp_path / "some.weights.h5")
    for name, output in exported(images).items():
        np.testing.assert_allclose(output, found[name], rtol=1e-4, atol=1e-5)


def test_without_other_outputs_the_exported_network_has_one(options: settings.Train) -> None:
    """As it is validated, too."""
    from stages.training import deep_supervision, fit, model

    changed = options.model_copy(update={"deep_supervision": 0.5})
    assert fit.exported(changed, SimpleNamespace()).deep_supervision == 0  # type: ignore[arg-type]
    network = model.build(changed, 2)
    assert len(network.outputs) == 4
    (output,) = deep_supervision.removed(network).outputs
    assert output.shape == (None, None, None, 3)


def test_the_gates_by_hand() -> None:
    """Two places of two channels; all weights 0, so that every gate is sigmoid(0) = 1/2: x · (1/2 + 1/2) = x.

    With a large bias of the place's gate, which is 1 then, it is x · 3/2.
    """
    from stages.training import decoder_stages

    keras = decoder_stages.keras
    inputs = keras.Input((None, None, 2))
    network = keras.Model(inputs, decoder_stages.scse(inputs, "here"))
    network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
    image = np.array([[[[1, 2], [3, -4]]]], np.float32)
    np.testing.assert_allclose(network(image), image)
    place = network.get_layer("here_place")
    place.set_weights([place.get_weights()[0], np.array([100], np.float32)])
    np.testing.assert_allclose(network(image), 1.5 * image)


def test_the_gates_of_channels_see_the_whole_image() -> None:
    """A bright place far away changes what a channel counts here."""
    from stages.training import decoder_stages

    keras = decoder_stages.keras
    inputs = keras.Input((None, None, 4))
    network = keras.Model(inputs, decoder_stages.scse(inputs, "here"))
    network.set_weights([np.full_like(weight, 0.1) for weight in network.get_weights()])
    image = np.ones((1, 8, 8, 4), np.float32)
    other = image.copy()
    other[0, 7, 7] = 100
    assert not np.allclose(network(image)[0, 0, 0], network(other)[0, 0, 0])


@pytest.mark.parametrize(
    ("downscale", "shape", "expected"),
    [
        (1, (8, 8), {8: [[36]], 4: [[18, 22], [50, 54]]}),
        (2, (8, 8), {8: [[36]], 4: [[36]], 2: [[18, 22], [50, 54]]}),
        (4, (2, 3), {8: [[4]], 4: [[4]], 2: [[4]]}),  # smaller than one place
    ],
)
def test_labels_of_coarser_stages(
    options: settings.Train, downscale: int, shape: tuple[int, int], expected: dict[int, list[list[int]]]
) -> None:
    """Pixels numbered along the rows: each place gets the one in the middle of its square, or the image's middle."""
    import tensorflow as tf

    from stages.training import deep_supervision

    numbers = np.arange(np.prod(shape)).reshape(1, *shape)
    changed = options.model_copy(update={"downscale": downscale, "deep_supervision": 1})
    for labels in (numbers, np.stack([numbers] * 2, axis=-1)):
        found = deep_supervision.labels(tf.constant(labels), changed)
        assert sorted(found) == ["deep_2", "deep_4", "deep_8"]
        for stride, values in expected.items():
            planes = np.array(found[f"deep_{stride}"])[0]
            np.testing.assert_array_equal(planes if labels.ndim == 3 else planes[..., 1], values)


def test_each_coarser_stage_counts_half_as_much(options: settings.Train) -> None:
    """0.5 at half the resolution, then a half of that and a half again; logits of what fills up the image are cut."""
    import tensorflow as tf

    from stages.training import deep_supervision

    def difference(labels: Any, logits: Any) -> Any:
        return tf.reduce_sum(logits[..., 0] - labels)

    changed = options.model_copy(update={"deep_supervision": 0.5})
    losses, weights = deep_supervision.losses(difference, changed)
    assert weights == {"deep_2": 0.5, "deep_4": 0.25, "deep_8": 0.125}
    logits = tf.reshape(tf.constant([1.0, 2, 99, 3, 4, 99, 99, 99, 99]), (1, 3, 3, 1))
    assert float(losses["deep_4"](tf.ones((1, 2, 2)), logits)) == 0 + 1 + 2 + 3
    assert deep_supervision.losses(difference, options) == ({}, {})


@pytest.mark.prove
@pytest.mark.parametrize("loss", ["cce_dice", "bce"])
def test_a_killed_training_with_both_goes_on_to_the_same_result(
    prepared: Dataset, options: settings.Train, tmp_path: Path, loss: str
) -> None:
    """The state holds the coarser stages' convolutions; the logs have their losses, and the loss adds them up."""
    from stages.training.job import Job

    changes = {"decoder_attention": "scse", "deep_supervision": 0.5, "loss": loss, "epochs": 2, "crops_per_image": 1}
    trained = same_after_a_kill(Job(prepared, options.model_copy(update=changes), 1), tmp_path)
    for logs in trained.history:
        parts = [logs[f"{name}_loss"] for name in ("logits", "deep_2", "deep_4", "deep_8")]
        assert logs["loss"] == pytest.approx(np.dot(parts, [1, 0.5, 0.25, 0.125]), rel=1e-4)
