"""What spares a pretrained encoder: a lower rate, and epochs in which it is frozen."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.dataset.prepared import Dataset
from stages.pipeline import settings
from tests.support.resuming import same_after_a_kill

pytestmark = pytest.mark.slow


@pytest.fixture
def normalised_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of two convolutions, each with batch normalisation; the first is the encoder."""
    from stages.training import model

    def network(options: settings.Train, channels: int, outputs: int) -> Any:
        layers = model.keras.layers
        image = features = model.keras.Input((None, None, channels))
        for name in ("encoder", "center_block"):
            features = layers.Conv2D(8, 3, padding="same", use_bias=False, name=f"{name}_conv")(features)
            features = layers.BatchNormalization(momentum=options.batch_norm_momentum, name=f"{name}_bn")(features)
            features = layers.Activation("relu", name=f"{name}_relu")(features)
        return model.keras.Model(image, layers.Conv2D(outputs, 3, padding="same", name="final_conv")(features))

    monkeypatch.setattr(model, "_segmentation_network", network)


def weights(network: Any) -> dict[str, Any]:
    """A copy of each by name, such as encoder_bn/moving_mean:0."""
    return {weight.name: weight.numpy().copy() for weight in network.weights}


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.usefixtures("normalised_encoder")
def test_the_encoder_moves_a_tenth(options: settings.Train, monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    """One step from the same weights on the same batch, with and without the factor."""
    import tensorflow as tf

    from stages.training import fit, model

    scaled = partial(fit.keras.mixed_precision.LossScaleOptimizer, initial_scale=128)  # no step is left out
    monkeypatch.setattr(fit.keras.mixed_precision, "LossScaleOptimizer", scaled)
    images = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 1), np.uint8)
    moved = []
    for rate in (1, 0.1):
        changed = options.model_copy(update={"encoder_learning_rate": rate, "precision": precision})
        tf.keras.utils.set_random_seed(1)
        network = model.build(changed, 2)
        fit.prepare(network, changed, np.ones(3, np.float32), 1)
        before = weights(network)
        network.train_on_batch(images, images[..., 0] // 100)
        moved.append({name: after - before[name] for name, after in weights(network).items() if "moving" not in name})
    assert {name.split("/")[0] for name in moved[0]} == {
        "encoder_conv", "encoder_bn", "center_block_conv", "center_block_bn", "final_conv",
    }  # fmt: skip
    for name, usual in moved[0].items():
        assert np.abs(usual).max() > 1e-4
        np.testing.assert_allclose(
            moved[1][name], usual * (0.1 if name.startswith("encoder") else 1), rtol=1e-2, atol=1e-6, err_msg=name
        )


@pytest.mark.usefixtures("normalised_encoder")
def test_a_frozen_encoder_stays_as_it_was(
    prepared: Dataset, options: settings.Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first of two epochs neither its kernels nor its moving averages move, and the decoder learns.

    In the second, all learn.
    """
    from stages.training import fit
    from stages.training.job import Job

    networks: list[Any] = []
    original = fit.prepare

    def prepare(network: Any, *others: Any) -> None:
        networks.append(network)
        found.append(weights(network))
        original(network, *others)

    found: list[dict[str, Any]] = []
    monkeypatch.setattr(fit, "prepare", prepare)
    changed = options.model_copy(update={"frozen_epochs": 1, "epochs": 2})
    fit.fit(Job(prepared, changed, 1), 0, tmp_path, lambda *logs: found.append(weights(networks[0])))
    start, first, second = found
    for name in start:
        assert np.array_equal(start[name], first[name]) == name.startswith("encoder"), name
        assert not np.array_equal(first[name], second[name]), name


@pytest.mark.parametrize(("frozen", "killed_at"), [(1, 1), (2, 1)])
@pytest.mark.usefixtures("normalised_encoder")
def test_a_killed_training_goes_on_to_the_same_result(
    prepared: Dataset, options: settings.Train, tmp_path: Path, frozen: int, killed_at: int
) -> None:
    """Killed in the epoch after the frozen one, and in the second of two; with decay and an average of the weights."""
    from stages.training.job import Job

    changes = {"encoder_learning_rate": 0.1, "weight_decay": 0.1, "weights_average": 0.9, "frozen_epochs": frozen}
    same_after_a_kill(Job(prepared, options.model_copy(update=changes), 1), tmp_path, killed_at)


@pytest.mark.parametrize("architecture", ["Unet", "Linknet", "FPN"])
@pytest.mark.parametrize(("backbone", "last"), [("resnet18", "relu1"), ("vgg16", "block5_pool")])
def test_the_encoder_of_each_architecture(options: settings.Train, architecture: str, backbone: str, last: str) -> None:
    """It ends with the features that the backbone gives, also where FPN has the same width as these: 512."""
    from stages.training import encoder, model

    changes = {"architecture": architecture, "backbone": backbone, "decoder_filters": (512, 8, 8, 8, 8)}
    network = model.build(options.model_copy(update=changes), 2)
    layers = encoder.layers(network)
    assert layers[-1].name == last
    names = {variable.name.split("/")[0] for variable in encoder.variables(network)}
    others = {variable.name.split("/")[0] for variable in network.trainable_variables} - names
    assert not any(name.startswith(("decoder", "fpn", "segm", "center", "final", "head")) for name in names)
    assert all(name.startswith(("decoder", "fpn", "segm", "center", "final", "head", "conv2d")) for name in others)
