"""Random fields and lines, of which strips and defects are drawn. All are float32 of shape (height, width)."""

import cv2
import numpy as np

from stages.pipeline.arrays import Float32

Shape = tuple[int, int]


def noise(rng: np.random.Generator, shape: Shape, cell: tuple[float, float]) -> Float32:
    """Smooth random field.

    Args:
        rng: source of the randomness.
        shape: height and width in pixels.
        cell: height and width in pixels of the areas that vary independently; (40, 3) gives upright grain.

    Returns:
        float32 of shape `shape`, mean about 0, standard deviation about 1.
    """
    rows, columns = (max(2, round(size / step) + 1) for size, step in zip(shape, cell, strict=True))
    if max(cell) == 1:
        return rng.standard_normal(shape, dtype=np.float32)
    grid = rng.standard_normal((rows, columns), dtype=np.float32) * 1.3  # interpolation flattens by as much
    return np.asarray(cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)


def fractal(rng: np.random.Generator, shape: Shape, cell: tuple[float, float], octaves: int, rough: float) -> Float32:
    """A sum of fields, each of half the cell and `rough` times the strength of the one before; unit deviation."""
    weights = [rough**octave for octave in range(octaves)]
    total = np.zeros(shape, np.float32)
    for octave, weight in enumerate(weights):
        size = max(cell[0] / 2**octave, 1.0), max(cell[1] / 2**octave, 1.0)
        total += weight * noise(rng, shape, size)
    return np.asarray(total / float(np.linalg.norm(weights)), np.float32)


def warped(rng: np.random.Generator, field: Float32, reach: float, cell: float) -> Float32:
    """The field, bent: each point comes from up to about `reach` pixels away, points within `cell` pixels together.

    It takes away the look of a grid that is left by `noise`.
    """
    shape = field.shape[0], field.shape[1]
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    rows, columns = y + reach * noise(rng, shape, (cell, cell)), x + reach * noise(rng, shape, (cell, cell))
    return np.asarray(cv2.remap(field, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)


def path(rng: np.random.Generator, length: int, jags: tuple[tuple[float, float], ...]) -> Float32:
    """Deviations of a line from its course, float32 (length,): a sum of fields of (cell in pixels, size in pixels)."""
    total = np.zeros(length, np.float32)
    for cell, size in jags:
        total += size * noise(rng, (2, length), (2, cell))[0]
    return total


def soft_step(distance: Float32, width: Float32 | float) -> Float32:
    """0 where the distance is far below 0, 1 far above, 1/2 at 0; it rises within about four times the width."""
    return np.asarray(1 / (1 + np.exp(-np.clip(distance / width, -30, 30))), np.float32)


def spot(rng: np.random.Generator, shape: Shape, centre: tuple[float, float], radii: tuple[float, float]) -> Float32:
    """A ragged ellipse: 1 in its middle, 0 outside, soft between."""
    y = (np.arange(shape[0], dtype=np.float32)[:, None] - centre[0]) / radii[0]
    x = (np.arange(shape[1], dtype=np.float32) - centre[1]) / radii[1]
    distance = np.sqrt(y**2 + x**2)
    cell = max(2.0, min(radii) / 2)
    ragged = 0.4 * noise(rng, shape, (1.6 * cell, cell)) * (distance < 2.5)
    return np.asarray(np.clip((1.3 + ragged - distance) * 1.2, 0, 1), np.float32)


def slope(field: Float32, blur: float, angle: float) -> Float32:
    """How the blurred field rises in one direction: lit from there, that is its shading."""
    smooth = cv2.GaussianBlur(field, (0, 0), blur)
    dx, dy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    return np.asarray((np.cos(angle) * dx + np.sin(angle) * dy) / 8, np.float32)


def turned(field: Float32, degrees: float, shape: Shape) -> Float32:
    """The middle of a field, turned, cut to shape."""
    turn = cv2.getRotationMatrix2D((field.shape[1] / 2, field.shape[0] / 2), degrees, 1.0)
    turn[:, 2] += (shape[1] - field.shape[1]) / 2, (shape[0] - field.shape[0]) / 2
    return np.asarray(cv2.warpAffine(field, turn, (shape[1], shape[0])), np.float32)


def box_fade(shape: Shape, width: float) -> Float32:
    """1 inside a box, falling to 0 at its border within `width` pixels."""
    y, x = (np.minimum(np.arange(size), size - 1 - np.arange(size)).astype(np.float32) for size in shape)
    return np.asarray(np.clip(np.minimum(y[:, None], x) / width, 0, 1), np.float32)
