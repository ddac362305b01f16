"""Work in threads, with results in order."""

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from stages.pipeline import parallel


def test_results_come_in_order() -> None:
    """Results keep the order of the items, however long each takes."""

    def work(item: int) -> int:
        time.sleep(0.004 if item % 5 == 0 else 0)
        return item * item

    assert list(parallel.in_order(work, range(100))) == [item * item for item in range(100)]
    assert list(parallel.in_order(work, [])) == []


def test_work_is_done_by_several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers run at the same time: each waits for the other."""
    monkeypatch.setattr(parallel, "cpu_count", lambda: 2)
    both = threading.Barrier(2)
    assert len(list(parallel.in_order(lambda _: both.wait(timeout=10), range(10)))) == 10


def test_only_a_few_items_are_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of endless items, at most four per core are taken ahead of the results."""
    monkeypatch.setattr(parallel, "cpu_count", lambda: 2)
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = parallel.in_order(lambda item: item, items())
    for done, result in enumerate(itertools.islice(results, 50), start=1):
        assert result == done
        assert taken - done <= 8
    results.close()
    assert taken <= 58


def test_the_first_error_in_order_is_raised() -> None:
    """An error is raised in its item's turn, after the results before it."""

    def work(item: int) -> int:
        if item >= 3:
            raise ValueError(f"image {item}")
        time.sleep(0.01)
        return item

    results = parallel.in_order(work, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="image 3"):
        next(results)
