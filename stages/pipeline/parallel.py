"""Work on all cores, with results in order and only a few of them in memory at a time."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from os import cpu_count
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[Item], Result], items: Iterable[Item], per_worker: int = 4
) -> Generator[Result, None, None]:
    """Apply `work` to every item in threads, one per core; yield the results in the order of the items.

    At most `per_worker` items per thread have been taken and not yet given back.

    `Executor.map` of `concurrent.futures` would take all items at once, however many there are.
    """
    workers = cpu_count() or 1
    remaining = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        waiting: list[Future[Result]] = [pool.submit(work, item) for item in islice(remaining, per_worker * workers)]
        try:
            while waiting:
                result = waiting.pop(0).result()
                waiting.extend(pool.submit(work, item) for item in islice(remaining, 1))
                yield result
        finally:
            pool.shutdown(cancel_futures=True)
