"""Training on several devices: the GPUs of one machine, or several machines that `TF_CONFIG` names.

One device is the usual case, and nothing changes there. On several, every device takes its part of each batch, and the
result is, but for rounding, that of one device with that batch: see `stages.training.whole_batch`.

Each machine is a worker. They meet through

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'

with their own index each. Worker 0 is the chief: what it has in its state counts, and it alone writes.
"""

import atexit
import hashlib
import io
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from stages.pipeline.cli import UserError
from stages.pipeline.settings import Train

CONFIG = "TF_CONFIG"
EXPECTED = (
    'expected JSON like {"cluster": {"worker": ["HOST:PORT", "HOST:PORT"]}, "task": {"type": "worker", "index": 0}}'
)
LEFT = (  # what TensorFlow raises when another worker is gone
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
    tf.errors.UnknownError,
)


@dataclass(frozen=True)
class Cluster:
    """The devices of one training.

    Attributes:
        strategy: TensorFlow's strategy; None for one device, where everything is as without one.
        worker: number of this process, from 0.
        workers: how many processes there are.
    """

    strategy: Any = None
    worker: int = 0
    workers: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.worker == 0

    @property
    def devices(self) -> int:
        """How many devices share a batch."""
        return int(self.strategy.num_replicas_in_sync) if self.strategy else 1

    def scope(self) -> AbstractContextManager[Any]:
        """Variables that are made, read or set in this block are those of all devices."""
        return self.strategy.scope() if self.strategy else nullcontext()

    def check(self, options: Train) -> None:
        """See that batches can be shared.

        Raises:
            UserError: a batch size is no multiple of the number of devices.
        """
        sizes = {"batch_size": options.batch_size}
        if options.full_size_epochs:
            sizes["full_size_batch_size"] = options.full_size_batch_size
        for name, size in sizes.items():
            if size % self.devices:
                raise UserError(
                    f"params.yaml: train: {name}: expected a multiple of {self.devices}, since it is the batch of all "
                    f"devices together ({self.workers} worker(s) of {self.devices // self.workers}), found {size}"
                )

    def total(self, values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The sum of an array over the workers, of one shape with all; every worker has to call it."""
        if self.workers == 1:
            return values
        summed = self._total(tf.constant(values, tf.int64))
        return np.asarray(self.strategy.experimental_local_results(summed)[0].numpy(), np.int64)

    @cached_property
    def _total(self) -> Any:
        """`total` as a function of TensorFlow's, which is built once for each shape."""
        each = self.devices // self.workers

        def of_device(mine: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            first = tf.equal(context.replica_id_in_sync_group % each, 0)  # the others of a worker hold the same
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(first, mine, tf.zeros_like(mine)))

        return tf.function(lambda mine: self.strategy.run(of_device, (mine,)))

    def broadcast(self, folder: Path) -> None:
        """Give the other workers the chief's `folder`, in the place of their own; every worker has to call it."""
        if self.workers == 1:
            return
        packed = io.BytesIO()
        if self.is_chief:
            with zipfile.ZipFile(packed, "w") as archive:
                for file in sorted(folder.rglob("*")):
                    archive.write(file, file.relative_to(folder))
        content = packed.getvalue()
        length = int(self.total(np.array([len(content)], np.int64))[0])
        words = np.frombuffer(content.ljust(-(-length // 8) * 8, b"\0"), np.int64)
        received = self.total(words).tobytes()[:length]
        if not self.is_chief:
            with zipfile.ZipFile(io.BytesIO(received)) as archive:
                archive.extractall(folder)

    def barrier(self) -> None:
        """Wait for the others: who leaves early looks to TensorFlow like one who has died."""
        self.total(np.zeros(1, np.int64))

    def check_consistent(self, facts: dict[str, str]) -> None:
        """See that all workers go by the same facts, given as names and values; every worker has to call it.

        Raises:
            UserError: they do not; on every worker.
        """
        digests = [hashlib.sha256(value.encode()).digest() for value in facts.values()]
        table = np.zeros((self.workers, len(facts), 4), np.int64)
        table[self.worker] = np.frombuffer(b"".join(digests), np.int64).reshape(len(facts), 4)
        table = self.total(table)
        for number, name in enumerate(facts):
            other = [worker for worker in range(self.workers) if (table[worker, number] != table[0, number]).any()]
            if other:
                raise UserError(
                    f"{name}: expected the same on all workers, found others on worker {', '.join(map(str, other))} "
                    "than on worker 0: give all of them the same commit, params.yaml, packages and data/prepared"
                )


SINGLE_DEVICE = Cluster()


def cluster(gpus: int) -> Cluster:
    """The devices that there are; with `TF_CONFIG`, waits for the other workers.

    Raises:
        UserError: `TF_CONFIG` is malformed, or the workers could not meet.
    """
    workers, worker = _cluster(os.environ.get(CONFIG, ""))
    if len(workers) > 1:
        print(f"train: worker {worker} of {len(workers)}, waiting for the others: {', '.join(workers)}", flush=True)
        try:
            return Cluster(tf.distribute.MultiWorkerMirroredStrategy(), worker, len(workers))
        except (RuntimeError, ValueError, tf.errors.OpError) as error:
            raise UserError(f"{CONFIG}: the workers {', '.join(workers)} could not meet: {_line(error)}") from None
    os.environ.pop(CONFIG, None)  # TensorFlow reads it for the GPUs of one machine too, and stumbles over an empty one
    return Cluster(tf.distribute.MirroredStrategy()) if gpus > 1 else SINGLE_DEVICE


def _cluster(text: str) -> tuple[list[str], int]:
    """Addresses of the workers and the number of this one; none for no text."""
    if not text.strip():
        return [], 0
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        kind, index = task["type"], int(task["index"])
    except (ValueError, KeyError, TypeError) as error:
        reason = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"{CONFIG}: {EXPECTED}, found {text!r} ({reason})") from None
    good = isinstance(workers, list) and workers and all(_is_address(worker) for worker in workers)
    if not good or set(config["cluster"]) != {"worker"} or kind != "worker" or len(set(workers)) != len(workers):
        raise UserError(f"{CONFIG}: {EXPECTED}, every address once and no other jobs, found {text!r}")
    if not 0 <= index < len(workers):
        raise UserError(f"{CONFIG}: task: index: expected 0 … {len(workers) - 1}, found {index}")
    return workers, index


def _is_address(text: Any) -> bool:
    host, colon, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    return bool(host and colon and port.isdecimal() and 0 < int(port) < 2**16)


@contextmanager
def lost_workers_reported(cluster: Cluster) -> Iterator[None]:
    """Turn TensorFlow's errors about a worker that is gone into one message.

    Raises:
        UserError: a worker is gone.
    """
    try:
        yield
    except LEFT as error:
        if cluster.workers == 1:
            raise
        atexit.register(_end)
        raise UserError(
            f"worker {cluster.worker}: the exchange with the other workers broke off, one has ended or cannot be "
            f"reached: start all of them again, and the training goes on after its last finished epoch ({_line(error)})"
        ) from None


def _end() -> None:
    """End at once: TensorFlow would wait for the lost worker on its way out."""
    sys.stdout.flush()
    os._exit(1)


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
