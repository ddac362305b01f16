"""Images to submission.csv, compared with the network alone and with notebooks that process image by image."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

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
    engine: str, downscale: int, other: Callable[[Any], Callable[[], object]]
) -> Callable[[Place], Iterator[Pair]]:
    """From image files to submission.csv, at full size, without flips."""

    def measure(place: Place) -> Iterator[Pair]:
        if engine == "openvino" and not find_spec("openvino"):
            raise SkippedError("OpenVINO is not installed")
        # So many that reading the parameters, a hundredth of a second, counts as little as in a competition.
        setup = prepared(place.folder, 4 if place.quick else 16 * downscale, downscale)
        works = partial(setup.pipeline, engine), other(setup)
        try:
            for work in works:  # traced, loaded, compiled
                work()
            yield from alternate([works] * (1 if place.quick else 8))
        finally:
            setup.close()

    return measure


def bare(engine: str) -> Callable[[Any], Callable[[], object]]:
    """The network alone, on images in memory."""
    return lambda setup: partial(setup.bare, engine)


def image_by_image(setup: Any) -> Callable[[], object]:
    """TensorFlow's graph, called image by image."""
    return setup.image_by_image


ROWS = [
    row
    for downscale, name, resolution in ((1, "", "full resolution"), (2, "half-", "half resolution, as in params.yaml"))
    for engine, title in (("tensorflow", "TensorFlow"), ("openvino", "OpenVINO"))
    for row in (
        Row(f"submission-{name}{engine}", f"images to submission.csv, {resolution}, flips off, {title}",
            "the bare network on images in memory", 0.9, written(engine, downscale, bare(engine))),
        Row(f"submission-{name}{engine}-notebook", f"images to submission.csv, {resolution}, flips off, {title}",
            "TensorFlow's graph called image by image", 1.4, written(engine, downscale, image_by_image)),
    )
]  # fmt: skip
