"""Class 3 of the built-in sample: bundles of hairlines, smears of bright fibres, bands that cross the strip."""

import cv2
import numpy as np

from stages.pipeline.arrays import Bool, Float32
from stages.synthetic.fields import Shape, box_fade, fractal, noise, path, soft_step, turned
from stages.synthetic.patch import Patch, size_within

# Deviations of a hairline from a straight line, as of `fields.path`: it wavers slowly.
_WAVER = ((200.0, 1.0), (60.0, 0.4), (9.0, 0.2))


def scratch(rng: np.random.Generator, room: Shape) -> Patch:
    """Class 3: mostly upright streaks, now and then a smear or a band across the strip."""
    kind = rng.choice(3, p=[0.66, 0.26, 0.08])
    return (_streaks, _smear, _band)[kind](rng, room)


def _streaks(rng: np.random.Generator, room: Shape) -> Patch:
    """One to four parallel streaks, each a bundle of hairlines; most run through the whole height."""
    count = int(rng.integers(2, 5)) if rng.random() < 0.45 else 1
    whole = rng.random() < 0.6
    shape = size_within(room, room[0] if whole else rng.uniform(100, 250), 34 + 18 * count)
    rows = np.arange(shape[0], dtype=np.float32)
    lean = rng.normal(0, 0.025)
    dark = rng.random() < 0.8
    log, extent = np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
    for number in range(count):
        course = (
            26 + 18 * number + rng.normal(0, 3) + lean * (rows - shape[0] / 2) + path(rng, shape[0], ((200.0, 2.0),))
        )
        present = _presence(rng, shape[0], open_ends=whole)
        half = rng.uniform(0.5, 2) if count > 1 else rng.uniform(1, 6)
        more, near = _bundle(rng, shape, course, half, dark)
        log += more * present[:, None]
        seen = np.flatnonzero(present > 0.12)
        extent[seen[0] : seen[-1] + 1] |= near[seen[0] : seen[-1] + 1]  # gaps included, as annotators outline them
    return Patch(np.asarray(np.exp(np.clip(log, -1.1, 1.3)), np.float32), extent, np.zeros(shape, np.float32))


def _presence(rng: np.random.Generator, height: int, open_ends: bool) -> Float32:
    """How strong a streak is in each row, 0 … 1.15: it thins out at its ends, and it may break up between."""
    rows = np.arange(height, dtype=np.float32)
    steady = np.clip(0.85 + 0.3 * path(rng, height, ((90.0, 1.0), (20.0, 0.5), (5.0, 0.4))), 0.1, 1.3)
    if rng.random() < 0.35:
        steady *= np.clip(0.6 + 1.2 * path(rng, height, ((60.0, 1.0), (12.0, 0.4))), 0.03, 1)
    first, last = (rng.uniform(15, 90) for _ in range(2))
    if open_ends:
        first, last = (1.0 if rng.random() < 0.7 else reach for reach in (first, last))
    ends = np.clip((rows + 1) / first, 0, 1) * np.clip((height - rows) / last, 0, 1)
    present = steady * ends
    return np.asarray(1.15 * present / present.max(), np.float32)


def _bundle(rng: np.random.Generator, shape: Shape, course: Float32, half: float, dark: bool) -> tuple[Float32, Bool]:
    """Log gain and extent of one streak along `course`, the column at each row: a soft body, hairlines in it, chips."""
    x = np.arange(shape[1], dtype=np.float32)
    sign = -1.0 if dark else 0.75
    depth = rng.uniform(0.25, 0.85)
    width = half * np.clip(1 + path(rng, shape[0], ((120.0, 0.25), (25.0, 0.12))), 0.5, 1.6)[:, None]
    middle = x - (course + path(rng, shape[0], _WAVER))[:, None]
    grained = np.clip(0.8 + 0.35 * noise(rng, shape, (50, 2)) + 0.3 * noise(rng, shape, (5, 1.5)), 0, 1.8)
    log = sign * depth * rng.uniform(0.3, 0.8) * soft_step(width - np.abs(middle), 0.8) * grained
    for _ in range(1 + int(half * rng.uniform(0.4, 1.2))):
        own = middle - rng.uniform(-half, half) - path(rng, shape[0], ((70.0, 0.6), (10.0, 0.3)))[:, None]
        strong = np.clip(0.6 + 0.7 * path(rng, shape[0], ((70.0, 0.9), (12.0, 0.5))), 0, 1.6)[:, None]
        log += sign * depth * strong * np.exp(-((own / rng.uniform(0.6, 1.5)) ** 2))
    # Chips along the edges mirror the lamp.
    chips = np.maximum(fractal(rng, shape, (7, 2), 2, 0.8) - rng.uniform(1.2, 2.8), 0)
    log += rng.uniform(0.4, 1.3) * chips * np.exp(-(((np.abs(middle) - width) / 1.6) ** 2))
    log *= np.clip(0.9 + 0.35 * noise(rng, shape, (1.6, 1.2)), 0.2, 1.8)  # the grain goes on beneath
    log -= 0.08 * np.exp(-((middle / (width + 6)) ** 2))
    return np.asarray(log, np.float32), np.asarray(np.abs(middle) < width + 2)


