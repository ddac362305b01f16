"""Look at the training data: figures in metrics/explore.json, pictures in metrics/explore/.

    python -m stages.explore

Reads data/raw/train.csv and, where there are any, the images in data/raw/train_images. Draws how often each class
occurs, how large its masks are, examples of every class, and the largest masks of all.
"""

from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from stages.dataset import images, mask_statistics
from stages.dataset.layout import Layout
from stages.figures import contact_sheets, overlays
from stages.pipeline import cli, outputs, paths, settings


def explore() -> None:
    """Run the stage."""
    from stages.figures import mask_charts  # Matplotlib, which takes longer than all other imports together

    layout = Layout.of(settings.load().competition)
    names = layout.classes
    files = set(images.listing(paths.TRAIN_IMAGES)) if paths.TRAIN_IMAGES.is_dir() else set()
    found = mask_statistics.collect(paths.TRAIN_TABLE, layout)
    figures = mask_statistics.summarise(found, files)
    with outputs.folder(paths.EXPLORE_PICTURES) as folder:
        carriers = {name: figures["classes"][name]["images"] for name in names}
        mask_charts.save(mask_charts.classes(carriers, figures["images_by_number_of_classes"]), folder / "classes.png")
        areas = {name: [mask.area for mask in masks] for name, masks in zip(names, found.masks, strict=True)}
        mask_charts.save(mask_charts.areas(areas, mask_statistics.LARGE), folder / "areas.png")
        chosen = contact_sheets.choose(found, files)
        rows = mask_statistics.rows_of(paths.TRAIN_TABLE, layout, {image for sheet in chosen for image in sheet.images})
        for sheet in tqdm(chosen, "explore: pictures", unit=" sheets", disable=None):
            overlays.save(contact_sheets.draw(sheet, rows, paths.TRAIN_IMAGES, layout), folder / sheet.file)
    outputs.write_metrics(paths.EXPLORE_METRICS, figures)
    _print_summary(figures)
    _print_left_out(found, files)


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
    clean = figures["clean_images"]
    total = "number of images unknown" if clean is None else f"{figures['images']:,} images, {clean:,} without a mask"
    print(f"explore: {figures['masks']:,} masks; {total}")


def _print_left_out(found: mask_statistics.Found, files: set[str]) -> None:
    """What the outputs lack, and why."""
    if not files:
        print(f"explore: no images in {paths.TRAIN_IMAGES}: left out are the pictures examples_*.jpg and largest.jpg")
        if not found.every_image:
            print(f"explore: {paths.TRAIN_TABLE} lists no clean images: left out are their number and shares of pixels")
    elif missing := mask_statistics.missing_files(found, files):
        print(
            f"explore: {len(missing):,} of {len(found.classes):,} images in {paths.TRAIN_TABLE} are not in "
            f"{paths.TRAIN_IMAGES}, the first is {missing[0]}: left out of the pictures"
        )
    if found.shared_pixels is None:
        print(f"explore: rows of one image lie scattered in {paths.TRAIN_TABLE}: left out are pixels claimed twice")


def _percent(share: float | None, decimals: int) -> str:
    return "-" if share is None else f"{share:.{decimals}%}"


if __name__ == "__main__":
    cli.run(explore, __doc__)
