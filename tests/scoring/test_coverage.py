"""Whether intervals hold."""

import pytest

from stages.scoring import coverage


def test_intervals_that_hold_and_one_that_does_not() -> None:
    """Both ends belong to an interval; pairs without an expectation do not count; kinds are kept apart."""
    pairs = [
        ((0.5, 0.25, 0.75), 0.25, True),
        ((0.7, 0.5, 0.75), 0.75, True),
        ((0.9, 0.85, 1.0), 0.8, True),
        (None, 0.0, True),
        ((1.0, 1.0, 1.0), 1.0, False),
    ]
    found = coverage.figures(pairs)
    assert found["marked"]["pairs"] == 3
    assert found["marked"]["expected"] == pytest.approx(0.7)
    assert found["marked"]["found"] == pytest.approx(0.6)
    assert found["marked"]["width"] == pytest.approx(0.3)
    assert found["marked"]["coverage"] == pytest.approx(2 / 3)
    assert found["marked"]["coverage_low"] == pytest.approx(0.2077, abs=1e-4)  # Wilson's formula by hand
    assert found["marked"]["coverage_high"] == pytest.approx(0.9385, abs=1e-4)
    assert found["marked"]["rank_correlation"] == pytest.approx(1)  # 0.5, 0.7, 0.9 against 0.25, 0.75, 0.8
    assert found["empty"] | {"coverage_low": 0} == {
        "pairs": 1, "expected": 1, "found": 1, "width": 0, "coverage": 1, "coverage_low": 0, "coverage_high": 1,
        "rank_correlation": None,
    }  # fmt: skip


def test_no_pairs() -> None:
    """Undefined figures are null."""
    assert coverage.figures([])["marked"] == {
        "pairs": 0, "expected": None, "found": None, "width": None, "coverage": None, "coverage_low": None,
        "coverage_high": None, "rank_correlation": None,
    }  # fmt: skip
