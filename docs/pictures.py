"""Draw the pictures of README.md and docs/ that the pipeline itself does not draw: `make pictures`.

    python -m docs.pictures                     # all of them, into docs/pictures
    python -m docs.pictures network curves      # some

They show params.yaml, the finished run in data/ and metrics/, the experiments of `make compare`, the lesson, and the
study in docs/studies. What a picture needs and does not find is named, and the other pictures are still drawn.
"""

import argparse
import csv
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from docs import network_diagram, screenshots
from stages.dataset.prepared import Dataset, Sample
from stages.figures import confusion_chart, overlays
from stages.pipeline import cli, paths, settings
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError

FOLDER = Path("docs/pictures")
STUDY = Path("docs/studies/cce-and-dice.json")
TITLES = {"cce": "CCE", "cce_dice": "CCE+Dice"}
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"


def defects(path: Path) -> None:
    """One image of each class, that of the median area among those with no other class."""
    data = Dataset(paths.PREPARED)
    pictures = []
    for position, name in enumerate(data.classes):
        alone = [sample for sample in data.index if sample.pixels[position] == sum(sample.pixels) > 0]
        if alone:
            chosen = sorted(alone, key=lambda sample: sample.pixels[position])[len(alone) // 2]
            pictures.append(_outlined(data, chosen, name, position))
    overlays.save(overlays.stack(pictures), path)


def large_mask(path: Path) -> None:
    """The image with the largest mask."""
    data = Dataset(paths.PREPARED)
    chosen = max(data.index, key=lambda sample: max(sample.pixels))
    position = int(np.argmax(chosen.pixels))
    overlays.save(_outlined(data, chosen, f"the largest mask, {data.classes[position]}", position), path)


def network(path: Path) -> None:
    """The network that params.yaml describes, read from the layers of the Keras model."""
    from stages.inference import tensorflow_start

    tensorflow_start.start(training=True)
    import tensorflow as tf

    from stages.training import model

    options = settings.load()
    exported = options.train.model_copy(update={"precision": "float32"})
    built = model.build(exported, len(options.competition.classes))
    millions = built.count_params() / 1e6
    title = f"{options.train.architecture} on {options.train.backbone}, {millions:.1f} million weights"
    image = (options.competition.image_height, options.competition.image_width)
    network_diagram.draw(network_diagram.read(built, tf.keras, title, image, options.train.downscale), path)


def curves(path: Path) -> None:
    """Loss and validation figures of the first network's training, by epoch."""
    folder = paths.TRAIN_CURVES / f"fold_{settings.load().train.folds[0]}/plots/metrics"
    figure, (left, right) = _figure(11, 4)
    _curve(left, folder / "loss.tsv", "training loss", BLUE)
    for name, title, colour in (
        ("val_mean_dice", "mean Dice", BLUE),
        ("val_positive_mean_dice", "Dice where there is a mask", ORANGE),
        ("val_mean_f1", "F1 over all pixels", GREEN),
    ):
        _curve(right, folder / f"{name}.tsv", title, colour)
    left.set_ylim(bottom=0)
    right.set_ylim(0, 1)
    left.set_title("Training loss")
    right.set_title("Validation fold, without post-processing")
    right.legend(frameon=False)
    figure.savefig(path, metadata={"Software": None})


def cce_and_dice(path: Path) -> None:
    """The confusion matrices of both losses on real steel."""
    study = json.loads(STUDY.read_text(encoding="utf-8"))["steel-900"]
    figure, both = _figure(11, 4.9)
    for axes, (loss, title) in zip(both, TITLES.items(), strict=True):
        shares = np.array(study["confusion"][loss])
        texts = [[f"{share:.3f}" for share in row] for row in shares.tolist()]
        picture = confusion_chart.paint(axes, shares, study["classes"], texts, fontsize=13)
        axes.set_title(title, fontsize=15)
    both[1].set_ylabel("")
    figure.colorbar(picture, ax=both, label="share of the true class", shrink=0.8)
    figure.savefig(path, metadata={"Software": None})


def segment(path: Path) -> None:
    """What the command segment draws of the test image with the most masks in the submission."""
    with paths.SUBMISSION.open(encoding="utf-8", newline="") as file:
        rows = [row["ImageId"] for row in csv.DictReader(file) if row["ClassId"] != "0"]
    photograph = paths.TEST_IMAGES / max(sorted(set(rows)), key=rows.count)
    with tempfile.TemporaryDirectory() as folder:
        cli.run_command("segment", [str(photograph), "--out", f"{folder}/masks"])
        shutil.copyfile(f"{folder}/masks/overlays/{photograph.stem}.jpg", path)


PICTURES: dict[str, tuple[str, Callable[[Path], None]]] = {
    "defects": ("defects.jpg", defects),
    "large-mask": ("large-mask.jpg", large_mask),
    "network": ("network.png", network),
    "curves": ("curves.png", curves),
    "cce-and-dice": ("cce-and-dice.png", cce_and_dice),
    "report": ("report.png", screenshots.report),
    "compare": ("compare.png", screenshots.comparison),
    "plots": ("plots.png", screenshots.plots),
    "lesson": ("lesson.png", screenshots.lesson),
    "segment": ("segment.jpg", segment),
}


def _outlined(data: Dataset, sample: Sample, name: str, position: int) -> UInt8:
    image, labels = overlays.enlarge(data.image(sample), data.label_map(sample))
    text = f"{name}: {sample.pixels[position]:,} px"
    return overlays.caption(overlays.outline(image, labels, thickness=3), "", {text: overlays.colour(position + 1)})


def _figure(width: float, height: float) -> tuple[Figure, tuple[Axes, Axes]]:
    figure = Figure((width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    return figure, (left, right)


def _curve(axes: Axes, path: Path, title: str, colour: str) -> None:
    if not path.is_file():
        raise UserError(f"{path}: expected the curves of a finished training, found none: run make")
    with path.open(encoding="utf-8", newline="") as file:
        values = [float(list(row.values())[-1]) for row in csv.DictReader(file, delimiter="\t")]
    axes.plot(range(1, len(values) + 1), values, marker="o", color=colour, label=title)
    axes.set_xlabel("epoch")
    axes.set_xticks(range(1, len(values) + 1), minor=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)


def main() -> None:
    """Draw the pictures that are asked for; exit status 1 if one could not be drawn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(PICTURES)} (default: all)")
    names = parser.parse_args().names or list(PICTURES)
    if unknown := [name for name in names if name not in PICTURES]:
        parser.error(f"expected some of {', '.join(PICTURES)}, found {', '.join(unknown)}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    failed = False
    for name in names:
        file, make = PICTURES[name]
        try:
            make(FOLDER / file)
        except UserError as error:
            print(f"pictures: {name}: {error}", file=sys.stderr)
            failed = True
        else:
            print(f"pictures: {FOLDER / file}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
