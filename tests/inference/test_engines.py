"""OpenVINO compared with TensorFlow: the same masks within a tolerance, from the same SavedModel.

A level of a probability (1/255) may differ by 1 because of rounding. At most one pixel in 10,000 of the masks after
post-processing may differ.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from stages.dataset.prepared import Dataset
from stages.inference import averaging, engines, ensemble, processor
from stages.inference.averaging import AS_IT_IS, Views
from stages.inference.probabilities import Cache
from stages.pipeline import settings
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError
from stages.postprocessing.prediction import Prediction
from stages.postprocessing.rules import Rule, Rules, label_map

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
LEVELS, PIXELS = 1, 1e-4

KINDS: dict[str, dict[str, Any]] = {
    "softmax": {},  # 40×72 is padded to 64×128 for a downscale of 2
    "sigmoids with an image-level head": {"loss": "bce_dice", "presence_weight": 0.1, "downscale": 1},
    "a quarter of the resolution": {"architecture": "Linknet", "downscale": 4},
}


def noise(height: int, width: int) -> list[UInt8]:
    """Five images with blurred spots."""
    random = np.random.default_rng(1)
    coarse = random.integers(0, 256, (5, height // 4, width // 4)).astype(np.uint8)
    return [cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC) for one in coarse]


def save(options: settings.Train, folder: Path, images: list[UInt8]) -> None:
    """A network with random weights for two classes, whose last layer is scaled so that these images have both."""
    import tensorflow as tf

    from stages.inference import savedmodel
    from stages.training import losses, model

    tf.keras.utils.set_random_seed(0)
    network = model.build(options, 2)
    answer = network(np.stack(images).astype(np.float32)[..., np.newaxis])
    logits = np.asarray(answer["logits"] if isinstance(answer, dict) else answer)
    mean, louder = logits.mean(axis=(0, 1, 2)), 3 / logits.std(axis=(0, 1, 2))
    (inner,) = (layer for layer in network.layers if hasattr(layer, "layers"))
    last = [layer for layer in inner.layers if layer.get_weights() and not layer.name.startswith("presence")][-1]
    kernel, bias = last.get_weights()
    last.set_weights([kernel * louder, (bias - mean) * louder])
    savedmodel.save(network, losses.LOSSES[options.loss].activation, folder)


def predicted(engine: str, folder: Path, images: list[UInt8], views: Views = AS_IT_IS) -> list[Prediction]:
    """Predictions in batches of two."""
    return list(averaging.predictions([engines.load(engine, folder)], images, 2, views))


def assert_alike(ours: list[Prediction], theirs: list[Prediction]) -> None:
    """Within the tolerances, before and after post-processing."""
    rules = Rules("area", (Rule(100, 5, 10, 4),) * 2)
    different = total = 0
    for one, other in zip(ours, theirs, strict=True):
        for name in ("pixels", "presence"):
            difference = getattr(one, name).astype(int) - getattr(other, name)
            assert np.abs(difference).max() <= LEVELS
        masks = label_map(one, rules), label_map(other, rules)
        different, total = different + int((masks[0] != masks[1]).sum()), total + masks[0].size
    assert different <= PIXELS * total
    assert len(np.unique(np.stack([label_map(one, rules) for one in ours]))) > 1  # some class is predicted


@pytest.mark.parametrize("kind", KINDS)
def test_engines_agree_on_a_network_of_random_weights(options: settings.Train, tmp_path: Path, kind: str) -> None:
    """Sizes that no 32 divides, a last batch that is not full, mirror images, and a second scale."""
    images, views = noise(40, 72), Views(flips=True, scales=(1.0, 1.6))
    save(options.model_copy(update=KINDS[kind]), tmp_path / "fold_0", images)
    ours, theirs = (predicted(engine, tmp_path / "fold_0", images, views) for engine in ("tensorflow", "openvino"))
    assert_alike(ours, theirs)
    assert (theirs[0].presence < 255).any() == ("head" in kind)


@pytest.mark.skipif(not processor.has_bfloat16(), reason="the processor has no bfloat16")
def test_bfloat16_is_near_float32(options: settings.Train, tmp_path: Path) -> None:
    """Eight bits of precision: other levels, but the same masks at nearly every pixel; the same bytes each time."""
    images = noise(40, 72)
    save(options, tmp_path / "fold_0", images)
    exact, near, again = (
        list(averaging.predictions([engines.load("openvino", tmp_path / "fold_0", precision)], images, 2))
        for precision in ("float32", "bfloat16", "bfloat16")
    )
    differences = np.abs(np.subtract([p.pixels for p in exact], [p.pixels for p in near], dtype=np.int16))
    assert 0 < differences.mean() < 2
    assert all((one.pixels == other.pixels).all() for one, other in zip(near, again, strict=True))


@pytest.mark.long
def test_engines_agree_on_a_trained_network(prepared: Dataset, options: settings.Train, tmp_path: Path) -> None:
    """A few epochs on bright and dark squares; without TensorFlow in the process, and the same with one thread."""
    from stages.training import fit
    from stages.training.export import export
    from stages.training.job import Job

    options = options.model_copy(update={"downscale": 1, "epochs": 3, "crops_per_image": 6, "learning_rate": 0.003})
    fitted = fit.fit(Job(prepared, options, 1), 0, tmp_path / "state", lambda *logs: None)
    export(fit.exported(options, prepared), prepared.layout, fitted.weights, tmp_path / "fold_0")
    images = [prepared.images[position] for position in range(len(prepared.images))]
    theirs = predicted("openvino", tmp_path / "fold_0", images)
    assert_alike(predicted("tensorflow", tmp_path / "fold_0", images), theirs)
    alone = in_another_process(tmp_path / "fold_0", images, tmp_path, TF_NUM_INTRAOP_THREADS="1")
    np.testing.assert_array_equal(alone, np.stack([prediction.pixels for prediction in theirs]))


def in_another_process(model: Path, images: list[UInt8], folder: Path, **variables: str) -> Any:
    """The pixels' probabilities by OpenVINO, from a process that does not import TensorFlow."""
    np.save(folder / "images.npy", np.stack(images))
    code = f"""
import sys, numpy as np
from pathlib import Path
from stages import infer, infer_test
from stages.inference import averaging, engines
network = engines.load("openvino", Path({str(model)!r}))
found = averaging.predictions([network], np.load({str(folder / "images.npy")!r}), 2)
np.save({str(folder / "found.npy")!r}, np.stack([prediction.pixels for prediction in found]))
sys.exit("tensorflow" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ | variables, check=True)
    return np.load(folder / "found.npy")


def test_the_stage_runs_the_engine_that_is_asked_for(
    options: settings.Train, competition_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """infer_test with both: the same probabilities within a level, and the engine is in the metrics."""
    from stages import infer_test

    found: dict[str, Any] = {}
    for engine in ("tensorflow", "openvino"):
        folder = tmp_path / engine
        (folder / "data").mkdir(parents=True)
        content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
        content["competition"] |= {"image_height": 32, "image_width": 64, "classes": ["pit", "line"]}
        content["inference"] |= {"engine": engine, "precision": "float32"}
        (folder / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        shutil.copytree(competition_folder, folder / "data/raw")
        if not found:
            save(options, folder / "data/model/fold_0", noise(32, 64))
            ensemble.write(
                folder / "data/model",
                ensemble.Ensemble({}, [ensemble.EnsembleMember("fold_0", 0, True, False, (1,), (1,))]),
            )
        else:
            shutil.copytree(tmp_path / "tensorflow/data/model", folder / "data/model")
        monkeypatch.chdir(folder)
        infer_test.infer_test()
        metrics = json.loads(Path("metrics/infer_test.json").read_text())
        assert (metrics["engine"], metrics["precision"]) == (engine, "float32")
        found[engine] = Cache(folder / "data/test_probabilities/images")["test_1.jpg"].pixels.astype(int)
    assert np.abs(found["tensorflow"] - found["openvino"]).max() <= LEVELS


def test_a_missing_package_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is there but cannot be imported, too; that it is there is checked with params.yaml."""
    (tmp_path / "saved_model.pb").touch()
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UserError, match=r"params.yaml: inference: engine: openvino cannot be imported .*pip install"):
        engines.load("openvino", tmp_path)


@pytest.mark.parametrize("engine", ["tensorflow", "openvino"])
def test_a_missing_network_is_reported(tmp_path: Path, engine: str) -> None:
    """By both engines, in the same words."""
    with pytest.raises(UserError, match="expected the network that train writes, found none: run dvc repro"):
        engines.load(engine, tmp_path)
