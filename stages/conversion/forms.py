"""The forms of labels that the options of the command convert choose from."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stages.conversion import class_names, class_rules, coco, folders, labelme, pairing, yolo
from stages.conversion.class_rules import ClassOf
from stages.conversion.label_pictures import Palettes
from stages.conversion.labelme import LabelMeFile
from stages.conversion.labels import Label, LabelledImage
from stages.conversion.pairing import NOT_LABELS, InputFolders
from stages.pipeline.cli import UserError

Read = Callable[[InputFolders], list[LabelledImage]]


def of(given: Any) -> tuple[list[str], Read]:
    """The names of the classes, none if they follow from the labels, and what reads images with their labels.

    A class has the same ClassId in the labels of training and of test images.

    Args:
        given: the options of the command.

    Raises:
        UserError: options that do not fit, or labels that cannot be read.
    """
    if given.coco:
        return _coco(given)
    if given.yolo:
        return _yolo(given)
    if given.labelme:
        return _labelme(given)
    class_of, names = _class_of(given)
    palettes = Palettes()
    return names, lambda place: pairing.pictures(place, class_of, palettes)


def training_place(given: Any) -> InputFolders:
    """Where the training images are."""
    labels = given.coco or given.yolo or given.labelme or given.labels
    apart = [path for path in (given.test_images, given.test_labels) if path]
    return InputFolders(given.images, labels, tuple(apart), given.unlabelled_are_clean)


def test_place(given: Any) -> InputFolders:
    """Where the labelled test images are."""
    apart = [path for path in (given.images, given.labels, given.yolo, given.labelme) if path]
    return InputFolders(given.test_images, given.test_labels, tuple(apart), given.unlabelled_are_clean)


def _coco(given: Any) -> tuple[list[str], Read]:
    content = coco.read(given.coco)
    names = class_names.checked(
        given.classes or class_names.plain(content.categories), len(content.categories), "categories"
    )

    def read(place: InputFolders) -> list[LabelledImage]:
        labels = content if place.labels == given.coco else coco.read(place.labels, content.categories)
        return pairing.coco(place, labels.labels)

    return names, read


def _yolo(given: Any) -> tuple[list[str], Read]:
    if not given.classes:
        raise UserError("--yolo: expected --classes NAME …, in the order of the numbers in the files, found none")
    names = class_names.checked(given.classes, len(given.classes), "names")

    def read(place: InputFolders) -> list[LabelledImage]:
        files = pairing.texts(place, ".txt")
        stated = place.labels / "classes.txt"
        if stated.is_file():
            yolo.compare_names(stated, names)
        return pairing.labelled(place, files, lambda file: yolo.read(file, len(names)))

    return names, read


def _labelme(given: Any) -> tuple[list[str], Read]:
    contents: dict[Path, LabelMeFile] = {}

    def content(file: Path) -> LabelMeFile:
        return contents[file] if file in contents else contents.setdefault(file, labelme.read(file))

    found = folders.listing(given.labelme, (".json",), training_place(given).apart).chosen
    stated = sorted({name for file in found if file.stem not in NOT_LABELS for name, _, _ in content(file).objects})
    names = class_names.checked(given.classes or class_names.plain(stated), len(stated), "labels")
    class_ids = {label: number for number, label in enumerate(stated, start=1)}

    def label(file: Path) -> Label:
        return labelme.label(content(file), class_ids)

    def read(place: InputFolders) -> list[LabelledImage]:
        files = pairing.texts(place, ".json")
        labelme.check_image_paths({image: content(file) for image, file in files.items() if file}, files)
        return pairing.labelled(place, files, label)

    return names, read


def _class_of(given: Any) -> tuple[ClassOf, list[str]]:
    """How the class of a label picture is told, and the names of the classes."""
    checked, plain = class_names.checked, class_names.plain
    if given.colours:
        stated, colours = class_rules.colours(given.colours)
        return ClassOf(colours=colours), checked(given.classes or plain(stated), len(stated), "colours")
    if given.single:
        return ClassOf(single=True), checked([given.single], 1, "class")
    for kind, texts in (("prefixes", given.class_prefixes), ("suffixes", given.class_suffixes)):
        if len(set(texts)) != len(texts):
            raise UserError(f"--class-{kind}: expected different {kind}, found {', '.join(texts)}")
        if texts:
            names = checked(given.classes or [text.strip("_-. ") or "defect" for text in texts], len(texts), kind)
            return (ClassOf(prefixes=tuple(texts)) if kind == "prefixes" else ClassOf(suffixes=tuple(texts))), names
    if given.class_folders:
        pairs = [text.partition("=")[::2] for text in given.class_folders]
        if len({folder for folder, _ in pairs}) != len(pairs):
            raise UserError(f"--class-folders: expected different folders, found {' '.join(given.class_folders)}")
        names = list(dict.fromkeys(name or folder for folder, name in pairs))
        folder_ids = {folder: names.index(name or folder) + 1 for folder, name in pairs}
        return ClassOf(folders=folder_ids), checked(given.classes or plain(names), len(names), "folders")
    return ClassOf(), checked(given.classes, len(given.classes), "names") if given.classes else []
