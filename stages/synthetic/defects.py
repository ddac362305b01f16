"""The four kinds of defects of the built-in sample, after those of the real strips.

Every kind is a function of a random generator and of the available room, (height, width) in pixels; it returns a
`Patch` that is no larger. The kinds differ in shape and in polarity, as the real ones do:

1. pits: clusters of little dark holes, each with a bright burr;
2. cracks: thin, dark, jagged upright lines;
3. scratches and smears: straight upright streaks, long bands across, bright fibrous blobs;
4. torn patches: large, rough in relief, with a shadow and a bright rim.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from stages.pipeline.arrays import Bool, Float32
from stages.synthetic.surface import noise

Room = tuple[int, int]

# Deviations of a crack from a straight line: cell in rows, size in columns. The path is rough at every scale.
_JAGS = ((80.0, 5.0), (31.0, 2.2), (13.0, 1.1), (6.0, 0.7), (1.0, 0.35))


@dataclass(frozen=True)
class Patch:
    """What a defect does to the steel beneath it.

    Attributes:
        gain: factors that multiply the grey levels, float32 of shape (height, width); 1 changes nothing.
        extent: where the defect is, bool of the same shape.
    """

    gain: Float32
    extent: Bool


def pits(rng: np.random.Generator, room: Room) -> Patch:
    """Class 1: a cluster of 3 to 6 pits, each one to three holes with a burr."""
    shape = _size(room, rng.uniform(120, 240), rng.uniform(90, 260))
    log = np.zeros(shape, np.float32)
    extent = np.zeros(shape, np.bool_)
    for _ in range(rng.integers(3, 7)):
        y, x = rng.uniform(16, shape[0] - 16), rng.uniform(10, shape[1] - 10)
        for _ in range(rng.integers(1, 4)):
            centre = y + rng.normal(0, 6), x + rng.normal(0, 3)
            radii = rng.uniform(3.5, 7), rng.uniform(2.2, 4)
            hole = _spot(rng, shape, centre, radii)
            burr_at = centre[0] + radii[0] * rng.choice([-1.1, 1.1]), centre[1] + rng.uniform(-2, 2)
            burr = _spot(rng, shape, burr_at, (radii[0] * 0.55, radii[1] * 0.7))
            log += 0.85 * burr - 1.2 * hole
            extent |= (hole > 0.25) | (burr > 0.25)
    return Patch(np.exp(np.clip(log, -1.6, 1.1)), extent)


def crack(rng: np.random.Generator, room: Room) -> Patch:
    """Class 2: one thin upright crack, often with a side branch."""
    shape = _size(room, rng.uniform(80, 220), 64)
    log, extent = _crack_line(rng, shape, np.full((shape[0], 1), shape[1] / 2, np.float32), 1.0)
    if rng.random() < 0.6:
        # A branch leaves the crack at its middle and drifts away.
        fork = np.maximum(np.arange(shape[0], dtype=np.float32)[:, None] - shape[0] * rng.uniform(0.3, 0.6), 0)
        away = shape[1] / 2 + rng.choice([-0.22, 0.22]) * fork
        branch, more = _crack_line(rng, shape, away, 0.7)
        branch[: shape[0] // 3], more[: shape[0] // 3] = 0, False
        log, extent = np.minimum(log, branch), extent | more
    return Patch(np.exp(log), extent)


def scratch(rng: np.random.Generator, room: Room) -> Patch:
    """Class 3: mostly upright streaks, now and then a smear or a band across the strip."""
    kind = rng.choice(3, p=[0.66, 0.26, 0.08])
    return (_streaks, _smear, _band)[kind](rng, room)


def torn(rng: np.random.Generator, room: Room) -> Patch:
    """Class 4: a torn or rough patch with relief inside, a shadow on one side, a bright rim on the other."""
    shape = _size(room, rng.uniform(75, 205), rng.uniform(105, 305))
    outline = _ragged_outline(rng, shape)
    inside = cv2.GaussianBlur(outline.astype(np.float32), (0, 0), 1.5)
    stretch = rng.uniform(1, 2.5)
    layers = noise(rng, shape, (26, 26 * stretch)) + 0.45 * noise(rng, shape, (9, 9 * stretch))
    # Steel tears in layers: terraces, each with a ledge that throws a shadow, and a grained top.
    height_map = 3.0 * np.floor(layers * 1.3) + 2.2 * layers + 0.35 * noise(rng, shape, (4, 4 * stretch))
    angle = rng.uniform(0, 2 * np.pi)
    relief = np.tanh(_slope(height_map, 1.1, angle) / 5)
    rim = _slope(outline.astype(np.float32), 3.0, angle)
    flakes = noise(rng, shape, (16, 12)) + 0.5 * noise(rng, shape, (4, 4)) > 2.1
    log = inside * (rng.uniform(-0.75, -0.1) + 0.75 * relief + 0.1 * np.sin(3 * layers) + 0.7 * flakes)
    log += 0.9 * rim / (np.abs(rim).max() + 1e-6)
    return Patch(np.asarray(np.exp(np.clip(log, -1.8, 1.0)), np.float32), outline)


DRAWERS: dict[int, Callable[[np.random.Generator, Room], Patch]] = {1: pits, 2: crack, 3: scratch, 4: torn}


def _streaks(rng: np.random.Generator, room: Room) -> Patch:
    """One to four straight, parallel streaks; most run through the whole height."""
    count = int(rng.integers(1, 5)) if rng.random() < 0.45 else 1
    whole = rng.random() < 0.6
    shape = _size(room, room[0] if whole else rng.uniform(90, 220), 34 + 16 * count)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    lean = rng.uniform(-0.06, 0.06)
    along = noise(rng, shape, (60, 2.0))
    log, extent = np.zeros(shape, np.float32), np.zeros(shape, np.bool_)
    dark = rng.random() < 0.75
    for number in range(count):
        half = rng.uniform(1.5, 4) if count > 1 else rng.uniform(3, 7.5)
        across = x - (25 + 16 * number) - lean * (y - shape[0] / 2)
        body = 1 / (1 + np.exp(np.clip(2.5 * (np.abs(across) - half), -30, 30)))
        edge = np.exp(-((across - half - 1) ** 2))
        log += body * (0.25 * along + (-0.6 if dark else 0.45)) + 0.3 * edge
        extent |= np.abs(across) < half + 2
    ends = np.clip((shape[0] - y) / 30, 0, 1) if shape[0] < room[0] else np.ones_like(y)
    return Patch(np.exp(np.clip(log * ends, -1.4, 1.0)), extent)


def _smear(rng: np.random.Generator, room: Room) -> Patch:
    """A blob of bright fibres that lie across or aslant, with dark gaps between them."""
    shape = _size(room, rng.uniform(35, 95), rng.uniform(70, 230))
    side = 2 * max(shape)
    level = noise(rng, (side, side), (rng.uniform(2, 4), rng.uniform(15, 50)))
    fibres = _turned(level, rng.uniform(-40, 40), shape)
    envelope = _spot(rng, shape, (shape[0] / 2, shape[1] / 2), (shape[0] * 0.36, shape[1] * 0.38))
    log = envelope * (0.3 + 0.65 * np.maximum(fibres, 0) - 0.35 * np.maximum(-fibres, 0))
    return Patch(np.asarray(np.exp(np.clip(log, -0.8, 1.4)), np.float32), envelope > 0.3)


def _band(rng: np.random.Generator, room: Room) -> Patch:
    """A long band of drawn lines that crosses the strip at a flat angle."""
    shape = room[0], int(min(room[1], rng.uniform(500, 1600)))
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    slope = rng.uniform(-0.09, 0.09)
    centre = shape[0] * rng.uniform(0.35, 0.65) + slope * (x - shape[1] / 2) + 5 * noise(rng, shape, (999, 300))
    half = rng.uniform(12, 30) * np.sqrt(np.clip(x / 60, 0, 1) * np.clip((shape[1] - x) / 60, 0, 1)) + 2
    across = y - centre
    straight = noise(rng, (160, shape[1]), (2.6, 240)) + 0.4 * noise(rng, (160, shape[1]), (2.0, 20))
    lines = cv2.remap(straight, x, np.clip(across + 80, 0, 159), cv2.INTER_LINEAR)
    body = 1 / (1 + np.exp(np.clip(np.abs(across) - half, -30, 30)))
    log = body * (0.42 * lines + rng.uniform(-0.3, 0.2)) - 0.6 * np.exp(-(((across - half) / 2.5) ** 2))
    return Patch(np.asarray(np.exp(np.clip(log, -1.5, 1.2)), np.float32), np.abs(across) < half + 3)


def _size(room: Room, height: float, width: float) -> Room:
    return int(min(room[0], height)), int(min(room[1], width))


def _spot(rng: np.random.Generator, shape: Room, centre: tuple[float, float], radii: tuple[float, float]) -> Float32:
    """A ragged ellipse: 1 inside, 0 outside, soft between."""
    y = (np.arange(shape[0], dtype=np.float32)[:, None] - centre[0]) / radii[0]
    x = (np.arange(shape[1], dtype=np.float32) - centre[1]) / radii[1]
    cell = max(2.0, min(radii) / 2)
    ragged = 0.35 * noise(rng, shape, (cell, cell)) if cell < 4 else 0.2 * noise(rng, shape, (cell, cell))
    distance = np.sqrt(y**2 + x**2)
    return np.asarray(np.clip((1.25 + ragged * (distance < 2) - distance) * 2.5, 0, 1), np.float32)


def _crack_line(rng: np.random.Generator, shape: Room, course: Float32, depth: float) -> tuple[Float32, Bool]:
    """Log gain and extent of a jagged line along `course`, the column at each row, of shape (height, 1)."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    wander = sum((size * noise(rng, (shape[0], 2), (step, 2)) for step, size in _JAGS), np.zeros((shape[0], 2)))
    taper = np.clip(np.minimum(y, shape[0] - y) / 25, 0.15, 1)
    half = np.clip(1.9 + 0.6 * noise(rng, (shape[0], 2), (10, 2))[:, :1], 1.0, 3.2) * taper + 0.3
    across = x - course - wander[:, :1]
    log = -depth * 1.35 * np.exp(-((across / half) ** 2)) + 0.15 * np.exp(-((across / half - 2.2) ** 2))
    return np.asarray(log, np.float32), np.abs(across) < half + 1


