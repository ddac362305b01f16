"""What makes a crop harder to see: gamma, CLAHE, blur, hidden rectangles and black bars, on bytes.

Where a rectangle or a bar hides the surface, the labels are background: nothing there shows a defect, and a network
that had to find one would learn to invent defects.
"""

import cv2
import numpy as np

from stages.pipeline.arrays import Float64, UInt8
from stages.pipeline.settings import Train

MOST_RECTANGLES = 4
TILE, CLIP = 32, 4  # CLAHE: about the side of its tiles in pixels, and its largest clip limit
# Black bars of the competition's images: grey levels up to BLACKEST, and an edge of some pixels.
BLACKEST, EDGE = 8, 6


def degraded(options: Train, seed: int, number: int, image: UInt8, labels: UInt8) -> tuple[UInt8, UInt8]:
    """A crop and its labels after gamma, CLAHE, blur, hidden rectangles and a black bar, in this order.

    Each change draws the same whatever else is on. Takes and gives what `augment.augmented` does; what was given is not
    written to.
    """
    grey = options.gamma or options.clahe or options.blur
    if not (grey or options.coarse_dropout or options.black_bars):
        return image, labels
    drawn = np.random.default_rng((seed, number, 2)).random(10 + 3 * MOST_RECTANGLES)
    if grey:
        image = _other_levels(options, image, drawn[:4].tolist())
    if options.coarse_dropout:
        image, labels = image.copy(), labels.copy()
        level = np.rint(cv2.mean(image)[: image.shape[2] if image.ndim == 3 else 1])
        for place in rectangles(options.coarse_dropout * drawn[4], image.shape[:2], drawn[5], drawn[10:]):
            image[place], labels[place] = level, 0
    if drawn[6] < options.black_bars:
        image, labels = _barred(image.copy(), labels.copy(), drawn[7:10])
    return image, labels


def _other_levels(options: Train, image: UInt8, drawn: list[float]) -> UInt8:
    """Gamma, CLAHE and blur, by four numbers in 0 … 1."""
    if options.gamma:
        exponent = (1 + options.gamma) ** (2 * drawn[0] - 1)
        table = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
        image = np.asarray(cv2.LUT(image, table), np.uint8)
    if drawn[1] < options.clahe:
        image = _equalised(image, 1 + (CLIP - 1) * drawn[2])
    deviation = options.blur * drawn[3]
    return np.asarray(cv2.GaussianBlur(image, (0, 0), deviation), np.uint8) if deviation > 0.2 else image


def _equalised(image: UInt8, clip: float) -> UInt8:
    """CLAHE with a clip limit; of a colour image, the lightness alone is changed."""
    tiles = [max(1, side // TILE) for side in image.shape[1::-1]]  # along x and y
    equaliser = cv2.createCLAHE(clip, tiles)
    if image.ndim == 2:
        return np.asarray(equaliser.apply(image), np.uint8)
    lightness, *colours = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2LAB))
    changed = cv2.merge([equaliser.apply(lightness), *colours])
    return np.asarray(cv2.cvtColor(changed, cv2.COLOR_LAB2RGB), np.uint8)


def rectangles(share: float, size: tuple[int, ...], drawn: float, each: Float64) -> list[tuple[slice, slice]]:
    """Rectangles that do not overlap and together cover a share of a crop, but for what is lost to whole pixels.

    The longer side is divided into 1 … MOST_RECTANGLES parts, and each part has one rectangle of the share of its area.

    Args:
        share: of the crop's area, above 0 and below 1.
        size: height and width of the crop.
        drawn: decides the number of rectangles, in 0 … 1.
        each: three numbers in 0 … 1 for each rectangle: its shape, and where it lies along both sides.

    Returns:
        Rows and columns of each.
    """
    parts = 1 + int(drawn * MOST_RECTANGLES)
    long, short = max(size[:2]), min(size[:2])
    found = []
    for part, (shape, *place) in enumerate(each.reshape(-1, 3)[:parts].tolist()):
        start, end = part * long // parts, (part + 1) * long // parts
        narrow = share**shape  # share of the part's side; the other side has the rest
        sides = int((end - start) * share / narrow), int(short * narrow)
        firsts = (start + int(place[0] * (end - start - sides[0] + 1)), int(place[1] * (short - sides[1] + 1)))
        along, across = (slice(first, first + side) for first, side in zip(firsts, sides, strict=True))
        found.append((across, along) if size[1] >= size[0] else (along, across))
    return found


def _barred(image: UInt8, labels: UInt8, drawn: Float64) -> tuple[UInt8, UInt8]:
    """A nearly black bar over all rows at the left or right, with a soft edge, up to half of the crop wide."""
    columns = image.shape[1]
    width = 1 + int(drawn[0] * columns / 2)
    seen = np.clip((np.arange(min(width + EDGE, columns)) - width) / EDGE + 0.5, 0, 1)  # from the side inwards
    level = drawn[1] * BLACKEST
    left = drawn[2] < 0.5
    edge = image[:, : len(seen)] if left else image[:, columns - len(seen) :]
    hidden = labels[:, :width] if left else labels[:, columns - width :]
    seen = (seen if left else seen[::-1]).reshape(1, -1, *[1] * (image.ndim - 2))
    edge[:] = np.rint(level + seen * (edge - level))
    hidden[:] = 0
    return image, labels
