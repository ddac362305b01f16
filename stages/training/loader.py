"""Processes that make training batches beside the one that trains, in the order and with the bytes of one process.

Threads stand in each other's way, since Python runs one at a time between the calls of OpenCV. Each process opens the
prepared data itself, does without TensorFlow, and makes every n-th batch in memory that it shares with the training:

    training                           process k of n
    slot, numbers of crops      →
                                       makes the batch in the slot
    copies the batch            ←      None, or the error

A pipe is all that connects them otherwise. It closes when the training ends, however it does, and then the processes
end. The memory has no name, and goes with the last of them.
"""

import multiprocessing
import pickle
import shutil
import signal
import threading
import traceback
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from stages.pipeline import cores
from stages.pipeline.arrays import Int64
from stages.pipeline.cli import UserError
from stages.pipeline.settings import Train
from stages.training import augment
from stages.training.augment import Batch
from stages.training.crops import Crops

MOST = 16  # processes by `auto`: more than the fastest GPUs of today need
SLOTS = 2  # of a process: a batch that waits to be copied, and one that is being made
SHARED = Path("/dev/shm")  # noqa: S108  (where Linux keeps shared memory, and counts it)
KEPT = 2**25 - 2**16  # bytes; glibc heeds blocks of up to 32 MB, with what it adds to them
ENDING = 10  # seconds that a process may take to end


