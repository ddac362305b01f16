"""Which files of a source belong to a competition, by the patterns of `stages.dataset.layout.Files`."""

import posixpath
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from stages.dataset import zip_checks
from stages.dataset.image_names import LONGEST_NAME, SHARED, file_key
from stages.dataset.images import SUFFIXES
from stages.dataset.layout import Files
from stages.dataset.path_patterns import Pattern, is_hidden, is_image
from stages.dataset.tables import is_file_name
from stages.pipeline.cli import UserError

TRAIN_FOLDER, TEST_FOLDER, TRAIN_TABLE, SAMPLE = "train_images", "test_images", "train.csv", "sample_submission.csv"
HINT = "`python -m stages recipe` lists recipes for known layouts; competition.files in params.yaml states this one"

_SHOWN = 2  # examples in messages
_FOLDERS_SHOWN = 5


class Entry(Protocol):
    """A file of a source."""

    @property
    def path(self) -> str:
        """Relative to the source, with / between its parts; a zip X.zip within the source counts as a folder X."""

    @property
    def shown(self) -> str:
        """Where it is, for messages."""


Found = TypeVar("Found", bound=Entry)


def _tops(paths: Iterable[str], table: str) -> list[str]:
    """The folders that hold the training table, each as "" or with a slash at its end, sorted."""
    ends = f"/{table}"
    return sorted(
        {path[: -len(table)] for path in paths if (path == table or path.endswith(ends)) and not is_hidden(path)}
    )


def top(paths: Sequence[str], files: Files) -> str | None:
    """The folder that holds the training table, packed or not: "" or with a slash at its end. None: not one alone."""
    found = _tops([path.removesuffix(".zip") for path in paths], files.train_table)
    return found[0] if len(found) == 1 else None


def zips_to_open(paths: Sequence[str], files: Files) -> list[str]:
    """Those of the zips in a source that may hold something of the competition.

    A zip is left closed if what it would give is there unpacked beside it. Where the training table is in no folder of
    the source, any zip may hold it.
    """
    zips = {path: path[: -len(".zip")] for path in paths if path.lower().endswith(".zip") and not is_hidden(path)}
    place = top(paths, files)
    if place is None:
        return [] if _tops(paths, files.train_table) else list(zips)
    patterns, tables = _patterns(files), (files.train_table, files.sample_submission)
    below = [path[len(place) :] for path in paths if path.startswith(place) and path not in zips]
    there = [
        path for path in below if zips and (path in tables or (is_image(path) and any(p.name(path) for p in patterns)))
    ]
    wanted = [*(pattern.literal for pattern in patterns), *tables]
    return [
        path
        for path, folder in zips.items()
        if folder.startswith(place)
        and _may_hold(folder[len(place) :], wanted)
        and not any(f"{found}/".startswith(f"{folder[len(place) :]}/") for found in there)
    ]


def _patterns(files: Files) -> tuple[Pattern, Pattern]:
    """Of the training and of the test images."""
    return (
        Pattern("train_images", files.train_images, files.id_separator),
        Pattern("test_images", files.test_images, files.id_separator),
    )


def _may_hold(folder: str, wanted: Iterable[str]) -> bool:
    """Whether something in a folder, or a table in its place, may begin with one of these texts."""
    inside = f"{folder}/"
    return any(text == folder or text.startswith(inside) or inside.startswith(text) for text in wanted)


def arrange(entries: Sequence[Found], files: Files, place: str | None = None) -> list[tuple[str, Found]]:
    """Pairs of path in data/raw and file, sorted by the path.

    Args:
        entries: all files of a source; those that do not belong to the competition are left out.
        files: where the competition has them.
        place: the folder of the training table if it is known, see `top`.

    Raises:
        UserError: the training table is in no or in several places, something is missing, two files give the same
            image or names that share a file on some system, or an id is not a file name.
    """
    tops = _tops((entry.path for entry in entries), files.train_table) if place is None else [place]
    if len(tops) != 1:
        raise UserError(_no_place([entry.path for entry in entries], [top or "." for top in tops], files))
    below = [(entry.path[len(tops[0]) :], entry) for entry in entries if entry.path.startswith(tops[0])]
    patterns = _patterns(files)
    placed: dict[str, Found] = {}
    by_id: dict[tuple[str, str], Found] = {}
    by_file: dict[str, Found] = {}
    for path, entry in below:
        found = _place(path, files, patterns)
        if found is None:
            continue
        wanted, image, pattern = found
        earlier = placed.get(wanted) or by_id.get((wanted.partition("/")[0], image))
        if earlier is not None:
            raise UserError(
                f"expected one file for {image!r}, found {zip_checks.shown(earlier.shown)} and "
                f"{zip_checks.shown(entry.shown)} ({pattern})"
            )
        shared = by_file.get(file_key(wanted))
        if shared is not None:
            raise UserError(
                f"expected file names that differ in more than upper and lower case, found "
                f"{zip_checks.shown(shared.shown)} and {zip_checks.shown(entry.shown)} ({pattern}): {SHARED}"
            )
        by_file[file_key(wanted)] = entry
        placed[wanted] = by_id[wanted.partition("/")[0], image] = entry
    _check_complete(placed, [path for path, _ in below], files, patterns)
    return sorted(placed.items())


