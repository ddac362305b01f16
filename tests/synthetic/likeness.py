"""How near the drawn strips are to real ones: a few figures of both, and a shuffled sheet to judge by eye.

    python -m tests.synthetic.likeness severstal-sample.zip
    python -m tests.synthetic.likeness severstal-sample.zip --sheet sheet.png

The archive has the competition's layout. The sheet shows ten real and ten drawn strips; which is which is printed.
"""

import argparse
import csv
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from tabulate import tabulate  # type: ignore[import-untyped]

from stages.dataset import rle
from stages.synthetic import generate

CLASSES = ("pits", "cracks", "scratches", "patches")
SEED, DRAWN = 42, 60

Grey = npt.NDArray[np.uint8]
Masks = dict[int, npt.NDArray[np.bool_]]


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.synthetic.likeness",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("archive", type=Path, help="zip of real strips, in the competition's layout")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="write ten real and ten drawn strips, shuffled")
    given = parser.parse_args()
    strips = {"real": list(real(given.archive)), "drawn": list(drawn(DRAWN))}
    if given.sheet:
        write_sheet(strips, given.sheet)
        return
    columns = {kind: {**surfaces(both), **contrasts(both)} for kind, both in strips.items()}
    rows = [[name, columns["real"].get(name, "–"), columns["drawn"].get(name, "–")] for name in columns["drawn"]]
    print(tabulate(rows, ["10%, 50%, 90% of the strips", "real", "drawn"], tablefmt="github"))


def real(archive: Path) -> Iterator[tuple[Grey, Masks]]:
    """The training images of an archive, uint8 (256, 1600), and their masks by class."""
    masks: dict[str, Masks] = defaultdict(dict)
    with zipfile.ZipFile(archive) as opened:
        for row in csv.DictReader(opened.read("train.csv").decode().splitlines()):
            mask = rle.decode(row["EncodedPixels"], generate.HEIGHT, generate.WIDTH)
            masks[row["ImageId"]][int(row["ClassId"])] = mask
    for name, jpeg in files(archive):
        yield _decoded(jpeg), masks.get(name, {})


def files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the training images of an archive."""
    with zipfile.ZipFile(archive) as opened:
        for name in sorted(name for name in opened.namelist() if name.startswith("train_images/")):
            if not name.endswith("/"):
                yield Path(name).name, opened.read(name)


def drawn(images: int) -> Iterator[tuple[Grey, Masks]]:
    """The first images of the built-in sample of params.yaml, as they are after JPEG."""
    for shot in generate.plan(200, 0, SEED)[:images]:
        grey, labels = generate.draw(shot, SEED)
        yield _decoded(generate.encode(grey)), {class_id: labels == class_id for class_id in shot.classes}


def surface(grey: Grey) -> dict[str, float]:
    """Figures of one strip's grey levels; black margins are left out."""
    steel = grey[:, np.median(grey, axis=0) > 12].astype(np.float32)
    blurred = [steel, *(cv2.GaussianBlur(steel, (0, 0), size) for size in (1, 2, 4, 8))]
    mean = float(steel.mean())
    rows = np.log(steel + 4).mean(axis=1)
    figures = {
        "mean grey level": mean,
        "standard deviation": float(steel.std()),
        "share of white pixels, %": float((steel >= 250).mean() * 100),
        "lowest rows / highest rows": float(np.exp(rows[-30:].mean() - rows[:30].mean())),
        "difference of neighbouring columns, % of the mean": _middle(np.diff(steel, axis=1)) / mean * 100,
        "difference of neighbouring rows, % of the mean": _middle(np.diff(steel, axis=0)) / mean * 100,
    }
    for size, (sharp, soft) in enumerate(pairwise(blurred)):
        figures[f"detail of about {2**size} to {2 ** (size + 1)} pixels, % of the mean"] = (
            1.48 * _middle(sharp - soft) / mean * 100
        )
    return figures


def contrast(grey: Grey, mask: npt.NDArray[np.bool_], defects: npt.NDArray[np.bool_]) -> Iterator[dict[str, float]]:
    """For each outlined part of a mask: grey levels within, divided by the median of a ring around it."""
    count, parts = cv2.connectedComponents(mask.astype(np.uint8))
    for number in range(1, count):
        part = parts == number
        ring = cv2.dilate(part.astype(np.uint8), np.ones((31, 31), np.uint8)).astype(bool) & ~defects & (grey > 12)
        if part.sum() >= 80 and ring.sum() >= 50:
            around = grey[ring].astype(np.float32)
            ratio = (grey[part] + 4.0) / (np.median(around) + 4)
            quantiles = np.percentile(ratio, (2, 50, 98))
            yield dict(zip(("darkest 2%", "median", "brightest 2%"), quantiles.tolist(), strict=True))


def surfaces(strips: list[tuple[Grey, Masks]]) -> dict[str, str]:
    """Three quantiles of each figure over the strips."""
    return _quantiles([surface(grey) for grey, _ in strips])


def contrasts(strips: list[tuple[Grey, Masks]]) -> dict[str, str]:
    """Three quantiles of each class's contrast over the outlined parts."""
    found: dict[int, list[dict[str, float]]] = defaultdict(list)
    for grey, masks in strips:
        defects = np.any(list(masks.values()), axis=0) if masks else np.zeros(grey.shape, np.bool_)
        for class_id, mask in masks.items():
            found[class_id] += contrast(grey, mask, defects)
    return {
        f"{CLASSES[class_id - 1]} / steel around, {name}": text
        for class_id in sorted(found)
        for name, text in _quantiles(found[class_id]).items()
    }


def write_sheet(strips: dict[str, list[tuple[Grey, Masks]]], path: Path) -> None:
    """Ten strips of each kind, shuffled, one below the other; the kinds are printed from top to bottom."""
    rng = np.random.default_rng()
    chosen = [(kind, both[place][0]) for kind, both in strips.items() for place in rng.permutation(len(both))[:10]]
    chosen = [chosen[place] for place in rng.permutation(len(chosen))]
    rows = [cv2.copyMakeBorder(grey, 3, 3, 0, 0, cv2.BORDER_CONSTANT, value=(255,)) for _, grey in chosen]
    cv2.imwrite(str(path), np.vstack(rows))
    print(", ".join(kind for kind, _ in chosen))


def _quantiles(figures: list[dict[str, float]]) -> dict[str, str]:
    return {
        name: ", ".join(f"{value:.2f}" for value in np.percentile([each[name] for each in figures], (10, 50, 90)))
        for name in figures[0]
    }


def _middle(differences: npt.NDArray[np.float32]) -> float:
    """The median of the absolute values, which edges do not raise."""
    return float(np.median(np.abs(differences)))


def _decoded(jpeg: bytes) -> Grey:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    return np.asarray(image, np.uint8)


if __name__ == "__main__":
    main()
