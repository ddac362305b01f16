"""Finds the label of each of one's own images, in whichever form the labels are.

An image without a label is refused unless it counts as clean, and a label without an image is refused. Only a COCO file
may describe more or fewer images than there are, because one often describes several folders; that is told.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from stages.conversion import folders, image_files, label_pictures, matching
from stages.conversion.class_rules import BLACK, ClassOf
from stages.conversion.label_pictures import Palettes
from stages.conversion.labels import Label, LabelledImage, Pictures
from stages.conversion.matching import key
from stages.conversion.remarks import some, tell
from stages.pipeline.cli import UserError

LOSSLESS = (".png", ".bmp", ".tif", ".tiff")
NOT_LABELS = ("classes", "notes")  # what annotation programs write beside the labels

Found = tuple[Path, int]  # a label picture and the class of its white pixels


@dataclass(frozen=True)
class InputFolders:
    """Where images and their labels are.

    Attributes:
        images: the folder.
        labels: the folder, which may be that of the images, or the COCO file.
        apart: folders of other things, which are left out where they lie in that of the images.
        unlabelled_are_clean: whether an image without a label is one without a defect.
    """

    images: Path
    labels: Path
    apart: tuple[Path, ...] = ()
    unlabelled_are_clean: bool = False


def pictures(place: InputFolders, class_of: ClassOf, palettes: Palettes) -> list[LabelledImage]:
    """Match images and label pictures.

    Args:
        place: where they are.
        class_of: how a picture tells its class.
        palettes: collects those of pictures with class ids.

    Raises:
        UserError: an image without a label, a label without an image, several labels where one is expected, or a name
            that tells no class.
    """
    if folders.is_folder(place.labels) and folders.is_folder(place.images) and place.labels.samefile(place.images):
        place = replace(place, labels=place.images)  # two ways to write one folder
    found, drawn = _apart(place, class_of)
    images = matching.by_key(found, place.images, "image")
    readings = {picture: _reading(picture, place.labels, class_of, images) for picture in drawn}
    owners = matching.owners([(str(picture), path) for picture, (path, _) in readings.items()], images)
    _refuse_lone(place, [picture for picture in drawn if str(picture) not in owners])
    of_image: dict[str, list[Found]] = {}
    for picture, (_, class_id) in readings.items():
        of_image.setdefault(owners[str(picture)], []).append((picture, class_id))
    for path, files in of_image.items():
        _refuse_several(images[path], files, class_of)
    _look_at_bare(place, [image for path, image in images.items() if path not in of_image], "label")
    labels = {image: _label(of_image.get(path, []), class_of, palettes) for path, image in images.items()}
    return _sorted(place, labels)


def _apart(place: InputFolders, class_of: ClassOf) -> tuple[list[Path], list[Path]]:
    """The images and the label pictures."""
    found = folders.pictures(place.images, (*place.apart, place.labels))
    if place.labels != place.images:
        listing = folders.listing(place.labels, folders.PICTURES, (place.images, *place.apart))
        drawn = [path for path in listing.chosen if _is_lossless(path)]
        lossy = [path.relative_to(place.labels) for path in listing.chosen if not _is_lossless(path)]
        if lossy:
            tell(f"{place.labels}: labels are PNG, BMP or TIFF; JPEGs among them are left out: {some(lossy)}")
        if not drawn:
            raise UserError(f"{place.labels}: expected labels that end in {', '.join(LOSSLESS)}, found none")
        return found, drawn
    lossless = [path for path in found if _is_lossless(path)]
    keys = Counter(key(path, place.images) for path in found)
    if class_of.suffixes:
        drawn = [path for path in lossless if _is_followed(key(path, place.images), class_of, keys)]
    else:  # of two files with one name before the dot, the PNG is the label
        photographs = {key(path, place.images) for path in found if not _is_lossless(path)}
        drawn = [path for path in lossless if key(path, place.images) in photographs]
        lone = [path.relative_to(place.images) for path in lossless if key(path, place.images) not in photographs]
        if drawn and lone:
            raise UserError(
                f"{place.images}: expected a JPEG beside every {', '.join(LOSSLESS)}, found none for {some(lone)}: "
                "each may be an image or a label; put labels into a folder of their own"
            )
    labels = set(drawn)
    return [path for path in found if path not in labels], drawn


def _is_lossless(path: Path) -> bool:
    return path.suffix.lower() in LOSSLESS


def _is_followed(path: str, class_of: ClassOf, keys: Mapping[str, int]) -> bool:
    """Whether a picture in the folder of the images is a label, by its suffix."""
    return any(image != path or keys[path] > 1 for image, _ in class_of.readings(path))


def _reading(picture: Path, labels: Path, class_of: ClassOf, images: Mapping[str, Path]) -> tuple[str, int]:
    """The path that the image of a label should have, and the class of the label's white pixels."""
    path = key(picture, labels)
    if not class_of.suffixes:
        if class_of.folders and path not in images:
            parts = PurePosixPath(path).parts
            path = "/".join(part for part in parts[:-1] if part not in class_of.folders) + f"/{parts[-1]}"
        return path.removeprefix("/"), class_of.of(picture)
    readings = class_of.readings(path)
    if not readings:
        raise UserError(f"{picture}: expected a name that ends in one of {', '.join(class_of.suffixes)} before the dot")
    fitting = [reading for reading in readings if reading[0] in images]
    if len(fitting) > 1:
        one, other = (images[image] for image, _ in fitting[:2])
        raise UserError(f"{picture}: expected one image with one of --class-suffixes, found {one} and {other}")
    return (fitting or readings)[0]


