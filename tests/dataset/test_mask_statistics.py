"""Figures of a training table: areas, classes together, clean images, and the table's faults."""

import gzip
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from stages.dataset import mask_figures, mask_statistics, rle
from stages.dataset.image_names import ImageNames
from stages.dataset.image_sizes import ImageSizes
from stages.dataset.layout import Layout
from stages.dataset.mask_statistics import Mask
from stages.dataset.mask_store import MaskStore
from stages.pipeline.cli import UserError

TODAY = """ImageId,ClassId,EncodedPixels
a.jpg,1,1 2
a.jpg,2,3 1 5 2
b.jpg,2,1 6
"""  # 2×3 pixels: areas 2, 3 and 6

PAIRS = """ImageId_ClassId,EncodedPixels
a.jpg_1,1 2
a.jpg_2,3 1 5 2
b.jpg_1,
b.jpg_2,1 6
clean.jpg_1,
clean.jpg_2,
"""


def collected(folder: Path, text: str, *classes: str) -> mask_statistics.Found:
    """What a table of images of 2×3 pixels holds."""
    table = folder / "train.csv"
    table.write_text(text, encoding="utf-8")
    with MaskStore(folder) as masks:
        return mask_statistics.collect(table, sizes(Layout(classes or ("pit", "line"), 2, 3)), masks)


def sizes(layout: Layout) -> ImageSizes:
    """Images of one size."""
    return ImageSizes(Path("train_images"), ImageNames(()), layout)


def summarised(found: mask_statistics.Found, files: Collection[str]) -> dict[str, Any]:
    """The figures for images of one size."""
    return mask_figures.summarise(found, files, sizes(found.layout))


def test_areas_are_kept_per_class(tmp_path: Path) -> None:
    """Every mask leaves its area and its image's name, in the order of the table."""
    found = collected(tmp_path, TODAY)
    assert found.masks == ([Mask(2, "a.jpg")], [Mask(3, "a.jpg"), Mask(6, "b.jpg")])
    assert found.classes == {"a.jpg": {1, 2}, "b.jpg": {2}}


def test_both_generations_agree(tmp_path: Path) -> None:
    """Rows with empty runs, as in 2019, are no masks."""
    assert collected(tmp_path, PAIRS).masks == collected(tmp_path, TODAY).masks


def test_class_figures(tmp_path: Path) -> None:
    """Areas 3 and 6 on two images of three: median 4.5, 9 pixels of 3 × 6."""
    figures = summarised(collected(tmp_path, TODAY), {"a.jpg", "b.jpg", "clean.jpg"})
    line = figures["classes"]["line"]
    assert line["area"] == {"min": 3, "median": 4.5, "mean": 4.5, "p95": 5.85, "max": 6}  # p95: 3 + 0.95 × 3
    assert (line["images"], line["masks"], line["pixels"], line["share_of_pixels"]) == (2, 2, 9, 0.5)
    assert line["share_of_masks"] == 0.666667
    assert line["masks_over_200000_pixels"] == 0


def test_classes_together_and_clean_images(tmp_path: Path) -> None:
    """One image carries both classes, one carries one, one is on disk alone and so is clean."""
    figures = summarised(collected(tmp_path, TODAY), {"a.jpg", "b.jpg", "clean.jpg"})
    assert figures["images_by_number_of_classes"] == {"0": 1, "1": 1, "2": 1}
    assert figures["images_with_pair"] == {"pit": {"line": 1}}
    assert (figures["images"], figures["clean_images"], figures["masks"]) == (3, 1, 3)


def test_clean_images_are_unknown_without_files(tmp_path: Path) -> None:
    """Today's table does not list clean images, so without files neither they nor shares of pixels are known."""
    figures = summarised(collected(tmp_path, TODAY), ())
    assert figures["images"] is figures["clean_images"] is figures["missing_images"] is None
    assert figures["images_by_number_of_classes"]["0"] is None
    assert figures["classes"]["pit"]["share_of_pixels"] is None


def test_the_table_of_2019_lists_clean_images(tmp_path: Path) -> None:
    """The form of 2019 has rows for clean images too, so they are known without files."""
    figures = summarised(collected(tmp_path, PAIRS), ())
    assert (figures["images"], figures["clean_images"]) == (3, 1)


def test_images_missing_on_disk_are_counted(tmp_path: Path) -> None:
    """An image in the table without a file is missing, not clean."""
    figures = summarised(collected(tmp_path, TODAY), {"a.jpg", "clean.jpg"})
    assert (figures["images"], figures["missing_images"], figures["clean_images"]) == (2, 1, 1)


def test_a_table_without_masks(tmp_path: Path) -> None:
    """No masks at all: counts are 0, and what would divide by 0 is undefined."""
    figures = summarised(collected(tmp_path, "ImageId,ClassId,EncodedPixels\n", "pit"), {"a.jpg"})
    pit = figures["classes"]["pit"]
    assert (pit["masks"], pit["pixels"], pit["share_of_masks"]) == (0, 0, None)
    assert set(pit["area"].values()) == {None}


