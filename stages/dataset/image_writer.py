"""Stores images and their masks by position, and measures them on the way. See `stages.dataset.preparation`."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stages.dataset import duplicates, encoded_store, geometry, image_sizes, images, kept_folds, label_maps, rle
from stages.dataset.encoded_store import EncodedWriter
from stages.dataset.images import Size
from stages.dataset.layout import Layout
from stages.dataset.mask_store import MaskStore
from stages.dataset.prepared import IMAGES, LABELS, ImageStore
from stages.dataset.reading_order import PartsByOrder
from stages.dataset.tiles import Grid
from stages.dataset.true_masks import TrueMasksWriter
from stages.dataset.validation import Faults
from stages.pipeline import paths
from stages.pipeline.arrays import Bool, Float32, Int64, UInt8

Masks = list[tuple[int, rle.Runs]]  # ClassId and runs
LOOKED_AT = 32  # images that are looked at for colours, and their masks for the order of pixels


@dataclass(frozen=True)
class Measured:
    """What is known about the images once they are stored. The arrays are in the order of `names`.

    Attributes:
        layout: of the competition.
        names: file names of the images.
        pixels: pixels of each class as training reads them, int64 (images, classes).
        first_tile: place of each image's first tile in the arrays, then the number of all tiles, int64 (images + 1,).
        tile_pixels: pixels of each class in each tile, int64 (tiles, classes).
        has_mask: whether an image has a mask, boolean (images,).
        claimed_twice: pixels of an image that several classes claim, int64 (images,).
        claimed: pixels of each class as the table gives them, int64 (images, classes).
        lost: those of them that training gives to a higher class, int64 (images, classes).
        sizes: own height and width of each image, int64 (images, 2).
        signatures: of `duplicates`, float32 (images, duplicates.SIZE).
        contents: for each image, the start of the SHA-256 of its file, see `kept_folds`.
        digests: for each image, SHA-256 of its file and of its masks as run lengths.
    """

    layout: Layout
    names: list[str]
    pixels: Int64
    first_tile: Int64
    tile_pixels: Int64
    has_mask: Bool
    claimed_twice: Int64
    claimed: Int64
    lost: Int64
    sizes: Int64
    signatures: Float32
    contents: list[str]
    digests: list[bytes]

    @classmethod
    def empty(cls, layout: Layout, names: list[str]) -> "Measured":
        """Zeros, to be filled in."""
        count, classes = len(names), layout.number_of_classes
        first_tile = np.cumsum([0, *_tiles(names, layout)])
        return cls(
            layout=layout,
            names=names,
            pixels=np.zeros((count, classes), np.int64),
            first_tile=first_tile,
            tile_pixels=np.zeros((first_tile[-1], classes), np.int64),
            has_mask=np.zeros(count, np.bool_),
            claimed_twice=np.zeros(count, np.int64),
            claimed=np.zeros((count, classes), np.int64),
            lost=np.zeros((count, classes), np.int64),
            sizes=np.zeros((count, 2), np.int64),
            signatures=np.zeros((count, duplicates.SIZE), np.float32),
            contents=[""] * count,
            digests=[b""] * count,
        )


@dataclass
class Block:
    """What is known once some images are stored.

    Attributes:
        faults, faults_of_masks: what is wrong with the images, and with their masks.
        masks: the true masks at the size at which they are scored, by position.
        encoded: image and label map of each tile as PNG, by position, if they are not stored as pixels.
        parts: of the masks that were looked at.
    """

    faults: Faults = field(default_factory=Faults)
    faults_of_masks: Faults = field(default_factory=Faults)
    masks: dict[int, Masks] = field(default_factory=dict)
    encoded: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    parts: PartsByOrder = field(default_factory=PartsByOrder)


class ImageWriter:
    """Stores images and label maps from several threads; `append` then adds what has to be in order."""

    def __init__(self, measured: Measured, masks: MaskStore, folder: Path) -> None:
        self.measured, self._masks = measured, masks
        count, layout = int(measured.first_tile[-1]), measured.layout
        self._true_masks = TrueMasksWriter(folder)
        self._looked_at = max(1, len(measured.names) // LOOKED_AT)  # every so many images
        self._pixels: tuple[ImageStore, ImageStore] | None = None
        self._encoded: tuple[EncodedWriter, EncodedWriter] | None = None
        if encoded_store.worth_encoding(count, layout.shape):
            self._encoded = EncodedWriter(folder / IMAGES), EncodedWriter(folder / LABELS)
        else:
            self._pixels = (
                ImageStore.create(folder / IMAGES, count, *layout.shape),
                ImageStore.create(folder / LABELS, count, *layout.size),
            )

    def append(self, block: range, stored: Block) -> None:
        """Add what has to be written in the order of the positions, block after block."""
        for position, masks in stored.masks.items():
            self._true_masks.add(position, masks)
        if self._encoded:
            for position in block:
                for pair in stored.encoded.get(position, []):  # an image without any has a fault
                    for writer, raw in zip(self._encoded, pair, strict=True):
                        writer.append(raw)

    def close(self) -> None:
        """Finish all files."""
        for writer in (*(self._pixels or ()), *(self._encoded or ()), self._true_masks):
            writer.close()

    def store_block(self, block: range) -> Block:
        """Store some images and their signatures."""
        textures: dict[int, Float32] = {}
        found = Block()
        for position in block:
            try:
                textures[position] = self._store(position, found)
            except images.ImageError as error:
                found.faults.add(str(error))
                if self.measured.layout.images.sizes == "equal":  # otherwise the masks' size is unknown
                    list(self._parsed(position, self.measured.layout.size, found.faults_of_masks))
        if textures:
            self.measured.signatures[list(textures)] = duplicates.signatures(list(textures.values()))
        return found

    def _parsed(self, position: int, size: Size, faults: Faults) -> Iterator[tuple[int, bytes, rle.Runs]]:
        """ClassId, run-length text and runs of each mask of an image."""
        image, notation = self.measured.names[position], self.measured.layout.run_lengths
        for class_id, line, content in self._masks.of(image):
            try:
                yield class_id, content, rle.parse(content.decode(), *size, notation)
            except rle.RunLengthError as error:
                faults.add(f"{paths.TRAIN_TABLE}, line {line}: {image}, class {class_id}: {error}")

    def _store(self, position: int, found: Block) -> Float32:
        """Store one image and its masks; returns its texture."""
        measured, layout = self.measured, self.measured.layout
        file, looked_at = paths.TRAIN_IMAGES / measured.names[position], position % self._looked_at == 0
        raw = geometry.contents(file, layout)
        native = geometry.native(raw, file, layout)
        if looked_at and layout.images.channels == 1 and not layout.images.grey_from_colour:
            images.refuse_colours(raw, file)
        image = geometry.fitted(native, layout, file)
        image_sizes.check_storable((image.shape[0], image.shape[1]), layout, file)
        size = (native.shape[0], native.shape[1])
        masks = list(self._parsed(position, size, found.faults_of_masks))
        measured.sizes[position] = size
        digest = hashlib.sha256(raw)  # the file has a quarter of the bytes of its pixels
        measured.contents[position] = digest.hexdigest()[: kept_folds.DIGITS]
        labels = None
        if masks:
            for class_id, content, _ in masks:
                digest.update(b"\n%d %s" % (class_id, content))
                if looked_at:
                    found.parts.add(content.decode(), size, layout.run_lengths, images.grey(native))
            labels, found.masks[position] = self._drawn(position, [(k, runs) for k, _, runs in masks], size)
        self._write(position, image, labels, found)
        measured.digests[position] = digest.digest()
        return duplicates.texture(images.grey(geometry.thumbnail(image, layout)))

    def _write(self, position: int, image: UInt8, labels: UInt8 | None, found: Block) -> None:
        """Store the tiles of an image and, if it has masks, of its label map."""
        layout, first = self.measured.layout, self.measured.first_tile[position]
        grid = Grid.of((image.shape[0], image.shape[1]), layout)
        stored = [np.zeros(layout.size, np.uint8)] * len(grid) if labels is None else grid.cut(labels)
        for number, (tile, shown) in enumerate(zip(grid.cut(image), stored, strict=True), start=int(first)):
            if not self._pixels:
                found.encoded.setdefault(position, []).append((encoded_store.encode(tile), encoded_store.encode(shown)))
            else:
                self._pixels[0][number] = tile
                if labels is not None:
                    self._pixels[1][number] = shown
            if labels is not None:
                self.measured.tile_pixels[number] = self._pixels_of(position, shown, len(grid))

    def _pixels_of(self, position: int, tile: UInt8, tiles: int) -> Int64:
        """Pixels of each class in a stored tile, int64 (classes,)."""
        if tiles == 1:  # already counted
            return np.asarray(self.measured.pixels[position])
        classes = self.measured.layout.number_of_classes
        labels = label_maps.unpacked(tile, classes) if self.measured.layout.overlapping else tile
        return label_maps.pixels(labels, classes)[1:]

    def _drawn(self, position: int, masks: Masks, size: Size) -> tuple[UInt8, Masks]:
        """The label map of an image as it is stored, and its masks at the size at which they are scored."""
        measured, layout = self.measured, self.measured.layout
        classes = layout.number_of_classes
        labels = label_maps.drawn(masks, classes, size, overlapping=layout.overlapping)
        whole, twice = labels, label_maps.claimed_twice(masks)
        if twice:
            whole = label_maps.planes(masks, classes, *size)
            own = label_maps.pixels(whole, classes)
            measured.claimed_twice[position] = own.sum() - size[0] * size[1]
            measured.lost[position] = (own - label_maps.pixels(labels, classes))[1:]
        fitted = geometry.fitted_labels(labels, layout)
        joined = _by_class(masks)
        as_claimed = fitted is labels and (layout.overlapping or not twice)
        for class_id, runs in joined:
            measured.claimed[position, class_id - 1] = runs.area
            measured.pixels[position, class_id - 1] = (
                runs.area if as_claimed else np.count_nonzero(label_maps.of_class(fitted, class_id))
            )
        measured.has_mask[position] = True
        stored = label_maps.packed(fitted) if layout.overlapping else fitted
        scored = layout.scored_size(size)
        if scored == size:
            return stored, joined
        smaller = label_maps.resized(whole, scored)
        of_class = ((class_id, rle.runs(label_maps.of_class(smaller, class_id))) for class_id in layout.class_ids)
        return stored, [(class_id, runs) for class_id, runs in of_class if len(runs.starts)]


def _by_class(masks: Masks) -> Masks:
    """The masks of one image, those of one class joined, by ClassId."""
    parts: dict[int, list[rle.Runs]] = {}
    for class_id, runs in masks:
        parts.setdefault(class_id, []).append(runs)
    return [(class_id, rle.joined(parts[class_id])) for class_id in sorted(parts)]


def _tiles(names: list[str], layout: Layout) -> list[int]:
    """How many tiles each training image has, by its header; 1 if that cannot be read, which is told later."""
    if layout.images.sizes != "tiled":
        return [1] * len(names)
    sizes = (images.size(paths.TRAIN_IMAGES / name) for name in names)
    return [len(Grid.of(size, layout)) if size else 1 for size in sizes]
