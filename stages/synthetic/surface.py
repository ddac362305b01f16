"""Bare strips for the built-in sample: rolling grain, uneven light, stains, black margins.

A surface is an array of grey levels, float32 of shape (height, width): about 0 is black, 255 is white, and nothing is
clipped yet. Most layers multiply the grey levels, as dirt and relief do with reflected light, so that a mark has the
same contrast on bright and on dark sheets.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from stages.pipeline.arrays import Float32


@dataclass(frozen=True)
class Strip:
    """A bare strip.

    Attributes:
        grey: grey levels, float32 of shape (height, width), steel everywhere.
        light: factor of the black margins, float32 of the same shape: 1 on steel, 0 next to the strip.
        left, right: columns between which there is steel in every row, `left` included, `right` excluded.
    """

    grey: Float32
    light: Float32
    left: int
    right: int


def noise(rng: np.random.Generator, shape: tuple[int, int], cell: tuple[float, float]) -> Float32:
    """Smooth random field.

    Args:
        rng: source of the randomness.
        shape: height and width in pixels.
        cell: height and width in pixels of the areas that vary independently; (40, 3) gives upright grain.

    Returns:
        float32 of shape `shape`, mean about 0, standard deviation about 1.
    """
    rows, columns = (max(2, round(size / step) + 1) for size, step in zip(shape, cell, strict=True))
    grid = rng.standard_normal((rows, columns), dtype=np.float32)
    if (rows, columns) == shape:
        return grid
    field = cv2.resize(grid, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field * 1.3, np.float32)  # interpolation flattens: back to about unit deviation


def strip(rng: np.random.Generator, shape: tuple[int, int]) -> Strip:
    """Roll one strip with its stains and, in about a quarter of the cases, a black margin.

    Args:
        rng: source of the randomness.
        shape: height and width in pixels, the width at least 400.
    """
    grey = _rolled(rng, shape)
    for _ in range(rng.choice(4, p=[0.2, 0.35, 0.3, 0.15])):
        _scale_stain(rng, grey)
    if rng.random() < 0.2:
        _wet_area(rng, grey)
    if rng.random() < 0.05:
        _tread(rng, grey)
    if rng.random() < 0.5:
        _faint_scratches(rng, grey)
    if rng.random() < 0.35:
        _water_marks(rng, grey)
    if rng.random() < 0.7:
        _specks(rng, grey)
    return _with_margin(rng, grey)


def _rolled(rng: np.random.Generator, shape: tuple[int, int]) -> Float32:
    """Light and grain, with spectra like those of real strips: power falls with frequency in both directions."""
    height, width = shape
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    log = rng.uniform(-0.1, 0.32) * y - rng.uniform(0, 0.55) * (x - rng.uniform(-0.4, 0.4)) ** 2
    log = log + rng.uniform(0.03, 0.12) * noise(rng, shape, (2 * height, 220))
    # Bands of columns: the rolls wear unevenly along their axis.
    for cell in (70, 22, 7):
        log += rng.uniform(0, 0.045) * noise(rng, shape, (3 * height, cell))
    rough = rng.uniform(0.35, 1.4)
    # One direction prevails on a sheet; both at once would look woven.
    upright, level = rng.permutation([rng.uniform(0.2, 1.1), rng.uniform(0, 0.2)])
    layers = [
        (0.035, (220.0, 60.0)),
        (0.022 * rough, (24.0, 9.0)),
        (0.022 * rough, (6.0, 4.0)),
        (0.032 * rough, (2.4, 2.0)),
        (0.040 * rough, (1.0, 1.0)),
        (0.032 * upright, (160.0, 6.0)),
        (0.032 * upright, (40.0, 2.2)),
        (0.032 * level, (2.2, 14.0)),
        (0.028 * level, (6.0, 60.0)),
    ]
    for strength, cell_size in layers:
        log += strength * noise(rng, shape, cell_size)
    brightness = np.clip(100 * np.exp(0.28 * rng.standard_normal()), 45, 165)
    return np.asarray(brightness * np.exp(log), np.float32)


def _scale_stain(rng: np.random.Generator, grey: Float32) -> None:
    """Ragged upright flakes of scale, flat inside, in one or two bands of columns."""
    shape = grey.shape[0], grey.shape[1]
    tall = rng.uniform(40, 200)
    ragged = noise(rng, shape, (tall, rng.uniform(6, 26))) + 0.4 * noise(rng, shape, (tall / 4, 3.5))
    ragged += 0.18 * noise(rng, shape, (3, 2))
    x = np.arange(shape[1], dtype=np.float32)
    centre, spread = rng.uniform(0, shape[1]), rng.uniform(60, 350)
    band = 2.4 * np.exp(-(((x - centre) / spread) ** 2)) - 3.0 + 0.5 * noise(rng, shape, (150, 60))
    inside = cv2.GaussianBlur((ragged + band > 0).astype(np.float32), (0, 0), 0.8)
    grey *= 1 + rng.choice([-1, 1], p=[0.7, 0.3]) * rng.uniform(0.1, 0.28) * inside


def _wet_area(rng: np.random.Generator, grey: Float32) -> None:
    """A large area with a clear, wavy border that is a little darker or brighter than the rest."""
    shape = grey.shape[0], grey.shape[1]
    x = np.arange(shape[1], dtype=np.float32) - rng.uniform(0.1, 0.9) * shape[1]
    y = np.arange(shape[0], dtype=np.float32)[:, None]
    border = x + rng.uniform(-0.7, 0.7) * y + 18 * noise(rng, shape, (120, 200))
    grey *= 1 + rng.uniform(-0.14, 0.1) / (1 + np.exp(-np.clip(border, -30, 30)))


def _tread(rng: np.random.Generator, grey: Float32) -> None:
    """The lozenges of chequer plate, which are pressed on purpose and clearly visible, but not a defect."""
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]].astype(np.float32)
    pitch, phase = rng.uniform(80, 130), rng.uniform(0, 1)
    relief = np.zeros_like(grey)
    for lean in (0.55, -0.55):
        across = (((x + lean * y) / pitch + phase) % 1 - 0.5) * pitch / 5
        relief += across * np.exp(-(across**2))  # a bright flank, a dark flank
    grey *= np.exp(rng.uniform(0.4, 0.8) * relief)


def _faint_scratches(rng: np.random.Generator, grey: Float32) -> None:
    """A few hairlines, a tenth of a defect's contrast."""
    height, width = grey.shape
    layer = np.zeros_like(grey)
    for _ in range(rng.integers(2, 9)):
        x, y = rng.uniform(0, width), rng.uniform(-60, height)
        end = (int(x + rng.normal(0, 4)), int(y + rng.uniform(30, 200)))
        cv2.line(layer, (int(x), int(y)), end, float(rng.uniform(-0.14, 0.09)), 1, cv2.LINE_AA)
    grey *= 1 + cv2.GaussianBlur(layer, (0, 0), 0.6)


