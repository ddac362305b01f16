"""Masks drawn on images for people: class outlines, errors, captions.

Images are uint8 (height, width), grey; label maps are uint8 (height, width), 0 the background and k the class k;
pictures are uint8 (height, width, 3), RGB. Small images are enlarged *before* drawing, so that lines stay thin:

    image, labels = overlays.enlarge(image, labels)
    overlays.caption(overlays.outline(image, labels), "0002cc93b.jpg")
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from stages.dataset import label_maps
from stages.pipeline.arrays import Bool, UInt8

Colour = tuple[int, int, int]

# Okabe and Ito's colours, which colour-blind people can tell apart, without their black and blue: steel is dark.
PALETTE: tuple[Colour, ...] = (
    (230, 159, 0),  # orange
    (86, 180, 233),  # sky blue
    (0, 200, 145),  # bluish green, lighter than theirs
    (236, 120, 190),  # reddish purple, stronger than theirs
    (240, 228, 66),  # yellow
    (213, 94, 0),  # vermilion
)
FALSE_NEGATIVE: Colour = (240, 100, 0)  # vermilion
FALSE_POSITIVE: Colour = (30, 140, 255)  # blue
TRUE_POSITIVE: Colour = (255, 255, 255)
TRUE_OUTLINE: Colour = (255, 255, 255)
LEGEND = {
    "false negative (missed)": FALSE_NEGATIVE,
    "false positive": FALSE_POSITIVE,
    "true outline": TRUE_OUTLINE,
}

_TINT = 0.6  # share of the colour in a tinted pixel: the steel still shows through
_TRUE_POSITIVE_TINT = 0.2
_BAR: Colour = (32, 32, 32)
_TEXT: Colour = (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_READABLE_WIDTH = 640  # narrower pictures have no room for a caption
_GAP = 12
_THINNEST = 16  # pixels; leaving pixels out makes no side shorter
MOST_ROWS = 4096  # of one image in a picture: a JPEG has 65,535 at most, and six images stand below one another
MOST_LINES = 10  # of a caption


def colour(class_id: int) -> Colour:
    """Colour of a class, counted from 1. Classes beyond the palette use it again from its start."""
    return PALETTE[(class_id - 1) % len(PALETTE)]


def enlarge(*arrays: UInt8, width: int = _READABLE_WIDTH) -> list[UInt8]:
    """Repeat pixels by the smallest whole factor that makes arrays of shape (height, width, …) at least `width` wide.

    Values are never mixed, so label maps stay label maps. Arrays that are wide enough are returned unchanged. Tall ones
    are enlarged up to `MOST_ROWS` only: 20,000×20 pixels would become 640,000×640.
    """
    enlarged = []
    for array in arrays:
        factor = min(-(-width // array.shape[1]), MOST_ROWS // max(1, array.shape[0]))
        enlarged.append(array.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else array)
    return enlarged


def reduced(*arrays: UInt8, width: int) -> list[UInt8]:
    """Leave pixels out of arrays of shape (height, width, …) that are wider than `width`, or higher than `MOST_ROWS`.

    Labels stay labels. Of a side that would get too thin to be seen, fewer are left out.

        >>> [reduced(np.zeros(shape, np.uint8), width=800)[0].shape for shape in ((256, 1600), (20000, 20))]
        [(128, 800), (4000, 20)]
    """
    sides = arrays[0].shape[:2]
    step = max(1, -(-sides[0] // MOST_ROWS), -(-sides[1] // width))
    rows, columns = (min(step, max(1, side // _THINNEST)) for side in sides)
    return [np.ascontiguousarray(array[::rows, ::columns]) for array in arrays]


def outline(image: UInt8, labels: UInt8, thickness: int = 2) -> UInt8:
    """Draw a line along the inner edge of every region of every class, holes included, in the colour of the class.

    Lines stay inside their own region, so neighbouring classes do not hide one another, and a mask that reaches the
    edge of the image is closed there. Pixels deeper inside than `thickness` keep the grey of the image.

    Returns:
        RGB picture, uint8 (height, width, 3).
    """
    picture, present = _rgb(image), label_maps.present(labels)
    if label_maps.are_planes(labels):
        for class_id in present:
            picture[_edge(label_maps.of_class(labels, class_id), thickness)] = colour(class_id)
        return picture
    kernel = _kernel(thickness)  # all classes in one go: there may be 254
    lowest = cv2.erode(labels, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    highest = cv2.dilate(labels, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    edge = (labels > 0) & (lowest != highest)
    colours = np.array([(0, 0, 0), *map(colour, range(1, max(present, default=0) + 1))], np.uint8)
    picture[edge] = colours[labels[edge]]
    return picture


def errors(image: UInt8, true: UInt8, predicted: UInt8) -> UInt8:
    """Show where a predicted label map differs from the true one.

    Every pixel is one of four cases:

    | case | rule | drawn as |
    | --- | --- | --- |
    | false positive | predicted is a class, but not the true one: on background, or the wrong class | blue |
    | false negative | true is a class, predicted is background | vermilion |
    | true positive | true and predicted are the same class | slightly brighter |
    | true negative | both are background | unchanged |

    True masks are outlined in white, inside, one pixel wide. The line is drawn over the other colours.

    Returns:
        RGB picture, uint8 (height, width, 3).
    """
    picture = _rgb(image)
    shown = sorted({*label_maps.present(true), *label_maps.present(predicted)})
    positive, negative, right = np.zeros((3, *true.shape[:2]), np.bool_)
    for class_id in shown:
        there, found = label_maps.of_class(true, class_id), label_maps.of_class(predicted, class_id)
        positive |= found & ~there
        negative |= there & ~found
        right |= there & found
    negative &= ~positive
    right &= ~positive & ~negative
    _tint(picture, right, TRUE_POSITIVE, _TRUE_POSITIVE_TINT)
    _tint(picture, negative, FALSE_NEGATIVE, _TINT)
    _tint(picture, positive, FALSE_POSITIVE, _TINT)
    for class_id in label_maps.present(true):
        picture[_edge(label_maps.of_class(true, class_id), 1)] = TRUE_OUTLINE
    return picture


def caption(picture: UInt8, text: str, colours: Mapping[str, Colour] | None = None) -> UInt8:
    """Put a dark bar with a text above a picture. A long text continues in the next line, ten at most.

    Args:
        picture: RGB; enlarged to a readable width if it is narrower (see `enlarge`), with dark at its right if it is
            too high for that.
        text: printable ASCII, because the font has nothing else; other characters become "?".
        colours: the legend: names, each after a square of its colour.

    Returns:
        RGB picture with the bar on top.
    """
    (picture,) = enlarge(picture)
    missing = max(0, _READABLE_WIDTH - picture.shape[1])
    width = picture.shape[1] + missing
    scale = 0.6 if width < 1200 else 0.8
    space, unit = int(10 * scale), int(40 * scale)  # between words, and the height of a line, in pixels
    words: list[tuple[str, Colour | None]] = [(word, None) for word in text.split()]
    words += list((colours or {}).items())
    placed: list[tuple[str, Colour | None, int, int]] = []
    x, line = unit // 2, 0
    for name, swatch in words:
        word = _shortened(name.encode("ascii", "replace").decode(), scale, width - 3 * unit)
        lead = 0 if swatch is None else unit  # room for the square and the gap before it
        advance = lead + _text_width(word, scale) + space
        if x + advance > width - unit // 2 and x > unit // 2:
            x, line = unit // 2, line + 1
        if line == MOST_LINES:
            more = f"and {len(words) - len(placed):,} more"
            placed.append((more, None, x, line))
            break
        placed.append((word, swatch, x + lead, line))
        x += advance
    bar = np.full(((line + 1) * unit + unit // 4, width, 3), _BAR, dtype=np.uint8)
    for word, swatch, x, line in placed:
        baseline = line * unit + unit * 3 // 4 + unit // 8
        if swatch is not None:
            side = unit // 2
            cv2.rectangle(bar, (x - side - space // 2, baseline - side + 1), (x - space, baseline), swatch, cv2.FILLED)
        cv2.putText(bar, word, (x, baseline), _FONT, scale, _TEXT, 1 if scale < 0.7 else 2, cv2.LINE_AA)
    beside = np.full((picture.shape[0], missing, 3), _BAR, dtype=np.uint8)
    return np.concatenate([bar, np.concatenate([picture, beside], axis=1)])


def stack(pictures: Sequence[UInt8], columns: int = 1) -> UInt8:
    """Put pictures below one another, or in rows of `columns`, with white gaps; smaller pictures are padded."""
    if not pictures:
        raise ValueError("expected at least one picture to stack, found none")
    width = max(picture.shape[1] for picture in pictures)
    rows = []
    for start in range(0, len(pictures), columns):
        row = pictures[start : start + columns]
        height = max(picture.shape[0] for picture in row)
        cells = [_padded(picture, height, width) for picture in row]
        cells += [np.full_like(cells[0], 255)] * (min(columns, len(pictures)) - len(row))
        rows.append(np.concatenate(cells, axis=1))
    return np.concatenate(rows)[:-_GAP, :-_GAP]


def save(picture: UInt8, path: Path) -> None:
    """Write an RGB picture as `.png` or `.jpg`, by the suffix. The same pixels always give the same bytes.

    Raises:
        ValueError: cv2 cannot write this picture or this format.
        OSError: the file cannot be written.
    """
    options = {".png": [cv2.IMWRITE_PNG_COMPRESSION, 9], ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 88]}
    if path.suffix not in options:
        raise ValueError(f"{path}: expected a name ending in {' or '.join(options)}")
    encoded, data = cv2.imencode(path.suffix, np.ascontiguousarray(picture[:, :, ::-1]), options[path.suffix])
    if not encoded:
        raise ValueError(f"{path}: expected a picture that cv2 can encode, found shape {picture.shape}")
    path.write_bytes(data.tobytes())


def _rgb(image: UInt8) -> UInt8:
    return image.copy() if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)  # (height, width, 3)


def _edge(inside: Bool, thickness: int) -> Bool:
    """Pixels of a region that are at most `thickness` steps (also diagonal) from its outside or the image's edge."""
    core = cv2.erode(inside.astype(np.uint8), _kernel(thickness), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return inside & ~core.astype(np.bool_)


def _kernel(thickness: int) -> UInt8:
    return np.ones((2 * thickness + 1, 2 * thickness + 1), dtype=np.uint8)


def _tint(picture: UInt8, where: Bool, tint: Colour, share: float) -> None:
    """Mix a colour into some pixels of a picture, in place."""
    picture[where] = np.rint(picture[where] * (1 - share) + np.array(tint) * share).astype(np.uint8)


def _padded(picture: UInt8, height: int, width: int) -> UInt8:
    """The picture on white, with a gap below and to the right."""
    below, right = height - picture.shape[0] + _GAP, width - picture.shape[1] + _GAP
    return np.pad(picture, ((0, below), (0, right), (0, 0)), constant_values=255)


def _text_width(text: str, scale: float) -> int:
    return int(cv2.getTextSize(text, _FONT, scale, 1 if scale < 0.7 else 2)[0][0])


def _shortened(word: str, scale: float, width: int) -> str:
    """The word, shortened if it alone is wider than `width` pixels."""
    if _text_width(word, scale) <= width:
        return word
    while word and _text_width(word + "...", scale) > width:
        word = word[:-1]
    return word + "..."
