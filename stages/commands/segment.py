"""Segment new photographs by the networks and rules of the last run: masks, overlays and a table.

    python -m stages segment strip.jpg --out masks
    python -m stages segment photos more-photos --out masks
    python -m stages segment incoming --out masks --watch     # whatever arrives there, until Ctrl-C

OUT must be new or empty. It gets masks/NAME.png (0 for the background, 1 for the first class, and so on; where classes
may overlap, NAME.CLASS.png for each class: 255 inside), overlays/NAME.jpg with outlines and class names, the table
masks.csv with an expected Dice for each mask, and segment.json with the numbers of the classes.

Networks and rules are those that dvc.lock records, run by the engine and in the precision with which the rules were
chosen: `predict` would make the same masks. Photographs must be as params.yaml described them in that run: size,
channels and bits. One that is not, or is damaged, is reported, the others are segmented, and the exit status is 1.
"""

import argparse
import time
from pathlib import Path
from threading import Event

from stages.photographs import arrivals, found, output_folder, trained_model
from stages.photographs.arrivals import Arrivals
from stages.photographs.found import Names, Photograph
from stages.photographs.mask_files import Row
from stages.photographs.mask_writer import MaskWriter, interruptible
from stages.photographs.segmenting import Refusal
from stages.pipeline import cli, progress
from stages.pipeline.cli import UserError


class _Refusals:
    """What got no masks; each is reported once, when it is found."""

    def __init__(self) -> None:
        self.paths: set[Path] = set()

    def add(self, path: Path, reason: str) -> None:
        self.paths.add(path)
        message = reason if reason.startswith(str(path)) else f"{path}: {reason}"
        progress.message(cli.readable(f"segment: {message}"))

    def check(self) -> None:
        """Raise a `UserError` if there are any."""
        if self.paths:
            raise UserError(f"expected masks of everything that was named, got none for {len(self.paths)}: see above")


def segment(given: argparse.Namespace) -> None:
    """Segment photographs, or those that arrive.

    Args:
        given: the command's options, see `add_arguments`.

    Raises:
        UserError: there is no such model or no photograph, the output cannot be written, or a photograph was refused.
    """
    for place in given.places:
        if given.watch and not place.is_dir():
            raise UserError(f"{place}: expected a folder to watch, found {'a file' if place.exists() else 'nothing'}")
        emptied = output_folder.emptied_by_dvc(place)
        if emptied:
            print(f"segment: {place}: DVC empties {emptied} when its stage runs: keep photographs outside of data/")
    refusals, names = _Refusals(), Names()
    with output_folder.claimed(given.out, given.places), interruptible() as stop:
        start = time.monotonic()
        photographs = [] if given.watch else found.photographs(given.places, names, refusals.add)
        if photographs or given.watch:
            writer = _writer(given.out)
            if given.watch:
                _watch(writer, given.places, names, refusals, stop)
            else:
                _segment(writer, photographs, refusals, stop)
            _summarize(writer, time.monotonic() - start)
        if stop.is_set() and not given.watch:
            raise KeyboardInterrupt
    refusals.check()


def _writer(out: Path) -> MaskWriter:
    model = trained_model.load()
    print(f"segment: {len(model.networks)} network(s), {model.engine}, {model.views}: as dvc.lock records", flush=True)
    return MaskWriter(model, out)


def _segment(writer: MaskWriter, photographs: list[Photograph], refusals: _Refusals, stop: Event) -> None:
    done = progress.counter("segment", len(photographs), unit="photographs")

    def refuse(photograph: Photograph, refusal: Refusal) -> None:
        refusals.add(photograph.path, refusal.reason)
        done.update()

    try:
        for _ in writer.segment(photographs, refuse, stop.is_set):
            done.update()
    finally:
        done.close()


def _watch(writer: MaskWriter, folders: list[Path], names: Names, refusals: _Refusals, stop: Event) -> None:
    """Segment what is in folders, and what arrives there, until it is interrupted."""
    incoming, away = Arrivals(folders), set[Path]()

    def refuse(photograph: Photograph, refusal: Refusal) -> None:
        if incoming.refused(photograph.path, whole=refusal.whole):
            refusals.add(photograph.path, refusal.reason)

    print(f"segment: watching {', '.join(map(str, folders))}; Ctrl-C ends it", flush=True)
    while not stop.is_set():
        photographs = []
        for path in incoming.ready():
            photograph = names.named(path, refusals.add)
            if photograph:
                photographs.append(photograph)
            else:
                incoming.done(path)
        for folder in sorted(incoming.unreachable - away):
            progress.message(f"segment: {folder}: cannot be looked at; waiting for it")
        away = set(incoming.unreachable)
        for photograph, rows in writer.segment(photographs, refuse, stop.is_set) if photographs else ():
            incoming.done(photograph.path)
            refusals.paths.discard(photograph.path)
            print(f"segment: {photograph.path.name}: {_described(rows)}", flush=True)
        _tell_moved(writer)
        stop.wait(arrivals.POLL)
    unreadable, untouched = incoming.waiting()
    for path in unreadable:
        refusals.add(path, "expected a whole photograph, found one that could not be read before the command ended")
    if untouched:
        print(f"segment: {len(untouched)} photograph(s) had not been begun, among them {untouched[0]}", flush=True)


def _described(rows: list[Row]) -> str:
    """The masks of a photograph in words."""
    shown = [f"{name} {pixels:,} pixels in {components}" for _, name, pixels, _, components, *_ in rows if pixels]
    return ", ".join(shown) or "no mask"


def _tell_moved(writer: MaskWriter) -> None:
    """Say in what the photographs differ from the images that networks were trained on."""
    for moved, count in writer.moved():
        progress.message(
            f"segment: WARNING: {moved.feature} has moved: {moved.second:.4g} on average in {count} photographs,"
            f" {moved.first:.4g} in the training images: trust masks and expected Dice less"
        )


def _summarize(writer: MaskWriter, seconds: float) -> None:
    _tell_moved(writer)
    classes = ", ".join(f"{name} {writer.with_mask[name]}" for name in writer.model.layout.classes)
    print(
        f"segment: {writer.count} photograph(s) in {seconds:.1f} s, {writer.marked} with a mask ({classes})"
        + (f": {writer.folder}" if writer.count else "")
    )
    writer.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    add = parser.add_argument
    add("places", nargs="+", type=Path, metavar="PHOTO|FOLDER", help="photographs, and folders of them")
    add("--out", type=Path, required=True, metavar="FOLDER", help="where to put the masks: new or empty")
    add("--watch", action="store_true", help="wait for photographs that arrive in the folders, until Ctrl-C")


def run(given: argparse.Namespace) -> None:
    """Run the command."""
    segment(given)