def _place(path: str, files: Files, patterns: Sequence[Pattern]) -> tuple[str, str, object] | None:
    """Where a file belongs, its id, and what says so; None: nowhere."""
    if path == files.train_table:
        return TRAIN_TABLE, path, "competition.files.train_table"
    if path == files.sample_submission:
        return SAMPLE, path, "competition.files.sample_submission"
    matching = [pattern for pattern in patterns if is_image(path) and pattern.image_id(path) is not None]
    if not matching:
        return None
    if len(matching) == 2:
        both = "; ".join(map(str, matching))
        found = zip_checks.shortened(repr(path))
        raise UserError(f"expected each image for training or for testing, found {found} for both ({both})")
    image = matching[0].image_id(path) or ""
    if not is_file_name(image):
        raise UserError(
            "expected ids that are file names, in UTF-8, without slashes and control characters, "
            f"found {zip_checks.shortened(repr(image))} for {zip_checks.shortened(repr(path))} ({matching[0]})"
        )
    folder, name = TRAIN_FOLDER if matching[0] is patterns[0] else TEST_FOLDER, matching[0].name(path) or ""
    if len(name.encode()) > LONGEST_NAME:
        raise UserError(
            f"expected names of images of at most {LONGEST_NAME} bytes, found {len(name.encode())}: {name[:60]!r}… "
            f"({matching[0]})"
        )
    return f"{folder}/{name}", image, matching[0]


def _check_complete(placed: dict[str, Found], paths: list[str], files: Files, patterns: Sequence[Pattern]) -> None:
    missing = []
    for folder, pattern in zip((TRAIN_FOLDER, TEST_FOLDER), patterns, strict=True):
        hidden = files.hidden_test and folder == TEST_FOLDER
        if not hidden and not any(wanted.startswith(f"{folder}/") for wanted in placed):
            missing.append(f"expected images that match {pattern}, found none")
        _refuse_deeper(folder, pattern, placed, paths)
    for key, table in (("train_table", TRAIN_TABLE), ("sample_submission", SAMPLE)):
        if table not in placed:
            missing.append(f"expected {getattr(files, key)} (competition.files.{key} in params.yaml), found none")
    if missing:
        raise UserError("; ".join(missing) + f". There are {_inventory(paths)}. {HINT}")


def _refuse_deeper(folder: str, pattern: Pattern, placed: dict[str, Found], paths: Iterable[str]) -> None:
    """Refuse images that lie in folders below the pattern's own and would match there: they would be lost silently."""
    if not pattern.folder:
        return
    deeper = []
    for path in paths:
        if path.startswith(pattern.folder) and path.count("/") > pattern.folder.count("/") and is_image(path):
            name = pattern.name(pattern.folder + posixpath.basename(path))
            if name and pattern.name(path) is None and f"{folder}/{name}" not in placed:
                deeper.append(path)
    if deeper and any(wanted.startswith(f"{folder}/") for wanted in placed):
        raise UserError(
            f"expected images in {pattern.folder} itself ({pattern}), found {len(deeper)} in folders below, such as "
            f"{zip_checks.shown(deeper[0])}"
        )


def _no_place(paths: list[str], tops: list[str], files: Files) -> str:
    found = f"{len(tops)} of them: {_some(tops, 3)}" if tops else "none"
    message = (
        f"expected {files.train_table} (competition.files.train_table in params.yaml) in one place, found it in {found}"
    )
    if tops:
        return message
    return f"{message}. There are {_inventory(paths)}. {HINT}"


def _inventory(paths: Iterable[str]) -> str:
    """Which tables there are, and how many images in which folders, with two examples."""
    seen = sorted(path for path in paths if not is_hidden(path))
    tables = f"the tables {_some([path for path in seen if path.lower().endswith('.csv')], 3)}"
    found = [path for path in seen if is_image(path)]
    if not found:
        files = f"{len(seen):,} files ({_some(seen, _FOLDERS_SHOWN)})"
        return f"{tables}, and among {files} no image that ends in {', '.join(SUFFIXES)}"
    folders = Counter(posixpath.dirname(path) or "." for path in found).most_common()
    counts = [f"{count:,} in {zip_checks.shown(folder)}" for folder, count in folders[:_FOLDERS_SHOWN]]
    if len(folders) > _FOLDERS_SHOWN:
        counts.append(f"the others in {len(folders) - _FOLDERS_SHOWN:,} more folders")
    examples = " and ".join(map(zip_checks.shown, dict.fromkeys((found[0], found[-1]))))
    return f"{tables}, and {len(found):,} image{'s' * (len(found) > 1)}: {', '.join(counts)}; such as {examples}"


def _some(names: Sequence[str], shown: int = _SHOWN) -> str:
    return ", ".join(map(zip_checks.shown, names[:shown])) + (", …" if len(names) > shown else "") if names else "none"
