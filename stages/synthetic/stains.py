"""What is to be seen on a strip and is no defect: scale, rust, drops, dust, hairlines, the tread of chequer plate.

Every function multiplies the grey levels, float32 of shape (height, width), in place.
"""

import cv2
import numpy as np

from stages.pipeline.arrays import Float32
from stages.synthetic.fields import fractal, noise, slope, soft_step, warped


def dirty(rng: np.random.Generator, grey: Float32) -> None:
    """Soil a strip with a few of the stains below, each with its own probability."""
    for _ in range(rng.choice(4, p=[0.4, 0.35, 0.2, 0.05])):
        _scale(rng, grey)
    for stain, probability in ((_rust, 0.25), (_wet_area, 0.3), (_dashes, 0.7), (_drops, 0.08), (_specks, 0.7)):
        if rng.random() < probability:
            stain(rng, grey)


def tread(rng: np.random.Generator, grey: Float32) -> None:
    """The ribs of chequer plate, which are pressed on purpose and clearly visible, but not a defect."""
    pitch, phase = rng.uniform(85, 140), (rng.uniform(0, 1), rng.uniform(0, 1))
    height = _ribs(grey.shape, pitch, phase) if rng.random() < 0.5 else _lozenges(grey.shape, pitch, phase)
    shading = slope(height, 1.3, rng.uniform(0.15, 0.9))
    grey *= np.exp(np.clip(rng.uniform(3.5, 6) * shading + rng.uniform(0, 0.25) * height, -1.4, 0.9))


def _ribs(shape: tuple[int, ...], pitch: float, phase: tuple[float, float]) -> Float32:
    """Two sets of steep parallel ribs that cross: 1 on a rib."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    across = [
        np.abs(((x + lean * y) / pitch + shift) % 1 - 0.5) * pitch
        for lean, shift in zip((0.4, -0.4), phase, strict=True)
    ]
    return soft_step(np.asarray(6 - np.minimum(*across), np.float32), 0.7)


def _lozenges(shape: tuple[int, ...], pitch: float, phase: tuple[float, float]) -> Float32:
    """Staggered rows of lenses that lean left and right by turns: 1 on a lens."""
    layer = np.zeros(shape, np.float32)
    half = 0.42 * pitch
    arc = np.linspace(-1, 1, 17)
    lens = np.concatenate([np.stack([arc, 0.2 * (1 - arc**2)], 1), np.stack([-arc, -0.2 * (1 - arc**2)], 1)]) * half
    for row in range(-1, int(shape[0] / pitch * 2) + 2):
        angle = (1 if row % 2 else -1) * 0.75
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for column in range(-1, int(shape[1] / pitch) + 2):
            middle = (column + phase[0] + row % 2 / 2) * pitch, (row + phase[1]) * pitch / 2
            cv2.fillPoly(layer, [np.round((lens @ turn.T + middle) * 8).astype(np.int32)], 1.0, cv2.LINE_AA, 3)
    return layer


def _scale(rng: np.random.Generator, grey: Float32) -> None:
    """Upright flakes of scale, flat inside, pointed, in one or two bands of columns; or bright, bare, rough areas."""
    shape = grey.shape[0], grey.shape[1]
    # Flakes of all sizes, from full height to single dots: each octave is a third as large, and half as strong.
    tall, wide, rough = rng.uniform(50, 250), rng.uniform(8, 40), rng.uniform(0.45, 0.75)
    ragged = np.zeros(shape, np.float32)
    for octave in range(4):
        cell = max(tall / 3**octave, 2.0), max(wide / 2**octave, 1.5)
        # Rows of a taller field, or every flake would hang from the upper border or stand on the lower one.
        above = int(rng.uniform(0, cell[0]))
        ragged += rough**octave * noise(rng, (shape[0] + int(cell[0]), shape[1]), cell)[above : above + shape[0]]
    x = np.arange(shape[1], dtype=np.float32)
    centre, spread = rng.uniform(0, shape[1]), rng.uniform(30, 300)
    band = 2.6 * np.exp(-np.abs((x - centre) / spread)) - rng.uniform(2.7, 3.5) + 0.7 * noise(rng, shape, (300, 45))
    inside = soft_step(ragged + band, 0.07)
    if rng.random() < 0.75:
        grey *= np.exp(-rng.uniform(0.12, 0.42) * inside)
    else:
        sparkle = np.maximum(noise(rng, shape, (1, 1.8)) + 0.5 * noise(rng, shape, (3, 3)), -0.5)
        grey *= np.exp(inside * (rng.uniform(0.1, 0.35) + rng.uniform(0.05, 0.2) * sparkle))


def _rust(rng: np.random.Generator, grey: Float32) -> None:
    """Mottled dark areas, ragged at every scale, that dissolve into single grains at their borders."""
    shape = grey.shape[0], grey.shape[1]
    grain = rng.uniform(8, 36)
    ragged = fractal(rng, shape, (grain, grain * rng.uniform(0.6, 1.1)), 5, rng.uniform(0.65, 0.95))
    y, x = np.arange(shape[0], dtype=np.float32)[:, None], np.arange(shape[1], dtype=np.float32)
    y, x = (y - rng.uniform(0, shape[0])) / rng.uniform(60, 200), (x - rng.uniform(0, shape[1])) / rng.uniform(40, 250)
    ragged += 0.7 * noise(rng, shape, (110, 130)) + 2.2 * np.exp(-np.hypot(y, x)) - rng.uniform(2.0, 2.8)
    grey *= np.exp(-rng.uniform(0.12, 0.45) * np.clip(rng.uniform(0.8, 2.5) * ragged, 0, 1))


def _wet_area(rng: np.random.Generator, grey: Float32) -> None:
    """A large area with a clear, wavy border that is a little darker or brighter than the rest."""
    shape = grey.shape[0], grey.shape[1]
    x = np.arange(shape[1], dtype=np.float32) - rng.uniform(0.1, 0.9) * shape[1]
    y = np.arange(shape[0], dtype=np.float32)[:, None]
    border = x + rng.uniform(-0.7, 0.7) * y + 18 * noise(rng, shape, (120, 200))
    fades = np.exp(-np.maximum(border, 0) / rng.uniform(150, 2000))
    grey *= 1 + rng.uniform(-0.2, 0.14) * fades * soft_step(border, rng.uniform(0.6, 2))


def _dashes(rng: np.random.Generator, grey: Float32) -> None:
    """Short dark upright strokes, thrown in swarms, most of them a tenth of a defect's contrast."""
    height, width = grey.shape
    layer = np.zeros_like(grey)
    centre, spread = rng.uniform(0, width), rng.uniform(60, 700)
    lean = rng.normal(0, 0.02)
    for _ in range(int(rng.exponential(60)) + 3):
        x, y, length = rng.normal(centre, spread), rng.uniform(-30, height), 4 + rng.exponential(22)
        ends = np.array([[x, y], [x + lean * length + rng.normal(0, 0.7), y + length]]) * 16
        depth = float(rng.gamma(1.4, 0.1) * rng.choice([1, -0.6], p=[0.85, 0.15]))
        first, last = (tuple(int(value) for value in end) for end in ends)
        cv2.line(layer, first, last, depth, int(rng.choice([1, 2], p=[0.8, 0.2])), cv2.LINE_AA, 4)
    layer *= np.clip(0.8 + 0.7 * noise(rng, (height, width), (7, 3)), 0, 2)
    grey *= np.exp(-cv2.GaussianBlur(layer, (0, 0), 0.7))


