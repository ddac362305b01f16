"""Near-duplicates: another photograph of the same strip is found, another strip under the same light is not."""

import tracemalloc
import zipfile
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.dataset import duplicates
from stages.synthetic import generate

THRESHOLD = 0.6  # as in params.yaml
HEIGHT, WIDTH = 256, 1600


def strip(seed: int) -> np.ndarray:
    """A strip's texture, a little larger than a photograph."""
    coarse = np.random.default_rng(seed).standard_normal((40, 210)).astype(np.float32)
    return 110 + 25 * cv2.resize(coarse, (WIDTH + 16, HEIGHT + 16), interpolation=cv2.INTER_CUBIC)


def photograph(strip: np.ndarray, down: int = 0, right: int = 0, gain: float = 1.0, seed: int = 0) -> np.ndarray:
    """A window of a strip, with a gain and with noise of its own."""
    window = strip[down : down + HEIGHT, right : right + WIDTH] * gain
    noise = 3 * np.random.default_rng(seed).standard_normal(window.shape)
    return np.clip(window + noise, 0, 255).astype(np.uint8)


def groups(*images: np.ndarray) -> list[int]:
    """The group of each image."""
    return duplicates.groups(np.array([duplicates.signature(image) for image in images]), THRESHOLD).tolist()


def test_signatures_have_length_1() -> None:
    """A signature is 512 numbers of length 1, the same each time."""
    first, again = (duplicates.signature(photograph(strip(1))) for _ in range(2))
    assert (first.shape, first.dtype) == ((duplicates.SIZE,), np.float32)
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(first, again)


def test_signatures_of_many_images_are_those_of_each() -> None:
    """Computed together they differ by rounding alone, and an even image among them has none."""
    shown = [photograph(strip(1)), np.full((HEIGHT, WIDTH), 90, np.uint8), photograph(strip(2))]
    together = duplicates.signatures([duplicates.texture(image) for image in shown])
    assert (together.shape, together.dtype) == ((3, duplicates.SIZE), np.float32)
    np.testing.assert_allclose(together, [duplicates.signature(image) for image in shown], atol=1e-6)
    assert not together[1].any()


def test_shifted_and_brightened_copies_are_found() -> None:
    """The same strip a few pixels aside, brighter or darker, is a near-duplicate; another strip is not."""
    one, other = strip(1), strip(2)
    shown = [
        photograph(one),
        photograph(other),
        photograph(one, down=2, right=3, seed=1),
        photograph(one, gain=1.15, seed=2),
        photograph(other, right=3, gain=0.85, seed=3),
    ]
    assert groups(*shown) == [0, 1, 0, 0, 1]


def test_the_same_margin_and_light_make_no_duplicates() -> None:
    """Two strips with the same black half and gradient of light are told apart; two photographs of one are not."""
    light = np.linspace(0.4, 1.4, WIDTH)[np.newaxis]
    light[:, : WIDTH // 2] = 0
    shown = [
        (photograph(strip(seed), right, right) * light).astype(np.uint8) for seed, right in ((1, 0), (2, 0), (1, 2))
    ]
    assert groups(*shown) == [0, 1, 0]


def test_images_without_texture_are_no_duplicates() -> None:
    """Evenly black or grey images have nothing in common that counts, not even with themselves."""
    for grey in (0, 77, 255):
        assert not duplicates.signature(np.full((HEIGHT, WIDTH), grey, np.uint8)).any()
    even = np.full((HEIGHT, WIDTH), 77, np.uint8)
    assert groups(even, photograph(strip(1)), even) == [0, 1, 2]


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (8, 8), (32, 64), (200, 200)])
def test_any_size_has_a_signature(shape: tuple[int, int]) -> None:
    """Images smaller than a cell work as well."""
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.isfinite(duplicates.signature(image)).all()


def test_groups_are_chains() -> None:
    """A ~ b and b ~ c put a and c together, though they differ; numbers follow first appearance."""
    a, b, c, alone, zero = (
        (1, 0, 0),
        (0.8, 0.6, 0),
        (0.28, 0.96, 0),
        (0, 0, 1),
        (0, 0, 0),
    )  # a·b = b·c = 0.8, a·c = 0.28
    found = duplicates.groups(np.array([alone, c, zero, a, zero, b], np.float32), 0.7)
    assert found.tolist() == [0, 1, 2, 1, 3, 1]
    assert duplicates.groups(np.array([a, c], np.float32), 0.7).tolist() == [0, 1]