def _water_marks(rng: np.random.Generator, grey: Float32) -> None:
    """Dried drops: pale rings and spots of oil, smooth inside."""
    height, width = grey.shape
    layer = np.zeros_like(grey)
    centre = rng.uniform(0, width)
    for _ in range(rng.integers(2, 12)):
        middle = (int(centre + rng.normal(0, 70)), int(rng.uniform(0, height)))
        axes = (int(rng.uniform(4, 14)), int(rng.uniform(6, 26)))
        thickness = -1 if rng.random() < 0.5 else 2
        cv2.ellipse(layer, middle, axes, float(rng.normal(0, 8)), 0, 360, float(rng.uniform(-0.14, 0.2)), thickness)
    ragged = 1 + 0.5 * noise(rng, (height, width), (5, 4))
    grey *= 1 + cv2.GaussianBlur(layer, (0, 0), 1.2) * np.clip(ragged, 0, 2)


def _specks(rng: np.random.Generator, grey: Float32) -> None:
    """Dust: single dark and bright points, thrown at random."""
    height, width = grey.shape
    layer = np.zeros_like(grey)
    count = int(rng.integers(10, 160))
    rows, columns = rng.integers(0, height, count), rng.integers(0, width, count)
    layer[rows, columns] = rng.choice([-0.9, 1.1], count)
    grey *= np.maximum(1 + 1.5 * cv2.GaussianBlur(layer, (0, 0), 0.9), 0.3)


def _with_margin(rng: np.random.Generator, grey: Float32) -> Strip:
    """Where the camera looks past the strip's edge: black, then a dim rim, then a worn band of the sheet itself."""
    height, width = grey.shape
    if rng.random() >= 0.26:
        return Strip(grey, np.ones_like(grey), 0, width)
    black = width * (0.02 + 0.73 * rng.beta(0.8, 1.8))
    y = np.arange(height, dtype=np.float32)[:, None]
    wander = rng.uniform(-0.03, 0.03) * y + 0.7 * noise(rng, (height, 2), (60, 2))[:, :1]
    inward = np.arange(width, dtype=np.float32) - black - wander
    worn = np.exp(-np.maximum(inward, 0) / rng.uniform(8, 50))
    grey *= 1 + worn * (rng.uniform(-0.35, 0.3) + 0.06 * noise(rng, (height, width), (60, 4)))
    light = 1 / (1 + np.exp(-np.clip(inward / rng.uniform(0.6, 2.5), -30, 30)))
    edge = int(np.ceil(black + np.abs(wander).max())) + 8
    if rng.random() < 0.5:
        return Strip(grey, np.asarray(light, np.float32), edge, width)
    return Strip(grey[:, ::-1].copy(), np.asarray(light[:, ::-1], np.float32), 0, width - edge)