def _drops(rng: np.random.Generator, grey: Float32) -> None:
    """Drops and runs of oil or water in a band of columns: blots that mirror the lamp, some of them dark inside."""
    wide = int(rng.uniform(50, 220))
    left = int(rng.integers(0, grey.shape[1] - wide))
    shape = grey.shape[0], wide
    tall = rng.uniform(14, 80)
    blots = noise(rng, shape, (tall, 14)) + 0.5 * fractal(rng, shape, (tall / 3, 7), 3, 0.8)
    away = np.abs(np.linspace(-1, 1, wide, dtype=np.float32))
    band = away**2 + 12 * np.maximum(away - 0.6, 0) ** 2  # nothing reaches the window's border
    wet = warped(rng, blots, 2, 6) - rng.uniform(0.9, 1.7) - 1.5 * band + 0.6 * noise(rng, shape, (90, 90))
    core = soft_step(wet - 0.8 - 2 * np.abs(noise(rng, shape, (20, 14))), 0.12)
    mirror = soft_step(wet, 0.07) * (1 - core)
    grey[:, left : left + wide] *= np.exp(rng.uniform(0.8, 1.7) * mirror - rng.uniform(0, 0.6) * core)


def _specks(rng: np.random.Generator, grey: Float32) -> None:
    """Dust: single dark and bright points, thrown at random."""
    height, width = grey.shape
    layer = np.zeros_like(grey)
    count = int(rng.exponential(70)) + 5
    columns = np.clip(rng.normal(rng.uniform(0, width), rng.uniform(80, 900), count), 0, width - 1).astype(np.int64)
    layer[rng.integers(0, height, count), columns] = rng.choice([-1.0, 1.0], count) * rng.gamma(1.5, 0.6, count)
    grey *= np.exp(np.clip(2.2 * cv2.GaussianBlur(layer, (0, 0), 0.8), -0.9, 1.1))
