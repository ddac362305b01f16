"""The prepared data set and stored probabilities: tables, summaries with checksums, arrays, PNG."""

import csv
import hashlib
import io
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from stages.dataset import encoded_store, integrity, pseudo_label_writer, pseudo_labels, rle, true_masks
from stages.dataset.layout import Layout
from stages.dataset.prepared import IMAGES, INDEX, LABELS, SIGNATURES, SUMMARY, Dataset, ImageStore
from stages.dataset.true_masks import TrueMasksWriter
from stages.inference import probabilities
from stages.postprocessing.prediction import Prediction
from tests.fuzzing import changes
from tests.fuzzing.reader import Files, Reader

KIND = "prepared"
COUNT, HEIGHT, WIDTH, CLASSES = 6, 8, 12, ("pit", "line")
FOLDER = "prepared"
PNG = [f"{FOLDER}/images.png.bin", f"{FOLDER}/images.png.index.npy"]


def _write(folder: Path, encoded: bool) -> None:
    """Six images of noise; every other has a square of class 1 or 2."""
    folder.mkdir()
    images, labels = (ImageStore.create(folder / name, COUNT, HEIGHT, WIDTH) for name in (IMAGES, LABELS))
    rows, masks = [], TrueMasksWriter(folder)
    for number in range(COUNT):
        label_map = np.zeros((HEIGHT, WIDTH), np.uint8)
        class_id = 1 + number // 2 % 2 if number % 2 else 0
        label_map[2:5, number : number + 4] = class_id
        images[number] = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH)).astype(np.uint8)
        labels[number] = label_map
        masks.add(number, [(class_id, rle.runs(label_map == class_id))] if class_id else [])
        rows.append([f"{number}.png", number % 3, number, HEIGHT, WIDTH, *((label_map == k).sum() for k in (1, 2))])
    masks.close()
    if encoded:
        for name, store in ((IMAGES, images), (LABELS, labels)):
            writer = encoded_store.EncodedWriter(folder / name)
            for number in range(COUNT):
                writer.append(encoded_store.encode(store[number]))
            writer.close()
            (folder / name).unlink()
    np.save(folder / SIGNATURES, np.zeros((COUNT, 4), np.float32))
    with (folder / INDEX).open("w", newline="") as file:
        csv.writer(file).writerows(
            [["image", "fold", "group", "height", "width", *(f"pixels_{name}" for name in CLASSES)], *rows]
        )
    summary = {"layout": Layout(CLASSES, HEIGHT, WIDTH).to_json(), "folds": 3, "digest": "0"}
    summary[integrity.KEY] = integrity.of_files(folder, [INDEX, SIGNATURES, true_masks.INDEX])
    (folder / SUMMARY).write_text(json.dumps(summary, indent=2) + "\n")


@cache
def valid(encoded: bool) -> Files:
    """The files of a whole data set."""
    with TemporaryDirectory() as name:
        folder = Path(name, FOLDER)
        _write(folder, encoded)
        return {f"{FOLDER}/{path.name}": path.read_bytes() for path in folder.iterdir()}


def _changed(encoded: bool) -> SearchStrategy[Files]:
    files = valid(encoded)
    changed = {name: changes.raw([content]) for name, content in files.items()}
    summary, index = f"{FOLDER}/{SUMMARY}", f"{FOLDER}/{INDEX}"
    changed[summary] = changes.json_file(json.loads(files[summary]))
    changed[index] = changes.table(files[index].decode())
    return changes.one_of_files(files, changed)


def _contents(data: Dataset) -> dict[str, Any]:
    """Everything that stages read of it."""
    return {
        "folds": data.folds,
        "classes": sorted(data.classes),
        "index": [
            {**vars(sample), "pixels": dict(zip(data.classes, sample.pixels, strict=True))} for sample in data.index
        ],
        "truth": [data.truth(sample).tolist() for sample in data.index],
        "signatures": data.signatures.tolist(),
        "images": [data.image(sample).shape for sample in data.index],
        "labels": [data.label_map(sample).shape for sample in data.index],
        "pictures": [data.picture(sample).shape for sample in data.index],
        "area": data.area(data.tiles(data.training(0))),
    }


@cache
def _expected() -> dict[str, Any]:
    with TemporaryDirectory() as name:
        _write(Path(name, FOLDER), encoded=False)
        return _contents(Dataset(Path(name, FOLDER)))


def dataset(folder: Path) -> str | None:
    """Read all of a data set: what checksums tell must be as written.

    Pixels, runs, and what the summary alone says, such as whether classes overlap, are left to DVC's hash of the
    folder.
    """
    found, expected = _contents(Dataset(folder / FOLDER)), _expected()
    changed = [name for name in ("folds", "classes", "index", "signatures") if found[name] != expected[name]]
    return f"{changed[0]}: expected {expected[changed[0]]}, found {found[changed[0]]}" if changed else None


