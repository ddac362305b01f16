"""The command export: what it refuses, what it writes, and that this makes the masks of the pipeline."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from stages.dataset import geometry
from stages.dataset.layout import Layout
from stages.exporting import exported, kaggle_model, manifest, networks, onnx_conversion, run_state
from stages.inference import averaging, ensemble, gpus, quantized
from stages.inference.averaging import Views
from stages.pipeline import cli, paths, settings
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError
from stages.postprocessing.rules import label_map
from tests.exporting.conftest import few_layers, options
from tests.support import export_project, locks
from tests.support.pictures import encoded

__all__ = ["few_layers", "options"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run whose networks are text files; whether it is up to date is not asked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(gpus.HIDING, "-1")
    monkeypatch.setattr(run_state, "revision", lambda: "revision `abc`")
    export_project.make(tmp_path)
    return tmp_path


def export(*words: str) -> None:
    """As `python -m stages export WORDS`."""
    cli.run_command("export", words)


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command prints when it refuses; nothing is left of the export."""
    before = set(Path().iterdir())
    with pytest.raises(SystemExit) as end:
        export(*words)
    assert end.value.code not in (0, None)
    assert set(Path().iterdir()) == before
    return str(end.value.code) if isinstance(end.value.code, str) else capsys.readouterr().err


