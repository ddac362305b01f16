from pathlib import Path

import numpy as np
import pytest

from stages.pipeline import settings
from stages.pipeline.cli import UserError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("architecture", ["Unet", "Linknet", "FPN"])
@pytest.mark.parametrize(
    ("size", "downscale"), [((40, 72), 1), ((64, 64), 2), ((33, 31), 1), ((33, 31), 2), ((20, 200), 4)]
)
def test_logits_have_the_size_of_the_image(
    options: settings.Train, architecture: str, size: tuple[int, int], downscale: int
) -> None:
    """Images that no power of two divides are padded and cut back, whatever the architecture."""
    from stages.training import model

    network = model.build(options.model_copy(update={"architecture": architecture, "downscale": downscale}), 2)
    assert network(np.zeros((1, *size, 1), np.float32)).shape == (1, *size, 3)


@pytest.mark.parametrize("architecture", ["Unet", "Linknet"])
@pytest.mark.parametrize("downscale", [1, 2])
def test_a_decoder_of_four_stages(options: settings.Train, architecture: str, downscale: int) -> None:
    """It ends at half of the resolution, and its logits have the size of the image nevertheless."""
    from stages.training import model

    changes = {"architecture": architecture, "downscale": downscale, "decoder_filters": (16, 16, 8, 8)}
    network = model.build(options.model_copy(update=changes), 2)
    assert network(np.zeros((1, 33, 70, 1), np.float32)).shape == (1, 33, 70, 3)
    assert network.get_layer("upscale").size == (2 * downscale, 2 * downscale)


def test_padding_mirrors_the_image_and_is_cut_off_again() -> None:
    """A 2×3 image becomes 32×32, its first pixels unchanged and its edge mirrored."""
    from stages.training import model

    image = np.arange(6, dtype=np.float32).reshape(1, 2, 3, 1)
    image = np.tile(image, (1, 16, 11, 1))[:, :31, :31]
    padded = model.PadToStride(32)(image)
    assert padded.shape == (1, 32, 32, 1)
    np.testing.assert_array_equal(padded[:, 31], padded[:, 30])
    np.testing.assert_array_equal(model.CropLike()([padded, image]), image)


