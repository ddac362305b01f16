"""The check_data stage from end to end, on small images of noise."""

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from stages.check_data import check_data
from stages.dataset import duplicates, integrity, shift
from stages.dataset.layout import Layout
from stages.dataset.prepared import IMAGES, INDEX, LABELS, SIGNATURES, SUMMARY, ImageStore
from stages.dataset.true_masks import TrueMasksWriter
from stages.pipeline.cli import UserError

PARAMS = Path(__file__).parents[1] / "params.yaml"
HEIGHT, WIDTH, FOLDS, EACH = 64, 128, 4, 20  # 128 cells of 8×8: noise does not correlate by 0.6

SHIFT = "PROBLEM: distribution shift: "


def noise(seed: int, brightness: float = 100, width: int = WIDTH) -> np.ndarray:
    """An image of noise, of about that brightness."""
    generator = np.random.default_rng(seed)
    grey = brightness + 8 * generator.standard_normal() + 10 * generator.standard_normal((HEIGHT, width))
    return np.clip(grey, 0, 255).astype(np.uint8)


def prepare(images: list[np.ndarray], groups: list[int] | None = None, pits: int = FOLDS * EACH) -> None:
    """Write data/prepared: images of folds 0, 1, 2, 3, 0, …; the first ones hold a pit."""
    folder = Path("data/prepared")
    folder.mkdir(parents=True, exist_ok=True)
    stack = ImageStore.create(folder / IMAGES, len(images), HEIGHT, WIDTH)
    ImageStore.create(folder / LABELS, len(images), HEIGHT, WIDTH).close()
    for number, image in enumerate(images):
        stack[number] = image
    stack.close()
    np.save(folder / SIGNATURES, np.array([duplicates.signature(image) for image in images]))
    groups = groups or list(range(len(images)))
    TrueMasksWriter(folder).close()
    rows = [[f"{n}.png", n % FOLDS, groups[n], HEIGHT, WIDTH, int(n < pits)] for n in range(len(images))]
    with (folder / INDEX).open("w", newline="") as file:
        csv.writer(file).writerows([["image", "fold", "group", "height", "width", "pixels_pit"], *rows])
    summary = {"layout": Layout(("pit",), HEIGHT, WIDTH).to_json(), "folds": FOLDS, "digest": "drawn"}
    summary[integrity.KEY] = integrity.of_files(folder, [INDEX, SIGNATURES])
    (folder / SUMMARY).write_text(json.dumps(summary))


