"""Near-duplicate images, found by their texture.

The competition has images of the same strip that differ slightly in light or position and have different masks. If
they were spread over folds, a network would be scored on what it was trained on.

Every image is reduced to a small signature of its texture, so that two sheets with the same black margin or the same
gradient of light are not duplicates. Two images are near-duplicates if their signatures correlate at least as much as a
threshold; groups are the connected components. A chain of images, each like the next, can join half of a data set; such
a group is divided (see `divided`). Perceptual hashes (imagehash) compare brightness and would take all
evenly lit strips for duplicates.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from stages.dataset import folds
from stages.pipeline.arrays import Float32, Int64, UInt8

CELL = 8  # pixels; images shifted by a quarter of it still correlate; shifted by half of it both ways they do not
SIZE = 512  # numbers in a signature; correlations of unrelated images of 256×1600 then stay within about ±0.2
STEP = 0.8  # of the distance from the threshold to 1, where a group is divided
IDENTICAL = 0.995  # correlation from which images are never divided
_BLOCK = 512
_ROUNDING = 0.01  # length of a signature: an even image stays far below, the faintest texture far above


def signature(image: UInt8) -> Float32:
    """Describe the texture of a grey image.

    Means of 8×8 pixels minus the means of their surroundings, multiplied by a fixed random projection (Johnson and
    Lindenstrauss 1984: angles are preserved within about 1/sqrt(SIZE)), scaled to length 1.

    Args:
        image: uint8 of shape (height, width).

    Returns:
        float32 of shape (SIZE,), of length 1, or all 0 for an image without any texture.
    """
    flat = texture(image)
    projected = _projection(flat.size) @ flat
    length = float(np.linalg.norm(projected))
    return (projected / length if length > _ROUNDING else np.zeros_like(projected)).astype(np.float32)


def texture(image: UInt8) -> Float32:
    """The texture of a grey image, uint8 (height, width), before its projection: float32 (cells,)."""
    cells = _cells(image)
    light = cv2.GaussianBlur(cells, (0, 0), 2.0)
    # Divided by the local spread, dark parts count as much as bright ones, and the edges of the sheet count no more.
    detail = cells - light
    spread = np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), 4.0)) + 1.0
    return np.asarray(detail / spread, np.float32).reshape(-1)


def _cells(image: UInt8) -> Float32:
    """Means of 8×8 pixels, float32."""
    height, width = (max(1, side // CELL) for side in image.shape)
    if image.shape == (CELL * height, CELL * width):  # sums of integers first: the same bits in half the time
        rows = image.reshape(height, CELL, -1).sum(axis=1, dtype=np.uint16).astype(np.float32)
        return np.asarray(cv2.resize(rows, (width, height), interpolation=cv2.INTER_AREA) / CELL, np.float32)
    means = cv2.resize(image.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(means, np.float32)


def signatures(textures: list[Float32]) -> Float32:
    """Signatures of several images of one size at once, from their textures: float32 (images, SIZE).

    Six times as fast as calling `signature` for each, which reads the whole projection every time; differs by rounding.
    """
    projected = np.stack(textures) @ _projection(textures[0].size).T  # (images, SIZE)
    length = np.linalg.norm(projected, axis=1, keepdims=True)
    return np.where(length > _ROUNDING, projected / np.maximum(length, _ROUNDING), 0).astype(np.float32)


def groups(signatures: Float32, threshold: float) -> Int64:
    """Number the groups of near-duplicates.

    Args:
        signatures: float32 of shape (images, SIZE).
        threshold: two images with a correlation of at least this, in 0 … 1, are near-duplicates.

    Returns:
        int64 of shape (images,): the group of each image, numbered from 0 in order of first appearance.
    """
    return _grouped(signatures, threshold)


def _grouped(signatures: Float32, threshold: float) -> Int64:
    component = np.arange(len(signatures))
    starts = range(0, len(signatures), _BLOCK)  # block by block, so that no matrix of all pairs is needed
    for start, further in ((start, further) for start in starts for further in starts if further >= start):
        block = signatures[start : start + _BLOCK] @ signatures[further : further + _BLOCK].T
        first, second = np.nonzero(block >= threshold)
        component = _joined(component, first + start, second + further)
    return _numbered(component)


def _numbered(component: Int64) -> Int64:
    """Components numbered from 0 in order of first appearance."""
    _, appearance, inverse = np.unique(component, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(appearance))[inverse].astype(np.int64)


def divided(signatures: Float32, groups: Int64, threshold: float, most: int) -> tuple[Int64, dict[int, float]]:
    """Divide groups that are too large to lie in one fold.

    Single linkage chains images: each is like the next, but the first is not like the last. The images of such a group
    are grouped again with a threshold that rises towards 1, until no group has more than `most` images. Images that
    are all but identical stay together, however many they are.

    Args:
        signatures: float32 of shape (images, SIZE).
        groups: of `groups`, int64 (images,).
        threshold: with which they were found.
        most: images that a group may have.

    Returns:
        The groups, numbered anew in order of first appearance; and for each group that was divided its size and the
        highest threshold that was needed.
    """
    result, found = groups.copy(), {}
    for group, size in zip(*np.unique(groups, return_counts=True), strict=True):
        if size <= most:
            continue
        members, higher = np.flatnonzero(groups == group), threshold
        own = np.zeros(size, np.int64)
        while np.bincount(own).max() > most and higher < IDENTICAL:
            higher = 1 - (1 - higher) * STEP
            large = np.flatnonzero(np.bincount(own)[own] > most)
            parts = _grouped(signatures[members[large]], higher)
            own[large] = parts + own.max() + 1
            own = np.unique(own, return_inverse=True)[1]
        result[members] = groups.max() + 1 + result.max() + own
        found[int(size)] = float(higher)
    return _numbered(result), found


def still_divided(signatures: Float32, groups: Int64, kept: Int64, count: int, threshold: float) -> Int64:
    """Leave divided what was: a chain that was too large for a fold, and would fit now that there are more images.

    Joined again, it would move many images at once. It is known by its old images: they are near-duplicates without
    any new one, and lie in several folds all the same. A group that only new images join stays whole.

    Args:
        signatures: float32 (images, SIZE).
        groups: of `groups` or `divided`, int64 (images,).
        kept: the fold that each image keeps, int64 (images,); negative: none.
        count: how many folds.
        threshold: from which correlation images are near-duplicates.

    Returns:
        The groups, numbered anew. The old images of such a chain are one group for each fold; its new ones are in that
        of the fold to which it would have moved.
    """
    old = np.flatnonzero(kept >= 0)
    goes_to = folds.of_groups(groups, kept, count)[groups]
    moved = old[kept[old] != goes_to[old]]
    if not moved.size:
        return groups
    before = np.full(len(groups), -1, np.int64)
    before[old] = _grouped(signatures[old], threshold)
    result = groups.copy()
    for group in np.unique(groups[moved]):
        members = np.flatnonzero(groups == group)
        chains, folds_of = before[members][kept[members] >= 0], kept[members][kept[members] >= 0]
        if len(np.unique(chains)) < len(np.unique(np.stack([chains, folds_of]), axis=1).T):  # one lies in two folds
            stays = np.where(kept[members] >= 0, kept[members], goes_to[members])
            result[members] = len(groups) + group * count + stays
    return _numbered(result)


def _joined(component: Int64, first: Int64, second: Int64) -> Int64:
    """Components after joining images `first[k]` and `second[k]` for every k, renumbered."""
    from scipy.sparse import coo_array  # slow to import
    from scipy.sparse.csgraph import connected_components

    one, other = component[first], component[second]
    apart = one != other
    if not apart.any():
        return component
    edges = np.ones(np.count_nonzero(apart), np.int32), (one[apart], other[apart])
    _, renumbered = connected_components(coo_array(edges, shape=(len(component),) * 2), directed=False)
    return np.asarray(renumbered[component], np.int64)


_projections: dict[int, Float32] = {}


def _projection(size: int) -> Float32:
    if size not in _projections:
        generator = np.random.default_rng(size)
        _projections[size] = generator.standard_normal((SIZE, size), dtype=np.float32) / np.float32(np.sqrt(SIZE))
    return _projections[size]


def joined(groups: Int64, keys: Sequence[str]) -> Int64:
    """Groups that also hold together what has the same key.

    Args:
        groups: int64 (images,).
        keys: one for each image.

    Returns:
        int64 (images,), from 0.

        >>> joined(np.array([0, 0, 1, 2]), ["a", "b", "b", "c"]).tolist()
        [0, 0, 0, 1]
    """
    _, of_key = np.unique(np.asarray(keys, dtype=object).astype(str), return_inverse=True)
    found, before = groups.copy(), None
    while before is None or not np.array_equal(found, before):  # each takes the smallest number that it is linked to
        before = found.copy()
        for links in (of_key, groups):
            smallest = np.full(int(links.max()) + 1, len(groups), np.int64)
            np.minimum.at(smallest, links, found)
            found = smallest[links]
    return np.unique(found, return_inverse=True)[1].astype(np.int64)
