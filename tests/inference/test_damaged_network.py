"""Networks and probabilities on disk that are damaged: one message that names the folder and the command."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stages.inference import engines, ensemble, probabilities
from stages.pipeline.cli import UserError
from stages.postprocessing.prediction import Prediction


def half(file: Path) -> None:
    """The first half."""
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    """No byte."""
    file.write_bytes(b"")


def flip(file: Path) -> None:
    """One bit of the first byte."""
    raw = file.read_bytes()
    file.write_bytes(bytes([raw[0] ^ 1]) + raw[1:])


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel of one convolution."""
    from stages.inference import tensorflow_start

    tensorflow_start.start(training=True)
    from stages.inference import savedmodel
    from stages.training import model

    keras = model.keras
    image = keras.Input((None, None, 1))
    network = keras.Model(image, keras.layers.Conv2D(3, 3, padding="same")(image))
    folder = tmp_path_factory.mktemp("saved") / "fold_0"
    savedmodel.save(network, "softmax", folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["tensorflow", "openvino"])
@pytest.mark.parametrize("damage", [half, empty, Path.unlink])
@pytest.mark.parametrize(
    "name", ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]
)
def test_a_damaged_network(
    name: str, damage: Callable[[Path], None], engine: str, network: Path, tmp_path: Path
) -> None:
    """Whatever the engine raises."""
    folder = tmp_path / "fold_0"
    shutil.copytree(network, folder)
    damage(folder / name)
    with pytest.raises(
        UserError, match=r"fold_0: expected the network that train writes, found (one that cannot|none)"
    ):
        engines.load(engine, folder)


@pytest.mark.parametrize("damage", [half, empty, Path.unlink, flip])
@pytest.mark.parametrize("name", ["fold_0/saved_model.pb", "blend_1/fold_0/variables/variables.index"])
def test_a_network_that_is_another(name: str, damage: Callable[[Path], None], tmp_path: Path) -> None:
    """A single bit is noticed: OpenVINO would crash on some, and take other weights as they are."""
    networks = ["fold_0", "blend_1/fold_0"]
    for network in networks:
        (tmp_path / network / "variables").mkdir(parents=True)
        for file in ("saved_model.pb", "variables/variables.index"):
            (tmp_path / network / file).write_bytes(b"some weights")
    members = [ensemble.EnsembleMember(network, 0, True, False, (1.0,), (1.0,)) for network in networks]
    ensemble.write(tmp_path, ensemble.Ensemble({}, members))
    read = ensemble.read(tmp_path)
    for network in networks:
        ensemble.check_files(tmp_path, read, network)
    damage(tmp_path / name)
    damaged = next(network for network in networks if name.startswith(network))
    ensemble.check_files(tmp_path, read, next(network for network in networks if network != damaged))
    with pytest.raises(UserError, match=f"{name}: expected the file that train wrote, .* run dvc repro --force train"):
        ensemble.check_files(tmp_path, read, damaged)


@pytest.mark.parametrize(
    "content",
    [b"", b"image,class_1\na.png\n", b"image,class_1\na.png,x\n", b"image,class_1\na.png,256\n", b"\xff\xfe", b"a\n"],
)
def test_a_damaged_table_of_presence(content: bytes, tmp_path: Path) -> None:
    """Empty, cut off, no numbers, too large ones, no text, another table."""
    probabilities.write(tmp_path / "p", [("a.png", Prediction(np.zeros((2, 2, 1), np.uint8), np.zeros(1, np.uint8)))])
    (tmp_path / "p" / probabilities.PRESENCE).write_bytes(content)
    with pytest.raises(UserError, match=r"presence.csv: expected what infer writes, .* run dvc repro --force infer"):
        probabilities.Cache(tmp_path / "p")
