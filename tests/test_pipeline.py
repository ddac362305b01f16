"""The whole pipeline through DVC, as people run it, with a small network, on the sample."""

import csv
import json
import shutil
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from stages.dataset import sample_submission, submission
from stages.dataset.layout import Layout
from stages.pipeline import settings
from tests.support import repository
from tests.support.repository import ROOT, SMALL, check_submission, setting

pytestmark = pytest.mark.slow

FAST = [
    *SMALL,
    "inference.engine=openvino",
]  # it starts in a fifth of TensorFlow's time; test_real_steel runs TensorFlow


def call(folder: Path, *command: str, succeeds: bool = True) -> str:
    """Run a command in a folder, and record which parameters each stage reads; returns everything it printed."""
    recording = {"PYTHONPATH": str(ROOT / "tests/support/recording"), "RECORDED": str(folder / ".git/recorded")}
    return repository.call(folder, *command, succeeds=succeeds, environment=recording)


def experiment(folder: Path, name: str, *parameters: str) -> str:
    """`dvc exp run -n name -S … -S …`."""
    return call(folder, "dvc", "exp", "run", "-n", name, *setting(*parameters))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the current state of the project, in which the pipeline has run as the experiment `cce`."""
    folder = tmp_path_factory.mktemp("clone")
    repository.start(folder)
    experiment(folder, "cce", *FAST)
    return folder


@pytest.fixture(scope="module")
def two_losses(clone: Path) -> Path:
    """The same repository, in which the experiment `cce_dice` has run as well."""
    if "cce_dice" not in call(clone, "dvc", "exp", "list", "--name-only").split():
        call(clone, "dvc", "exp", "apply", "cce")
        experiment(clone, "cce_dice", "train.loss=cce_dice")
        call(clone, "git", "checkout", "--force", "--quiet", ".")
    return clone


def test_a_run_leaves_what_people_rely_on(clone: Path) -> None:
    """A valid submission, and the metrics under their names, without lists or NaN."""
    call(clone, "dvc", "exp", "apply", "cce")
    assert check_submission(clone, 4, 256, 1600) == 3
    metrics = json.loads((clone / "metrics/evaluation.json").read_text())
    names = {"mean_dice", "all_empty_mean_dice", "positive_mean_dice", "pixel_accuracy", "mean_iou"}
    assert names < set(metrics)
    assert set(metrics["collapsed"]) == set(metrics["positive_dice"]) == {"pits", "cracks", "scratches", "patches"}
    assert {"precision", "recall", "f1", "iou"} == set(metrics["classes"]["scratches"])
    assert {"mean_dice", "positive_mean_dice"} < set(metrics["validation"])
    background = metrics["confusion"]["background"]
    assert sum(background.values()) == pytest.approx(1)
    with (clone / "metrics/confusion.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["pixels"]) for row in rows) == metrics["images"] * 256 * 1600
    assert "NaN" not in (clone / "metrics/evaluation.json").read_text()
    for picture in ("confusion.png", "best.jpg", "median.jpg", "worst.jpg"):
        assert (clone / "metrics/evaluation" / picture).stat().st_size > 10_000


def test_dvc_yaml_names_the_parameters_that_each_stage_reads(clone: Path) -> None:
    """DVC would not notice a change of an undeclared one; one too many would run stages for nothing."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    recorded: dict[str, set[str]] = {stage: set() for stage in stages}
    for line in (clone / ".git/recorded").read_text().splitlines():
        stage, name = line.split()
        recorded[stage].add(name)
    sections = {name.split(".")[0] for names in recorded.values() for name in names if "." in name}
    for stage, names in recorded.items():
        leaves = {name for name in names if name not in sections}
        declared = stages[stage]["params"]
        for name in leaves:
            assert name in declared or name.split(".")[0] in declared, f"{stage} reads {name}"
        for name in declared:
            assert name in names, f"{stage} declares {name} and does not read it"