def stored(folder: Path) -> str | None:
    """Read stored probabilities."""
    cache = probabilities.Cache(folder)
    for image in ("a.png", "b.png"):
        found = cache[image]
        if found.pixels.dtype != np.uint8 or found.pixels.ndim != 3 or found.pixels.shape[2] != len(found.presence):
            return f"{image}: {found.pixels.dtype} {found.pixels.shape} {found.presence}"
    return None


@cache
def predictions() -> Files:
    """Stored probabilities of two images."""
    with TemporaryDirectory() as name:
        folder, levels = Path(name, "x"), np.arange(96, dtype=np.uint8).reshape(6, 8, 2)
        probabilities.write(
            folder, [(image, Prediction(levels, np.array([3, 255], np.uint8))) for image in ("a.png", "b.png")]
        )
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def _changed_predictions() -> SearchStrategy[Files]:
    files = predictions()
    changed = {name: changes.raw([content]) for name, content in files.items()}
    changed[probabilities.PRESENCE] = changes.table(files[probabilities.PRESENCE].decode())
    return changes.one_of_files(files, changed)


@st.composite
def _resealed(draw: st.DrawFn) -> Files:
    """A changed index or array, with the checksum that belongs to it: what no checksum would tell."""
    files = dict(valid(False))
    name = draw(st.sampled_from((INDEX, true_masks.INDEX, SIGNATURES)))
    path = f"{FOLDER}/{name}"
    files[path] = draw(changes.table(files[path].decode()) if name == INDEX else changes.raw([files[path]]))
    summary = json.loads(files[f"{FOLDER}/{SUMMARY}"])
    summary[integrity.KEY][name] = hashlib.sha256(files[path]).hexdigest()
    files[f"{FOLDER}/{SUMMARY}"] = changes.as_json(summary)
    return files


def resealed_dataset(folder: Path) -> str | None:
    """Read a data set whose checksums are right."""
    found = _contents(Dataset(folder / FOLDER))
    with (folder / FOLDER / INDEX).open(encoding="utf-8", newline="") as file:
        names = [row["image"] for row in csv.DictReader(io.StringIO(file.read()))]
    read = [sample["image"] for sample in found["index"]]
    return None if read == names else f"expected {names}, found {read}"


def _pseudo_labels(folder: Path) -> pseudo_labels.PseudoLabels:
    """What train reads."""
    layout = Layout(CLASSES, HEIGHT, WIDTH)
    data = Dataset.__new__(Dataset)
    data.layout, data.summary = layout, {"digest": "0"}
    return pseudo_labels.read(folder, data, [0]).of(0)


@cache
def pseudo() -> Files:
    """Two images with pseudo-labels for fold 0."""
    with TemporaryDirectory() as name:
        folder, layout = Path(name, "x"), Layout(CLASSES, HEIGHT, WIDTH)
        folder.mkdir()
        files = [Path(name, f"{number}.png") for number in range(2)]
        for file in files:
            file.write_bytes(encoded_store.encode(np.full((HEIGHT, WIDTH), 7, np.uint8)))
        stored = pseudo_label_writer.StoredImages(files, layout, folder)
        writer = pseudo_label_writer.SetWriter(folder / "fold_0", stored)
        for number in range(2):
            writer.add(number, np.full((HEIGHT, WIDTH), 2, np.uint8), 0.9)
        writer.close()
        pseudo_label_writer.write_summary(folder, "teacher", {"digest": "0"}, {"fold_0": ["fold_0"]})
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@st.composite
def _changed_pseudo(draw: st.DrawFn, resealed: bool) -> Files:
    """Changed files; resealed: an index with the checksum that belongs to it."""
    files = dict(pseudo())
    summary, index = json.loads(files[SUMMARY]), "fold_0/index.csv"
    if not resealed:
        changed = {name: changes.raw([content]) for name, content in files.items()}
        changed |= {SUMMARY: changes.json_file(summary), index: changes.table(files[index].decode())}
        return dict(draw(changes.one_of_files(files, changed)))
    files[index] = draw(changes.table(files[index].decode()))
    summary[integrity.KEY][index] = hashlib.sha256(files[index]).hexdigest()
    return files | {SUMMARY: changes.as_json(summary)}


def pseudo_labelled(folder: Path) -> str | None:
    """Read pseudo-labels: every row has an image and a label map."""
    found = _pseudo_labels(folder)
    for sample in found.index:
        shapes = found.images[sample.position].shape, found.labels[sample.position].shape
        if shapes != ((HEIGHT, WIDTH),) * 2 or len(sample.pixels) != len(CLASSES):
            return f"{sample}: {shapes}"
    return None


READERS = [
    Reader("pseudo-labels", KIND, _changed_pseudo(resealed=False), pseudo_labelled),
    Reader("pseudo-labels with their checksums", KIND, _changed_pseudo(resealed=True), pseudo_labelled),
    Reader("prepared data", KIND, _changed(encoded=False), dataset),
    Reader("prepared data as PNG", KIND, _changed(encoded=True), dataset),
    Reader("prepared data with its checksums", KIND, _resealed(), resealed_dataset),
    Reader("probabilities", KIND, _changed_predictions(), stored),
]
