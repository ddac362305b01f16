"""A finished run on the tiny competition, whose network is arithmetic: no TensorFlow or OpenVINO starts."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from stages.inference import engines, ensemble
from stages.inference.averaging import Views
from stages.inference.engines import Engine
from stages.pipeline import paths, recorded
from stages.pipeline.arrays import Float32, UInt8
from stages.postprocessing import rules_file
from stages.postprocessing.rules import Rule, Rules
from tests.conftest import draw_competition

ROOT = Path(__file__).parents[2]
CLASSES = ("pits", "cracks")
ENGINE = Engine("openvino", "float32")
RULES = (Rule(150, 160, 2, 2), Rule(150, 0, 0, 0))  # pits need a pixel above 160 and two neighbouring ones


def network(images: UInt8) -> tuple[Float32, Float32]:
    """The brighter a pixel, the likelier are pits; the darker, the likelier are cracks."""
    grey = np.asarray(images if images.ndim == 3 else images.mean(axis=-1), np.float64) / 255
    pixels = np.stack([grey, 1 - grey], axis=-1).astype(np.float32)
    return pixels, pixels.max(axis=(1, 2))


def make(folder: Path, inference: dict[str, Any] | None = None, **competition: Any) -> Path:
    """Write params.yaml, data and dvc.lock of a run into a folder.

    Args:
        folder: of the project.
        inference: changes to that section, whose networks run in OpenVINO's float32.
        competition: changes to that section, for images of 32×64.
    """
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["competition"] |= {"image_height": 32, "image_width": 64, "classes": list(CLASSES)}
    for name, value in competition.items():
        old = params["competition"][name]
        params["competition"][name] = old | value if isinstance(old, dict) else value
    params["inference"] |= {"flips": False} | ENGINE.metrics | (inference or {})
    params["train"] |= {"loss": "bce", "class_weights": None}  # with which classes may overlap
    (folder / paths.MODEL / "fold_0").mkdir(parents=True)
    (folder / paths.PARAMS).write_text(yaml.safe_dump(params), encoding="utf-8")
    draw_competition(folder / paths.RAW)
    (folder / paths.MODEL / "fold_0/saved_model.pb").write_bytes(b"a network")
    member = ensemble.EnsembleMember("fold_0", 0, False, False, (1.0,) * 3, (0.3,) * 3)
    ensemble.write(folder / paths.MODEL, ensemble.Ensemble({"digest": "0" * 8}, [member]))
    overlapping = params["competition"]["overlapping_classes"]
    rules_file.write(folder / paths.RULES, Rules("max", RULES, softmax=False, overlapping=overlapping), [])
    (folder / paths.PROBABILITIES).mkdir()
    views = Views(params["inference"]["flips"], tuple(params["inference"]["scales"]))
    engines.write(folder / paths.PROBABILITIES, ENGINE, views)
    record(folder)
    return folder


def record(folder: Path) -> None:
    """Write a dvc.lock that records what is there."""
    params = yaml.safe_load((folder / paths.PARAMS).read_text(encoding="utf-8"))
    engine = paths.PROBABILITIES / engines.FILE
    stages = {
        "train": {"outs": _entries(folder, paths.MODEL)},
        "infer": {
            "deps": _entries(folder, paths.MODEL),
            "outs": _entries(folder, paths.PROBABILITIES),
            "params": {"params.yaml": {"inference": params["inference"]}},
        },
        "postprocess": {
            "deps": _entries(folder, paths.PROBABILITIES),
            "outs": _entries(folder, paths.RULES),
            "params": {"params.yaml": {"competition": params["competition"]}},
        },
        "predict": {"deps": _entries(folder, engine, paths.RULES)},
    }
    if (folder / paths.EXPECTED_DICE).exists():
        stages["expected_dice"] = {
            "deps": _entries(folder, paths.RULES),
            "outs": _entries(folder, paths.EXPECTED_DICE),
        }
    text = yaml.safe_dump({"schema": "2.0", "stages": stages})
    (folder / recorded.LOCK).write_text(text, encoding="utf-8")


def _entries(folder: Path, *places: Path) -> list[dict[str, str]]:
    found = []
    for place in places:
        path = folder / place
        md5 = recorded.md5_of_folder(recorded.folder_hashes(path)) if path.is_dir() else recorded.md5(path)
        found.append({"path": place.as_posix(), "hash": "md5", "md5": md5})
    return found