def photograph(images: list[np.ndarray]) -> None:
    """Write data/raw/test_images."""
    folder = Path("data/raw/test_images")
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f"test_{number:02}.png"), image)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of 80 training images in four folds and 20 test images, all of the same kind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shift, "_TREES", 10)  # so clear a difference needs no more
    content = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    content["competition"] |= {"image_height": HEIGHT, "image_width": WIDTH, "classes": ["pit"]}
    content["preprocess"] |= {"folds": FOLDS, "duplicate_correlation": 0.6}
    content["train"] |= {"folds": [0, 1], "class_weights": None}
    Path("params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    prepare([noise(seed) for seed in range(FOLDS * EACH)])
    photograph([noise(1000 + seed) for seed in range(20)])
    return tmp_path


def run(capsys: pytest.CaptureFixture[str]) -> tuple[dict[str, Any], list[str]]:
    """Metrics, and the lines that are problems and warnings."""
    check_data()
    lines = [line.removeprefix("check_data: ") for line in capsys.readouterr().out.splitlines()]
    metrics = json.loads(Path("metrics/check_data.json").read_text(encoding="utf-8"))
    findings = [line for line in lines if line.startswith(("PROBLEM: ", "WARNING: "))]
    assert lines[-1] == f"{metrics['problems']} problem(s), {metrics['warnings']} warning(s)"
    assert metrics["problems"] == sum(line.startswith("PROBLEM: ") for line in findings)
    assert all(line.startswith(("PROBLEM: ", "WARNING: ", "NOTE: ")) for line in lines[:-1])
    assert sorted(metrics.pop("findings").values()) == sorted(findings)
    assert Path("data/check_data.txt").read_text(encoding="utf-8").splitlines() == lines
    return metrics, findings


def leaves(tree: dict[str, Any]) -> list[Any]:
    """All values of nested mappings."""
    return [leaf for value in tree.values() for leaf in (leaves(value) if isinstance(value, dict) else [value])]


def test_nothing_to_report(capsys: pytest.CaptureFixture[str]) -> None:
    """Images of one kind are no problem, and every figure is there."""
    metrics, findings = run(capsys)
    assert findings == []
    assert set(metrics["validation"]) == {"fold_0", "fold_1"}
    for of in (*metrics["validation"].values(), metrics["held_out"], metrics["test"]):
        assert 0 <= of["auc_low"] < of["auc"] < of["auc_high"] <= 1
    assert metrics["test"]["brightness"]["training"] == pytest.approx(100, abs=3)
    assert metrics["test"]["images"] == 20
    assert metrics["test"]["width"] == {"network": WIDTH, "least": WIDTH, "most": WIDTH}
    assert metrics["leakage"]["pairs_across_folds"] == 0
    assert 0 < metrics["leakage"]["largest_correlation_across_folds"] < 0.6
    assert metrics["leakage"]["test_near_duplicates"] == 0
    assert metrics["classes"] == {"pit": {"validation_groups": 40, "held_out_groups": 20}}
    assert all(type(leaf) in (int, float) for leaf in leaves(metrics))


def test_two_runs_write_the_same_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither chance nor the order of threads gets into the figures."""
    run(capsys)
    first = Path("metrics/check_data.json").read_bytes()
    run(capsys)
    assert Path("metrics/check_data.json").read_bytes() == first


@pytest.mark.parametrize(("bright", "name"), [(0, "validation fold 0"), (3, "held-out fold 3")])
def test_a_brighter_fold(bright: int, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A fold of brighter images than those trained on, of folds 1 and 2, is a problem; the other is not."""
    content = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    content["train"]["folds"] = [0]
    Path("params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    prepare([noise(seed, 150 if seed % FOLDS == bright else 100) for seed in range(FOLDS * EACH)])
    photograph([noise(1000 + seed, 100 if seed % FOLDS else 150) for seed in range(20)])
    metrics, findings = run(capsys)
    assert len(findings) == 1
    assert findings[0].startswith(f"PROBLEM: distribution shift: the {name} and the images trained on differ")
    aucs = {0: metrics["validation"]["fold_0"]["auc"], 3: metrics["held_out"]["auc"]}
    assert aucs.pop(bright) > 0.9
    assert all(auc < 0.65 for auc in aucs.values())


def test_brighter_test_images(capsys: pytest.CaptureFixture[str]) -> None:
    """Test images that are brighter are found by a classifier and by their brightness, with both values."""
    photograph([noise(1000 + seed, 150) for seed in range(20)])
    metrics, findings = run(capsys)
    assert len(findings) == 2
    assert findings[0].startswith(SHIFT + "the test images and the images trained on differ: a ")
    assert findings[1].startswith(SHIFT + "the test images differ in brightness (mean grey level of an image): 1")
    assert metrics["test"]["auc"] > 0.9
    assert metrics["test"]["brightness"]["test"] == pytest.approx(150, abs=5)
    assert metrics["test"]["brightness"]["d"] > 4
    assert abs(metrics["test"]["black"]["d"]) < 0.1


def test_test_images_of_other_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    """They stop the stage, long before inference would stop at them; all of them are listed."""
    photograph([noise(1000, 250, WIDTH + 8), noise(1001, 250, WIDTH - 2)])
    with pytest.raises(UserError) as reported:
        check_data()
    first, *faults, _, _ = str(reported.value).split("\n  ")
    assert first == "the data has 2 fault(s):"
    assert [fault.split("found ")[1][:6] for fault in faults] == ["64×136", "64×126"]
    content = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    content["competition"]["images"]["sizes"] = "resized"
    Path("params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    metrics, _ = run(capsys)
    assert metrics["test"]["width"] == {"network": 128, "least": 126, "most": 136}


def test_near_duplicates_in_different_folds(capsys: pytest.CaptureFixture[str]) -> None:
    """A copy in another fold is a problem, one in the same fold is not."""
    images = [noise(seed) for seed in range(FOLDS * EACH)]
    images[5], images[8] = images[2], images[4]  # folds 1 and 2; 0 and 0
    prepare(images)
    metrics, findings = run(capsys)
    assert len(findings) == 1
    assert findings[0].startswith(
        "PROBLEM: leakage: 1 pair(s) of near-duplicates lie in different folds (correlation 1.0"
    )
    assert metrics["leakage"]["pairs_across_folds"] == 1
    assert metrics["leakage"]["largest_correlation_across_folds"] == pytest.approx(1, abs=1e-5)


def test_near_duplicates_among_the_test_images(capsys: pytest.CaptureFixture[str]) -> None:
    """They are a note and no problem."""
    photograph([noise(4), noise(5)])
    check_data()
    printed = capsys.readouterr().out
    assert "2 of 20 test images are near-duplicates of training images" in printed
    assert printed.endswith("check_data: 0 problem(s), 0 warning(s)\n")
    assert json.loads(Path("metrics/check_data.json").read_text())["leakage"]["test_near_duplicates"] == 2


def test_a_rare_class(capsys: pytest.CaptureFixture[str]) -> None:
    """Groups count, not images: 6 images of 4 groups in the validation folds, and 3 of 3 in the held-out one."""
    groups = list(range(FOLDS * EACH))
    groups[4], groups[9] = groups[0], groups[1]
    prepare([noise(seed) for seed in range(FOLDS * EACH)], groups, pits=12)
    metrics, findings = run(capsys)
    assert metrics["classes"]["pit"] == {"validation_groups": 4, "held_out_groups": 3}
    assert metrics["warnings"] == 1
    assert findings[0].startswith("WARNING: rare classes: groups of near-duplicates of the validation folds and of the")
    assert "that show a class: pit (4 and 3); below 5" in findings[0]


def test_five_groups_are_enough(capsys: pytest.CaptureFixture[str]) -> None:
    """From five groups on in either there is no warning."""
    prepare([noise(seed) for seed in range(FOLDS * EACH)], pits=20)
    metrics, findings = run(capsys)
    assert metrics["classes"]["pit"] == {"validation_groups": 10, "held_out_groups": 5}
    assert findings == []


def test_few_images_give_nulls(capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve training images and no test image: what cannot be known is null, and a note says so."""
    prepare([noise(seed) for seed in range(12)])
    for path in Path("data/raw/test_images").iterdir():
        path.unlink()
    check_data()
    printed = capsys.readouterr().out
    metrics = json.loads(Path("metrics/check_data.json").read_text())
    assert metrics["held_out"] == {"auc": None, "auc_low": None, "auc_high": None}
    assert metrics["test"]["brightness"] == {"training": None, "test": None, "d": None}
    assert metrics["test"]["images"] == 0
    assert metrics["leakage"]["largest_correlation_of_test_images"] is None
    assert (
        "the held-out fold 3: not compared with the images trained on, because one of the two has fewer than 10"
        in printed
    )
    assert "no test images in data/raw/test_images" in printed


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff\xd8\xff\xe0 and no end"])
def test_an_unreadable_test_image(content: bytes) -> None:
    """It is reported by its name, as predict does, and nothing is written."""
    Path("data/raw/test_images/test_03.png").write_bytes(content)
    with pytest.raises(
        UserError,
        match=r"the data has 1 fault\(s\):\n  data/raw/test_images/test_03\.png: expected (one of JPEG|a JPEG), ",
    ):
        check_data()
    assert not Path("metrics/check_data.json").exists()


def test_without_preprocess() -> None:
    """The message says what is missing."""
    (Path("data/prepared") / INDEX).unlink()
    with pytest.raises(UserError, match=r"data/prepared: expected what preprocess writes, found no index\.csv"):
        check_data()