def _refuse_several(image: Path, files: Sequence[Found], class_of: ClassOf) -> None:
    """Several pictures are expected with suffixes or folders alone, and one for each class."""
    first: dict[int, Path] = {}
    for picture, class_id in files:
        same = class_id if class_of.suffixes or class_of.folders else 0
        if same in first and same != BLACK:
            each = " for each class" if same else ""
            raise UserError(f"{image}: expected one label{each}, found {first[same]} and {picture}")
        first[same] = picture


def _label(files: Sequence[Found], class_of: ClassOf, palettes: Palettes) -> Label | None:
    for picture, class_id in files:
        if class_id == BLACK and label_pictures.label_map(picture, 1).any():
            raise UserError(
                f"{picture}: expected a black label outside of the folders {', '.join(class_of.folders or {})} "
                "(--class-folders), found a mask"
            )
    known = tuple((picture, class_id) for picture, class_id in files if class_id != BLACK)
    return Pictures(known, class_of.colours, palettes) if known else None


def texts(place: InputFolders, suffix: str) -> dict[Path, Path | None]:
    """Match images and text files of labels: YOLO's .txt, LabelMe's .json. None: the image has none.

    Raises:
        UserError: an image without a label, a label without an image, or several labels of one image.
    """
    images = matching.by_key(folders.pictures(place.images, (*place.apart, place.labels)), place.images, "image")
    files = folders.listing(place.labels, (suffix,), place.apart).chosen
    by_key = matching.by_key(files, place.labels, "label")
    by_key = {path: file for path, file in by_key.items() if path in images or file.stem not in NOT_LABELS}
    owners = matching.owners([(str(file), path) for path, file in by_key.items()], images)
    _refuse_lone(place, [file for file in by_key.values() if str(file) not in owners])
    label_of = _inverted(owners, images)
    found = {image: Path(label_of[path]) if path in label_of else None for path, image in images.items()}
    _look_at_bare(place, [image for image, file in found.items() if file is None], suffix)
    return found


def coco(place: InputFolders, labels: Mapping[str, Label]) -> list[LabelledImage]:
    """Match images and the file names of a COCO file.

    Raises:
        UserError: none of the images of the file is there, or two of its names fit one image.
    """
    found = folders.pictures(place.images, place.apart)
    images = {matching.plain(path.relative_to(place.images).as_posix()): path for path in found}
    owners = matching.owners([(name, matching.plain(name)) for name in labels], images)
    if not owners:
        raise UserError(f"{place.labels}: expected its images in {place.images}, found none of {some(list(labels))}")
    name_of = _inverted(owners, images)
    absent = [name for name in labels if name not in owners]
    if absent:
        tell(f"{place.labels}: images that are not in {place.images} are left out: {some(absent)}")
    unlisted = [path for path in images if path not in name_of]
    if unlisted:
        fate = "count as clean (--unlabelled-are-clean)" if place.unlabelled_are_clean else "are left out"
        tell(f"{place.images}: images that {place.labels} does not list {fate}: {some(unlisted)}")
    chosen: dict[Path, Label | None] = {images[path]: labels[name] for path, name in name_of.items()}
    if place.unlabelled_are_clean:
        chosen |= {images[path]: None for path in unlisted}
    return _sorted(place, chosen)


def _inverted(owners: Mapping[str, str], images: Mapping[str, Path]) -> dict[str, str]:
    """The label of each image that has one, by their paths."""
    found: dict[str, str] = {}
    for shown, path in owners.items():
        if path in found:
            raise UserError(f"{images[path]}: expected one label, found {found[path]} and {shown}")
        found[path] = shown
    return found


def labelled(
    place: InputFolders, files: Mapping[Path, Path | None], read: Callable[[Path], Label]
) -> list[LabelledImage]:
    """Images with the labels in their text files."""
    return _sorted(place, {image: None if file is None else read(file) for image, file in files.items()})


def unlabelled(folder: Path, apart: Iterable[Path] = ()) -> list[LabelledImage]:
    """Images without labels."""
    found = folders.pictures(folder, tuple(apart))
    return _sorted(InputFolders(folder, folder), dict.fromkeys(found))


def _refuse_lone(place: InputFolders, lone: Sequence[Path]) -> None:
    if lone:
        names = [path.relative_to(place.labels) for path in lone]
        raise UserError(
            f"{place.labels}: expected an image in {place.images} for every label, found {some(names)} without one"
        )


def _look_at_bare(place: InputFolders, bare: Sequence[Path], what: str) -> None:
    """Images without a label are refused, or told."""
    names = [path.relative_to(place.images) for path in bare]
    if names and not place.unlabelled_are_clean:
        raise UserError(
            f"{place.images}: expected a {what} in {place.labels} for every image, found {some(names)} without one "
            "(--unlabelled-are-clean treats them as images without a defect)"
        )
    if names:
        tell(f"{place.images}: images without a label count as clean (--unlabelled-are-clean): {some(names)}")


def _sorted(place: InputFolders, labels: Mapping[Path, Label | None]) -> list[LabelledImage]:
    names = image_files.stored_names(labels, place.images)
    return sorted((LabelledImage(path, names[path], label) for path, label in labels.items()), key=lambda one: one.name)
