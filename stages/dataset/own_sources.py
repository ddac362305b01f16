"""Finds the label of each of one's own images, in whichever form the labels are."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from stages.dataset import own_images, own_labels
from stages.dataset.own_labels import Label, Pictures
from stages.dataset.own_measures import OwnImage
from stages.pipeline.cli import UserError

LOSSLESS = (".png", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class ClassOf:
    """How the class of a black-and-white label picture is told; with nothing set, pictures hold class ids.

    Attributes:
        prefixes: of the names of the files, ClassId 1 first; the longest that matches counts, "" matches every name.
        suffixes: that follow the image's name, ClassId 1 first: an image may have several pictures.
        folders: names of folders in the paths, each with its ClassId; pictures in other folders must be black.
        single: whether there is one class.
        colours: ClassId of each colour.
    """

    prefixes: Sequence[str] = ()
    suffixes: Sequence[str] = ()
    folders: Mapping[str, int] | None = None
    single: bool = False
    colours: Mapping[tuple[int, int, int], int] | None = None

    def of(self, picture: Path) -> int:
        """ClassId of the white pixels of a picture; 0: it holds class ids or colours.

        Raises:
            UserError: nothing fits.
        """
        if self.prefixes:
            matching = [prefix for prefix in self.prefixes if picture.stem.startswith(prefix)]
            if not matching:
                raise UserError(f"{picture}: expected a name that starts with one of {', '.join(self.prefixes)}")
            return list(self.prefixes).index(max(matching, key=len)) + 1
        if self.folders is not None:
            found = [class_id for folder, class_id in self.folders.items() if folder in picture.parts[:-1]]
            if len(found) > 1:
                raise UserError(f"{picture}: expected one folder of --class-folders in its path, found several")
            return found[0] if found else BLACK
        return 1 if self.single else 0


BLACK = -1  # instead of a ClassId: the picture must be black


def pictures(folder: Path, labels: Path, class_of: ClassOf, unlabelled_are_clean: bool) -> list[OwnImage]:
    """Match images and label pictures by their names before the dot; both may lie in one folder.

    Raises:
        UserError: an image without a label, a label without an image, or a name that tells no class.
    """
    found = own_images.files(folder)
    drawn = [path for path in (found if labels == folder else own_images.files(labels)) if path.suffix in LOSSLESS]
    if labels == folder:  # of two files with one name before the dot, the PNG is the label
        others = {_key(path, folder) for path in found if path.suffix.lower() not in LOSSLESS}
        drawn = [path for path in drawn if _key(path, folder) in others or class_of.suffixes]
        found = [path for path in found if path not in set(drawn)]
    names = own_images.stored_names(found, folder)
    of_image: dict[str, list[tuple[Path, int]]] = {}
    for picture in drawn:
        key, class_id = _owner(picture, labels, class_of)
        of_image.setdefault(key, []).append((picture, class_id))
    keys = {_key(image, folder): image for image in found}
    if labels != folder and not set(of_image) <= set(keys):  # folders of labels need not repeat those of the images
        keys = {image.stem: image for image in found}
        of_image = {PurePath(key).name: files for key, files in of_image.items()}
    lone = [files[0][0].name for key, files in of_image.items() if key not in keys]
    if lone:
        raise UserError(f"{labels}: expected an image in {folder} for every label, {_count(lone)} without one")
    bare = [image.name for key, image in keys.items() if key not in of_image]
    if bare and not unlabelled_are_clean:
        raise UserError(
            f"{folder}: expected a label in {labels} for every image, {_count(bare)} without one "
            "(--unlabelled-are-clean treats them as images without a defect)"
        )
    labelled = {image: _pictures(of_image.get(key, []), class_of) for key, image in keys.items()}
    return _sorted(names, labelled)


def _key(path: Path, folder: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _owner(picture: Path, labels: Path, class_of: ClassOf) -> tuple[str, int]:
    """The key of a label's image, and the class of its white pixels."""
    key = _key(picture, labels)
    if not class_of.suffixes:
        return key, class_of.of(picture)
    matching = [suffix for suffix in class_of.suffixes if key.endswith(suffix)]
    if not matching:
        raise UserError(f"{picture}: expected a name that ends in one of {', '.join(class_of.suffixes)} before the dot")
    longest = max(matching, key=len)
    return key[: len(key) - len(longest)], list(class_of.suffixes).index(longest) + 1


