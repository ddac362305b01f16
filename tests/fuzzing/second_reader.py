"""Second readers of a few lines, to compare with: written for clarity, from the description of the form alone."""

from stages.dataset.layout import RunLengths


def pixels(text: str, height: int, width: int, notation: RunLengths) -> list[list[bool]]:
    """The mask of a run-length text, row by row."""
    mask = [[False] * width for _ in range(height)]
    bare = text.strip(" ")
    numbers = [] if bare in ("", *notation.empty) else [int(word) for word in bare.split(" ") if word]
    place = 0  # from 0, after the run before
    for start, length in zip(numbers[0::2], numbers[1::2], strict=True):
        place = place + start if notation.first_pixel == "relative" else start - int(notation.first_pixel)
        for pixel in range(place, place + length):
            down, across = divmod(pixel, width) if notation.order == "rows" else divmod(pixel, height)[::-1]
            mask[down][across] = True
        place += length
    return mask
