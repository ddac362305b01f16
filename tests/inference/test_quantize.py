"""The stage quantize: which images it looks at, what it refuses, and what int8 does to a small network."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages import infer, quantize
from stages.dataset.prepared import Dataset
from stages.inference import averaging, engines, ensemble, quantization, quantized
from stages.inference.networks import Networks
from stages.inference.probabilities import Cache
from stages.pipeline import paths, settings
from stages.pipeline.cli import UserError

ROOT = Path(__file__).parents[2]


def test_a_small_loss_is_accepted_and_a_larger_one_is_not() -> None:
    """Of either figure: fewer false alarms on clean images can hide masks that are lost. Gains are no loss."""
    exact: dict[str, float | None] = {"mean_dice": 0.9412, "positive_mean_dice": 0.7}
    quantize.check(exact, {"mean_dice": 0.9393, "positive_mean_dice": 0.9})
    quantize.check(exact | {"positive_mean_dice": None}, {"mean_dice": 0.95, "positive_mean_dice": None})
    with pytest.raises(UserError) as error:
        quantize.check(exact, {"mean_dice": 0.9378, "positive_mean_dice": 0.7})
    assert str(error.value) == (
        "params.yaml: inference: precision: int8 lost 0.0034 of validation Dice (0.9412 -> 0.9378), more than 0.002: "
        "set inference.precision to float32 or bfloat16"
    )
    with pytest.raises(UserError, match=r"lost 0.1000 of validation Dice where there is a mask \(0.7000 -> 0.6000\)"):
        quantize.check(exact, {"mean_dice": 0.95, "positive_mean_dice": 0.6})


def test_only_validation_images_are_measured(prepared: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the held-out fold; at most so many, evenly spread; without any there is one message."""
    found = quantization.calibration(prepared, (0, 1))
    assert [sample.fold in (0, 1) for sample in found] == [True] * len(prepared.fold(0) + prepared.fold(1))
    monkeypatch.setattr(quantization, "CALIBRATION_IMAGES", 2)
    few = quantization.calibration(prepared, (0, 1))
    assert (few[0], len(few)) == (found[0], 2)
    assert found.index(few[1]) == len(found) // 2
    with pytest.raises(UserError, match=r"int8 needs validation images to calibrate on; .* train.folds = \[\], "):
        quantization.calibration(prepared, ())


def test_a_missing_package_is_reported(prepared: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(UserError, match=r"precision: int8: nncf cannot be imported .*: .* -m pip install nncf"):
        quantization.quantize(tmp_path, prepared, prepared.fold(0), tmp_path / "out")


@pytest.fixture
def project(prepared: Dataset, options: settings.Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the parameters for int8, the prepared squares and a network of random weights."""
    from stages.inference import tensorflow_start

    tensorflow_start.start(training=True)
    import tensorflow as tf

    from stages.inference import savedmodel
    from stages.training import model

    monkeypatch.chdir(tmp_path)
    paths.PREPARED.parent.mkdir()
    paths.PREPARED.symlink_to(prepared._folder)
    tf.keras.utils.set_random_seed(0)
    savedmodel.save(model.build(options, len(prepared.classes)), "softmax", paths.MODEL / "fold_0")
    member = ensemble.EnsembleMember("fold_0", 0, True, False, (1.0,) * 3, (0.3,) * 3)
    ensemble.write(paths.MODEL, ensemble.Ensemble({}, [member]))
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["inference"] |= {"engine": "openvino", "precision": "int8", "flips": False, "scales": [1.0, 1.5]}
    Path("params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_a_network_in_int8(project: Path, prepared: Dataset) -> None:
    """Its probabilities are near those in float32; the same bytes twice; other weights are noticed."""
    quantize.quantize()
    metrics = json.loads(paths.QUANTIZE_METRICS.read_text())
    assert (metrics["networks"], metrics["calibration_images"]) == (1, len(prepared.fold(0)))
    assert metrics["float32"].keys() == metrics["int8"].keys() == {"mean_dice", "positive_mean_dice"}
    first = quantized.read(paths.QUANTIZED)
    images = [prepared.image(sample) for sample in prepared.index]
    exact, rounded = (
        np.stack([found.pixels for found in averaging.predictions(networks.of(networks.ensemble.members), images, 4)])
        for networks in map(Networks, (engines.Engine("openvino", "float32"), engines.Engine("openvino", "int8")))
    )
    assert 0 < np.abs(exact.astype(int) - rounded).mean() < 5
    text = (paths.QUANTIZED / "fold_0/network.xml").read_text()
    assert text.count('type="FakeQuantize"') > 10
    quantization.quantize(paths.MODEL / "fold_0", prepared, prepared.fold(0), project / "again")
    assert (project / "again/network.bin").read_bytes() == (paths.QUANTIZED / "fold_0/network.bin").read_bytes()
    (paths.MODEL / "fold_0/saved_model.pb").write_bytes(b"another")
    ensemble.write(paths.MODEL, ensemble.read(paths.MODEL))
    with pytest.raises(UserError, match="found one made from other weights: run dvc repro quantize"):
        Networks(engines.Engine("openvino", "int8")).of(ensemble.read(paths.MODEL).members)
    assert quantized.read(paths.QUANTIZED) == first


@pytest.mark.slow
def test_infer_computes_the_notebooks_way(project: Path, prepared: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the held-out fold, near those of int8, at two scales; with its own engine there is nothing to compare."""
    monkeypatch.setattr(quantize, "MOST", 1)
    quantize.quantize()
    infer.infer()
    assert engines.read(paths.PROBABILITIES)[0] == engines.Engine("openvino", "int8")
    assert json.loads(paths.INFER_METRICS.read_text())["precision"] == "int8"
    ours, theirs = Cache(paths.HELD_OUT_PROBABILITIES), Cache(paths.NOTEBOOK_PROBABILITIES)
    names = [sample.image for sample in prepared.fold(prepared.held_out)]
    assert sorted(ours.presence) == sorted(theirs.presence) == sorted(names)
    differences = [np.abs(ours[name].pixels.astype(int) - theirs[name].pixels).mean() for name in names]
    assert 0 < np.mean(differences) < 5
    text = (project / "params.yaml").read_text().replace("int8", "float32").replace("openvino", "tensorflow")
    (project / "params.yaml").write_text(text)
    infer.infer()
    assert engines.read(paths.PROBABILITIES)[0] == engines.NOTEBOOK
    assert not paths.NOTEBOOK_PROBABILITIES.exists()


@pytest.mark.slow
def test_what_loses_too_much_is_not_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures are, so that they can be read."""
    monkeypatch.setattr(quantize, "MOST", -1)
    with pytest.raises(UserError, match=r"int8 lost .* of validation Dice .* set inference.precision to float32 or"):
        quantize.quantize()
    assert not paths.QUANTIZED.exists()
    assert json.loads(paths.QUANTIZE_METRICS.read_text())["networks"] == 1


def test_with_another_precision_there_is_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """data/quantized says so, and no package is imported for it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    paths.MODEL.mkdir(parents=True)
    ensemble.write(paths.MODEL, ensemble.Ensemble({}, []))
    monkeypatch.setattr(quantization, "quantize", lambda *_: pytest.fail("it was called"))
    quantize.quantize()
    assert quantized.read(paths.QUANTIZED) == {}
    assert json.loads(paths.QUANTIZE_METRICS.read_text()) == {"networks": 0}
    assert "no network is quantised" in capsys.readouterr().out
