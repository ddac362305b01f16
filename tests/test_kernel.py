"""The notebook: a script and a data set that submit what predict submits, without this project."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages import kernel
from stages.dataset import sample_submission, submission
from stages.dataset.layout import Layout
from stages.inference import engines, ensemble
from stages.inference.averaging import Views
from stages.kaggle import bundle
from stages.pipeline.cli import UserError
from stages.postprocessing import rules as postprocess
from stages.postprocessing import rules_file
from tests.support import locks, reachable

ROOT = Path(__file__).parents[1]
SLUG = "severstal-steel-defect-detection"


def save_network(folder: Path) -> None:
    """A SavedModel without Keras: bright pixels are class 1, dark ones class 4, and the left half class 2 a little."""
    import tensorflow as tf

    class Network(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec((None, None, None), tf.uint8)])  # type: ignore[untyped-decorator]
        def __call__(self, images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            grey = tf.cast(images, tf.float32) / 255
            left = tf.cast(tf.range(tf.shape(grey)[2]) < tf.shape(grey)[2] // 2, tf.float32) * 0.6 + 0 * grey
            logits = tf.stack([0.5 + 0 * grey, 2 * grey - 0.5, left, 0 * grey, 1 - 2 * grey], axis=-1)
            pixels = tf.nn.softmax(3 * logits)[..., 1:]
            return pixels, tf.reduce_max(pixels, axis=(1, 2))

    tf.saved_model.save(Network(), str(folder))


@pytest.fixture
def project(competition_folder: Path, tmp_path: Path) -> Path:
    """A folder with params.yaml, the tiny competition as data/raw, two networks of folds, one of all, and rules."""
    folder = tmp_path / "project"
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["competition"] |= {"image_height": 32, "image_width": 64}
    params["train"]["folds"] = [0, 1]
    params["inference"] |= {"flips": True, "scales": [1.0, 2.0]} | engines.NOTEBOOK.metrics
    (folder / "data").mkdir(parents=True)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    competition_folder.rename(folder / "data/raw")
    members = []
    for name, fold in (("fold_0", 0), ("fold_1", 1), ("final", None)):
        save_network(folder / "data/model" / name)
        members.append(ensemble.EnsembleMember(name, fold, True, True, (1.0,) * 5, (0.2,) * 5))
    ensemble.write(folder / "data/model", ensemble.Ensemble({}, members))
    rules = tuple(postprocess.Rule(threshold, 20, 30, 3, 2) for threshold in (100, 90, 128, 110))
    rules_file.write(folder / "data/postprocess.json", postprocess.Rules("presence", rules, (1.5, 1.0, 2.0, 0.8)), [])
    (folder / "data/probabilities").mkdir()
    engines.write(folder / "data/probabilities", engines.NOTEBOOK, Views(flips=True, scales=(1.0, 2.0)))
    locks.write(folder, "data/model", "data/postprocess.json")
    return folder


def ran(python: str, script: Path, mounted: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the script as Kaggle does: alone, in a folder of its own, nothing of this project on its path."""
    folder.mkdir()
    return subprocess.run(
        [python, "-I", script.resolve()], cwd=folder, env={"MOUNTED": str(mounted)}, text=True, capture_output=True
    )


def mount(project: Path, mounted: Path, *, zips: bool) -> Path:
    """The competition and the data set as Kaggle mounts them, folders as zips or not."""
    shutil.copytree(project / "data/raw", mounted / "competitions" / SLUG)
    shutil.copytree(project / "data/kernel/dataset", mounted / "steel-model")
    if zips:
        for name in ("code", "model"):
            shutil.make_archive(str(mounted / "steel-model" / name), "zip", mounted / "steel-model" / name)
            shutil.rmtree(mounted / "steel-model" / name)
    return mounted


@pytest.mark.slow
@pytest.mark.parametrize("zips", [False, True])
def test_the_script_writes_what_predict_writes(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zips: bool
) -> None:
    """Byte by byte, with an ensemble, flips, two scales and post-processing, and without this project."""
    from stages import infer_test, predict

    monkeypatch.chdir(project)
    infer_test.infer_test()
    predict.predict()
    assert json.loads((project / "metrics/predict.json").read_text())["unscored_networks"] == 1
    kernel.kernel()
    mounted = mount(project, tmp_path / "input", zips=zips)
    result = ran(sys.executable, project / "data/kernel/submission.py", mounted, tmp_path / "working")
    assert result.returncode == 0, result.stderr
    assert "3 images, " in result.stdout
    written = (tmp_path / "working/submission.csv").read_bytes()
    assert written == (project / "data/submission.csv").read_bytes()
    assert written.count(b"\n") > 4