def _smear(rng: np.random.Generator, room: Shape) -> Patch:
    """Bright fibres that lie across or aslant, with dark gaps between them; or a cloud of sparks."""
    shape = size_within(room, rng.uniform(35, 110), rng.uniform(70, 260))
    side = int(1.5 * max(shape))
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for _ in range(2))
    # A spindle along the fibres, frayed at its ends.
    spindle = 0.8 - np.hypot((y * side / shape[0] / 0.8)[:, None], x * side / shape[1] / 0.85)
    level = (
        spindle + 0.3 * noise(rng, (side, side), (4, 40)) + rng.uniform(0.1, 0.4) * noise(rng, (side, side), (24, 50))
    )
    fine = rng.uniform(1.6, 3)
    fibres = noise(rng, (side, side), (fine, rng.uniform(15, 60))) + 0.45 * noise(rng, (side, side), (fine, 9))
    fibres += 0.35 * noise(rng, (side, side), (1.2, 4)) + rng.uniform(0.4, 1.1) * noise(rng, (side, side), (10, 45))
    degrees = rng.normal(0, 16)
    level, fibres = turned(level, degrees, shape), turned(fibres, degrees, shape)
    envelope = np.clip(1.8 * level, 0, 1) * box_fade(shape, 6)
    if rng.random() < 0.2:
        fibres = np.maximum(1.4 * fractal(rng, shape, (4, 4), 2, 0.7) - 0.9, -0.2)
    bright = np.maximum(fibres - rng.uniform(-0.1, 0.7), 0)
    log = envelope * (rng.uniform(-0.15, 0.1) + rng.uniform(0.3, 1.1) * bright - 0.3 * np.maximum(-fibres - 0.2, 0))
    extent = cv2.morphologyEx((envelope > 0.1).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((21, 21), np.uint8)) == 1
    return Patch(np.asarray(np.exp(np.clip(log, -0.8, 1.5)), np.float32), extent, np.zeros(shape, np.float32))


def _band(rng: np.random.Generator, room: Shape) -> Patch:
    """A long band of drawn lines that crosses the strip at a flat angle and fades at its ends."""
    shape = room[0], int(min(room[1], rng.uniform(500, 1600)))
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    bow = 5 * noise(rng, (2, shape[1]), (2, 400))[:1] + 0.5 * noise(rng, (2, shape[1]), (2, 60))[:1]
    across = y - shape[0] * rng.uniform(0.35, 0.65) - rng.uniform(-0.09, 0.09) * (x - shape[1] / 2) - bow
    ends = np.sqrt(np.clip(x / 90, 0, 1) * np.clip((shape[1] - x) / 90, 0, 1))
    half = (rng.uniform(10, 30) * np.exp(0.2 * noise(rng, (2, shape[1]), (2, 300))[:1])) * ends + 2
    drawn = noise(rng, (160, shape[1]), (2.2, 320)) + 0.5 * noise(rng, (160, shape[1]), (1.4, 30))
    lines = cv2.remap(drawn, x, np.clip(across + 80, 0, 159), cv2.INTER_LINEAR)
    lines = 0.25 * lines + 0.1 * noise(rng, shape, (1.4, 9)) + rng.uniform(0.3, 0.9) * np.maximum(lines - 1.5, 0)
    where = np.clip(0.7 + 0.5 * noise(rng, shape, (25, 150)) + 0.3 * noise(rng, shape, (8, 30)), 0.05, 1.6) * ends
    where *= np.clip(0.85 + 0.4 * noise(rng, shape, (1.2, 2.5)), 0, 2)
    log = soft_step(half - np.abs(across), 1.5) * where * (lines + rng.uniform(-0.3, 0.15))
    for side in (-1, 1):
        edge = across - side * half
        log -= rng.uniform(0.1, 0.6) * where * np.exp(-((edge / rng.uniform(1.5, 3)) ** 2))
        log += rng.uniform(0, 0.5) * where * np.exp(-(((edge + 3.5 * side) / 1.2) ** 2))
    extent = (np.abs(across) < half + 2) & (ends > 0.1)
    return Patch(np.asarray(np.exp(np.clip(log, -1.5, 1.3)), np.float32), extent, np.zeros(shape, np.float32))
