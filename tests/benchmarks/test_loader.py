import json
from pathlib import Path

import pytest

from tests.benchmarks import loader


@pytest.mark.parametrize(
    ("single", "every", "cores", "more", "expected"),
    [
        (100.0, 200.0, 2, 4, 400.0),  # all of the work is divided
        (100.0, 100.0, 2, 16, 100.0),  # none of it is
        (100.0, 150.0, 2, 4, 200.0),  # a third is not: 1 / (1/3 + 2/3 / 4)
        (100.0, 90.0, 2, 4, 100.0),
    ],
)
def test_rates_beyond_the_cores_of_a_machine(
    single: float, every: float, cores: int, more: int, expected: float
) -> None:
    """Amdahl's law, from the rates on one core and on all."""
    assert loader.beyond(single, every, cores, more) == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.prove
def test_the_loader_is_measured(tmp_path: Path) -> None:
    """Rates of both kinds of crops, by threads and by processes, on one core and on more if there are any."""
    loader.main(["--seconds", "0.05", "--output", str(tmp_path / "loader.json")])
    found = json.loads((tmp_path / "loader.json").read_text(encoding="utf-8"))
    for kind in ("plain, threads", "plain, processes", "everything, threads", "everything, processes"):
        assert found[kind]["per_cpu_second"] > 0
        assert found[kind]["on_1_core"] > 0