def test_the_threshold_is_inclusive() -> None:
    """A correlation of exactly the threshold makes a near-duplicate."""
    pair = np.array([(1, 0), (0.5, 0.75**0.5)], np.float32)
    assert duplicates.groups(pair, 0.5).tolist() == [0, 0]
    assert duplicates.groups(pair, 0.501).tolist() == [0, 1]


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs within a block, across neighbouring blocks and across distant ones are all found."""
    angles = np.random.default_rng(3).uniform(0, np.pi, 40)
    signatures = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    whole = duplicates.groups(signatures, 0.995).tolist()
    assert 5 < len(set(whole)) < 40
    for block in (1, 3, 16):
        monkeypatch.setattr(duplicates, "_BLOCK", block)
        assert duplicates.groups(signatures, 0.995).tolist() == whole


@pytest.mark.parametrize("alike", [False, True])
def test_memory_does_not_grow_with_the_pairs(alike: bool) -> None:
    """Of 4,000 images no table or list of their 8 million pairs is made, not even where all are near-duplicates."""
    signatures = np.random.default_rng(5).standard_normal((4000, 16), dtype=np.float32)
    if alike:
        signatures[:] = signatures[0]
    signatures /= np.linalg.norm(signatures, axis=1, keepdims=True)
    tracemalloc.start()
    found = duplicates.groups(signatures, 0.999)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(set(found.tolist())) == (1 if alike else 4000)
    assert peak < (40e6 if alike else 6e6)


def test_near_duplicates_of_the_sample_are_found() -> None:
    """Groups among 40 images of the built-in sample are exactly its strips that were photographed twice."""
    shots = generate.plan(40, 0, 1)
    found = groups(*(generate.draw(shot, 1)[0] for shot in shots))
    strips, together = defaultdict(set), defaultdict(set)
    for shot, group in zip(shots, found, strict=True):
        strips[shot.scene].add(shot.name)
        together[group].add(shot.name)
    assert sorted(map(sorted, strips.values())) == sorted(map(sorted, together.values()))
    assert sum(len(names) == 2 for names in strips.values()) == 2


def test_unrelated_real_images_stay_apart(real_data: Path) -> None:
    """Among 58 real images, chosen one by one, no two are near-duplicates."""
    with zipfile.ZipFile(real_data / "severstal-sample.zip") as archive:
        names = [name for name in archive.namelist() if name.startswith("train_images/") and name.endswith(".jpg")]
        images = [cv2.imdecode(np.frombuffer(archive.read(name), np.uint8), cv2.IMREAD_GRAYSCALE) for name in names]
    assert len(set(groups(*images))) == len(names) == 58


def test_a_chain_that_would_fill_a_fold_is_divided() -> None:
    """Sixty signatures, each like the next: one group, then groups of ten at most; identical ones stay together."""
    generator = np.random.default_rng(0)
    walk = np.cumsum(generator.normal(0, 0.35, (60, 64)), axis=0) + generator.normal(size=64)
    chain = (walk / np.linalg.norm(walk, axis=1, keepdims=True)).astype(np.float32)
    whole = duplicates.groups(chain, 0.6)
    assert set(whole.tolist()) == {0}
    parts, found = duplicates.divided(chain, whole, 0.6, 10)
    assert np.bincount(parts).max() <= 10
    assert found.keys() == {60}
    same = np.repeat(chain[:1], 20, axis=0)
    assert set(duplicates.divided(same, np.zeros(20, np.int64), 0.6, 5)[0].tolist()) == {0}


def test_what_belongs_together_by_name() -> None:
    """Near-duplicates and equal keys join; a chain over both does too."""
    groups = np.array([0, 1, 2, 2, 3, 4])
    assert duplicates.joined(groups, ["a", "b", "b", "c", "c", "d"]).tolist() == [0, 1, 1, 1, 1, 2]


def test_a_chain_that_was_divided_stays_divided() -> None:
    """Four photographs of one strip lie in three folds, because they filled one; with a fifth, they would not."""
    signatures = np.tile(np.eye(1, duplicates.SIZE, dtype=np.float32), (6, 1))
    signatures[5] = np.eye(2, duplicates.SIZE, dtype=np.float32)[1]
    groups, kept = np.array([0, 0, 0, 0, 0, 1]), np.array([0, 0, 1, 2, -1, 0])
    found = duplicates.still_divided(signatures, groups, kept, 3, THRESHOLD)
    assert found.tolist() == [0, 0, 1, 2, 2, 3]  # the fifth goes with the held-out one
    assert duplicates.still_divided(signatures, groups, np.where(kept >= 0, 0, -1), 3, THRESHOLD).tolist() == [
        0
    ] * 5 + [1]


def test_a_group_that_a_new_image_joins_is_whole() -> None:
    """Two that are unlike each other lie in two folds; the new one, between them, is like both."""
    signatures = np.eye(2, duplicates.SIZE, dtype=np.float32)
    signatures = np.vstack([signatures, signatures.sum(axis=0, keepdims=True) / np.sqrt(np.float32(2))])
    groups = duplicates.groups(signatures, THRESHOLD)
    assert groups.tolist() == [0, 0, 0]
    assert duplicates.still_divided(signatures, groups, np.array([0, 2, -1]), 3, THRESHOLD).tolist() == [0, 0, 0]
