"""How large an image may be so that it can be stored, and the probabilities of its classes can be held in memory.

Asked by settings, preprocess and check_data: a limit that infer met would be told after hours of training.
"""

MOST_ROWS = 1_000_000  # of a PNG, in libpng; of all classes together
MOST_PIXELS = 1 << 30  # of an image that OpenCV decodes; of all classes together, a gigabyte


def not_stored(size: tuple[int, int], classes: int) -> str | None:
    """Why the probabilities of an image of this height and width cannot be stored; None: they can.

    >>> not_stored((250_000, 20), 4)
    >>> not_stored((250_000, 20), 5)
    'expected at most 1,000,000 rows of probabilities (height × classes), found 250,000 × 5'
    """
    height, width = size
    if height * classes > MOST_ROWS:
        return f"expected at most {MOST_ROWS:,} rows of probabilities (height × classes), found {height:,} × {classes}"
    if height * width * classes > MOST_PIXELS:
        return (
            f"expected at most {MOST_PIXELS:,} probabilities (height × width × classes), found {height:,} × {width:,} "
            f"× {classes}"
        )
    return None
