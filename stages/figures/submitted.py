"""The test images of a report, with the masks of data/submission.csv: what is sent is what is shown."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from stages.dataset import geometry, images, rle, sample_submission, tables
from stages.dataset.image_names import ImageNames
from stages.dataset.image_sizes import ImageSizes
from stages.dataset.layout import Layout
from stages.figures import gallery
from stages.figures.gallery import Item
from stages.pipeline.cli import UserError

MOST = 300  # images on the page
ANY = "any class"  # of masks whose rows name no class

Masks = dict[str, rle.Runs]  # by class


@dataclass(frozen=True)
class SentImages:
    """A submission, and which of its images are shown.

    Attributes:
        path: of the submission.
        folder: of the test images.
        layout: of the competition.
        images: how many it has.
        marked: how many of them have a mask.
        shown: those to show, in its order.
        share: how many were chosen at most for each class; None: all images are shown.
    """

    path: Path
    folder: Path
    layout: Layout
    images: int
    marked: int
    shown: tuple[str, ...]
    share: int | None

    @property
    def pixels(self) -> int:
        """Pixels of the images that are shown."""
        names = ImageNames(images.listing(self.folder))
        files = [file for file in map(names.file, self.shown) if file]
        return ImageSizes(self.folder, names, self.layout).pixels(files, len(files))

    def items(self, width: int) -> Iterator[Item]:
        """The data of each image that the page needs, as in `gallery.items`, its photograph reduced to `width`.

        Raises:
            UserError: a photograph is missing or cannot be read.
        """
        names, shown = ImageNames(images.listing(self.folder)), set(self.shown)
        sizes = ImageSizes(self.folder, names, self.layout)
        for position, (image, masks) in enumerate(_masks(self.path, self.layout, sizes)):
            if image not in shown:
                continue
            file = names.file(image)
            if file is None:
                raise UserError(f"{self.folder}: expected the image {image} of {self.path}, found none: run dvc repro")
            path = self.folder / file
            try:
                photo = geometry.native(geometry.contents(path, self.layout), path, self.layout)
            except images.ImageError as error:
                raise UserError(str(error)) from None
            height, own_width = sizes.scored(image)
            areas = {name: runs.area for name, runs in masks.items()}
            yield {
                "name": image,
                "caption": ", ".join(f"{name} {area:,} px" for name, area in areas.items()) or "no mask",
                "height": height,
                "width": own_width,
                "classes": areas,
                "clean": not areas,
                "keys": {"position": position, "area": sum(areas.values())},
                "masks": {"prediction": {name: _text(runs) for name, runs in masks.items()}},
                "jpeg": gallery.jpeg(photo, width),
            }


def read(path: Path, folder: Path, layout: Layout, most: int = MOST) -> SentImages:
    """Read a submission, and choose what to show.

    Of few images all are shown. Of more, an equal share of each predicted class and of the images without a mask,
    spread evenly over the submission, so that a rare class is seen too.

    Args:
        path: data/submission.csv.
        folder: of the test images.
        layout: of the competition.
        most: images to show.

    Raises:
        UserError: it is no submission.
    """
    names = ImageNames(images.listing(folder))
    every, groups = [], defaultdict(list)
    for image, masks in _masks(path, layout, ImageSizes(folder, names, layout)):
        every.append(image)
        for name in masks or [""]:
            groups[name].append(image)
    marked = len(every) - len(groups.get("", []))
    if len(every) <= most:
        return SentImages(path, folder, layout, len(every), marked, tuple(every), None)
    share = max(1, most // len(groups))
    chosen = {image for group in groups.values() for image in _spread(group, share)}
    shown = [image for image in every if image in chosen]
    return SentImages(path, folder, layout, len(every), marked, tuple(_spread(shown, most)), share)


def _spread(several: list[str], most: int) -> list[str]:
    """At most so many of them, at equal distances.

    >>> _spread(["a", "b", "c", "d", "e"], 2)
    ['a', 'c']
    """
    if len(several) <= most:
        return several
    return [several[place * len(several) // most] for place in range(most)]


def _masks(path: Path, layout: Layout, sizes: ImageSizes) -> Iterator[tuple[str, Masks]]:
    """The images of a submission in its order, with their masks."""
    nameless = sample_submission.of_itself(path, layout).kind in sample_submission.NAMELESS
    rows = tables.read(path, layout, filler=True, sent=True)
    for image, of_image in groupby(rows, key=lambda row: row.image):
        parts = defaultdict(list)
        for row in of_image:
            if row.class_id == 0 or sample_submission.is_empty(row.runs, layout):
                continue
            name = ANY if nameless and layout.number_of_classes > 1 else layout.classes[row.class_id - 1]
            try:
                parts[name].append(rle.parse(row.runs, *sizes.scored(image), layout.run_lengths))
            except rle.RunLengthError as error:
                raise UserError(f"{path}, line {row.line}: {image}: {error}") from None
        yield image, {name: rle.joined(parts[name]) for name in (*layout.classes, ANY) if name in parts}


def _text(runs: rle.Runs) -> str:
    """Run lengths in the notation of the page: column by column, from 1."""
    return " ".join(f"{start + 1} {length}" for start, length in zip(*map(list, runs), strict=True))