def test_nothing_runs_twice_and_a_loss_runs_training_onwards(clone: Path) -> None:
    """A second run has nothing to do; another loss keeps download, explore and preprocess; going back runs nothing."""
    call(clone, "dvc", "exp", "apply", "cce")
    assert "up to date" in call(clone, "dvc", "repro")
    printed = experiment(clone, "cce_dice", "train.loss=cce_dice")
    for stage in ("download", "explore", "preprocess"):
        assert f"Running stage '{stage}'" not in printed
    for stage in ("train", "infer", "infer_test", "postprocess", "evaluate", "report"):
        assert f"Running stage '{stage}'" in printed
    compared = call(clone, "dvc", "metrics", "diff", "cce", "cce_dice", "--all", "--md")
    for key in ("mean_dice", "validation.positive_mean_dice", "confusion.pits.background", "classes.patches.iou"):
        assert f" {key} " in compared
    back = experiment(clone, "cce_again", "train.loss=cce")
    assert "Running stage" not in back
    assert "train.loss" in call(clone, "dvc", "exp", "show", "--csv")


def test_post_processing_changes_without_a_network(clone: Path) -> None:
    """Other thresholds run no network, only what comes after; the metrics include those without post-processing."""
    call(clone, "dvc", "exp", "apply", "cce")
    printed = experiment(clone, "plain", "postprocess.enabled=false")
    for stage in ("train", "infer", "infer_test"):
        assert f"Running stage '{stage}'" not in printed
    for stage in ("postprocess", "evaluate"):
        assert f"Running stage '{stage}'" in printed
    metrics = json.loads((clone / "metrics/evaluation.json").read_text())
    for of in (metrics, metrics["validation"]):
        assert of["mean_dice"] == of["without_postprocessing"]["mean_dice"]
    call(clone, "git", "checkout", "--force", "--quiet", ".")


def test_segment_makes_the_masks_of_the_submission(clone: Path) -> None:
    """From DVC's own dvc.lock, with thresholds so low that there are masks: the bytes of data/submission.csv."""
    experiment(clone, "masks", *FAST, "postprocess.thresholds=[30,30,30,30]", "postprocess.gates=[0,0,0,0]")
    call(clone, sys.executable, "-m", "stages", "segment", "data/raw/test_images", "--out", "segmented")
    layout = Layout.of(settings.load(clone / "params.yaml").competition)
    sample = sample_submission.read(clone / "data/raw/sample_submission.csv", layout)
    names = [clone / f"segmented/masks/{Path(image).stem}.png" for image in sample.images]
    masks = (np.asarray(cv2.imread(str(name), cv2.IMREAD_UNCHANGED), np.uint8) for name in names)
    submission.write(clone / "ours.csv", sample, masks, "sample")
    assert (clone / "ours.csv").read_bytes() == (clone / "data/submission.csv").read_bytes()
    assert submission.check(clone / "ours.csv", sample, "sample")["masks"] > 0
    for name in ("ours.csv", "segmented"):
        shutil.rmtree(clone / name) if (clone / name).is_dir() else (clone / name).unlink()
    call(clone, "git", "checkout", "--force", "--quiet", ".")


@pytest.mark.long
def test_networks_of_other_experiments_are_added(two_losses: Path) -> None:
    """`train.blend` takes them from DVC's cache, trains nothing again, and reports what cannot be blended."""
    printed = experiment(two_losses, "blend", *FAST, "train.blend=[cce_dice]")
    assert "train: 1 network(s) of cce_dice added" in printed
    assert "epoch 1" not in printed  # taken from what was trained before
    ensemble = json.loads((two_losses / "data/model/ensemble.json").read_text())
    assert [member["folder"] for member in ensemble["members"]] == ["fold_0", "blend_0/fold_0"]
    assert json.loads((two_losses / "metrics/predict.json").read_text())["networks"] == 2
    found = [path.parent.name for path in (two_losses / "data/kernel").rglob("ensemble.json")]
    assert found == ["model"]  # by which the notebook knows the folder of the networks
    for blended, reason in (("nobody", "expected an experiment or commit with data/model"), ("HEAD", "expected ")):
        printed = call(two_losses, "dvc", "exp", "run", "-S", f"train.blend=[{blended}]", succeeds=False)
        assert f"train: params.yaml: train: blend: {blended}: {reason}" in printed
        assert "Traceback" not in printed
    call(two_losses, "git", "checkout", "--force", "--quiet", ".")


