"""A finished run in a folder, made by hand: parameters, two small networks, rules, figures, and their dvc.lock."""

import shutil
from pathlib import Path

import numpy as np
import yaml

from stages.dataset.layout import Layout
from stages.dataset.prepared import Sample
from stages.exporting import run_state
from stages.inference import ensemble
from stages.pipeline import outputs, paths, settings
from stages.postprocessing import rules_file
from stages.postprocessing.rules import Rule, Rules
from stages.scoring import evaluation, evaluation_tables, overlaps
from stages.scoring.evaluation import ScoredImage
from tests.support import locks

ROOT = Path(__file__).parents[2]
HEIGHT, WIDTH = 48, 80  # no multiple of a network's stride
CLASSES = ["pit", "line"]
RULES = Rules("max", (Rule(70, 72, 30, 4), Rule(72, 0, 0, 6)), (1.1, 0.9))


def make(folder: Path, **sections: dict[str, object]) -> None:
    """Write the run into a folder, which must be the current one; what stands for the networks are two text files.

    Args:
        folder: where.
        sections: changes to sections of params.yaml.
    """
    content = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    content["competition"] |= {"image_height": HEIGHT, "image_width": WIDTH, "classes": CLASSES}
    content["train"] |= {"class_weights": None, "folds": [0, 1]}
    content["inference"] |= {"engine": "tensorflow", "precision": "float32", "scales": [1.0, 1.5]}
    for section, changes in sections.items():
        content[section] |= changes
    paths.PARAMS.write_text(yaml.safe_dump(content), encoding="utf-8")
    for name in ("fold_0", "blend_0/fold_1"):
        (paths.MODEL / name).mkdir(parents=True)
        (paths.MODEL / name / "saved_model.pb").write_text(f"network {name}")
    rules_file.write(paths.RULES, RULES, [])
    write_figures()
    record(folder)


def write_figures() -> None:
    """12 held-out and 10 validation images of 100 pixels: 8 are pits, half of them found; 2 are lines, never found."""
    metric = Layout.of(settings.load().competition).metric
    matrix = np.array([[90, 0, 0], [4, 4, 0], [2, 0, 0]])
    counts = overlaps.of_matrix(matrix)
    splits = {
        split: [
            ScoredImage(Sample(k, f"{split}_{k}.jpg", 0, k, (8, 2), (10, 10)), matrix, counts, counts, [True] * 2, None)
            for k in range(number)
        ]
        for split, number in (("held_out", 12), ("validation", 10))
    }
    figures = evaluation.figures(splits["held_out"], CLASSES, metric)
    figures["validation"] = evaluation.headline(splits["validation"], metric)
    outputs.write_metrics(paths.EVALUATION_METRICS, figures)
    table = evaluation_tables.image_table(splits, CLASSES, metric)
    outputs.write_table(paths.IMAGES_TABLE, table.columns.tolist(), table.itertuples(index=False))
    outputs.write_metrics(paths.DOWNLOAD_METRICS, {"source": "sample", "size": 1234567, "sha256": "ab" * 32})
    outputs.write_metrics(paths.INFER_METRICS, {"engine": "tensorflow", "precision": "float32"})


def record(folder: Path) -> None:
    """Write ensemble.json for the networks that are there, and dvc.lock for everything."""
    members = [
        ensemble.EnsembleMember(name, fold, True, False, (1.0,) * 3, (0.3,) * 3)
        for name, fold in (("fold_0", 0), ("blend_0/fold_1", 1))
    ]
    ensemble.write(paths.MODEL, ensemble.Ensemble({}, members))
    locks.write(folder, *(path.as_posix() for path in run_state.ARTIFACTS))


def save_networks(options: settings.Train) -> None:
    """Replace what stands for the networks by two with random weights, padding and an image-level head."""
    import tensorflow as tf

    from stages.inference import savedmodel
    from stages.training import model

    for seed, name in enumerate(("fold_0", "blend_0/fold_1")):
        shutil.rmtree(paths.MODEL / name)
        tf.keras.utils.set_random_seed(seed)
        savedmodel.save(model.build(options, len(CLASSES)), "softmax", paths.MODEL / name)
