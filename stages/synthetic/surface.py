"""Bare strips for the built-in sample, after the photographs of the real set: light, grain and black margins.

A surface is an array of grey levels, float32 of shape (height, width): about 0 is black, 255 is white, and nothing is
clipped yet. Most layers multiply the grey levels, as dirt and relief do with reflected light, so that a mark has the
same contrast on bright and on dark sheets. Four properties are near those of the real strips, measured on 58 of them:
the lower rows are brighter than the upper ones (the lamp stands there); neighbouring rows differ more than neighbouring
columns (chatter of the rolls); bright sparks make the grain's bright tail heavier than its dark one; and grain and
sparks are stronger in some columns than in others.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from stages.pipeline.arrays import Float32
from stages.synthetic import stains
from stages.synthetic.fields import Shape, fractal, noise, path, soft_step


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


def strip(rng: np.random.Generator, shape: Shape) -> Strip:
    """Roll one strip with its stains and, in about a quarter of the cases, a black margin.

    Args:
        rng: source of the randomness.
        shape: height and width in pixels, the width at least 400.
    """
    grey = _light(rng, shape)
    chequered = rng.random() < 0.04
    if chequered:
        stains.tread(rng, grey)
    else:
        stains.dirty(rng, grey)
    grey *= _grain(rng, shape, 0.45 if chequered else 1.0)
    return _with_margin(rng, grey)


def _light(rng: np.random.Generator, shape: Shape) -> Float32:
    """What the lamp does: brighter below and near the middle, often with a glow; columns that the rolls have worn."""
    height, width = shape
    y, x = np.linspace(-1, 1, height, dtype=np.float32)[:, None], np.linspace(-1, 1, width, dtype=np.float32)
    log = rng.uniform(0.05, 0.5) * (y + rng.uniform(0, 0.5) * y**2)
    log = log - rng.uniform(0, 0.5) * (x - rng.uniform(-0.5, 0.5)) ** 2
    log = log + rng.uniform(0.02, 0.1) * noise(rng, shape, (2 * height, 260))
    if rng.random() < 0.35:
        glow = ((x - rng.uniform(-0.9, 0.9)) / rng.uniform(0.15, 0.5)) ** 2 + ((y - rng.uniform(0.6, 1.6)) / 0.9) ** 2
        log += rng.uniform(0.15, 0.7) * np.exp(-glow)
    log += _columns(rng, shape)
    brightness = float(np.clip(92 * np.exp(0.3 * rng.standard_normal()), 34, 150))
    return np.asarray(brightness * np.exp(log), np.float32)


def _columns(rng: np.random.Generator, shape: Shape) -> Float32:
    """Log gain of columns that the rolls have worn: a little darker or brighter, the borders more or less sharp."""
    width = shape[1] + 40
    x = np.arange(width, dtype=np.float32)
    profile = path(rng, width, tuple((cell, rng.gamma(1, 0.009)) for cell in (150.0, 41.0, 13.0, 3.0)))
    for _ in range(rng.geometric(0.15)):
        away = rng.exponential(45) + 2 - np.abs(x - rng.uniform(0, width))
        profile += rng.normal(0, 0.07) * soft_step(away, rng.uniform(0.5, 14))
    # Borders waver together, since the strip ran so; how much is to be seen varies along it.
    wander = path(rng, shape[0], ((200.0, 5.0), (40.0, 0.8)))[:, None]
    rows, columns = np.zeros(shape, np.float32), x[:-40] + 20 + np.clip(wander, -20, 20)
    shifted = cv2.remap(profile[None], np.asarray(columns, np.float32), rows, cv2.INTER_LINEAR)
    return np.asarray(shifted * np.clip(0.9 + 0.45 * noise(rng, shape, (180, 60)), 0, 2), np.float32)


def _grain(rng: np.random.Generator, shape: Shape, strength: float) -> Float32:
    """Factors of the steel's texture: grain, chatter, sparks, and a direction in which it is brushed."""
    rough = strength * float(np.exp(rng.normal(0.05, 0.35)))
    fine = noise(rng, shape, (1, 1.7))
    log = 0.052 * rough * fine
    middle = noise(rng, shape, (2.2, 2.6))
    log += 0.028 * rough * middle
    log += rng.uniform(0.012, 0.032) * strength * noise(rng, shape, (7, 5))
    log += (0.006 + rng.gamma(1, 0.015)) * fractal(rng, shape, (70, 34), 2, 0.9)
    brushed = rng.choice(3, p=[0.55, 0.25, 0.2])
    if brushed:
        cell = ((60, 2.4), (2.2, 22))[brushed - 1]
        log += rng.uniform(0.008, 0.035) * strength * noise(rng, shape, cell)
    # Where the sheet is rough, all of it is rough: the texture has more contrast there, and it glitters.
    patchy = rng.uniform(0.05, 0.22) * noise(rng, shape, (150, 90)) + 0.12 * noise(rng, shape, (3 * shape[0], 16))
    log *= np.exp(np.clip(patchy, -1, 0.9))
    log += _chatter(rng, shape)
    sparks = np.maximum(0.75 * fine + 0.6 * middle + patchy - rng.uniform(1.9, 2.8), 0)
    log += np.minimum(rng.gamma(1.6, 0.1) * strength * sparks, 1.1)
    return np.asarray(np.exp(log), np.float32)


def _chatter(rng: np.random.Generator, shape: Shape) -> Float32:
    """Ripples that lie across the strip, a few pixels apart, where the rolls have trembled."""
    y = np.arange(shape[0], dtype=np.float32)[:, None]
    bent = 2.5 * noise(rng, shape, (200, 240)) + 0.9 * noise(rng, shape, (14, 50))
    where = np.clip(noise(rng, shape, (150, 300)) + 0.4, 0, 1.6)
    ripples = np.sin(2 * np.pi * y / rng.uniform(4.5, 11) + bent)
    return np.asarray(min(rng.gamma(1.2, 0.016), 0.05) * where * ripples, np.float32)


def _with_margin(rng: np.random.Generator, grey: Float32) -> Strip:
    """Where the camera looks past the strip's edge: black, then the cut, dull or shining, then worn bands."""
    height, width = grey.shape
    if rng.random() >= 0.26:
        return Strip(grey, np.ones_like(grey), 0, width)
    black = width * (0.02 + 0.73 * rng.beta(0.8, 1.8))
    wander = path(rng, height, ((300.0, 2.0), (60.0, 0.5)))[:, None]
    inward = np.arange(width, dtype=np.float32) - black - wander
    log = rng.uniform(-0.4, 0.3) * np.exp(-np.maximum(inward, 0) / rng.uniform(8, 60))
    reach = 0.0
    for _ in range(rng.integers(0, 4)):
        reach += rng.exponential(25) + 4
        log += rng.normal(-0.05, 0.22) * soft_step(reach - inward, rng.uniform(0.5, 2))
    if rng.random() < 0.25:
        rippled = 0.7 * noise(rng, (height, width), (2.5, 4)) + 0.7 * noise(rng, (height, width), (4, 40))
        log += soft_step(rng.uniform(6, 45) - inward, 1.0) * (rng.uniform(0.1, 0.9) + 0.3 * rippled)
    grey *= np.exp(np.clip(log, -1.2, 1.3))
    light = soft_step(inward, rng.uniform(0.3, 0.9))
    edge = int(np.ceil(black + np.abs(wander).max())) + 8
    if rng.random() < 0.5:
        return Strip(grey, light, edge, width)
    return Strip(grey[:, ::-1].copy(), light[:, ::-1].copy(), 0, width - edge)
