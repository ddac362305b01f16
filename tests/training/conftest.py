from pathlib import Path
from typing import Any

import pytest

from stages.pipeline import settings


@pytest.fixture
def options() -> settings.Train:
    """The committed parameters, made small, and in the precision that every machine has."""
    committed = settings.load(Path(__file__).parents[2] / "params.yaml").train
    small = {
        "precision": "float32", "backbone": "resnet18", "encoder_weights": None, "downscale": 2,
        "decoder_filters": (16, 16, 8, 8, 8), "epochs": 3, "batch_size": 2, "crops_per_image": 2,
        "crop_height": 32, "crop_width": 32, "validation_batch_size": 2, "early_stopping_patience": 3,
    }  # fmt: skip
    return committed.model_copy(update=small)


@pytest.fixture
def few_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network of two convolutions instead of segmentation_models', for tests of everything around it."""
    from stages.training import model

    def network(options: settings.Train, channels: int, outputs: int) -> Any:
        layers = model.keras.layers
        image = model.keras.Input((None, None, channels))
        hidden = layers.Conv2D(8, 3, padding="same", use_bias=False)(image)
        hidden = layers.BatchNormalization(momentum=options.batch_norm_momentum, name="center_block_bn")(hidden)
        hidden = layers.Activation("relu")(hidden)
        return model.keras.Model(image, layers.Conv2D(outputs, 3, padding="same")(hidden))

    monkeypatch.setattr(model, "_segmentation_network", network)
