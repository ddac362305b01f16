"""The report of a network that goes by grey level, on the twelve drawn images of the fixture `prepared`."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from stages.dataset import integrity, rle
from stages.dataset.prepared import Dataset
from stages.inference import engines, ensemble, probabilities
from stages.inference.averaging import AS_IT_IS
from stages.pipeline import outputs, paths
from stages.postprocessing.prediction import Prediction

ROOT = Path(__file__).parents[2]
HOSTILE = "5 <img src=x onerror=document.title='owned'>.png"  # the name of an image, as a stranger's archive may have

# Of check_data: two classes, one of them rare, and nothing else.
FINDING = "WARNING: dark: only 1 group of near-duplicates shows it in the held-out fold"
CHECKS = {"problems": 0, "warnings": 1, "findings": {"1": FINDING}}


def by_grey_level(grey: np.ndarray) -> Prediction:
    """The answer of a network for which bright pixels and one corner are class 1, and dark pixels class 2."""
    bright, dark = (grey > 200) * 230, (grey < 50) * 204
    bright[:4, :4] = 178  # false positives
    return Prediction(np.stack([bright, dark], axis=-1).astype(np.uint8), np.full(2, 255, np.uint8))


def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run the stages from postprocess to report in a folder that has the fixture `prepared`; returns the report."""
    from stages import evaluate, expected_dice, postprocess, report

    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["competition"] |= {"image_height": 40, "image_width": 72, "classes": ["bright", "dark"]}
    params["preprocess"]["folds"] = 3
    params["train"]["class_weights"] = None
    params["postprocess"]["enabled"] = False
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / "data").mkdir()
    (tmp_path / "prepared").rename(tmp_path / "data/prepared")
    index = tmp_path / "data/prepared/index.csv"
    index.write_text(index.read_text().replace("5.png", HOSTILE))
    described = index.with_name("summary.json")
    checksums = {integrity.KEY: integrity.of_files(index.parent, [index.name])}
    described.write_text(json.dumps(json.loads(described.read_text()) | checksums))
    shutil.copytree(ROOT / ".dvc/plots", tmp_path / ".dvc/plots")
    monkeypatch.chdir(tmp_path)
    for folder, fold in ((paths.VALIDATION_PROBABILITIES, 0), (paths.HELD_OUT_PROBABILITIES, 2)):
        data = Dataset(paths.PREPARED)
        probabilities.write(
            folder, ((entry.image, by_grey_level(data.images[entry.position])) for entry in data.fold(fold))
        )
    engines.write(paths.PROBABILITIES, engines.NOTEBOOK, AS_IT_IS)
    outputs.write_metrics(paths.INFER_METRICS, engines.NOTEBOOK.metrics)
    paths.MODEL.mkdir()
    member = ensemble.EnsembleMember("fold_0", 0, True, False, (1.0,) * 3, (0.5, 0.3, 0.2))
    ensemble.write(paths.MODEL, ensemble.Ensemble({}, [member]))
    outputs.write_metrics(paths.DOWNLOAD_METRICS, {"source": "</script><b>drawn", "sha256": "0" * 64, "size": 1})
    for name, values in (("loss", (0.9, 0.5)), ("val_mean_f1", (0.2, 0.7))):
        table = paths.TRAIN_CURVES / f"fold_0/plots/metrics/{name}.tsv"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(f"step\t{name}\n" + "".join(f"{step}\t{value}\n" for step, value in enumerate(values)))
    submit_drawn(params["competition"])
    outputs.write_metrics(paths.CHECK_DATA_METRICS, CHECKS)
    postprocess.postprocess()
    evaluate.evaluate()
    expected_dice.expected_dice()
    report.report()
    return tmp_path / paths.REPORT


def submit_drawn(competition: dict[str, Any], images: int = 3) -> None:
    """Test images, and a submission with a bright square in the second, a dark one in the third, and so on."""
    height, width = competition["image_height"], competition["image_width"]
    paths.TEST_IMAGES.mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(images):
        grey = np.random.default_rng(100 + number).integers(90, 110, (height, width)).astype(np.uint8)
        mask = np.zeros((height, width), np.bool_)
        mask[10:20, 30:50] = number % 3 > 0
        cv2.imwrite(str(paths.TEST_IMAGES / f"t{number:04}.png"), np.where(mask, 220, grey))
        rows.append((f"t{number:04}.png", rle.encode(mask) or "1 1", number % 3))
    outputs.write_table(paths.SUBMISSION, ["ImageId", "EncodedPixels", "ClassId"], rows, for_competition=True)