@pytest.mark.slow
def test_the_script_stops_in_time(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not done by then is empty; the file is valid all the same."""
    monkeypatch.chdir(project)
    kernel.kernel()
    mounted = mount(project, tmp_path / "input", zips=False)
    parameters = mounted / "steel-model/parameters.json"
    parameters.write_text(json.dumps(json.loads(parameters.read_text()) | {"hours": 1e-9}))
    result = ran(sys.executable, project / "data/kernel/submission.py", mounted, tmp_path / "working")
    assert result.returncode == 0, result.stderr
    assert "OUT OF TIME: the last 3 of 3 images are submitted as empty (kernel.hours)" in result.stdout
    sample = sample_submission.read(project / "data/raw/sample_submission.csv", Layout.unnamed(4, 32, 64))
    assert submission.check(tmp_path / "working/submission.csv", sample, "sample")["masks"] == 0


@pytest.mark.slow
def test_what_is_not_mounted_is_reported(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line in the notebook's log, and a failed run."""
    monkeypatch.chdir(project)
    kernel.kernel()
    (tmp_path / "input").mkdir()
    result = ran(sys.executable, project / "data/kernel/submission.py", tmp_path / "input", tmp_path / "working")
    assert result.returncode == 1
    assert "expected the data set with parameters.json and the folder code, found none" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("changed", ["data/model/fold_0/saved_model.pb", "data/postprocess.json"])
def test_what_is_not_recorded_is_not_bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    """A network or rules other than those in dvc.lock: refused by name, and no notebook is written."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "data/model/fold_0").mkdir(parents=True)
    for name in ("data/model/fold_0/saved_model.pb", "data/postprocess.json"):
        (tmp_path / name).write_text("as recorded")
    locks.write(tmp_path, "data/model", "data/postprocess.json")
    (tmp_path / changed).write_text("another one")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"{Path(*Path(changed).parts[:2])}: expected the file"):
        kernel.kernel()
    assert not (tmp_path / "data/kernel").exists()


@pytest.mark.slow
def test_the_notebook_checks_its_networks(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that changed on its way to Kaggle is named before any is loaded."""
    monkeypatch.chdir(project)
    kernel.kernel()
    mounted = mount(project, tmp_path / "input", zips=False)
    with (mounted / "steel-model/model/fold_1/saved_model.pb").open("ab") as file:
        file.write(b"more")
    result = ran(sys.executable, project / "data/kernel/submission.py", mounted, tmp_path / "working")
    assert result.returncode == 1
    assert "fold_1/saved_model.pb: expected the file that the stage kernel bundled, found another" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_train_did_not_write_is_not_bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """dvc.lock records it, as after `dvc commit`, but ensemble.json names another SHA-256."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "data/model/fold_0").mkdir(parents=True)
    (tmp_path / "data/model/fold_0/saved_model.pb").write_text("as train wrote it")
    member = ensemble.EnsembleMember("fold_0", 0, True, False, (1.0,) * 5, (0.2,) * 5)
    ensemble.write(tmp_path / "data/model", ensemble.Ensemble({}, [member]))
    (tmp_path / "data/model/fold_0/saved_model.pb").write_text("another one")
    rules_file.write(tmp_path / "data/postprocess.json", postprocess.plain(4), [])
    locks.write(tmp_path, "data/model", "data/postprocess.json")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"fold_0/saved_model.pb: expected the file that train wrote, found another"):
        kernel.kernel()
    assert not (tmp_path / "data/kernel").exists()


def test_the_listed_modules_are_those_that_the_script_imports() -> None:
    """None is missing, none superfluous. Of other packages Kaggle has four.

    The other three are imported only where they are used: simplejpeg is optional, pydicom reads DICOM images, and
    segmentation_models is imported for training alone.
    """
    found, others = reachable.from_module("stages.kaggle.script")
    assert found == set(bundle.MODULES)
    assert others == {
        "tensorflow", "numpy", "cv2", "PIL", "simplejpeg", "pydicom", "segmentation_models",
    }  # fmt: skip


def test_the_code_is_copied_as_plain_files(tmp_path: Path) -> None:
    """In the same packages, whose files hold a docstring alone."""
    bundle.copy_code(ROOT, tmp_path)
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path for path in written if not path.endswith("__init__.py")} == {
        f"{name.replace('.', '/')}.py" for name in bundle.MODULES
    }
    for path in written:
        assert (tmp_path / path).read_bytes() == (ROOT / path).read_bytes()


@pytest.mark.parametrize("slug", [SLUG, "a-competition-whose-name-is-so-long-that-kaggle-would-not-take-it"])
def test_names_that_kaggle_takes(slug: str) -> None:
    """Owner and name, at most 50 characters, and a title that leads to the same name."""
    for metadata in (bundle.kernel_metadata("someone", slug, None), bundle.dataset_metadata("someone", slug)):
        owner, name = metadata["id"].split("/")
        assert owner == "someone"
        assert 6 <= len(name) <= 50
        assert metadata["title"].replace(" ", "-") == name


def test_the_notebook_is_private_and_offline() -> None:
    """As code competitions ask; the accelerator is the user's choice."""
    metadata = bundle.kernel_metadata("someone", SLUG, "NvidiaTeslaT4")
    assert (metadata["is_private"], metadata["enable_internet"], metadata["enable_gpu"]) == (True, False, True)
    assert metadata["machine_shape"] == "NvidiaTeslaT4"
    assert metadata["competition_sources"] == [SLUG]
    assert bundle.kernel_metadata("someone", SLUG, None)["enable_gpu"] is False


@pytest.mark.prove
def test_an_older_tensorflow_without_a_network(real_data: Path, tmp_path: Path) -> None:
    """Kaggle's image lags: TensorFlow 2.18 with NumPy, pandas and OpenCV alone, on real test images.

    The same TensorFlow gives the same bytes; of 2.18 at most one pixel in ten thousand may differ.
    """
    python = tmp_path / "kaggle/bin/python"
    subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
    packages = ["tensorflow==2.18.*", "numpy", "pandas", "opencv-python-headless"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    project = tmp_path / "project"
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["download"]["source"] = str(real_data / "severstal-sample.zip")
    params["train"] |= {"epochs": 1, "crops_per_image": 1}
    params["inference"] |= engines.NOTEBOOK.metrics
    project.mkdir()
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    for stage in ("download", "preprocess", "train", "infer", "postprocess", "infer_test", "predict", "kernel"):
        if stage == "kernel":
            locks.write(project, "data/model", "data/postprocess.json")
        environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        subprocess.run([sys.executable, "-m", f"stages.{stage}"], cwd=project, env=environment, check=True)
    mounted = mount(project, tmp_path / "input", zips=False)
    script = project / "data/kernel/submission.py"
    for name, interpreter in (("same", sys.executable), ("older", str(python))):
        (tmp_path / name).mkdir()
        subprocess.run(
            ["unshare", "--net", "--map-root-user", interpreter, "-I", script],
            cwd=tmp_path / name, env={"MOUNTED": str(mounted)}, check=True,
        )  # fmt: skip
    predicted = project / "data/submission.csv"
    assert (tmp_path / "same/submission.csv").read_bytes() == predicted.read_bytes()
    assert differing(predicted, tmp_path / "older/submission.csv") <= 1e-4


def differing(one: Path, other: Path) -> float:
    """Share of the pixels, of all images and classes that have a mask in either, that two submissions disagree on."""
    from stages.dataset import rle, tables

    layout = Layout.unnamed(4, 256, 1600)
    masks = [
        {(row.image, row.class_id): rle.decode(row.runs, 256, 1600) for row in tables.read(path, layout, filler=True)}
        for path in (one, other)
    ]
    keys = {key for found in masks for key in found if key[1]}
    empty = np.zeros((256, 1600), np.bool_)
    different = sum(int((masks[0].get(key, empty) ^ masks[1].get(key, empty)).sum()) for key in keys)
    print(f"{different} pixels differ in {len(keys)} masks")
    assert keys
    return different / (len(keys) * 256 * 1600)
