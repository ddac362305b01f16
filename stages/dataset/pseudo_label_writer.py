"""Writes pseudo-labels as `stages.dataset.pseudo_labels` describes and reads them."""

import json
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from stages.dataset import duplicates, encoded_store, geometry, integrity, label_maps
from stages.dataset import images as image_files
from stages.dataset.encoded_store import EncodedStore, EncodedWriter
from stages.dataset.layout import Layout
from stages.dataset.prepared import IMAGES, INDEX, LABELS, SUMMARY
from stages.dataset.tiles import Grid
from stages.pipeline import outputs, parallel
from stages.pipeline.arrays import Float32, UInt8
from stages.pipeline.progress import bar


class StoredImages:
    """The test images of a folder, written as PNG.

    Attributes:
        layout: of the prepared data.
        names: of the files, in order.
        signatures: of `duplicates`, float32 (images, duplicates.SIZE).

    Raises:
        ImageError: a file is not an image as the competition has them.
    """

    def __init__(self, files: Sequence[Path], layout: Layout, folder: Path) -> None:
        def read(file: Path) -> tuple[list[bytes], Grid, Float32]:
            image = geometry.read(file, layout)[0]
            grid = Grid.of((image.shape[0], image.shape[1]), layout)
            signature = duplicates.signature(geometry.thumbnail(image_files.grey(image), layout))
            return [encoded_store.encode(tile) for tile in grid.cut(image)], grid, signature

        self.layout, self.names = layout, [file.name for file in files]
        self.grids, signatures = [], []
        writer = EncodedWriter(folder / IMAGES)
        progress = bar(files, "pseudo_label: test images")
        with threadpool_limits(1, "blas"):  # NumPy's own threads would wait for one another in every worker
            for tiles, grid, signature in parallel.in_order(read, progress):
                for tile in tiles:
                    writer.append(tile)
                self.grids.append(grid)
                signatures.append(signature)
        writer.close()
        self.signatures = np.array(signatures, np.float32).reshape(-1, duplicates.SIZE)
        self.first = list(accumulate(map(len, self.grids), initial=0))
        self._store = EncodedStore(folder / IMAGES, layout.shape)

    def image(self, number: int) -> UInt8:
        """An image as networks see it, uint8 (height, width) or (height, width, 3); whole, if it is cut into tiles."""
        return self.grids[number].joined([self._store[place] for place in self.places(number)])

    def places(self, number: int) -> range:
        """Where the tiles of an image are in images.png."""
        return range(self.first[number], self.first[number + 1])


class SetWriter:
    """Writes the label maps for one network, image after image.

    Args:
        folder: made for it.
        stored: the images.
    """

    def __init__(self, folder: Path, stored: StoredImages) -> None:
        folder.mkdir()
        self._folder, self._stored = folder, stored
        self._labels = EncodedWriter(folder / LABELS)
        self._rows: list[tuple[Any, ...]] = []

    def add(self, number: int, labels: UInt8, confidence: float) -> None:
        """Add the label map or planes of an image, at the size of `StoredImages.image`."""
        layout = self._stored.layout
        for place, tile in zip(self._stored.places(number), self._stored.grids[number].cut(labels), strict=True):
            pixels = label_maps.pixels(tile, layout.number_of_classes)[1:]
            self._labels.append(encoded_store.encode(label_maps.packed(tile) if layout.overlapping else tile))
            self._rows.append((self._stored.names[number], place, f"{confidence:.4f}", *pixels.tolist()))

    def close(self) -> None:
        """Write the index."""
        self._labels.close()
        header = ["image", "place", "confidence", *(f"pixels_{name}" for name in self._stored.layout.classes)]
        outputs.write_table(self._folder / INDEX, header, self._rows)


def write_summary(folder: Path, experiment: str | None, data: dict[str, Any], sets: dict[str, list[str]]) -> None:
    """Write summary.json beside the other files, which are complete.

    Args:
        folder: of the pseudo-labels.
        experiment: whose networks have labelled; None if nothing is labelled.
        data: summary of the prepared data.
        sets: for each set the networks that have labelled it.
    """
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    checksums = integrity.of_files(folder, files)
    content = {"experiment": experiment, "data": data, "sets": sets, integrity.KEY: checksums}
    (folder / SUMMARY).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
