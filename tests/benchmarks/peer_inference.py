"""Images to submission.csv, and the network alone, compared with PyTorch and onnxruntime."""

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks import peers
from tests.benchmarks.peers import Peer
from tests.benchmarks.rows import Pair, Place, Row
from tests.benchmarks.submission import check, prepared
from tests.benchmarks.timing import alternate

PAIRS = 8
DENSE = 0.001, 0.5  # the smallest and largest share of the pixels that may be in a class


def written(engine: str, precision: str, other: str) -> Any:
    """From image files to a submission, at full size and resolution, without flips; `other`: PyTorch's precision."""

    def measure(place: Place) -> Iterator[Pair]:
        peers.python()
        check(engine, precision)
        setup = prepared(place.folder, 4 if place.quick else 8, 1)
        (rule, *_) = _rules(setup)
        how = {"min_component": rule.min_component, "min_area": rule.min_area}
        with Peer("submission", setup.folder, _options(setup, other) | how) as peer:
            peers.check_same(setup.kernels, setup.parameters, peer.description)
            works = partial(setup.pipeline, engine, precision), peer.run
            for work in works:  # traced, loaded, compiled
                work()
            _check_tables(setup)
            yield from alternate([works] * (1 if place.quick else PAIRS))

    return measure


def alone(engine: str, precision: str, other: str, others_precision: str) -> Any:
    """The network alone, on a batch in memory; `other`: pytorch or onnxruntime."""

    def measure(place: Place) -> Iterator[Pair]:
        peers.python()
        check(engine, precision)
        setup = prepared(place.folder, 4 if place.quick else 8, 1)
        batch = np.asarray(setup.batch("openvino"))
        np.save(setup.folder / "batch.npy", batch)
        how = {"engine": other, "calls": -(-len(setup.files) // len(batch))}
        with Peer("network_alone", setup.folder, _options(setup, others_precision) | how) as peer:
            peers.check_same(setup.kernels, setup.parameters, peer.description)
            _check_answers(np.asarray(setup.network(engine, precision)(setup.batch(engine))[0]), peer.description)
            works = partial(setup.bare, engine, precision), peer.run
            for work in works:
                work()
            yield from alternate([works] * (1 if place.quick else PAIRS))

    return measure


def _options(setup: Any, precision: str) -> dict[str, Any]:
    from tests.benchmarks import inference

    own = {"share": inference.SHARE, "spread": inference.SPREAD, "batch_size": setup.options.inference.batch_size}
    return peers.network_options(setup.options, precision) | own


def _rules(setup: Any) -> tuple[Any, ...]:
    from stages.postprocessing import rules_file

    return rules_file.read(setup.folder / "data/postprocess.json").rules.rules


def _check_answers(ours: Any, other: dict[str, Any]) -> None:
    """Both answer with finite probabilities for every pixel, and see some of every hundred pixels in a class."""
    images, height, width, classes = ours.shape
    if other["shape"] != [images, classes, height, width]:
        raise peers.PeerError(f"answers: expected of {ours.shape}, found {other['shape']}")
    shares = float((ours.max(axis=-1) >= 0.5).mean()), float(other["share"])
    if not (np.isfinite(ours).all() and other["finite"] and all(DENSE[0] < share < DENSE[1] for share in shares)):
        raise peers.PeerError(f"answers: expected finite and dense ones, found shares of {shares} in a class")


def _check_tables(setup: Any) -> None:
    """Both tables have masks that cover some of every hundred pixels; the script's has a row per image and class."""
    competition = setup.options.competition
    images, pixels = len(setup.files), competition.image_height * competition.image_width
    ours, other = (_masks(setup.folder / name) for name in ("data/submission.csv", "peer.csv"))
    if len(other) != images * len(competition.classes):
        raise peers.PeerError(f"peer.csv: expected a row per image and class, found {len(other)} rows")
    shares = [sum(map(_area, masks)) / (images * pixels) for masks in (ours, other)]
    if not all(DENSE[0] < share < DENSE[1] for share in shares):
        raise peers.PeerError(f"submissions: expected dense masks on both sides, found shares of {shares} in a class")


def _masks(path: Path) -> list[str]:
    """Run lengths of the rows; the sample's form has the background as class 0 in images without a mask."""
    with path.open(encoding="utf-8", newline="") as lines:
        return [row["EncodedPixels"] for row in csv.DictReader(lines) if row.get("ClassId") != "0"]


def _area(runs: str) -> int:
    return sum(map(int, runs.split()[1::2]))


ROWS = [
    *(
        Row(f"submission-peer-{engine}-{precision}-{other}",
            f"images to submission.csv, full resolution, flips off, {title}, {precision}",
            f"a PyTorch script, {other}", to_reach, written(engine, precision, other))
        for engine, title, precision, other, to_reach in (
            ("tensorflow", "TensorFlow", "float32", "float32", None),
            ("tensorflow", "TensorFlow", "float32", "bfloat16", None),
            ("openvino", "OpenVINO", "float32", "float32", None),
            ("openvino", "OpenVINO", "float32", "bfloat16", None),
            ("openvino", "OpenVINO", "bfloat16", "bfloat16", 1.3),
            ("openvino", "OpenVINO", "int8", "bfloat16", 1.3),
        )
    ),
    *(
        Row(f"network-{engine}-{precision}-{other}", f"the network alone on images in memory, 256×1600, {title}",
            f"{others_title}, {others_precision}", None, alone(engine, precision, other, others_precision))
        for engine, title, precision, other, others_title, others_precision in (
            ("openvino", "OpenVINO, float32", "float32", "onnxruntime", "onnxruntime", "float32"),
            ("openvino", "OpenVINO, float32", "float32", "pytorch", "PyTorch", "float32"),
            ("openvino", "OpenVINO, bfloat16", "bfloat16", "pytorch", "PyTorch", "bfloat16"),
            ("openvino", "OpenVINO, int8", "int8", "pytorch", "PyTorch", "bfloat16"),
        )
    ),
]  # fmt: skip
