"""Masks on disk: what is stored comes back by image, and only places are kept in memory."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stages.dataset.mask_store import MaskStore, StoredMask
from stages.dataset.tables import Row


def test_masks_come_back_by_image_class_and_line(tmp_path: Path) -> None:
    """Rows may be scattered over the table; an image without a mask has none, and empty content is kept."""
    with MaskStore(tmp_path) as masks:
        for row, content in [
            (Row(2, "a.jpg", 2, "1 2"), b"1 2"),
            (Row(3, "b.jpg", 1, ""), b""),
            (Row(4, "a.jpg", 1, "5 1"), b"5 1"),
            (Row(5, "a.jpg", 1, "3 1"), b"3 1"),
        ]:
            masks.add(row, content)
        assert masks.of("a.jpg") == [StoredMask(1, 4, b"5 1"), StoredMask(1, 5, b"3 1"), StoredMask(2, 2, b"1 2")]
        assert masks.of("b.jpg") == [StoredMask(1, 3, b"")]
        assert masks.of("c.jpg") == []


def test_threads_read_at_once(tmp_path: Path) -> None:
    """Every image gets its own bytes, whichever thread reads them."""
    with MaskStore(tmp_path) as masks:
        for number in range(200):
            masks.add(Row(number, f"{number}.jpg", 1, ""), f"{number} ".encode() * number)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda number: masks.of(f"{number}.jpg")[0].content, range(200)))
    assert found == [f"{number} ".encode() * number for number in range(200)]


def test_nothing_is_left(tmp_path: Path) -> None:
    """The temporary file disappears with the store."""
    with MaskStore(tmp_path) as masks:
        masks.add(Row(2, "a.jpg", 1, "1 2"), b"1 2")
    assert list(tmp_path.iterdir()) == []