def test_pixels_claimed_by_two_classes(tmp_path: Path) -> None:
    """Pixels 2 and 3 are in a mask of both classes; a second mask of the same class does not count."""
    text = "ImageId,ClassId,EncodedPixels\na.jpg,1,1 3\na.jpg,1,1 2\na.jpg,2,2 5\nb.jpg,2,1 6\n"
    assert collected(tmp_path, text).shared_pixels == 2


def test_shared_pixels_of_scattered_rows_are_unknown(tmp_path: Path) -> None:
    """An image that comes back later in the table would need all masks at once."""
    text = "ImageId,ClassId,EncodedPixels\na.jpg,1,1 3\nb.jpg,2,1 6\na.jpg,2,2 5\n"
    assert collected(tmp_path, text).shared_pixels is None


def test_an_invalid_run_names_file_and_line(tmp_path: Path) -> None:
    """A run that leaves the image is reported with file, line, image and class."""
    with pytest.raises(UserError, match=r"train\.csv, line 3: b\.jpg, class 2: .*found 6 2, which ends at 7"):
        collected(tmp_path, "ImageId,ClassId,EncodedPixels\na.jpg,1,1 2\nb.jpg,2,6 2\n")


def test_an_unknown_class_names_file_and_line(tmp_path: Path) -> None:
    """A class beyond competition.classes is reported with file and line."""
    with pytest.raises(UserError, match=r"train\.csv, line 2: expected a class in 1 … 2, found '3'"):
        collected(tmp_path, "ImageId,ClassId,EncodedPixels\na.jpg,3,1 2\n")


def test_examples_step_evenly_through_the_ranks() -> None:
    """Of eight areas, four examples are the 2nd, 4th, 6th and 8th, whatever the order of the table."""
    masks = [Mask(area, f"{area}.jpg") for area in (80, 10, 70, 20, 60, 30, 50, 40)]
    assert [mask.area for mask in mask_statistics.examples(masks, 4)] == [20, 40, 60, 80]
    assert [mask.area for mask in mask_statistics.examples(masks[:2], 4)] == [10, 80]
    assert mask_statistics.examples([], 4) == []


def test_largest_takes_an_image_once() -> None:
    """Two large masks on one image fill one place."""
    masks = [Mask(9, "a.jpg"), Mask(8, "a.jpg"), Mask(5, "b.jpg"), Mask(7, "c.jpg")]
    assert mask_statistics.largest(masks, 2) == [Mask(9, "a.jpg"), Mask(7, "c.jpg")]


def test_masks_come_back_by_image(tmp_path: Path) -> None:
    """The runs of an image are there again without reading the table, by ClassId, wherever its rows stand."""
    table = tmp_path / "train.csv"
    table.write_text("ImageId,ClassId,EncodedPixels\na.jpg,2,3 1 5 2\nb.jpg,2,1 6\na.jpg,1,1 2\n", encoding="utf-8")
    with MaskStore(tmp_path) as masks:
        mask_statistics.collect(table, sizes(Layout.unnamed(2, 2, 3)), masks)
        found = mask_statistics.masks_of("a.jpg", masks)
        assert [(class_id, [list(of) for of in runs]) for class_id, runs in found] == [
            (1, [[0], [2]]),
            (2, [[2, 4], [1, 2]]),
        ]
        assert mask_statistics.masks_of("c.jpg", masks) == []


def test_real_annotations(real_data: Path, tmp_path: Path) -> None:
    """Median areas, large masks and overlaps of 5,159 real masks are those measured independently."""
    table = tmp_path / "train.csv"
    with gzip.open(real_data / "severstal-train-annotations.csv.gz") as packed, table.open("wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
    with MaskStore(tmp_path) as masks:
        figures = summarised(mask_statistics.collect(table, sizes(Layout.unnamed(4, 256, 1600)), masks), ())
    of = figures["classes"]
    assert [of[name]["area"]["median"] for name in of] == [3503, 2944, 11706, 24515]
    assert [of[name]["masks_over_200000_pixels"] for name in of] == [0, 0, 30, 0]
    assert figures["masks"] == 5159
    assert figures["images_by_number_of_classes"] == {"0": None, "1": 4309, "2": 422, "3": 2, "4": 0}
    assert figures["pixels_claimed_twice"] == 0


@hypothesis.settings(max_examples=100, deadline=None)
@given(arrays.arrays(np.bool_, st.tuples(st.integers(2, 4), st.integers(1, 5), st.integers(1, 5))))
def test_pixels_claimed_twice_of_random_masks(masks: np.ndarray) -> None:
    """Counted from runs, they are those that two or more of the drawn masks cover; also with a class in two rows."""
    layout = Layout.unnamed(len(masks), *masks.shape[1:])
    group = [(number, rle.parse(rle.encode(mask), *layout.size)) for number, mask in enumerate(masks, 1) if mask.any()]
    for several in (group, group * 2):
        assert mask_statistics.shared_pixels(several) == (masks.sum(axis=0) > 1).sum()