def _ragged_outline(rng: np.random.Generator, shape: Room) -> Bool:
    """A closed random outline that nearly fills its box."""
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    radius = np.full(90, 0.82)
    for wave in range(2, 11):
        radius += rng.normal(0, 0.22 / wave) * np.cos(wave * angles + rng.uniform(0, 2 * np.pi))
    radius = np.clip(radius + rng.normal(0, 0.02, 90), 0.3, 0.98)
    # Squaring the circle a little: torn patches are blocky.
    square = 1 / np.maximum(np.abs(np.cos(angles)), np.abs(np.sin(angles))) ** 0.6
    points = np.stack([np.cos(angles), np.sin(angles)], 1) * np.minimum(radius * square, 1.1)[:, None]
    box = np.array([shape[1], shape[0]]) / 2
    inside = np.zeros(shape, np.uint8)
    cv2.fillPoly(inside, [np.round(points * box + box).astype(np.int32)], 1)
    return inside.astype(np.bool_)


def _slope(field: Float32, blur: float, angle: float) -> Float32:
    """How the blurred field rises in one direction: lit from there, that is its shading."""
    smooth = cv2.GaussianBlur(field, (0, 0), blur)
    dx, dy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    return np.asarray(np.cos(angle) * dx + np.sin(angle) * dy, np.float32)


def _turned(field: Float32, degrees: float, shape: Room) -> Float32:
    """The middle of a field, turned, cut to shape."""
    turn = cv2.getRotationMatrix2D((field.shape[1] / 2, field.shape[0] / 2), degrees, 1.0)
    turn[:, 2] += (shape[1] - field.shape[1]) / 2, (shape[0] - field.shape[0]) / 2
    return np.asarray(cv2.warpAffine(field, turn, (shape[1], shape[0])), np.float32)