@pytest.mark.long
def test_test_images_are_labelled_by_another_experiment(two_losses: Path) -> None:
    """`pseudo_label` takes its networks from DVC's cache; a share of the crops comes from what they label."""
    changes = ("train.pseudo_share=0.5", "pseudo_label.confidence=0.5")
    printed = experiment(two_losses, "student", *FAST, "pseudo_label.experiment=cce_dice", *changes)
    assert "pseudo_label: fold_0: 3 of 3 test images labelled" in printed
    assert "Running stage 'preprocess'" not in printed
    assert "epoch 1 of" in printed
    assert json.loads((two_losses / "metrics/pseudo_label.json").read_text())["fold_0"]["labelled"] == 3
    assert [path.parent.name for path in (two_losses / "data/pseudo").rglob("index.csv")] == ["fold_0"]
    printed = call(two_losses, "dvc", "exp", "run", "-S", "pseudo_label.experiment=nobody", succeeds=False)
    assert "pseudo_label: params.yaml: pseudo_label: experiment: nobody: expected an experiment or commit" in printed
    assert "Traceback" not in printed
    call(two_losses, "git", "checkout", "--force", "--quiet", ".")


def test_plots_and_graph_can_be_shown(two_losses: Path) -> None:
    """`dvc plots show`, `dvc metrics show` and `dvc dag` work."""
    call(two_losses, "dvc", "exp", "apply", "cce")
    printed = call(two_losses, "dvc", "plots", "show")
    assert "WARNING" not in printed
    page = Path(printed.strip().removeprefix("file://")).read_text()
    for shown in (
        "share of the true class", "val_positive_mean_dice", "median.jpg", "Dice of each held-out image and class",
        "Precision and recall over pixels", "Calibration, observed share of a class", "Is a class in the image?",
        "Held-out fold by class", "training loss",
    ):  # fmt: skip
        assert shown in page
    assert "evaluate" in call(two_losses, "dvc", "dag")
    assert "positive_mean_dice" in call(two_losses, "dvc", "metrics", "show", "--md")
    printed = call(two_losses, "dvc", "plots", "diff", "cce", "cce_dice")
    assert "WARNING" not in printed
    page = Path(printed.strip().removeprefix("file://")).read_text()
    assert page.count('"rev": "cce"') > 100
    assert page.count('"rev": "cce_dice"') > 100


@pytest.mark.long
def test_make_compare_starts_from_the_committed_parameters(two_losses: Path) -> None:
    """Both variants come from the run cache, can run again, and leave changed parameters in the workspace alone."""
    call(two_losses, "dvc", "exp", "apply", "cce")
    call(two_losses, "git", "add", "--all")
    call(two_losses, "git", "commit", "--quiet", "--message", "run", "--allow-empty")
    params = (two_losses / "params.yaml").read_text()
    changed = params.replace("learning_rate: 0.001\n", "learning_rate: 0.5\n")
    assert changed != params
    (two_losses / "params.yaml").write_text(changed)
    for _ in range(2):
        printed = call(two_losses, "make", "--assume-old=setup", "compare")
        assert "Traceback" not in printed
        assert "Running stage" not in printed
    assert "A: compare-cce\nB: compare-cce_dice\n" in printed
    assert "| mean Dice " in printed
    assert "true \\ predicted" in printed
    assert (two_losses / "params.yaml").read_text() == changed
    printed = call(two_losses, "make", "--assume-old=setup", "compare", "LOSSES=bce nope", succeeds=False)
    assert "compare: expected losses, one of cce, cce_dice, " in printed
    assert "Running stage" not in printed
    call(two_losses, "git", "checkout", "params.yaml")
    assert call(two_losses, "git", "status", "--porcelain") == ""


