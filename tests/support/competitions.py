"""Small archives in the form of other competitions, drawn by hand, with the true masks of their test images.

The forms follow the competitions' data pages. Every image is noise with ellipses and rectangles, brighter for one class
than for the next.
"""

import csv
import io
import struct
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from stages.pipeline.arrays import Bool, UInt8

TRAIN, TEST = 15, 3


@dataclass
class Archive:
    """An archive that is being written.

    Attributes:
        path: of the zip.
        truth: true masks of the test images, boolean (height, width), by image id and class.
        truth_rows: the same as rows of the training table; its header first.
    """

    path: Path
    truth: dict[tuple[str, str], Bool] = field(default_factory=dict)
    truth_rows: list[Sequence[str]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    def table(self, name: str, rows: Iterable[Sequence[object]]) -> None:
        """Add a CSV file, the header first."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self.files[name] = text.getvalue().encode()

    def close(self) -> "Archive":
        """Write the zip."""
        self.path.write_bytes(zipped(self.files))
        return self


def zipped(files: dict[str, bytes]) -> bytes:
    """Files by name as a zip."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return content.getvalue()


def scene(
    rng: np.random.Generator, size: tuple[int, int], classes: Sequence[str], *, overlapping: bool = False
) -> tuple[UInt8, dict[str, Bool]]:
    """A noisy grey picture, and the masks of the classes that it shows."""
    height, width = size
    picture = rng.normal(60, 10, size)
    masks: dict[str, Bool] = {}
    taken = np.zeros(size, np.bool_)
    for number, name in enumerate(classes):
        if rng.random() < 0.3:
            continue
        drawn = np.zeros(size, np.uint8)
        centre = int(rng.integers(width // 5, width * 4 // 5)), int(rng.integers(height // 5, height * 4 // 5))
        axes = max(3, width // 8), max(3, height // 7)
        if number % 2:
            cv2.ellipse(drawn, centre, axes, 0, 0, 360, 1, -1)
        else:
            corners = [(centre[0] - axes[0], centre[1] - axes[1]), (centre[0] + axes[0], centre[1] + axes[1])]
            cv2.rectangle(drawn, corners[0], corners[1], 1, -1)
        mask = drawn.astype(np.bool_) & (overlapping or ~taken)
        if mask.sum() >= 12:
            masks[name], taken = mask, taken | mask
            picture[mask] += 60 + 90 * number / max(1, len(classes) - 1)
    return np.clip(picture, 0, 255).astype(np.uint8), masks


def runs(mask: Bool, order: str = "F", first: int = 1) -> str:
    """Run lengths, written pixel by pixel."""
    found, length = [], 0
    for place, inside in enumerate([*mask.flatten(order=order).tolist(), False]):  # type: ignore[arg-type]
        if inside:
            length += 1
        elif length:
            found += [place - length + first, length]
            length = 0
    return " ".join(map(str, found))


def relative(mask: Bool) -> str:
    """Run lengths whose starts count from the end of the run before."""
    numbers, end, found = list(map(int, runs(mask, first=0).split())), 0, []
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        found += [start - end, length]
        end = start + length
    return " ".join(map(str, found))


def coloured(grey: UInt8) -> UInt8:
    """Blue, green and red that differ."""
    return cv2.merge([grey, 255 - grey, grey // 2])  # type: ignore[return-value]


def encoded(image: UInt8, suffix: str) -> bytes:
    """The bytes of an image file."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix == ".jpg" else []
    return bytes(cv2.imencode(suffix, image, quality)[1].tobytes())


def severstal(folder: Path, rng: np.random.Generator) -> Archive:
    """ImageId, ClassId and runs column by column; one row per mask."""
    archive, classes = Archive(folder / "severstal.zip"), ["1", "2", "3", "4"]
    rows: list[Sequence[object]] = [("ImageId", "ClassId", "EncodedPixels")]
    archive.truth_rows = [("ImageId", "ClassId", "EncodedPixels")]
    sample: list[Sequence[object]] = [("ImageId", "EncodedPixels", "ClassId")]
    for part, number in _parts():
        name = f"{part}{number:03}.jpg"
        grey, masks = scene(rng, (256, 1600), classes)
        archive.files[f"{part}_images/{name}"] = encoded(grey, ".jpg")
        found = [(name, class_id, runs(mask)) for class_id, mask in masks.items()]
        if part == "train":
            rows += found
        else:
            sample.append((name, "1 409600", "0"))
            archive.truth |= {
                (name, class_id): masks.get(class_id, np.zeros((256, 1600), bool)) for class_id in classes
            }
            archive.truth_rows += found
    archive.table("train.csv", rows)
    archive.table("sample_submission.csv", sample)
    return archive.close()


def steel_900(folder: Path, rng: np.random.Generator) -> Archive:
    """ImageId_ClassId and runs column by column; one row per image and class."""
    archive, classes, size = Archive(folder / "steel.zip"), ["1", "2", "3"], (200, 200)
    return _by_pair(archive, rng, classes, size, "ImageId_ClassId", lambda grey: grey).close()


def understanding_clouds(folder: Path, rng: np.random.Generator) -> Archive:
    """Image_Label as NAME.jpg_Fish; classes overlap; masks are sent at 350×525."""
    archive, classes = Archive(folder / "clouds.zip"), ["Fish", "Flower", "Gravel", "Sugar"]
    _by_pair(archive, rng, classes, (700, 1050), "Image_Label", coloured, overlapping=True)
    archive.truth = {
        key: cv2.resize(mask.astype(np.uint8), (525, 350), interpolation=cv2.INTER_NEAREST_EXACT).astype(np.bool_)
        for key, mask in archive.truth.items()
    }
    return archive.close()


def _by_pair(
    archive: Archive,
    rng: np.random.Generator,
    classes: list[str],
    size: tuple[int, int],
    column: str,
    colour: Callable[[UInt8], UInt8],
    *,
    overlapping: bool = False,
) -> Archive:
    rows: list[Sequence[object]] = [(column, "EncodedPixels")]
    archive.truth_rows, sample = [(column, "EncodedPixels")], list(rows)
    for part, number in _parts():
        name = f"{part}{number:03}.jpg"
        grey, masks = scene(rng, size, classes, overlapping=overlapping)
        archive.files[f"{part}_images/{name}"] = encoded(colour(grey), ".jpg")
        found = [(f"{name}_{k}", runs(masks[k]) if k in masks else "") for k in classes]
        if part == "train":
            rows += found
        else:
            sample += [(pair, "1 1") for pair, _ in found]
            archive.truth |= {(name, k): masks.get(k, np.zeros(size, np.bool_)) for k in classes}
            archive.truth_rows += found
    archive.table("train.csv", rows)
    archive.table("sample_submission.csv", sample)
    return archive


def airbus_ships(folder: Path, rng: np.random.Generator) -> Archive:
    """One row per ship, an empty one for an image without any; other names of folders and tables."""
    archive, size = Archive(folder / "airbus.zip"), (768, 768)
    header = ("ImageId", "EncodedPixels")
    rows: list[Sequence[object]] = [header]
    sample: list[Sequence[object]] = [header]
    archive.truth_rows = [header]
    for part, number in _parts():
        name = f"{part}{number:03}.jpg"
        grey, ships = scene(rng, size, ["a", "b"])
        archive.files[f"{part}_v2/{name}"] = encoded(coloured(grey), ".jpg")
        found = [(name, runs(mask)) for mask in ships.values()] or [(name, "")]
        if part == "train":
            rows += found
        else:
            sample.append((name, ""))
            archive.truth[name, ""] = np.logical_or.reduce([np.zeros(size, np.bool_), *ships.values()])
            archive.truth_rows += found
    archive.table("train_ship_segmentations_v2.csv", rows)
    archive.table("sample_submission_v2.csv", sample)
    return archive.close()


def tgs_salt(folder: Path, rng: np.random.Generator) -> Archive:
    """Zips in a zip; ids without extension; masks of 101×101 also as pictures, which nobody needs."""
    archive, size = Archive(folder / "tgs.zip"), (101, 101)
    inner: dict[str, dict[str, bytes]] = {"train": {}, "test": {}}
    rows: list[Sequence[object]] = [("id", "rle_mask")]
    sample, depths = list(rows), [("id", "z")]
    archive.truth_rows = [("id", "rle_mask")]
    for part, number in _parts():
        image = f"{part}{number:03}"
        grey, masks = scene(rng, size, ["salt"])
        mask = masks.get("salt", np.zeros(size, np.bool_))
        inner[part][f"images/{image}.png"] = encoded(cv2.merge([grey] * 3), ".png")  # type: ignore[arg-type]
        depths.append((image, "500"))
        if part == "train":
            inner[part][f"masks/{image}.png"] = encoded(mask.astype(np.uint8) * 255, ".png")
            rows.append((image, runs(mask)))
        else:
            sample.append((image, "1 1"))
            archive.truth[image, ""] = mask
            archive.truth_rows.append((image, runs(mask)))
    for part, files in inner.items():
        archive.files[f"{part}.zip"] = zipped(files)
    for name, table in (("train.csv", rows), ("sample_submission.csv", sample), ("depths.csv", depths)):
        archive.table(name, table)
    return archive.close()


def carvana(folder: Path, rng: np.random.Generator) -> Archive:
    """Runs row by row; zips in a zip, the table in one of its own."""
    archive, size = Archive(folder / "carvana.zip"), (320, 480)
    inner: dict[str, dict[str, bytes]] = {"train": {}, "test": {}}
    rows: list[Sequence[object]] = [("img", "rle_mask")]
    sample = list(rows)
    archive.truth_rows = [("img", "rle_mask")]
    for part, number in _parts():
        name = f"{part}{number:03}_01.jpg"
        grey, masks = scene(rng, size, ["car"])
        mask = masks.get("car", np.zeros(size, np.bool_))
        inner[part][f"{part}/{name}"] = encoded(coloured(grey), ".jpg")
        if part == "train":
            rows.append((name, runs(mask, "C")))
        else:
            sample.append((name, ""))
            archive.truth[name, ""] = mask
            archive.truth_rows.append((name, runs(mask, "C")))
    table = Archive(folder / "unused")
    table.table("train_masks.csv", rows)
    table.table("sample_submission.csv", sample)
    for name, raw in table.files.items():
        archive.files[f"{name}.zip"] = zipped({name: raw})
    for part, files in inner.items():
        archive.files[f"{part}.zip"] = zipped(files)
    return archive.close()


def siim_pneumothorax(folder: Path, rng: np.random.Generator) -> Archive:
    """DICOM with JPEG inside; relative runs; "-1" for none; a blank before a column's name; several rows per image."""
    archive, size = Archive(folder / "siim.zip"), (1024, 1024)
    rows: list[Sequence[object]] = [("ImageId", " EncodedPixels")]
    sample: list[Sequence[object]] = [("ImageId", "EncodedPixels")]
    archive.truth_rows = [("ImageId", " EncodedPixels")]
    for part, number in _parts():
        image = f"1.2.276.{number}.{part == 'train':d}"
        grey, masks = scene(rng, size, ["left", "right"])
        place = "stage_2_train_images" if part == "train" else "stage_2_images"
        archive.files[f"{place}/{image}.dcm"] = dicom(grey)
        found = [(image, relative(mask)) for mask in masks.values()] or [(image, "-1")]
        if part == "train":
            rows += found
        else:
            sample.append((image, "-1"))
            archive.truth[image, ""] = np.logical_or.reduce([np.zeros(size, np.bool_), *masks.values()])
            archive.truth_rows += found
    archive.table("stage_2_train.csv", rows)
    archive.table("stage_2_sample_submission.csv", sample)
    return archive.close()


def dicom(grey: UInt8) -> bytes:
    """A DICOM file of one frame, its pixels as a baseline JPEG."""
    jpeg = encoded(grey, ".jpg")
    jpeg += b"\0" * (len(jpeg) % 2)
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) + struct.pack("<HHI", 0xFFFE, 0xE000, len(jpeg)) + jpeg
    items += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    pixels = struct.pack("<HH", 0x7FE0, 0x10) + b"OB\0\0\xff\xff\xff\xff" + items
    return _dicom(b"1.2.840.10008.1.2.4.50", b"MONOCHROME2", (*grey.shape, 8), pixels)


def plain_dicom(values: npt.NDArray[np.uint16], photometric: bytes) -> bytes:
    """A DICOM file of one frame of 12 bits in 16, not compressed."""
    pixels = _element(0x7FE0, 0x10, b"OW", values.astype("<u2").tobytes())
    return _dicom(b"1.2.840.10008.1.2.1", photometric, (*values.shape, 12), pixels)


def _element(group: int, number: int, kind: bytes, value: bytes) -> bytes:
    value += b"" if len(value) % 2 == 0 else b"\0" if kind in (b"UI", b"OB") else b" "
    long = kind in (b"OB", b"OW")
    length = b"\0\0" + struct.pack("<I", len(value)) if long else struct.pack("<H", len(value))
    return struct.pack("<HH", group, number) + kind + length + value


def _dicom(syntax: bytes, photometric: bytes, shape: tuple[int, ...], pixels: bytes) -> bytes:
    height, width, bits = shape
    meta = _element(2, 1, b"OB", b"\0\1") + _element(2, 2, b"UI", b"1.2.840.10008.5.1.4.1.1.7")
    meta += _element(2, 3, b"UI", b"1.2.3") + _element(2, 0x10, b"UI", syntax)
    numbers = {2: 1, 0x10: height, 0x11: width, 0x100: 8 if bits == 8 else 16, 0x101: bits, 0x102: bits - 1, 0x103: 0}
    header = {number: _element(0x28, number, b"US", struct.pack("<H", value)) for number, value in numbers.items()}
    header[4] = _element(0x28, 4, b"CS", photometric)
    length = _element(2, 0, b"UL", struct.pack("<I", len(meta)))
    return b"\0" * 128 + b"DICM" + length + meta + b"".join(header[number] for number in sorted(header)) + pixels


def uw_madison(folder: Path, rng: np.random.Generator) -> Archive:
    """16-bit slices whose id lies in three parts of the path; rows; a hidden test set: the sample is only a header."""
    archive, classes = Archive(folder / "uw.zip"), ["large_bowel", "small_bowel", "stomach"]
    rows: list[Sequence[object]] = [("id", "class", "segmentation")]
    archive.truth_rows = [("id", "class", "segmentation")]
    for part, number in _parts():
        size = (266, 266) if number % 2 else (310, 360)
        day, piece = f"case{number}_day{number + 1}", f"slice_{number:04}"
        grey, masks = scene(rng, size, classes, overlapping=True)
        deep = (grey.astype(np.uint16) * 60).astype(np.uint16)
        name = f"{part}/case{number}/{day}/scans/{piece}_{size[1]}_{size[0]}_1.50_1.50.png"
        found = [(f"{day}_{piece}", k, runs(masks[k], "C") if k in masks else "") for k in classes]
        if part == "train":
            archive.files[name] = encoded(deep, ".png")  # type: ignore[arg-type]
            rows += found
        else:
            archive.files[f"hidden/{name}"] = encoded(deep, ".png")  # type: ignore[arg-type]
            archive.truth |= {(f"{day}_{piece}", k): masks.get(k, np.zeros(size, np.bool_)) for k in classes}
            archive.truth_rows += found
    archive.table("train.csv", rows)
    archive.table("sample_submission.csv", [("id", "class", "predicted")])
    return archive.close()


def hubmap_hpa(folder: Path, rng: np.random.Generator) -> Archive:
    """TIFFs of several sizes; the organ is the class; other columns beside; one row per image is sent."""
    archive, organs = Archive(folder / "hpa.zip"), ["kidney", "largeintestine", "lung", "prostate", "spleen"]
    header = ("id", "organ", "data_source", "img_height", "img_width", "rle", "age")
    rows: list[Sequence[object]] = [header]
    sample: list[Sequence[object]] = [("id", "rle")]
    archive.truth_rows = [header]
    for part, number in _parts():
        side, image, organ = 300 + 20 * (number % 3), f"{number + 100 * (part == 'test')}", organs[number % 5]
        grey, masks = scene(rng, (side, side), ["cells"])
        mask = masks.get("cells", np.eye(side, dtype=np.bool_))
        archive.files[f"{part}_images/{image}.tiff"] = encoded(coloured(grey), ".tiff")
        row = (image, organ, "HPA", str(side), str(side), runs(mask), "60.0")
        if part == "train":
            rows.append(row)
        else:
            sample.append((image, "1 1"))
            archive.truth[image, ""] = mask
            archive.truth_rows.append(row)
    archive.table("train.csv", rows)
    archive.table("sample_submission.csv", sample)
    return archive.close()


def _parts() -> list[tuple[str, int]]:
    return [("train", number) for number in range(TRAIN)] + [("test", number) for number in range(TEST)]


MAKERS: dict[str, Callable[[Path, np.random.Generator], Archive]] = {
    "severstal": severstal,
    "severstal-laptop": severstal,
    "steel-900": steel_900,
    "understanding-clouds": understanding_clouds,
    "airbus-ships": airbus_ships,
    "tgs-salt": tgs_salt,
    "carvana": carvana,
    "siim-pneumothorax": siim_pneumothorax,
    "uw-madison": uw_madison,
    "hubmap-hpa": hubmap_hpa,
}