def processes(options: Train, gpus: int, workers: int = 1) -> int:
    """How many processes make crops; 0: threads of the training process.

    Args:
        options: the section `train` of params.yaml.
        gpus: how many GPUs train; without any, the network itself needs the cores.
        workers: trainings that share this machine.
    """
    if options.loader_processes != "auto":
        return options.loader_processes
    return min(max(cores.usable() // workers - 1, 0), MOST) if gpus else 0


@contextmanager
def opened(crops: Crops, size: int, wanted: int) -> Iterator["Loader | None"]:
    """Processes for batches of so many crops until the block ends, as many as there is shared memory for.

    Args:
        crops: the sequence of crops.
        size: of each batch.
        wanted: how many processes.

    Yields:
        The loader; None if there are no processes.
    """
    fitting = min(wanted, _free() // _bytes(crops, size))
    if fitting < wanted:
        print(
            f"train: WARNING: {SHARED}: expected {wanted * _bytes(crops, size) / 1e6:,.0f} MB free for "
            f"{wanted} processes that make crops (train.loader_processes), found {_free() / 1e6:,.0f} MB: "
            f"{f'{fitting} of them start' if fitting else 'threads make the crops'}, which may be slower. A container "
            "gets more by docker run --shm-size=1g",
            flush=True,
        )
    if not fitting:
        yield None
        return
    loader = Loader(crops, size, fitting)
    try:
        yield loader
    finally:
        loader.close()


def _free() -> int:
    """Bytes of shared memory that are free; many where the system does not count it."""
    return shutil.disk_usage(SHARED).free if SHARED.is_dir() else 2**62


def _bytes(crops: Crops, size: int) -> int:
    """Bytes that one process shares with the training, its slots."""
    return SLOTS * _slot(crops, size)


def _slot(crops: Crops, size: int) -> int:
    """Bytes of a batch, and a few more, so that the next begins where processors like it."""
    return -(-sum(array.nbytes for array in augment.empty(crops, size)) // 64) * 64


@dataclass(frozen=True)
class _Maker:
    """One of the processes.

    Attributes:
        process: to see how it ended.
        pipe: takes a slot and numbers of crops, gives None or an error.
        slots: the batches that it makes.
    """

    process: SpawnProcess
    pipe: Connection
    slots: list[Batch]


class Loader:
    """Some processes that make batches; they start at once."""

    def __init__(self, crops: Crops, size: int, wanted: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy TensorFlow's locks without its threads
        packed = pickle.dumps(crops)
        self._makers = []
        self._waiting: deque[tuple[_Maker, int]] = deque()  # what was asked for and has not been received, in order
        self._lock = threading.Lock()  # for the pipes: TensorFlow takes batches in a thread of its own
        self._closed = False
        for _ in range(wanted):
            own, other = context.Pipe()
            memory = context.RawArray("B", _bytes(crops, size))
            process = context.Process(target=_make, args=(other, packed, size, memory), daemon=True)
            with _no_interrupts():
                process.start()
            other.close()
            slots = [augment.empty(crops, size, slot) for slot in _slots(memory)]
            self._makers.append(_Maker(process, own, slots))

    def batches(self, parts: Iterable[Int64]) -> Iterator[Batch]:
        """Make batches of the crops of these numbers, in order; ends early once the loader is closed.

        Raises:
            UserError: a process has ended, or it met a mistake of the user.
            Exception: what a process raised, with its traceback as a note.
        """
        remaining, waiting = enumerate(parts), deque[tuple[_Maker, int]]()
        with self._lock:
            while self._waiting:  # of an iteration that was left
                self._receive()
            self._waiting = waiting
            self._ask(islice(remaining, SLOTS * len(self._makers)))
        while True:
            with self._lock:
                if self._waiting is not waiting:
                    raise RuntimeError("expected one iteration of a loader at a time, found another that began later")
                if self._closed or not waiting:
                    return
                try:
                    batch = self._receive()
                    self._ask(islice(remaining, 1))
                except UserError:
                    if self._closed:  # which has ended the processes, and nobody waits for a batch
                        return
                    raise
            yield batch

    def _ask(self, parts: Iterable[tuple[int, Int64]]) -> None:
        """Have numbered batches made, each by the next process in the next of its slots."""
        for number, numbers in parts:
            turn, place = divmod(number, len(self._makers))
            maker, slot = self._makers[place], turn % SLOTS
            try:
                maker.pipe.send((slot, numbers))
            except OSError:
                raise self._ended(maker) from None
            self._waiting.append((maker, slot))

    def _receive(self) -> Batch:
        """Wait for the batch that was asked for first. A copy, since TensorFlow may keep the memory that it gets."""
        maker, slot = self._waiting.popleft()
        try:
            error: Exception | None = maker.pipe.recv()
        except (EOFError, OSError):
            raise self._ended(maker) from None
        if error is not None:
            raise error
        images, labels, present = maker.slots[slot]
        return Batch(images.copy(), labels.copy(), present.copy())

    def _ended(self, maker: _Maker) -> UserError:
        maker.process.join(ENDING)
        status = maker.process.exitcode
        how = "that ended" if status is None else f"that ended with exit status {status}, after what it said above"
        if status is not None and status < 0:
            how = f"that {signal.Signals(-status).name} ended"
        if status == -signal.SIGKILL:
            how += ", as the system does when memory runs out"
        return UserError(
            f"params.yaml: train: loader_processes: expected {len(self._makers)} processes that make crops, found one "
            f"{how}: start again with fewer, or with 0; a training goes on after its last finished epoch"
        )

    def close(self) -> None:
        """End the processes. They hold nothing that would have to be put in order."""
        self._closed = True
        for maker in self._makers:
            maker.process.kill()
        with self._lock:  # a thread that waits for a batch is told by the end of the process
            for maker in self._makers:
                maker.process.join()
                maker.pipe.close()


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Processes that start here never see Ctrl-C, which reaches all processes of a terminal; the training ends them."""
    resource_tracker.ensure_running()  # starting this later would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _slots(memory: Any) -> list[Any]:
    return list(np.frombuffer(memory, np.uint8).reshape(SLOTS, -1))


def _make(pipe: Connection, packed: bytes, size: int, memory: Any) -> None:
    """What one of the processes does."""
    cv2.setNumThreads(1)
    keep_freed_memory()
    crops: Crops | None = None
    with suppress(EOFError, ConnectionError):  # the training has ended
        while True:
            slot, numbers = pipe.recv()
            try:
                crops = crops or pickle.loads(packed)  # noqa: S301  (of the process that started this one)
                augment.batch(crops, numbers, augment.empty(crops, size, _slots(memory)[slot]))
                answer = None
            except Exception as error:  # noqa: BLE001  (it is raised in the training)
                answer = _portable(error)
            pipe.send(answer)


def _portable(error: Exception) -> Exception:
    """An error as it can be sent, with its traceback as a note."""
    error.add_note(f"In a process that makes crops:\n{traceback.format_exc()}")
    try:
        return pickle.loads(pickle.dumps(error))  # type: ignore[no-any-return]  # noqa: S301
    except Exception:  # noqa: BLE001  (whatever its class raises)
        return RuntimeError("\n".join(traceback.format_exception(error)))


def keep_freed_memory() -> None:
    """Have memory that is freed used again by this process.

    Every crop reads a whole image. glibc gives such memory back to the system at once and gets it back page by page,
    which takes several times as long as the crop. It keeps twice as much as the largest block that was freed so far, so
    one is freed here; no page of it is ever used.
    """
    np.empty(KEPT, np.uint8)
