"""Masks drawn on images, for people: class outlines, errors, captions.

Images are uint8 (height, width), grey; label maps are uint8 (height, width), 0 the background and k the class k;
pictures are uint8 (height, width, 3), RGB. Small images are enlarged *before* drawing, so that lines stay thin:

    image, labels = pictures.enlarge(image, labels)
    pictures.caption(pictures.outline(image, labels), "0002cc93b.jpg")

Nothing here knows file formats of the competition, nor TensorFlow.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

# Okabe and Ito's colours, which colour-blind people can tell apart; their black and blue drown in dark steel.
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
FOUND: Colour = (255, 255, 255)
TRUTH: Colour = (255, 255, 255)

_TINT = 0.6  # share of the colour in a tinted pixel: the steel still shows through
_FOUND_TINT = 0.2
_BAR: Colour = (32, 32, 32)
_TEXT: Colour = (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_READABLE_WIDTH = 640  # narrower pictures have no room for a caption
_GAP = 12


def colour(class_id: int) -> Colour:
    """Colour of a class, counted from 1; the palette is used again from its start for the classes beyond it."""
    return PALETTE[(class_id - 1) % len(PALETTE)]


def enlarge(*arrays: Pixels, width: int = _READABLE_WIDTH) -> list[Pixels]:
    """Repeat pixels by the smallest whole factor that makes arrays of shape (height, width, …) at least `width` wide.

    No values are mixed, so label maps stay label maps. Arrays that are wide enough come back as they are.
    """
    enlarged = []
    for array in arrays:
        factor = -(-width // array.shape[1])
        enlarged.append(array.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else array)
    return enlarged


def outline(image: Pixels, labels: Pixels, thickness: int = 2) -> Pixels:
    """Draw a line along the inner edge of every region of every class, holes included, in the colour of the class.

    Lines stay inside their own region, so neighbouring classes do not hide one another, and a mask that reaches the
    image's edge is closed there. What lies deeper inside than `thickness` pixels keeps the image's own grey.

    Returns:
        RGB picture, uint8 (height, width, 3).
    """
    picture = _rgb(image)
    for class_id in np.unique(labels[labels > 0]).tolist():
        picture[_edge(labels == class_id, thickness)] = colour(class_id)
    return picture


def errors(image: Pixels, true: Pixels, predicted: Pixels) -> Pixels:
    """Show where a predicted label map differs from the true one.

    Every pixel falls in one case, checked from the top:

    | case | rule | drawn as |
    | --- | --- | --- |
    | invented | predicted is a class, and not the true one: false on background, or the wrong class | blue |
    | missed | true is a class, predicted is background | vermilion |
    | found | true and predicted are the same class | slightly brighter |
    | background | both are background | as it is |

    The true masks are outlined in white, one pixel thin and inside; that line lies over the other colours.

    Returns:
        RGB picture, uint8 (height, width, 3).
    """
    picture = _rgb(image)
    wrong = predicted != true
    _tint(picture, (true != 0) & ~wrong, FOUND, _FOUND_TINT)
    _tint(picture, (predicted == 0) & wrong, FALSE_NEGATIVE, _TINT)
    _tint(picture, (predicted != 0) & wrong, FALSE_POSITIVE, _TINT)
    for class_id in np.unique(true[true > 0]).tolist():
        picture[_edge(true == class_id, 1)] = TRUTH
    return picture


def caption(picture: Pixels, text: str, colours: Mapping[str, Colour] | None = None) -> Pixels:
    """Put a dark bar with a text above a picture; what does not fit into one line goes on in the next.

    Args:
        picture: RGB; repeated to a readable width when narrower (see `enlarge`).
        text: printable ASCII, all that the font knows; other characters become "?".
        colours: the legend: names, each written after a square of its colour.

    Returns:
        RGB picture, as wide as the picture and higher by the bar.
    """
    (picture,) = enlarge(picture)
    width = picture.shape[1]
    scale = 0.6 if width < 1200 else 0.8
    space, unit = int(10 * scale), int(40 * scale)  # between words, and the height of a line, in pixels
    words: list[tuple[str, Colour | None]] = [(word, None) for word in text.split()]
    words += list((colours or {}).items())
    placed, x, line = [], unit // 2, 0
    for name, swatch in words:
        word = _fitted(name.encode("ascii", "replace").decode(), scale, width - 3 * unit)
        lead = 0 if swatch is None else unit  # room for the square and the gap before it
        advance = lead + _text_width(word, scale) + space
        if x + advance > width - unit // 2 and x > unit // 2:
            x, line = unit // 2, line + 1
        placed.append((word, swatch, x + lead, line))
        x += advance
    bar = np.full(((line + 1) * unit + unit // 4, width, 3), _BAR, dtype=np.uint8)
    for word, swatch, x, line in placed:
        baseline = line * unit + unit * 3 // 4 + unit // 8
        if swatch is not None:
            side = unit // 2
            cv2.rectangle(bar, (x - side - space // 2, baseline - side + 1), (x - space, baseline), swatch, cv2.FILLED)
        cv2.putText(bar, word, (x, baseline), _FONT, scale, _TEXT, 1 if scale < 0.7 else 2, cv2.LINE_AA)
    return np.concatenate([bar, picture])


def stack(pictures: Sequence[Pixels], columns: int = 1) -> Pixels:
    """Put pictures below one another, or in rows of `columns`, with small white gaps; smaller ones are padded white."""
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


def save(picture: Pixels, path: Path) -> None:
    """Write an RGB picture as the suffix says, `.png` or `.jpg`. The same pixels always give the same bytes.

    Raises:
        ValueError: cv2 cannot write such a picture or such a format.
        OSError: the file cannot be written.
    """
    options = {".png": [cv2.IMWRITE_PNG_COMPRESSION, 9], ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 88]}
    if path.suffix not in options:
        raise ValueError(f"{path}: expected a name ending in {' or '.join(options)}")
    encoded, data = cv2.imencode(path.suffix, np.ascontiguousarray(picture[:, :, ::-1]), options[path.suffix])
    if not encoded:
        raise ValueError(f"{path}: expected a picture that cv2 can encode, found shape {picture.shape}")
    path.write_bytes(data.tobytes())


def _rgb(image: Pixels) -> Pixels:
    return np.repeat(image[:, :, None], 3, axis=2)  # (height, width, 3)


def _edge(inside: npt.NDArray[np.bool_], thickness: int) -> npt.NDArray[np.bool_]:
    """Pixels of a region that lie at most `thickness` steps, diagonal ones too, from its outside or the image's."""
    kernel = np.ones((2 * thickness + 1, 2 * thickness + 1), dtype=np.uint8)
    core = cv2.erode(inside.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return inside & ~core.astype(np.bool_)


def _tint(picture: Pixels, where: npt.NDArray[np.bool_], tint: Colour, share: float) -> None:
    """Mix a colour into some pixels of a picture, in place."""
    picture[where] = np.rint(picture[where] * (1 - share) + np.array(tint) * share).astype(np.uint8)


def _padded(picture: Pixels, height: int, width: int) -> Pixels:
    """The picture on white, with a gap below and to the right."""
    below, beside = height - picture.shape[0] + _GAP, width - picture.shape[1] + _GAP
    return np.pad(picture, ((0, below), (0, beside), (0, 0)), constant_values=255)


def _text_width(text: str, scale: float) -> int:
    return int(cv2.getTextSize(text, _FONT, scale, 1 if scale < 0.7 else 2)[0][0])


def _fitted(word: str, scale: float, width: int) -> str:
    """The word, cut short when it alone is wider than `width` pixels."""
    if _text_width(word, scale) <= width:
        return word
    while word and _text_width(word + "...", scale) > width:
        word = word[:-1]
    return word + "..."
