"""Look at the training data: figures in metrics/explore.json, pictures in metrics/explore/, a table.

    python -m stages.explore

Reads data/raw/train.csv and, if there are any, the images in data/raw/train_images. Draws how often each class occurs,
how large its masks are, examples of every class, and the largest masks of all. data/explore.txt keeps what it prints.
"""

from stages.dataset import images, mask_figures, mask_statistics, validation
from stages.dataset.image_names import ImageNames
from stages.dataset.image_sizes import ImageSizes
from stages.dataset.layout import Layout
from stages.dataset.mask_store import MaskStore
from stages.figures import contact_sheets, overlays
from stages.pipeline import outputs, paths, settings, stage
from stages.pipeline.progress import bar


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
            for sheet in bar(sheets, "explore: pictures", unit="sheets"):
                overlays.save(contact_sheets.draw(sheet, masks, paths.TRAIN_IMAGES, layout), folder / sheet.file)
        figures = mask_figures.summarise(found, files, sizes)
        shown, every = mask_statistics.most_frequent(found, contact_sheets.MOST_CLASSES), len(layout.classes)
        names_shown = [layout.classes[class_id - 1] for class_id in shown]
        carriers = {name: figures["classes"][name]["images"] for name in names_shown}
        areas = {
            name: [mask.area for mask in found.masks[class_id - 1]]
            for class_id, name in zip(shown, names_shown, strict=True)
        }
        by_number = figures["images_by_number_of_classes"]
        mask_charts.save(mask_charts.classes(carriers, by_number, shown, every), folder / "classes.png")
        mask_charts.save(mask_charts.areas(areas, mask_statistics.LARGE, shown, every), folder / "areas.png")
    outputs.write_metrics(paths.EXPLORE_METRICS, figures)
    remarks = mask_figures.describe(figures, found, files)
    if len(shown) < every:
        remarks = [f"pictures and charts show the {len(shown)} most frequent of {every} classes", *remarks]
    lines = [*mask_figures.table(figures), *(f"explore: {remark}" for remark in remarks)]
    outputs.write_lines(paths.EXPLORE_TEXT, lines)
    print(*lines, sep="\n")


if __name__ == "__main__":
    stage.run(explore, __doc__)