def _pictures(files: list[tuple[Path, int]], class_of: ClassOf) -> Label | None:
    for picture, class_id in files:
        if class_id == BLACK:
            if _is_black(picture):
                continue
            raise UserError(
                f"{picture}: expected a black label outside of the folders {', '.join(class_of.folders or {})} "
                "(--class-folders), found a mask"
            )
    known = tuple((picture, class_id) for picture, class_id in files if class_id != BLACK)
    return Pictures(known, class_of.colours) if known else None


def _is_black(picture: Path) -> bool:
    return not Pictures(((picture, 1),)).masks(own_images.kind(picture).size)


def coco(folder: Path, file: Path) -> tuple[list[OwnImage], list[str]]:
    """Images and labels by a COCO file, and the names of the classes. Images that the file does not list are left out.

    Raises:
        UserError: an image of the file is not there.
    """
    classes, labels = own_labels.coco(file)
    found = {path.name: path for path in own_images.files(folder)}
    missing = sorted(set(labels) - set(found))
    if missing:
        raise UserError(f"{file}: expected its images in {folder}, {_count(missing)} that are not there")
    chosen = [found[name] for name in sorted(labels)]
    names = own_images.stored_names(chosen, folder)
    return _sorted(names, {image: labels[image.name] for image in chosen}), classes


def texts(
    folder: Path, labels: Path, suffix: str, read: Callable[[Path], Label], unlabelled_are_clean: bool
) -> list[OwnImage]:
    """Images with one label file each, of the same name before the dot: YOLO's .txt, LabelMe's .json.

    Raises:
        UserError: an image without a label, or a label without an image.
    """
    found = own_images.files(folder)
    files = {path.stem: path for path in sorted(labels.rglob(f"*{suffix}")) if not path.name.startswith(".")}
    names = own_images.stored_names(found, folder)
    by_stem = {path.stem: path for path in found}
    lone = sorted(files[stem].name for stem in set(files) - set(by_stem) if stem not in ("classes", "notes"))
    if lone:
        raise UserError(f"{labels}: expected an image in {folder} for every label, {_count(lone)} without one")
    bare = sorted(path.name for stem, path in by_stem.items() if stem not in files)
    if bare and not unlabelled_are_clean:
        raise UserError(
            f"{folder}: expected a {suffix} in {labels} for every image, {_count(bare)} without one "
            "(--unlabelled-are-clean treats them as images without a defect)"
        )
    return _sorted(names, {path: read(files[stem]) if stem in files else None for stem, path in by_stem.items()})


def unlabelled(folder: Path) -> list[OwnImage]:
    """Images without labels."""
    return _sorted(own_images.stored_names(own_images.files(folder), folder), {})


def colours(file: Path) -> tuple[list[str], dict[tuple[int, int, int], int]]:
    """Read a table of colours: on each line red, green and blue, or #rrggbb, and the name of the class.

    Colours of the name background have no class.

    Raises:
        UserError: a line holds something else, or a colour twice.
    """
    names: list[str] = []
    found: dict[tuple[int, int, int], int] = {}
    try:
        lines = list(csv.reader(file.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: expected a table of colours ({error})") from None
    for number, line in enumerate(lines, start=1):
        *parts, name = [part.strip() for part in line] or [""]
        if len(parts) == 1 and len(parts[0]) == 7 and parts[0].startswith("#"):
            parts = [str(int(parts[0][place : place + 2], 16)) for place in (1, 3, 5)]
        if not line:
            continue
        if len(parts) != 3 or not all(part.isdigit() and int(part) < 256 for part in parts) or not name:
            raise UserError(
                f"{file}, line {number}: expected red,green,blue,name or #rrggbb,name, found {','.join(line)!r}"
            )
        colour = int(parts[0]), int(parts[1]), int(parts[2])
        if colour in found:
            raise UserError(f"{file}, line {number}: expected every colour once, found {colour} again")
        if name != "background" and name not in names:
            names.append(name)
        found[colour] = 0 if name == "background" else names.index(name) + 1
    return names, found


def _sorted(names: Mapping[Path, str], labels: Mapping[Path, Label | None]) -> list[OwnImage]:
    return sorted((OwnImage(path, name, labels.get(path)) for path, name in names.items()), key=lambda one: one.name)


def _count(names: list[str]) -> str:
    return f"found {len(names)} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
