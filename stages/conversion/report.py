"""What a conversion has written, as text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.conversion import competition
from stages.conversion.measures import Measures
from stages.pipeline.arrays import Bool


@dataclass(frozen=True)
class Sides:
    """How the images are divided.

    Attributes:
        is_test: which of them are test images, boolean (images,).
        scored: whether the true masks of the test images are known.
        working_size: height and width at which networks see the images.
    """

    is_test: Bool
    scored: bool
    working_size: tuple[int, int]


def text(output: Path, measured: Measures, sides: Sides, names: Sequence[str]) -> str:
    """How many images and masks there are on either side, and at which size.

    Args:
        output: what was written.
        measured: all images.
        sides: which of them are test images.
        names: of the classes.
    """
    is_test = sides.is_test
    train = measured.part(~is_test)
    clean = int((train.pixels.sum(axis=1) == 0).sum())
    lines = [
        f"convert: {output}: {len(train.kinds)} training images ({clean} without a defect), {int(is_test.sum())} test "
        f"images, {_extent(measured, sides.working_size)}",
        f"{'images with a mask':28}{'training':>10}{'test':>10}",
    ]
    for number, name in enumerate(names):
        here, there = (int((measured.pixels[side, number] > 0).sum()) for side in (~is_test, is_test))
        lines.append(f"{name:28}{here:>10}{there if sides.scored else '-':>10}")
    lines += _overlaps(measured, len(names))
    if train.equal and not measured.equal:
        lines.append(
            "convert: test images have another size than the training images: the recipe resizes them "
            "(competition.images.sizes: resized)"
        )
    if measured.coloured.any() and not train.coloured.any():
        lines.append("convert: the test images alone have colours: the recipe reads all images in colour")
    return "\n".join(lines)


def _extent(measured: Measures, working_size: tuple[int, int]) -> str:
    height, width = working_size
    if measured.equal:
        return f"{height}×{width} pixels (height×width)"
    low, high = measured.sizes.min(axis=0), measured.sizes.max(axis=0)
    return (
        f"from {low[0]}×{low[1]} to {high[0]}×{high[1]} pixels (height×width), which networks see at {height}×{width}"
    )


def _overlaps(measured: Measures, classes: int) -> list[str]:
    count = int(measured.claimed_twice.sum())
    if not count:
        return []
    if competition.keeps_overlaps(measured, classes):
        fate = "the recipe keeps all of them (competition.overlapping_classes: true)"
    else:
        fate = f"with {classes} classes, training gives each to the highest class alone"
    return [f"convert: {count:,} pixels belong to several classes: {fate}"]