def test_imagenet_without_a_network_says_what_to_do(
    options: settings.Train, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """A fetch that fails ends in one message, which names the folder and the way out."""
    import segmentation_models as sm

    from stages.training import model

    def fail(**arguments: object) -> None:
        raise Exception("URL fetch failure on https://example.org/weights.h5: None -- no route to host")

    monkeypatch.setattr(sm, "Unet", fail)
    with pytest.raises(UserError, match=r"encoder_weights: .* fetched once .* that failed: .* set .* to null"):
        model.build(options.model_copy(update={"encoder_weights": "imagenet"}), 2)


def test_other_encoder_with_its_own_preprocessing(options: settings.Train) -> None:
    """An encoder whose ImageNet weights want scaled colours gets them from the network itself."""
    from stages.training import model

    layer = model._preprocessing("efficientnetb0")
    scaled = layer(np.full((1, 2, 2, 3), 255, np.float32))
    np.testing.assert_allclose(
        scaled[0, 0, 0], (1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225], rtol=1e-5
    )


@pytest.mark.parametrize("architecture", ["Unet", "Linknet", "FPN"])
@pytest.mark.parametrize("backbone", ["resnet18", "vgg16", "efficientnetb0"])
def test_the_image_level_head_sits_on_the_encoder(options: settings.Train, architecture: str, backbone: str) -> None:
    """On every architecture it takes the encoder's last features, which are a 32nd of the image in size."""
    from stages.training import model

    changes = {"architecture": architecture, "backbone": backbone, "presence_weight": 0.1, "downscale": 1}
    network = model.build(options.model_copy(update=changes), 2)
    found = network(np.zeros((2, 64, 96, 1), np.float32))
    assert found["logits"].shape == (2, 64, 96, 3)
    assert found["presence"].shape == (2, 2)
    inner = next(layer for layer in network.layers if hasattr(layer, "layers"))
    places = inner.get_layer("presence_by_place")
    assert model.keras.Model(inner.input, places.output)(np.zeros((1, 64, 96, 1), np.float32)).shape == (1, 2, 3, 2)


def test_encoder_weights_from_a_file(options: settings.Train, tmp_path: Path) -> None:
    """Saved weights are those that the network starts from; another encoder's are refused."""
    import segmentation_models as sm

    from stages.training import model

    encoder = sm.Unet("resnet18", input_shape=(None, None, 3), encoder_weights=None)
    first = encoder.get_layer("stage1_unit1_conv1")
    file = tmp_path / "resnet18.h5"
    inputs, output = encoder.input, encoder.get_layer("relu1").output
    model.keras.Model(inputs, output).save_weights(file)
    network = model.build(options.model_copy(update={"encoder_weights": str(file)}), 2)
    inner = next(layer for layer in network.layers if hasattr(layer, "layers"))
    np.testing.assert_array_equal(inner.get_layer("stage1_unit1_conv1").get_weights()[0], first.get_weights()[0])
    with pytest.raises(
        UserError, match=r"expected weights of resnet34 without its top in .*resnet18\.h5, found others"
    ):
        model.build(options.model_copy(update={"encoder_weights": str(file), "backbone": "resnet34"}), 2)


@pytest.mark.prove
def test_weights_bring_no_code_along(options: settings.Train, tmp_path: Path) -> None:
    """A whole model in an .h5 may carry Python code (a Lambda layer); encoder_weights takes the weights alone."""
    import segmentation_models as sm

    from stages.training import model

    owned, file = tmp_path / "owned", tmp_path / "resnet18.h5"
    encoder = sm.Unet("resnet18", input_shape=(None, None, 3), encoder_weights=None)
    output = encoder.get_layer("relu1").output
    code = eval(f"lambda x: (__import__('pathlib').Path({str(owned)!r}).touch(), x)[1]")  # noqa: S307
    model.keras.Model(encoder.input, model.keras.layers.Lambda(code)(output)).save(str(file))
    assert owned.exists()  # it runs when the layer is called
    owned.unlink()
    model.build(options.model_copy(update={"encoder_weights": str(file)}), 2)
    assert not owned.exists()
    model.keras.models.load_model(str(file), safe_mode=False)
    assert owned.exists()  # and would have run there


@pytest.mark.parametrize(("backbone", "left_out"), [("resnet18", 1), ("efficientnetb0", 0)])
def test_the_shift_of_the_image_is_not_trained(options: settings.Train, backbone: str, left_out: int) -> None:
    """No gradient of the image is computed for it; it stays in the network, as files of weights have it."""
    import tensorflow as tf

    from stages.training import fit, model

    network = model.build(options.model_copy(update={"backbone": backbone}), 2)
    inner = next(layer for layer in network.layers if hasattr(layer, "layers"))
    assert len(inner.trainable_weights) - len(network.trainable_weights) == left_out
    assert len(model.bare(network).get_weights()) == len(network.get_weights())
    fit.prepare(network, options, np.ones(3, np.float32), 1)
    batch = tf.zeros((2, 64, 64, 1), tf.uint8), tf.zeros((2, 64, 64), tf.uint8)
    network.train_on_batch(*batch)
    shifts = [weight for weight in network.weights if weight.name.endswith("bn_data/beta:0")]
    assert [float(tf.reduce_max(tf.abs(shift))) for shift in shifts] == [0.0] * left_out


def test_depthwise_convolutions_compute_in_float32_on_processors(options: settings.Train) -> None:
    """In bfloat16 their gradients take several times as long; the layers around them keep bfloat16."""
    from stages.training import model

    changes = {"backbone": "efficientnetlite0", "precision": "mixed_bfloat16"}
    network = model.build(options.model_copy(update=changes), 2)
    encoder = next(layer for layer in network.layers if hasattr(layer, "layers"))
    assert encoder.get_layer("block2a_dwconv").compute_dtype == "float32"
    assert encoder.get_layer("block2a_expand_conv").compute_dtype == "bfloat16"
    assert encoder.get_layer("block2a_project_conv").compute_dtype == "bfloat16"
