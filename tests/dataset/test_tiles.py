"""Images cut into tiles, and put together again."""

from itertools import pairwise

import numpy as np
import pytest

from stages.dataset.layout import Images, Layout
from stages.dataset.tiles import Grid


def layout(height: int, width: int, sizes: str = "tiled") -> Layout:
    """One class; networks see height × width."""
    return Layout(("pit",), height, width, images=Images(sizes=sizes))  # type: ignore[arg-type]


def test_tiles_overlap_by_a_quarter_or_more_and_reach_both_edges() -> None:
    """Nine columns in tiles of four: a step of three would leave two columns for a third tile, so three are spread."""
    grid = Grid.of((4, 9), layout(4, 4))
    assert (grid.tops, grid.lefts, len(grid)) == ((0,), (0, 2, 5), 3)
    image = np.arange(36, dtype=np.uint8).reshape(4, 9)
    assert [tile[0].tolist() for tile in grid.cut(image)] == [[0, 1, 2, 3], [2, 3, 4, 5], [5, 6, 7, 8]]


def test_from_two_neighbours_the_pixel_further_from_the_edge_is_taken() -> None:
    """Tiles full of their own number, 0 to 5: two rows and three columns of tiles."""
    grid = Grid.of((7, 9), layout(4, 4))
    assert (grid.tops, grid.lefts) == ((0, 3), (0, 2, 5))
    joined = grid.joined([np.full((4, 4), number, np.uint8) for number in range(6)])
    assert joined.tolist() == [[0, 0, 0, 1, 1, 2, 2, 2, 2]] * 3 + [[3, 3, 3, 4, 4, 5, 5, 5, 5]] * 4


@pytest.mark.parametrize("size", [(4, 4), (4, 5), (5, 4), (64, 64), (31, 97), (8, 1000)])
def test_joined_is_the_inverse_of_cut(size: tuple[int, int]) -> None:
    """For any size, with and without channels; every tile has the size of the network."""
    grid = Grid.of(size, layout(4, 4))
    assert all(later - earlier <= 3 for starts in (grid.tops, grid.lefts) for earlier, later in pairwise(starts))
    for shape in (size, (*size, 3)):
        image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
        tiles = grid.cut(image)
        assert {tile.shape[:2] for tile in tiles} == {(4, 4)}
        np.testing.assert_array_equal(grid.joined(tiles), image)


def test_an_image_that_is_not_cut_is_its_only_tile() -> None:
    """With other sizes the very same array goes in and out, also where the image was larger than the network's size."""
    for sizes in ("equal", "resized", "padded"):
        grid, image = Grid.of((9, 9), layout(4, 4, sizes)), np.zeros((4, 4), np.uint8)
        assert len(grid) == 1
        assert grid.joined(grid.cut(image)).base is image
    assert len(Grid.of((2, 3), layout(4, 4))) == 1  # filled up to one tile before it is cut
