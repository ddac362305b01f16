"""Pseudo-labels, which the stage pseudo_label writes and train reads: test images, and label maps of them by networks.

    data/pseudo/
        images.png.*         every test image as networks see it, as PNG (see `encoded_store`); with images.sizes: tiled
                             the tiles of an image one after the other
        fold_0/labels.png.*  label maps for training the network of fold 0, in the order of its index
        fold_0/index.csv     one row per image or tile that is used: image, place in images.png, confidence, pixels of
                             each class
        final/…              the same for the network of train.final
        summary.json         experiment, summary of the prepared data, what labelled each set, SHA-256 of all files

Every network has a set of its own, since networks that have seen the masks of a fold would pass them on in their labels
to the network that is validated on it. Without an experiment there is only summary.json, with `experiment: null`.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stages.dataset import integrity
from stages.dataset.encoded_store import EncodedStore
from stages.dataset.layout import Layout
from stages.dataset.prepared import IMAGES, INDEX, LABELS, SUMMARY, Dataset, LabelStore, Sample
from stages.pipeline import hashes, outputs
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError

AGAIN = "run dvc repro pseudo_label"


def set_name(fold: int | None) -> str:
    """The folder of the labels for the network of a fold, or (None) for that of train.final."""
    return "final" if fold is None else f"fold_{fold}"


class _Chosen:
    """The images at some places of a store, read like a store of them alone."""

    def __init__(self, store: EncodedStore, places: list[int]) -> None:
        self._store, self._places = store, places
        self.height, self.width = store.height, store.width

    def __getitem__(self, position: int) -> UInt8:
        return self._store[self._places[position]]


@dataclass(frozen=True)
class PseudoLabels:
    """The set for one network, from which crops are taken as from a `Dataset`.

    Attributes:
        images, labels: test images and their label maps or planes, by `Sample.position`.
        layout: of the prepared data.
        index: the images or tiles; they belong to no fold and no group (-1).
    """

    images: _Chosen
    labels: LabelStore
    layout: Layout
    index: list[Sample]

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return list(self.layout.classes)

    def tiles(self, samples: list[Sample]) -> list[Sample]:
        """The samples themselves: those of images that are cut are tiles already."""
        return samples


@dataclass(frozen=True)
class PseudoSets:
    """All sets, as `read` has found them.

    Attributes:
        folder: of them.
        layout: of the prepared data; None without any set.
        sha256: of each file, by its path in the folder.
    """

    folder: Path = Path()
    layout: Layout | None = None
    sha256: dict[str, str] = field(default_factory=dict)

    def files(self, fold: int | None) -> dict[str, str]:
        """SHA-256 of the files on which the network of a fold, or of train.final, depends; none without any set."""
        parts = (f"{Path(IMAGES).stem}.", f"{set_name(fold)}/")
        return {name: digest for name, digest in self.sha256.items() if name.startswith(parts)}

    def of(self, fold: int | None) -> PseudoLabels:
        """The set for the network of a fold, or of train.final.

        Raises:
            UserError: a file is missing or damaged.
        """
        if self.layout is None:
            raise ValueError("expected pseudo-labels, found none")
        folder, layout = self.folder / set_name(fold), self.layout
        for name, expected in self.files(fold).items():
            file = self.folder / name  # the large ones are checked by their size
            if not file.is_file() or (file.suffix != ".bin" and hashes.sha256(file) != expected):
                raise integrity.damaged(file)
        images = EncodedStore(self.folder / IMAGES, layout.shape)
        labels = EncodedStore(folder / LABELS, layout.size)
        index, places = _index(folder / INDEX, layout)
        if len(labels) != len(index) or not all(0 <= place < len(images) for place in places):
            raise integrity.damaged(folder / INDEX)
        return PseudoLabels(_Chosen(images, places), LabelStore(labels, layout), layout, index)


def _index(path: Path, layout: Layout) -> tuple[list[Sample], list[int]]:
    """The images of a set, and the place of each in images.png.

    Raises:
        UserError: it is damaged.
    """
    columns, index, places = [f"pixels_{name}" for name in layout.classes], [], []
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            for position, row in enumerate(csv.DictReader(stream, strict=True)):
                pixels = tuple(int(row[column]) for column in columns)
                index.append(Sample(position, outputs.unescaped(row["image"]), -1, -1, pixels, layout.size))
                places.append(int(row["place"]))
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error):
        raise integrity.damaged(path) from None
    return index, places


NONE = PseudoSets()


def read(folder: Path, data: Dataset, folds: Sequence[int | None]) -> PseudoSets:
    """Read summary.json of the pseudo-labels, and see that they are for these data and these networks.

    Args:
        folder: of the pseudo-labels.
        data: on which networks are trained.
        folds: of these networks; None: that of train.final.

    Raises:
        UserError: there are none, they belong to other data, or one of the networks has none.
    """
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        sets, checksums = dict(summary["sets"]), dict(summary[integrity.KEY])
        same = summary["experiment"] is not None and summary["data"] == data.summary
    except FileNotFoundError:
        raise UserError(f"{folder}: expected what pseudo_label writes, with {SUMMARY}, found none: {AGAIN}") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise integrity.damaged(folder / SUMMARY) from None
    lacking = [set_name(fold) for fold in folds if set_name(fold) not in sets]
    if not same or lacking:
        found = f"none for {', '.join(lacking)}" if same else "those of other data or none"
        raise UserError(f"{folder}: expected pseudo-labels for the networks of train.folds, found {found}: {AGAIN}")
    if any(f"{set_name(fold)}/{INDEX}" not in checksums for fold in folds):
        raise integrity.damaged(folder / SUMMARY)
    return PseudoSets(folder, data.layout, checksums)
