from pathlib import Path

import pytest

from stages.pipeline import settings


@pytest.fixture
def options() -> settings.Train:
    """The committed parameters, made small."""
    committed = settings.load(Path(__file__).parents[2] / "params.yaml").train
    small = {
        "decoder_filters": (16, 16, 8, 8, 8), "epochs": 3, "batch_size": 2, "crops_per_image": 2,
        "crop_height": 32, "crop_width": 32, "validation_batch_size": 2, "early_stopping_patience": 3,
    }  # fmt: skip
    return committed.model_copy(update=small)