@pytest.mark.prove
def test_a_grid_is_queued_and_run(two_losses: Path) -> None:
    """`dvc exp run --queue` over two losses, then `dvc queue start`: both succeed, here from the run cache."""
    call(two_losses, "dvc", "exp", "run", "--queue", "-S", "train.loss=cce,cce_dice")
    assert call(two_losses, "dvc", "queue", "status").count("Queued") == 2
    call(two_losses, "dvc", "queue", "start")
    for _ in range(120):
        status = call(two_losses, "dvc", "queue", "status")
        if "Queued" not in status and "Running" not in status:
            break
        time.sleep(1)
    assert status.count("Success") == 2, status
    call(two_losses, "git", "checkout", "--force", "--quiet", ".")


def test_experiments_that_cannot_be_compared(clone: Path) -> None:
    """An unknown name, a revision without metrics, no validation image in both: one line each."""
    call(clone, "dvc", "exp", "apply", "cce")
    compare = (sys.executable, "-m", "stages", "compare", "cce")
    assert call(clone, *compare, "cse", succeeds=False) == (
        "compare: expected the name of an experiment (dvc exp show lists them), a commit or 'workspace', found 'cse'\n"
    )
    call(clone, "git", "checkout", "--quiet", "--orphan", "bare")
    call(clone, "git", "rm", "-r", "--quiet", "--cached", "--force", "metrics")
    call(clone, "git", "commit", "--quiet", "--message", "no metrics")
    call(clone, "git", "checkout", "--quiet", "-b", "other")
    table = clone / "metrics/images.csv"
    table.write_text(table.read_text().replace("\nvalidation,", "\nvalidation,other_"))
    call(clone, "git", "add", "metrics")
    call(clone, "git", "commit", "--quiet", "--message", "other images")
    call(clone, "git", "checkout", "--quiet", "--force", "main")
    printed = call(clone, *compare, "bare", succeeds=False)
    assert printed.startswith("compare: bare: expected metrics/images.csv among its metrics, found none")
    assert printed.count("\n") == 1
    printed = call(clone, *compare, "other", succeeds=False)
    assert printed.startswith("compare: cce and other cannot be compared: expected validation images that are in both")
    call(clone, "git", "checkout", "--force", "--quiet", ".")


def test_a_clone_pulls_and_has_nothing_to_run(clone: Path, tmp_path: Path) -> None:
    """After `dvc push` to a folder and `dvc pull` in another clone, everything is there and up to date."""
    call(clone, "dvc", "exp", "apply", "cce")
    call(clone, "dvc", "remote", "add", "--force", "--default", "folder", str(tmp_path / "remote"))
    call(clone, "git", "add", "--all")
    call(clone, "git", "commit", "--quiet", "--message", "run", "--allow-empty")
    call(clone, "dvc", "push")
    call(tmp_path, "git", "clone", "--quiet", str(clone), "second")
    second = tmp_path / "second"
    call(second, "dvc", "pull")
    assert check_submission(second, 4, 256, 1600) == 3
    assert "up to date" in call(second, "dvc", "repro")


def test_after_a_failed_stage_the_committed_files_can_be_restored(clone: Path) -> None:
    """A missing source gives one message without a traceback; git and DVC restore the committed state."""
    call(clone, "dvc", "exp", "apply", "cce")
    call(clone, "git", "add", "--all")
    call(clone, "git", "commit", "--quiet", "--message", "run", "--allow-empty")
    before = (clone / "data/submission.csv").read_bytes()
    printed = call(clone, "dvc", "exp", "run", "-S", "download.source=../nowhere.zip", succeeds=False)
    assert "download: params.yaml: download: source: ../nowhere.zip: expected a folder, a zip" in printed
    assert "Traceback" not in printed
    assert not (clone / "data/raw").exists()
    call(clone, "git", "checkout", ".")
    call(clone, "dvc", "checkout")
    assert (clone / "data/submission.csv").read_bytes() == before
    assert "up to date" in call(clone, "dvc", "repro")
