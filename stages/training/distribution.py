"""Training on several devices: the GPUs of one machine, or several machines that `TF_CONFIG` names.

One device is the usual case and needs nothing from here. Of several devices, each takes its part of every batch, and
the result is that of one device with the whole batch, except for rounding: see `stages.training.whole_batch`.

Each machine is a worker. The workers find each other through

    TF_CONFIG='{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, "task": {"type": "worker", "index": 0}}'

with a different index on each. Worker 0 is the chief: its state counts, and only the chief writes.

`Cluster.broadcast` sends files by an all-reduce, since `tf.distribute` has no call that sends files or bytes, and the
workers need no shared folder otherwise.
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
LOST = (  # what TensorFlow raises when another worker is gone
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
        strategy: TensorFlow's strategy; None for one device.
        worker: number of this process, from 0.
        workers: how many processes there are.
        on_this_machine: how many of them, by their addresses.
    """

    strategy: Any = None
    worker: int = 0
    workers: int = 1
    on_this_machine: int = 1

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.worker == 0

    @property
    def devices(self) -> int:
        """How many devices share a batch."""
        return int(self.strategy.num_replicas_in_sync) if self.strategy else 1

    def scope(self) -> AbstractContextManager[Any]:
        """Variables that are created, read or set in this block belong to all devices."""
        return self.strategy.scope() if self.strategy else nullcontext()

    def check(self, options: Train) -> None:
        """Check that the devices can share the batches.

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
        """The sum of an array over the workers; every worker has to call this, with the same shape."""
        if self.workers == 1:
            return values
        summed = self._total(tf.constant(values, tf.int64))
        return np.asarray(self.strategy.experimental_local_results(summed)[0].numpy(), np.int64)

    @cached_property
    def _total(self) -> Any:
        """`total` as a TensorFlow function, which is traced once per shape."""
        per_worker = self.devices // self.workers

        def of_device(own: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            first = tf.equal(context.replica_id_in_sync_group % per_worker, 0)  # a worker's other devices hold the same
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.where(first, own, tf.zeros_like(own)))

        return tf.function(lambda own: self.strategy.run(of_device, (own,)))

    def broadcast(self, folder: Path) -> None:
        """Send the chief's `folder` to the other workers, in place of theirs; every worker has to call this."""
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
        """Wait for the others: to TensorFlow, a worker that ends early looks like one that has died."""
        self.total(np.zeros(1, np.int64))

    def check_consistent(self, facts: dict[str, str]) -> None:
        """Check that all workers agree on parameters, data and code; every worker has to call this.

        Args:
            facts: what must agree, as text by name.

        Raises:
            UserError: they differ; on every worker.
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
    """The available devices. With `TF_CONFIG`, wait for the other workers.

    Raises:
        UserError: `TF_CONFIG` is malformed, or the workers could not meet.
    """
    workers, worker = _cluster(os.environ.get(CONFIG, ""))
    if len(workers) > 1:
        hosts = [address.rpartition(":")[0] for address in workers]
        print(f"train: worker {worker} of {len(workers)}, waiting for the others: {', '.join(workers)}", flush=True)
        try:
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
            return Cluster(strategy, worker, len(workers), hosts.count(hosts[worker]))
        except (RuntimeError, ValueError, tf.errors.OpError) as error:
            raise UserError(f"{CONFIG}: the workers {', '.join(workers)} could not meet: {_line(error)}") from None
    os.environ.pop(CONFIG, None)  # TensorFlow reads it for the GPUs of one machine too, and fails if it is empty
    return Cluster(tf.distribute.MirroredStrategy()) if gpus > 1 else SINGLE_DEVICE


def _cluster(text: str) -> tuple[list[str], int]:
    """Addresses of the workers and the number of this one; no addresses for an empty text."""
    if not text.strip():
        return [], 0
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        kind, index = task["type"], int(task["index"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
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
    return bool(host and colon and port.isdecimal() and len(port) < 6 and 0 < int(port) < 2**16)


@contextmanager
def lost_workers_reported(cluster: Cluster) -> Iterator[None]:
    """Turn TensorFlow's errors about a lost worker into one message.

    Raises:
        UserError: a worker is lost.
    """
    try:
        yield
    except LOST as error:
        if cluster.workers == 1:
            raise
        atexit.register(_end)
        raise UserError(
            f"worker {cluster.worker}: the connection to the other workers is lost, one has ended or cannot be "
            f"reached: start all of them again; the training continues after its last finished epoch ({_line(error)})"
        ) from None


def _end() -> None:
    """End at once: TensorFlow would wait for the lost worker before it exits."""
    sys.stdout.flush()
    os._exit(1)


def _line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
