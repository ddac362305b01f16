"""The section `train` of params.yaml: what its values may be, and which contradict each other."""

from pathlib import Path

import pytest

from stages.pipeline import train_settings
from stages.pipeline.cli import UserError
from tests.support.parameters import Load, lines


def test_class_weights_may_be_three_things(load: Load) -> None:
    """Nothing, a list, or a name."""
    assert load({"train.class_weights": None}).train.class_weights is None
    assert load({"train.class_weights": [1, 10, 10, 1, 6]}).train.class_weights == (1, 10, 10, 1, 6)
    assert load({"train.class_weights": "balanced"}).train.class_weights == "balanced"


def test_a_foreground_fraction_may_change(load: Load) -> None:
    """A number, or those of the first and the last epoch."""
    assert load({"train.foreground_fraction": 1}).train.foreground_fraction == 1.0
    assert load({"train.foreground_fraction": [0.75, 0]}).train.foreground_fraction == (0.75, 0.0)


@pytest.mark.parametrize("value", [-1, 300, True, 2.0, "many", None])
def test_processes_of_the_loader(load: Load, tmp_path: Path, value: object) -> None:
    """A number or auto; anything else is told with what was expected."""
    for accepted in ("auto", 0, 16):
        assert load({"train.loader_processes": accepted}).train.loader_processes == accepted
    with pytest.raises(UserError) as error:
        load({"train.loader_processes": value})
    (found,) = lines(error, tmp_path / "params.yaml")
    assert found == f"train: loader_processes: expected auto or a whole number in 0 … 256, found {value!r}"


def test_an_unknown_backbone(load: Load, tmp_path: Path) -> None:
    """The message, before any work, lists the known ones."""
    with pytest.raises(UserError) as error:
        load({"train.backbone": "resnet999"})
    (found,) = lines(error, tmp_path / "params.yaml")
    assert found.startswith("train: backbone: input should be 'resnet18', ")
    assert found.endswith("; found 'resnet999'")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"train.final": "all", "train.learning_rate_schedule": "plateau", "train.warmup_epochs": 0},
            "train: final: a training on every fold has no validation fold to detect a plateau on; expected "
            "learning_rate_schedule cosine or constant, found plateau",
        ),
        (
            {"train.label_smoothing": 0.1, "train.loss": "dice"},
            "train: label_smoothing: expected 0 or a loss with cross-entropy (cce, cce_dice, cce_jaccard, "
            "cce_image_dice, bce, bce_dice, bce_image_dice, focal_dice_bce), found 0.1 with dice",
        ),
        (
            {"train.hard_pixels": 0.2, "train.loss": "tversky"},
            "train: hard_pixels: expected 1 or a loss with cross-entropy (cce, cce_dice, cce_jaccard, "
            "cce_image_dice, bce, bce_dice, bce_image_dice, focal_dice_bce), found 0.2 with tversky",
        ),
        (
            {"train.foreground_fraction": [0.5, 0], "train.epochs": 1, "train.warmup_epochs": 0},
            "train: foreground_fraction: expected one number with epochs = 1, found [0.5, 0.0]",
        ),
        (
            {"train.warmup_epochs": 2, "train.learning_rate_schedule": "constant"},
            "train: warmup_epochs: expected 0 or learning_rate_schedule cosine, found 2.0 with constant",
        ),
        (
            {"train.mixup": 0.2, "train.batch_size": 1},
            "train: mixup: expected 0 or a batch_size above 1, as it mixes the crops of a batch; found 1",
        ),
        (
            {"train.quarter_turns": True, "train.crop_height": 128, "train.crop_width": 256},
            "train: quarter_turns: expected square crops, found 128×256 (crop_height, crop_width)",
        ),
        (
            {"postprocess.gate": "none", "postprocess.gates": [0, 5, 0, 0]},
            "postprocess: gates: expected null or zeros with gate none, found [0, 5, 0, 0]",
        ),
        (
            {"postprocess.gate": "max", "postprocess.gates": [0, 5, 0, 300]},
            "postprocess: gates: expected numbers in 0 … 255 with gate max, found [0, 5, 0, 300]",
        ),
        (
            {"train.warmup_epochs": 5, "train.epochs": 5},
            "train: warmup_epochs: expected less than epochs = 5, found 5.0",
        ),
        (
            {"train.encoder_learning_rate": 0.1, "train.encoder_weights": None},
            "train: encoder_learning_rate: expected 1 without an encoder's weights, since random ones have to learn at "
            "the full rate, found 0.1 with encoder_weights null: set encoder_weights or encoder_learning_rate: 1",
        ),
        (
            {"train.frozen_epochs": 1, "train.encoder_weights": None},
            "train: frozen_epochs: expected 0 without an encoder's weights, since random ones have to learn at the "
            "full rate, found 1 with encoder_weights null: set encoder_weights or frozen_epochs: 0",
        ),
        (
            {"train.frozen_epochs": 5, "train.epochs": 5, "train.encoder_weights": "imagenet"},
            "train: frozen_epochs: expected less than epochs = 5, found 5",
        ),
    ],
)
def test_training_parameters_that_do_not_fit(
    load: Load, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    """Parameters that contradict each other are reported before any work."""
    with pytest.raises(UserError) as error:
        load(changes)
    assert lines(error, tmp_path / "params.yaml") == [message]


def test_encoder_weights_from_a_file(load: Load, tmp_path: Path) -> None:
    """The path of an existing file is accepted."""
    file = tmp_path / "encoder.h5"
    file.touch()
    assert load({"train.encoder_weights": str(file)}).train.encoder_weights == str(file)


@pytest.mark.slow
def test_backbones_are_those_of_segmentation_models() -> None:
    """All, and no others."""
    from typing import get_args

    import segmentation_models as sm

    from stages.training import efficientnet_lite

    efficientnet_lite.register()
    assert list(get_args(train_settings.Backbone)) == sm.get_available_backbone_names()


def test_fpn_ends_at_the_resolution_of_its_encoder(load: Load) -> None:
    """Four widths, with which a U-Net ends at half of the resolution, mean nothing to an FPN."""
    load({"train.decoder_filters": [16, 16, 8, 8]})
    with pytest.raises(UserError, match=r"decoder_filters: expected 5 numbers, of which FPN takes the first"):
        load({"train.decoder_filters": [16, 16, 8, 8], "train.architecture": "FPN"})