def test_the_networks_as_they_are(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the whole ensemble, the parameters, the rules, the card and the manifest; then checked and changed."""
    export("--format", "savedmodel", "--out", "steel")
    written = json.loads(Path("steel/model.json").read_text())
    assert written["networks"] == ["networks/fold_0", "networks/blend_0/fold_1"]
    assert Path("steel/networks/blend_0/fold_1/saved_model.pb").read_text() == "network blend_0/fold_1"
    assert (written["inference"]["flips"], written["inference"]["scales"]) == (True, [1.0, 1.5])
    assert written["rules"] == export_project.RULES.to_json()
    assert (written["competition"]["classes"], written["precision"]) == (["pit", "line"], "float32")
    assert "export: steel: " in capsys.readouterr().out
    export("--check", "steel")
    assert "all as they were exported" in capsys.readouterr().out
    Path("steel/networks/fold_0/saved_model.pb").write_text("network fold_1")
    assert "steel/networks/fold_0/saved_model.pb: expected the exported file" in refused(capsys, "--check", "steel")


def test_the_card_says_what_the_run_says(project: Path) -> None:
    """Dice of an image: pits 2·4/(8 + 4), lines 0; mean 1/3. No line is found, which the card warns about."""
    export("--format", "savedmodel", "--out", "steel")
    card = Path("steel/README.md").read_text()
    assert "revision `abc`" in card
    assert "1,234,567 bytes, SHA-256 `" + "ab" * 32 in card
    assert "| Mean Dice, the competition's score | 0.333 (0.333 … 0.333) | 0.333 (0.333 … 0.333) |" in card
    assert "| … of pit | 0.667 (0.667 … 0.667) | 0.667 (0.667 … 0.667) |" in card
    assert "Held-out fold: 12 images in 12 groups" in card
    assert "10 images in 10 groups" in card
    assert "- For line: it is never predicted." in card
    assert "| pit | 1.000 | 0.500 | 0.500 |" in card
    assert "Divide the odds of each class by its factor" in card
    assert "it has never seen a photograph" in card
    assert "computed by tensorflow in float32. This export runs tensorflow in float32: the same." in card
    assert "{" not in card


def test_another_source_and_random_weights(project: Path) -> None:
    """The data's path and its owner's rules stand there, and no package of weights."""
    paths.DOWNLOAD_METRICS.write_text(json.dumps({"source": "/data/mine", "size": 5, "sha256": "cd" * 32}))
    parameters = paths.PARAMS.read_text().replace("encoder_weights: imagenet", "encoder_weights: null")
    paths.PARAMS.write_text(parameters)
    export_project.record(project)
    export("--format", "savedmodel", "--out", "steel")
    card = Path("steel/README.md").read_text()
    assert "`/data/mine`, as it was downloaded or read" in card
    assert "The rules of the data's owner" in card
    assert "never seen a photograph" not in card
    assert "ImageNet" not in card


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "expected --format and --out, or --check, found no --format and no --out"),
        (("--format", "onnx"), "expected --format and --out, or --check, found no --out"),
        (("--format", "torch", "--out", "steel"), "invalid choice: 'torch'"),
        (
            ("--format", "savedmodel", "--out", "params.yaml"),
            "--out params.yaml: expected a folder that does not exist",
        ),
        (("--format", "savedmodel", "--out", "data/model/steel"), "expected a folder outside of data/model, which a"),
        (("--format", "savedmodel", "--out", "stages/steel"), "expected a folder outside of stages, which belongs to"),
        (("--check", "data", "--out", "steel"), "--check: expected no other option"),
        (("--check", "data"), "data: expected a folder that python -m stages export has written"),
        (
            ("--format", "savedmodel", "--out", "steel", "--kaggle-model", "Me/a b"),
            "--kaggle-model: expected OWNER/SLUG",
        ),
    ],
)
def test_impossible_options(
    project: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    """One message each, and nothing is written."""
    assert message in refused(capsys, *words)


def test_no_model_yet(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first run, and after data/ was emptied."""
    shutil.rmtree(paths.MODEL)
    message = refused(capsys, "--format", "savedmodel", "--out", "steel")
    assert message == (
        "export: data/model: expected the output that dvc.lock records, found none: run dvc checkout or dvc repro"
    )
    Path("dvc.lock").unlink()
    assert "export: dvc.lock: expected " in refused(capsys, "--format", "savedmodel", "--out", "steel")


@pytest.mark.parametrize("path", [paths.MODEL / "fold_0/saved_model.pb", paths.RULES, paths.EVALUATION_METRICS])
def test_what_is_not_recorded_is_not_exported(project: Path, capsys: pytest.CaptureFixture[str], path: Path) -> None:
    """A network, rules or figures other than those in dvc.lock."""
    path.write_text("another one")
    place = paths.MODEL if paths.MODEL in path.parents else path
    assert f"export: {place}: expected the file" in refused(capsys, "--format", "savedmodel", "--out", "steel")


def test_a_network_that_train_did_not_write(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """dvc.lock may have been committed with it; ensemble.json knows better. The half export is removed."""
    saved = paths.ENSEMBLE.read_text()
    (paths.MODEL / "blend_0/fold_1/saved_model.pb").write_text("another one")
    export_project.record(project)
    paths.ENSEMBLE.write_text(saved)
    locks.write(project, *(path.as_posix() for path in run_state.ARTIFACTS))
    message = refused(capsys, "--format", "savedmodel", "--out", "steel")
    assert "blend_0/fold_1/saved_model.pb: expected the file that train wrote, found another" in message


def test_missing_packages(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Found before anything else is done."""
    monkeypatch.setattr(onnx_conversion, "find_spec", lambda name: None)
    assert f"{sys.executable} -m pip install tf2onnx" in refused(capsys, "--format", "onnx", "--out", "steel")
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert "-m pip install openvino" in refused(capsys, "--format", "openvino", "--out", "steel")


def test_a_run_of_other_parameters_is_refused() -> None:
    """The message names the stages that dvc status lists."""
    repo = SimpleNamespace(status=lambda targets, with_deps: {"train": [], "predict": []} if with_deps else {})
    with pytest.raises(UserError, match=r"data/model: expected a run with the current .* changes in predict, train"):
        run_state.refuse_stale(repo)
    run_state.refuse_stale(SimpleNamespace(status=lambda targets, with_deps: {}))


def test_a_folder_that_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without .dvc, nothing can be asked."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"expected to run in the project's folder, found no \.dvc here"):
        run_state.revision()


def test_for_kaggle(project: Path) -> None:
    """Both files that its client reads; the client leaves them behind, so the manifest does not name them."""
    export("--format", "savedmodel", "--out", "steel", "--kaggle-model", "some-one/steel-defects")
    model, variation = (json.loads(Path("steel", name).read_text()) for name in kaggle_model.FILES)
    assert (model["ownerSlug"], model["slug"], model["isPrivate"]) == ("some-one", "steel-defects", True)
    assert (variation["modelSlug"], variation["framework"]) == ("steel-defects", "tensorFlow2")
    assert model["description"] == Path("steel/README.md").read_text()
    for name in kaggle_model.FILES:
        Path("steel", name).unlink()
    assert manifest.check(Path("steel")) > 5


def test_int8_goes_out_as_it_was_quantised(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """OpenVINO gets the networks of data/quantized, which must be made from these weights; other formats float32."""
    for name in ("fold_0", "blend_0/fold_1"):
        (paths.QUANTIZED / name).mkdir(parents=True)
        for file in ("network.xml", "network.bin"):
            (paths.QUANTIZED / name / file).write_text(f"{name} in int8")
    quantized.write(paths.QUANTIZED, ensemble.read(paths.MODEL), ["fold_0", "blend_0/fold_1"])
    paths.INFER_METRICS.write_text('{"engine": "openvino", "precision": "int8"}')
    locks.write(project, *(path.as_posix() for path in (*run_state.ARTIFACTS, paths.QUANTIZED)))
    export("--format", "openvino", "--out", "steel")
    assert Path("steel/networks/blend_0/fold_1/network.bin").read_text() == "blend_0/fold_1 in int8"
    assert json.loads(Path("steel/model.json").read_text())["precision"] == "int8"
    assert "for openvino in int8" in capsys.readouterr().out
    export("--format", "savedmodel", "--out", "exact")
    assert json.loads(Path("exact/model.json").read_text())["precision"] == "float32"
    (paths.QUANTIZED / "fold_0/network.bin").write_text("another one")
    assert "data/quantized: expected the files" in refused(capsys, "--format", "openvino", "--out", "again")


def steel(folder: Path) -> list[Path]:
    """Five strips: brushed metal with a dark pit and a bright scratch, each elsewhere."""
    folder.mkdir()
    files = []
    for number in range(5):
        generator = np.random.default_rng(number)
        rows = generator.normal(0, 6, (export_project.HEIGHT, 1))
        image = 110 + rows + generator.normal(0, 4, (export_project.HEIGHT, export_project.WIDTH))
        image[5 + number : 15 + number, 10:24] -= 60
        image[:, 50 + number] += 90
        files.append(folder / f"strip_{number}.png")
        cv2.imwrite(str(files[-1]), np.clip(image, 0, 255).astype(np.uint8))
    return files


def ours(files: list[Path]) -> tuple[list[UInt8], list[UInt8]]:
    """Levels and masks of the pipeline, by TensorFlow in float32."""
    from stages.inference import savedmodel

    parameters, layout = settings.load(), Layout.of(settings.load().competition)
    loaded = [savedmodel.load(paths.MODEL / name) for name in ("fold_0", "blend_0/fold_1")]
    images = (geometry.read(file, layout)[0] for file in files)
    views = Views(parameters.inference.flips, parameters.inference.scales)
    found = list(averaging.of_images(loaded, images, layout, 4, views))
    return [one.pixels for one in found], [label_map(one, export_project.RULES) for one in found]


@pytest.mark.slow
@pytest.mark.usefixtures("few_layers")
@pytest.mark.parametrize("form", networks.FORMATS)
def test_the_example_makes_the_pipelines_masks(
    project: Path, options: settings.Train, form: networks.Format, capsys: pytest.CaptureFixture[str]
) -> None:
    """Levels up to 1 of 255, one pixel in 10,000 of the masks; by code that needs nothing of this project.

    Two networks, flips, two scales, factors, a gate, smallest areas and components.
    """
    export_project.save_networks(options)
    export_project.record(project)
    files = steel(project / "photographs")
    levels, masks = ours(files)
    export("--format", form, "--out", "steel")
    result = run_example(project, files)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("pixels") > 0
    theirs = [cv2.imread(str(project / f"masks/{file.stem}.png"), cv2.IMREAD_UNCHANGED) for file in files]
    different = sum(int((one != other).sum()) for one, other in zip(masks, theirs, strict=True))
    assert different <= sum(mask.size for mask in masks) / 10_000
    assert {1, 2} <= set(np.unique(masks))
    model = exported.load(Path("steel"))
    images = [geometry.read(file, model.layout)[0] for file in files]
    found = averaging.of_images(model.networks, images, model.layout, model.batch_size, model.views)
    for one, other in zip(levels, found, strict=True):
        assert np.abs(one.astype(int) - other.pixels).max() <= 1
    capsys.readouterr()


def run_example(project: Path, files: list[Path]) -> subprocess.CompletedProcess[str]:
    """Run example.py as a stranger does: elsewhere, with nothing of this project on the path of modules."""
    elsewhere = project / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    command = [sys.executable, "-I", *map(str, (project / "steel/example.py", project / "masks", *files))]
    return subprocess.run(command, cwd=elsewhere, env={}, text=True, capture_output=True)


def test_the_example_refuses_damage(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed file ends it before a network is loaded; a photograph that is none, afterwards. No traceback."""
    export("--format", "savedmodel", "--out", "steel")
    Path("steel/networks/fold_0/saved_model.pb").write_text("changed")
    result = run_example(project, [project / "none.jpg"])
    assert (result.returncode, "Traceback" in result.stderr) == (1, False)
    assert "saved_model.pb: expected the exported file" in result.stderr
    result = run_example(project, [])
    assert result.returncode == 1
    assert "python example.py MASKS PHOTO" in result.stderr


def test_damage_is_found_before_loading(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a program calls `exported.load` itself."""
    export("--format", "savedmodel", "--out", "steel")
    loaded: list[Any] = []
    monkeypatch.setattr(exported, "_network", lambda *given: loaded.append(given))
    exported.load(Path("steel"))
    assert len(loaded) == 2
    Path("steel/networks/more").write_text("")
    with pytest.raises(UserError, match="steel/networks/more: expected no such file"):
        exported.load(Path("steel"))
    assert len(loaded) == 2


def test_masks_may_lie_in_the_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the card has it: `example.py masks photo.jpg` within the folder, again and again; --check names them."""
    export("--format", "savedmodel", "--out", "steel")
    monkeypatch.setattr(exported, "_network", lambda *given: None)
    Path("steel/masks").mkdir()
    Path("steel/masks/photo.png").write_text("")
    exported.load(Path("steel"))
    with pytest.raises(SystemExit) as ended:
        export("--check", "steel")
    assert "steel/masks/photo.png: expected no such file" in str(ended.value.code)


def test_colours_are_refused_as_segment_does(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JPEG decoder would turn them into grey levels without a word."""
    export("--format", "savedmodel", "--out", "steel")
    monkeypatch.setattr(exported, "_network", lambda *given: None)
    model = exported.load(Path("steel"))
    red = Path("red.jpg")
    red.write_bytes(encoded(".jpg", np.full((*model.layout.size, 3), (0, 0, 255), np.uint8)))
    with pytest.raises(UserError, match=r"red\.jpg: expected .*colour"):
        next(model.label_maps([red]))
