"""Masks that were written along the rows and would be read down the columns, or the other way round."""

import numpy as np
import pytest

from stages.dataset import rle
from stages.dataset.layout import RunLengths
from stages.dataset.reading_order import PartsByOrder
from stages.pipeline.cli import UserError

COLUMNS, ROWS = RunLengths(), RunLengths("rows")


def looked_at(stated: RunLengths, written: RunLengths, masks: int = 5) -> PartsByOrder:
    """What is counted when boxes of 12×20 pixels are written in one notation and read in another."""
    found = PartsByOrder()
    for number in range(masks):
        mask = np.zeros((64, 96), np.bool_)
        mask[5 + number : 17 + number, 30:50] = True
        found.add(rle.encode(mask, written), (64, 96), stated)
    return found


@pytest.mark.parametrize(("stated", "written", "advice"), [(COLUMNS, ROWS, "rows"), (ROWS, COLUMNS, "columns")])
def test_the_wrong_order_is_refused_with_both_counts(stated: RunLengths, written: RunLengths, advice: str) -> None:
    """Boxes are one part each; read in the wrong order they fall into stripes."""
    found = looked_at(stated, written)
    assert found.other == 5
    with pytest.raises(UserError) as refused:
        found.refuse_wrong_order("train.csv", stated)
    assert f"5 masks fall into {found.stated} connected parts" in str(refused.value)
    assert str(refused.value).endswith(f"set competition.run_lengths.order to {advice}")


def test_the_right_order_passes() -> None:
    """And so do masks that are too few to tell."""
    looked_at(COLUMNS, COLUMNS).refuse_wrong_order("train.csv", COLUMNS)
    looked_at(COLUMNS, ROWS, masks=2).refuse_wrong_order("train.csv", COLUMNS)


@pytest.mark.parametrize("written", [COLUMNS, ROWS])
def test_square_images(written: RunLengths) -> None:
    """The mirror image has as many parts, but it does not lie on what the image shows."""
    found = PartsByOrder()
    for number in range(10):
        mask = np.zeros((64, 64), np.bool_)
        mask[3 + number : 15 + number, 30:50] = True
        grey = np.random.default_rng(number).integers(90, 110, (64, 64)).astype(np.uint8)
        grey[mask] += 40
        found.add(rle.encode(mask, written), (64, 64), COLUMNS, grey)
    found.refuse_wrong_order("train.csv", COLUMNS)
    doubt = found.doubt("train.csv", COLUMNS)
    if written == COLUMNS:
        assert doubt is None
    else:
        assert doubt is not None
        assert doubt.startswith("train.csv: masks look mirrored: 10 of 10 masks on square images")
        assert doubt.endswith("competition.run_lengths.order is columns")
