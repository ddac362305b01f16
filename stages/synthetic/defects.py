"""The four kinds of defects of the built-in sample, after those of the real strips.

Every kind is a function of a random generator and of the available room, (height, width) in pixels; it returns a
`Patch` that is no larger. The kinds differ in shape and in polarity, as the real ones do; within a kind, contrast
varies from hardly visible to glaring:

1. pits: specks of pressed-in scale, dark with a bright burr and a fading trail, in a swarm;
2. cracks: single thin, faint, upright dark lines;
3. scratches and smears: hairlines in bundles, bright fibres, bands across (`scratches`);
4. patches: torn or rolled-in sheets of steel, ragged, with shadows, relief and glints.
"""

from collections.abc import Callable

import cv2
import numpy as np

from stages.pipeline.arrays import Float32
from stages.synthetic.fields import Shape, box_fade, fractal, noise, path, slope, soft_step, spot, warped
from stages.synthetic.patch import Patch, size_within
from stages.synthetic.scratches import scratch

# Deviations of a crack from a straight line, as of `fields.path`. It is rough at every scale.
_JAGS = ((80.0, 5.0), (31.0, 1.6), (13.0, 0.8), (6.0, 0.5), (1.0, 0.2))


def pits(rng: np.random.Generator, room: Shape) -> Patch:
    """Class 1: a swarm of 3 to 7 pits, each one to three specks with a trail."""
    shape = size_within(room, rng.uniform(120, 240), rng.uniform(90, 280))
    log = np.zeros(shape, np.float32)
    strength = rng.uniform(0.4, 0.95)
    for _ in range(rng.integers(3, 8)):
        y, x = rng.uniform(18, shape[0] - 18), rng.uniform(12, shape[1] - 12)
        for _ in range(rng.choice([1, 2, 3], p=[0.55, 0.3, 0.15])):
            centre = y + rng.normal(0, 8), x + rng.normal(0, 3)
            log += strength * rng.uniform(0.6, 1.3) * _pit(rng, shape, centre)
    seen = cv2.GaussianBlur(np.abs(log), (0, 0), 1.0)
    return Patch(
        np.asarray(np.exp(np.clip(log, -1.4, 1.5)), np.float32), seen > 0.25 * strength, np.zeros(shape, np.float32)
    )


def _pit(rng: np.random.Generator, shape: Shape, centre: tuple[float, float]) -> Float32:
    """Log gain of one speck: a ragged dark core, mostly with a bright burr above or below and a faint upright trail."""
    tall, wide = rng.uniform(3, 8.5), rng.uniform(1.6, 3.4)
    log = -rng.uniform(0.6, 1.1) * spot(rng, shape, centre, (tall, wide))
    side = float(rng.choice([-1.0, 1.0]))
    if rng.random() < 0.75:
        at = centre[0] + side * tall * rng.uniform(0.5, 1.3), centre[1] + rng.normal(0, 1.2)
        log += rng.uniform(0.7, 2.2) * spot(
            rng, shape, at, (tall * rng.uniform(0.3, 0.9), wide * rng.uniform(0.4, 0.9))
        )
    if rng.random() < 0.6:
        length = rng.uniform(8, 32)
        at = centre[0] - side * length * 0.8, centre[1] + rng.normal(0, 1)
        trail = spot(rng, shape, at, (length, rng.uniform(0.9, 2)))
        log -= rng.uniform(0.15, 0.45) * trail * np.clip(0.8 + 0.6 * noise(rng, shape, (6, 3)), 0, 1.5)
    return np.asarray(log, np.float32)


def crack(rng: np.random.Generator, room: Shape) -> Patch:
    """Class 2: one thin upright crack, often with a side branch."""
    shape = size_within(room, rng.uniform(110, 230), 64)
    rows = np.arange(shape[0], dtype=np.float32)
    depth = rng.uniform(0.45, 0.9)
    log, near = _crack_line(rng, shape, shape[1] / 2 + rng.normal(0, 0.03) * (rows - shape[0] / 2), depth)
    if rng.random() < 0.45:
        # A branch leaves the crack and drifts away.
        start = int(shape[0] * rng.uniform(0.3, 0.6))
        course = shape[1] / 2 + rng.choice([-1, 1]) * rng.uniform(0.08, 0.25) * (rows - start)
        branch, more = _crack_line(rng, shape, course, 0.6 * depth)
        branch[:start], more[:start] = 0, False
        log, near = np.minimum(log, branch), near | more
    return Patch(np.exp(log), near, np.zeros(shape, np.float32))


