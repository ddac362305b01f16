"""From a SavedModel to ONNX: the same answers at any size, or one message."""

import sys
from pathlib import Path

import numpy as np
import pytest

from stages.exporting import onnx_conversion
from stages.inference import onnx
from stages.pipeline import settings
from stages.pipeline.cli import UserError

pytestmark = pytest.mark.slow


def saved(options: settings.Train, folder: Path, channels: int) -> Path:
    """A network with random weights."""
    import tensorflow as tf

    from stages.inference import savedmodel
    from stages.training import model

    tf.keras.utils.set_random_seed(channels)
    savedmodel.save(model.build(options, 2, channels), "softmax", folder)
    return folder


@pytest.mark.usefixtures("few_layers")
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_and_batch(options: settings.Train, tmp_path: Path, channels: int) -> None:
    """Also smaller than the stride, where the image is mirrored several times; grey levels and colours."""
    import onnx as package

    from stages.inference import savedmodel

    network = saved(options, tmp_path / "fold_0", channels)
    assert onnx_conversion.convert(network, tmp_path / "out", channels) < 1e-5
    ours, theirs = savedmodel.load(network), onnx.load(tmp_path / "out")
    for shape in ((1, 5, 70, channels), (3, 64, 64, channels)):
        images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        images = images[..., 0] if channels == 1 else images
        for one, other in zip(ours(images), theirs(images), strict=True):
            np.testing.assert_allclose(np.asarray(other), np.asarray(one), atol=1e-5)
    model = package.load(tmp_path / "out/network.onnx")
    assert [each.version for each in model.opset_import] == [onnx_conversion.OPSET]
    assert [each.name for each in model.graph.output] == ["probabilities", "presence"]
    assert model.graph.input[0].name == ("grey_levels" if channels == 1 else "colours")


def test_a_whole_network_with_everything(options: settings.Train, tmp_path: Path) -> None:
    """A U-Net with attention and an image-level head, seen at half of the resolution."""
    everything = {"presence_weight": 0.1, "decoder_attention": "scse", "decoder_filters": (16, 16, 8, 8)}
    network = saved(options.model_copy(update=everything), tmp_path / "fold_0", 1)
    assert onnx_conversion.convert(network, tmp_path / "out", 1) < 1e-4


def test_an_operation_that_onnx_lacks(tmp_path: Path) -> None:
    """One message that names it."""
    import tensorflow as tf

    class Network(tf.Module):  # type: ignore[misc]
        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec((None, None, None), tf.uint8, name="images")]
        )
        def __call__(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            pixels = tf.math.bessel_i0e(tf.cast(images, tf.float32))[..., tf.newaxis]
            return pixels, pixels[:, 0, 0]

    tf.saved_model.save(Network(), str(tmp_path / "fold_0"))
    with pytest.raises(UserError, match=r"fold_0: expected a network that tf2onnx can convert .* found: .*BesselI0e"):
        onnx_conversion.convert(tmp_path / "fold_0", tmp_path / "out", 1)
    assert not (tmp_path / "out").exists()


def test_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs them."""
    monkeypatch.setattr(onnx_conversion, "find_spec", lambda name: None if name.startswith("onnx") else name)
    with pytest.raises(UserError) as error:
        onnx_conversion.check_packages()
    assert str(error.value) == (
        "--format onnx: expected the packages tf2onnx, onnx, onnxruntime, found no onnx, no onnxruntime: "
        f"{sys.executable} -m pip install onnx onnxruntime"
    )
