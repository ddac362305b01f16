"""Look at the training data: figures in metrics/explore.json, pictures in metrics/explore/.

    python -m stages.explore

Reads data/raw/train.csv and, if there are any, the images in data/raw/train_images. Draws how often each class occurs,
how large its masks are, examples of every class, and the largest masks of all.
"""

from tqdm import tqdm

from stages.dataset import images, mask_figures, mask_statistics, validation
from stages.dataset.image_names import ImageNames
from stages.dataset.image_sizes import ImageSizes
from stages.dataset.layout import Layout
from stages.dataset.mask_store import MaskStore
from stages.figures import contact_sheets, overlays
from stages.pipeline import outputs, paths, settings, stage


def explore() -> None:
    """Run the stage."""
    from stages.figures import mask_charts  # Matplotlib, which takes longer than all other imports together

    layout = Layout.of(settings.load().competition)
    names = ImageNames(images.listing(paths.TRAIN_IMAGES))
    files, sizes = names.files, ImageSizes(paths.TRAIN_IMAGES, names, layout)
    with outputs.folder(paths.EXPLORE_PICTURES) as folder, MaskStore(folder) as masks:
        with validation.explaining_how_to_correct():
            found = mask_statistics.collect(paths.TRAIN_TABLE, sizes, masks)
            sheets = contact_sheets.choose(found, files)
            for sheet in tqdm(sheets, "explore: pictures", unit=" sheets", disable=None):
                overlays.save(contact_sheets.draw(sheet, masks, paths.TRAIN_IMAGES, layout), folder / sheet.file)
        figures = mask_figures.summarise(found, files, sizes)
        carriers = {name: of["images"] for name, of in figures["classes"].items()}
        areas = {name: [mask.area for mask in of] for name, of in zip(layout.classes, found.masks, strict=True)}
        by_number = figures["images_by_number_of_classes"]
        mask_charts.save(mask_charts.classes(carriers, by_number), folder / "classes.png")
        mask_charts.save(mask_charts.areas(areas, mask_statistics.LARGE), folder / "areas.png")
    outputs.write_metrics(paths.EXPLORE_METRICS, figures)
    print(*mask_figures.table(figures), sep="\n")
    for line in mask_figures.describe(figures, found, files):
        print(f"explore: {line}")


if __name__ == "__main__":
    stage.run(explore, __doc__)
