"""Images to submission.csv, compared with the network alone and with notebooks that process image by image."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from stages.inference import processor
from tests.benchmarks.rows import Pair, Place, Row, SkippedError
from tests.benchmarks.timing import alternate

HEIGHT, WIDTH = 256, 1600


@cache
def prepared(folder: Path, images: int, downscale: int) -> Any:
    """Test images, and a network that sees them at 1/downscale of their resolution; made once for all rows."""
    from tests.benchmarks import inference

    folder.mkdir(parents=True, exist_ok=True)
    place = Path(mkdtemp(prefix="submission.", dir=folder))
    return inference.prepare(place, images, HEIGHT, WIDTH, train={"downscale": downscale})


def written(
    engine: str, precision: str, downscale: int, other: Callable[[Any], Callable[[], object]]
) -> Callable[[Place], Iterator[Pair]]:
    """From image files to submission.csv, at full size, without flips."""

    def measure(place: Place) -> Iterator[Pair]:
        check(engine, precision)
        # So many that reading the parameters, a hundredth of a second, counts as little as in a competition.
        setup = prepared(place.folder, 4 if place.quick else 16 * downscale, downscale)
        works = partial(setup.pipeline, engine, precision), other(setup)
        try:
            for work in works:  # traced, loaded, compiled
                work()
            yield from alternate([works] * (1 if place.quick else 8))
        finally:
            setup.close()

    return measure


def check(engine: str, precision: str) -> None:
    """See that this machine has the packages and the precision.

    Raises:
        SkippedError: it has not.
    """
    for package in {"openvino": ["openvino"], "tensorflow": []}[engine] + ["nncf"] * (precision == "int8"):
        if not find_spec(package):
            raise SkippedError(f"{package} is not installed")
    if precision == "bfloat16" and not processor.has_bfloat16():
        raise SkippedError("the processor has no bfloat16")


def bare(engine: str, precision: str) -> Callable[[Any], Callable[[], object]]:
    """The network alone, on images in memory."""
    return lambda setup: partial(setup.bare, engine, precision)


def image_by_image(setup: Any) -> Callable[[], object]:
    """TensorFlow's graph, called image by image."""
    return setup.image_by_image


# Ratios to reach, beside the bare network and beside TensorFlow image by image; the last for the fastest precisions.
ENGINES = (
    ("tensorflow", "TensorFlow", "float32", 1.4),
    ("openvino", "OpenVINO", "float32", 1.4),
    ("openvino", "OpenVINO", "bfloat16", 2.5),
    ("openvino", "OpenVINO", "int8", 2.5),
)
ROWS = [
    row
    for downscale, name, resolution in ((1, "", "full resolution"), (2, "half-", "half resolution"))
    for engine, title, precision, to_reach in ENGINES
    for row in (
        Row(f"submission-{name}{engine}-{precision}",
            f"images to submission.csv, {resolution}, flips off, {title} in {precision}",
            "the bare network on images in memory", 0.9,
            written(engine, precision, downscale, bare(engine, precision))),
        Row(f"submission-{name}{engine}-{precision}-notebook",
            f"images to submission.csv, {resolution}, flips off, {title} in {precision}",
            "TensorFlow's graph called image by image", to_reach,
            written(engine, precision, downscale, image_by_image)),
    )
]  # fmt: skip
