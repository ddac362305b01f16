"""One call of segment: photographs in, files out, and what has been done so far."""

import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from types import FrameType

import numpy as np

from stages.dataset import shift
from stages.photographs import mask_files, segmenting
from stages.photographs.found import Photograph
from stages.photographs.mask_files import MaskTable, Row
from stages.photographs.segmenting import Refusal, SegmentedPhotograph
from stages.photographs.trained_model import TrainedModel
from stages.pipeline import parallel
from stages.pipeline.arrays import Float32

LATEST = 20  # photographs, which show that the light has just changed
PUBLISHED_EVERY = 10.0  # seconds, while there are photographs


class MaskWriter:
    """Writes masks, overlays and the table into a folder.

    Args:
        model: makes the masks.
        folder: empty.

    Attributes:
        count: of photographs that have been segmented.
        marked: how many of them have a mask.
        with_mask: how many of them have one of each class.
    """

    def __init__(self, model: TrainedModel, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.count, self.marked, self.with_mask = 0, 0, Counter[str]()
        self._light = np.zeros(len(shift.FEATURES))  # sums of their features
        self._latest = deque[Float32](maxlen=LATEST)
        self._moved = set[str]()
        self._table = MaskTable(folder / mask_files.TABLE)
        self._published = time.monotonic()

    def segment(
        self,
        photographs: Sequence[Photograph],
        refuse: Callable[[Photograph, Refusal], None],
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[tuple[Photograph, list[Row]]]:
        """Segment photographs; yields each that is done, with its rows of the table.

        Args:
            photographs, refuse, stopped: as of `segmenting.segmented`.

        Raises:
            UserError: a file cannot be written. The table then holds what was done before.
        """

        def written(one: SegmentedPhotograph) -> tuple[SegmentedPhotograph, list[Row]]:
            return one, mask_files.write(self.folder, one, self.model)

        try:
            masks = segmenting.segmented(self.model, photographs, refuse, stopped)
            for one, rows in parallel.in_order(written, masks):
                self._light += one.features
                self._latest.append(one.features)
                self._add(rows)
                yield one.photograph, rows
        finally:
            if self.count:
                self._table.publish()

    def _add(self, rows: list[Row]) -> None:
        if not self.count:
            mask_files.write_legend(self.folder, self.model)
        self.count += 1
        shown = [name for _, name, pixels, *_ in rows if pixels]
        self.marked += bool(shown)
        self.with_mask.update(shown)
        self._table.add(rows)
        if time.monotonic() - self._published >= PUBLISHED_EVERY:
            self._table.publish()
            self._published = time.monotonic()

    def moved(self) -> list[tuple[shift.Difference, int]]:
        """In what the photographs differ from the training images: the latest of them, or all.

        Returns:
            Each difference with the number of photographs that have it; one that was returned before is left out until
            it has been gone for a while.
        """
        if self.model.fitted is None or not self.count:
            return []
        latest = np.stack(self._latest).mean(axis=0, dtype=np.float64)
        found: dict[str, tuple[shift.Difference, int]] = {}
        for means, count in ((self._light / self.count, self.count), (latest, len(self._latest))):
            found |= {each.feature: (each, count) for each in self.model.fitted.training.moved(means, count)}
        new = [each for feature, each in found.items() if feature not in self._moved]
        self._moved = set(found)
        return new

    def close(self) -> None:
        """Give up the table's rows, once they are published."""
        self._table.close()


@contextmanager
def interruptible() -> Iterator[Event]:
    """An event that Ctrl-C, or the end of a service (SIGTERM), sets. A second one ends the process at once."""
    stop = Event()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, end)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