def _crack_line(rng: np.random.Generator, shape: Shape, course: Float32, depth: float) -> tuple[Float32, np.ndarray]:
    """Log gain and extent of a jagged line along `course`, the column at each row, float32 (height,)."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    across = x - (course + path(rng, shape[0], _JAGS))[:, None]
    taper = np.clip(np.minimum(y, shape[0] - y) / rng.uniform(20, 50), 0, 1)
    half = np.clip(1.3 + 0.4 * path(rng, shape[0], ((14.0, 1.0),)), 0.8, 2.4)[:, None]
    along = np.clip(0.85 + 0.35 * path(rng, shape[0], ((25.0, 0.8), (5.0, 0.6))), 0.15, 1.5)[:, None]
    log = -depth * along * np.exp(-((across / half) ** 2)) - 0.12 * np.exp(-((across / 5) ** 2))
    log += 0.12 * np.exp(-((across / half - 2.4) ** 2))
    return np.asarray(log * taper, np.float32), np.asarray(np.abs(across) < half + 1)


def patch(rng: np.random.Generator, room: Shape) -> Patch:
    """Class 4: a torn or rolled-in sheet, of its own brightness, with relief, ledges, stains and glints inside.

    Where its rim is pressed into the strip, it fades; elsewhere it is crisp, and on one side it throws a shadow.
    """
    shape = size_within(room, rng.uniform(85, 225), rng.uniform(120, 340))
    inward = _ragged(rng, shape)
    # Pixels over which the rim fades: 1.5 where it is crisp, up to 12 where it is pressed in.
    fade = 1.5 + 10 * np.clip(noise(rng, shape, (50, 50)) - 0.2, 0, 1)
    cover = soft_step(inward, fade / 3)
    angle = rng.uniform(0, 2 * np.pi)
    strength = rng.uniform(0.35, 0.95)  # some are hardly to be told from the steel around
    log = strength * cover * (rng.normal(-0.32, 0.25) + _relief(rng, shape, angle) + _stained(rng, shape))
    rim = slope(soft_step(inward, 1.0), 0.8, angle) * np.clip(0.8 + 0.8 * noise(rng, shape, (24, 24)), 0, 1.8)
    log += strength * rng.uniform(1.5, 5.5) * rim
    # The steel around is soiled, most of all next to the patch.
    soil = np.clip(fractal(rng, shape, (44, 12), 4, 0.8) + 0.3, 0, 1.5)
    soil *= np.exp(np.minimum(inward, 0) / rng.uniform(3, 20))
    log -= rng.uniform(0.02, 0.3) * (1 - cover) * soil * box_fade(shape, 14)
    gain = np.asarray(np.exp(np.clip(log, -1.2, 1.4)), np.float32)
    return Patch(gain, inward > 0, np.asarray(rng.uniform(0.2, 0.8) * cover, np.float32))


def _ragged(rng: np.random.Generator, shape: Shape) -> Float32:
    """Distance inwards from a ragged closed outline that nearly fills its box, in pixels; below 0 outside."""
    y, x = np.linspace(-1, 1, shape[0], dtype=np.float32)[:, None], np.linspace(-1, 1, shape[1], dtype=np.float32)
    x = x + rng.normal(0, 0.2) * y  # sheared
    power = rng.uniform(1.4, 2.6)  # between an ellipse and a block
    radius = (np.abs(y) ** power + np.abs(x) ** power) ** (1 / power)
    border = np.maximum(np.abs(y), np.abs(np.linspace(-1, 1, shape[1], dtype=np.float32)))
    field = rng.uniform(0.2, 0.4) * noise(rng, shape, (shape[0] / 2.5, shape[1] / 3.5))
    field += rng.uniform(0.05, 0.1) * fractal(rng, shape, (30, 30), 4, rng.uniform(0.45, 0.75))
    # Nothing reaches the border of the box, which would cut it straight.
    field = 0.7 - radius + warped(rng, field, 5, 17) * (1 - border**4) - 7 * np.maximum(border - 0.7, 0) ** 2
    outline = (field > 0).astype(np.uint8)
    count, parts, figures, _ = cv2.connectedComponentsWithStats(outline)
    if count > 2:  # the largest part alone
        outline = (parts == 1 + int(np.argmax(figures[1:, cv2.CC_STAT_AREA]))).astype(np.uint8)
    inside, outside = (cv2.distanceTransform(side, cv2.DIST_L2, 3) for side in (outline, 1 - outline))
    return np.asarray(inside - outside, np.float32)


def _relief(rng: np.random.Generator, shape: Shape, angle: float) -> Float32:
    """Log gain of the shading: crumpled, flat or folded steel. It tears in layers, each with a shadow at its ledge."""
    stretch = rng.uniform(1, 2.5)
    leather = fractal(rng, shape, (26, 26 * stretch), 5, rng.uniform(0.5, 0.75))
    folds = np.abs(fractal(rng, shape, (60, 60 * stretch), 3, 0.5))  # round backs between sharp valleys
    height = warped(rng, np.asarray(leather + rng.uniform(0, 2.5) * folds, np.float32), 5, 20)
    crumpled = np.tanh(slope(height, 0.5, angle) * rng.uniform(3, 7))
    where = np.clip(0.7 + 0.6 * noise(rng, shape, (60, 60)), 0.1, 1.5)
    layers = warped(rng, fractal(rng, shape, (60, 60 * stretch), 5, 0.55), 3, 9) * rng.uniform(0.2, 0.8)
    step = slope(np.asarray(np.floor(layers + rng.uniform()), np.float32), 0.6, angle)
    ledges = np.clip(5 * step * np.clip(0.3 + noise(rng, shape, (30, 30)), 0, 1.2), -1.2, 0.6)
    return np.asarray(rng.choice([0.15, 0.4, 0.75], p=[0.4, 0.35, 0.25]) * where * crumpled + ledges, np.float32)


def _stained(rng: np.random.Generator, shape: Shape) -> Float32:
    """Log gain of what lies on a patch: blots, upright streaks, grain, and areas that mirror the lamp."""
    blots = warped(rng, fractal(rng, shape, (60, 50), 4, 0.7), 8, 25)
    log = rng.uniform(0.08, 0.3) * blots + rng.uniform(0, 0.08) * noise(rng, shape, (45, 2.5))
    log += rng.uniform(0.03, 0.1) * noise(rng, shape, (1, 1.5)) + rng.uniform(0.02, 0.12) * noise(rng, shape, (3, 3))
    shine = np.maximum(warped(rng, fractal(rng, shape, (30, 26), 5, 0.75), 6, 20) - rng.uniform(0.9, 2.5), 0)
    return np.asarray(log + np.minimum(rng.uniform(0.8, 2.4) * shine, 1.7), np.float32)


DRAWERS: dict[int, Callable[[np.random.Generator, Shape], Patch]] = {1: pits, 2: crack, 3: scratch, 4: patch}
