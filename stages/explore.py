"""Look at the training data: figures in metrics/explore.json, pictures in metrics/explore/.

    python -m stages.explore

Reads data/raw/train.csv and, where there are any, the images in data/raw/train_images. Draws how often each class
occurs, how large its masks are, examples of every class, and the largest masks of all.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stages import command, paths, settings
from stages.competition import statistics
from stages.masks import charts, pictures, sheets


def explore() -> None:
    """Read `train.csv`, count and draw, write metrics/explore.json and metrics/explore/, print a summary."""
    competition = settings.load().competition
    names, size = competition.classes, (competition.image_height, competition.image_width)
    files = _image_files(paths.TRAIN_IMAGES)
    found = statistics.collect(paths.TRAIN_TABLE, len(names), *size)
    figures = statistics.summarise(found, names, files)
    with _whole(paths.EXPLORE_METRICS) as file, _whole(paths.EXPLORE_PICTURES) as folder:
        file.write_text(json.dumps(figures, indent=2, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")
        folder.mkdir()
        images = {name: figures["classes"][name]["images"] for name in names}
        charts.save(charts.classes(images, figures["images_by_number_of_classes"]), folder / "classes.png")
        areas = {name: [mask.area for mask in masks] for name, masks in zip(names, found.masks, strict=True)}
        charts.save(charts.areas(areas, statistics.LARGE), folder / "areas.png")
        chosen = sheets.choose(found, names, files or ())
        rows = statistics.rows_of(paths.TRAIN_TABLE, len(names), {image for sheet in chosen for image in sheet.images})
        for sheet in tqdm(chosen, desc="pictures", unit=" sheets", disable=None):
            pictures.save(sheets.draw(sheet, rows, paths.TRAIN_IMAGES, names, size), folder / sheet.file)
    _print_summary(figures)
    _print_left_out(found, files)


def _image_files(folder: Path) -> set[str] | None:
    """Names of the images in a folder; None when there are none."""
    if not folder.is_dir():
        return None
    return {file.name for file in folder.iterdir() if not file.name.startswith(".")} or None


@contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A path beside `target` to write a file or folder at; it takes the target's place once the block ends well."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".") as temporary:
        path = Path(temporary) / target.name
        yield path
        if target.is_dir():
            shutil.rmtree(target)
        path.replace(target)


def _print_summary(figures: Mapping[str, Any]) -> None:
    """One line a class, and the totals."""
    width = max(5, *map(len, figures["classes"]))
    print(f"{'class':{width}} {'images':>8} {'masks':>8} {'median area':>12} {'of masks':>9} {'of pixels':>10}")
    for name, of in figures["classes"].items():
        median = f"{of['area']['median']:,.0f} px" if of["masks"] else "-"
        print(
            f"{name:{width}} {of['images']:8,} {of['masks']:8,} {median:>12} "
            f"{_percent(of['share_of_masks'], 1):>9} {_percent(of['share_of_pixels'], 3):>10}"
        )
    images, clean = figures["images"], figures["images_clean"]
    total = "unknown" if images is None else f"{images:,}, {clean:,} of them without a mask"
    print(f"masks: {figures['masks']:,}; training images: {total}")


def _print_left_out(found: statistics.Found, files: set[str] | None) -> None:
    """What the outputs lack, and why."""
    if files is None:
        print(f"There are no images in {paths.TRAIN_IMAGES}. Left out: the pictures examples_*.jpg and largest.jpg.")
        if not found.every_image:
            print(f"{paths.TRAIN_TABLE} lists no clean images. Left out: their number, and the shares of all pixels.")
    elif missing := statistics.missing_files(found, files):
        print(
            f"{len(missing):,} of {len(found.classes):,} images in {paths.TRAIN_TABLE} are not in "
            f"{paths.TRAIN_IMAGES}, the first is {missing[0]}. Left out of the pictures."
        )
    if found.shared_pixels is None:
        print(f"The rows of some images are scattered over {paths.TRAIN_TABLE}. Left out: pixels in two classes.")


def _percent(share: float | None, decimals: int) -> str:
    return "-" if share is None else f"{share:.{decimals}%}"


if __name__ == "__main__":
    command.run(explore, __doc__)
