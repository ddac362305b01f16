"""The prepared data set: images that come back as stored, and folds that mean what they say."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from stages.dataset import integrity, rle
from stages.dataset.layout import Layout
from stages.dataset.prepared import IMAGES, INDEX, LABELS, SUMMARY, Dataset, ImageStore
from stages.dataset.true_masks import TrueMasksWriter


def numbered(position: int) -> np.ndarray:
    """An image of 2×3 pixels that encodes its position."""
    return np.arange(6, dtype=np.uint8).reshape(2, 3) + 10 * position


@pytest.fixture
def stack(tmp_path: Path) -> ImageStore:
    """Three images of 2×3 pixels."""
    stack = ImageStore.create(tmp_path / "images.npy", 3, 2, 3)
    for position in range(3):
        stack[position] = numbered(position)
    return stack


@pytest.fixture
def prepared(tmp_path: Path) -> Dataset:
    """Six images in three folds of two; the middle class occurs nowhere."""
    for name in (IMAGES, LABELS):
        stack = ImageStore.create(tmp_path / name, 6, 2, 3)
        stack[4] = numbered(4)
        stack.close()
    writer = TrueMasksWriter(tmp_path)
    writer.add(4, [(1, rle.parse("1 2", 2, 3)), (3, rle.parse("2 3", 2, 3))])
    writer.close()
    # The columns stand in another order than the classes do.
    lines = ["image,fold,group,height,width,pixels_stain,pixels_line,pixels_pit"]
    lines += [f'"odd, {number}.jpg",{number % 3},{number // 2},2,3,{number},0,1' for number in range(6)]
    (tmp_path / INDEX).write_text("\n".join(lines) + "\n", encoding="utf-8")
    summary = {"layout": Layout(("pit", "line", "stain"), 2, 3).to_json(), "folds": 3, "digest": "0"}
    summary[integrity.KEY] = integrity.of_files(tmp_path, [INDEX])
    (tmp_path / SUMMARY).write_text(json.dumps(summary), encoding="utf-8")
    return Dataset(tmp_path)


def test_a_new_stack_is_black(tmp_path: Path) -> None:
    """What has not been written is 0."""
    assert not ImageStore.create(tmp_path / "a.npy", 2, 2, 3)[1].any()


def test_images_come_back(stack: ImageStore, tmp_path: Path) -> None:
    """Every image comes back from its own place, at once and after the file has been opened again."""
    stack.close()
    again = ImageStore(tmp_path / "images.npy")
    assert (len(again), again.height, again.width) == (3, 2, 3)
    for position in range(3):
        np.testing.assert_array_equal(again[position], numbered(position))


def test_any_tool_reads_the_file(stack: ImageStore, tmp_path: Path) -> None:
    """The file is plain NumPy, images first."""
    stack.close()
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), [numbered(0), numbered(1), numbered(2)])


def test_one_image_written_again(stack: ImageStore) -> None:
    """Writing one image leaves its neighbours alone, also from a view that is not contiguous."""
    stack[1] = numbered(7)[:, ::-1]
    np.testing.assert_array_equal(stack[1], numbered(7)[:, ::-1])
    np.testing.assert_array_equal(stack[0], numbered(0))
    np.testing.assert_array_equal(stack[2], numbered(2))


@pytest.mark.parametrize("position", [-1, 3, 2**40])
def test_a_position_outside(stack: ImageStore, position: int) -> None:
    """There is no counting from the end: a wrong position is reported, for reading and for writing."""
    with pytest.raises(IndexError, match=f"expected a position in 0 … 2, found {position}"):
        stack[position]
    with pytest.raises(IndexError, match=f"expected a position in 0 … 2, found {position}"):
        stack[position] = numbered(0)


@pytest.mark.parametrize("shape", [(3, 2), (6,), (2, 3, 1), (2, 2)])
def test_an_image_of_another_shape(stack: ImageStore, shape: tuple[int, ...]) -> None:
    """Another shape is refused, even a transposed one with as many pixels, and nothing is written."""
    with pytest.raises(ValueError, match=r"expected an array of shape \(2, 3\), found"):
        stack[0] = np.zeros(shape, np.uint8)
    np.testing.assert_array_equal(stack[0], numbered(0))


def test_a_stack_opened_for_reading(stack: ImageStore, tmp_path: Path) -> None:
    """What was opened for reading cannot be written."""
    with pytest.raises(OSError, match="Bad file descriptor"):
        ImageStore(tmp_path / "images.npy")[0] = numbered(1)


def test_another_kind_of_array(tmp_path: Path) -> None:
    """An array of another type or number of dimensions is no stack."""
    for array, found in (
        (np.zeros((1, 2, 3)), r"float64 \(1, 2, 3\)"),
        (np.zeros((2, 3), np.uint8), r"uint8 \(2, 3\)"),
    ):
        np.save(tmp_path / "a.npy", array)
        with pytest.raises(ValueError, match=f"expected uint8 of three or four dimensions, found {found}"):
            ImageStore(tmp_path / "a.npy")


def test_several_threads_read_and_write(tmp_path: Path) -> None:
    """Threads at work on different images do not mix them up."""
    stack = ImageStore.create(tmp_path / "a.npy", 40, 2, 3)

    def work(first: int) -> None:
        for position in range(first, 40, 4):
            stack[position] = np.full((2, 3), position, np.uint8)
            assert (stack[position] == position).all()

    threads = [threading.Thread(target=work, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [int(stack[position].min()) for position in range(40)] == list(range(40))


def test_prepared_index(prepared: Dataset) -> None:
    """Samples carry their place in the arrays, and pixels in the order of the classes."""
    sample = prepared.index[4]
    assert (sample.position, sample.image, sample.fold, sample.group) == (4, "odd, 4.jpg", 1, 2)
    assert sample.pixels == (1, 0, 4)
    np.testing.assert_array_equal(prepared.images[sample.position], numbered(4))
    np.testing.assert_array_equal(prepared.labels[sample.position], numbered(4))


def test_the_truth_keeps_what_two_classes_claim(prepared: Dataset) -> None:
    """Planes where masks overlap, a label map elsewhere; both from the table's masks, not from what training reads."""
    truth = prepared.truth(prepared.index[4])  # pixels 1 and 2 are of class 1, 2 to 4 of class 3, column by column
    assert truth.shape == (2, 3, 3)
    np.testing.assert_array_equal(truth[..., 0], [[1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(truth[..., 2], [[0, 1, 0], [1, 1, 0]])
    assert prepared.truth(prepared.index[0]).shape == (2, 3)


def test_prepared_folds(prepared: Dataset) -> None:
    """The last fold is held out: training leaves out both it and the validation fold."""
    assert (prepared.folds, prepared.held_out, prepared.classes) == (3, 2, ["pit", "line", "stain"])
    assert [sample.position for sample in prepared.fold(0)] == [0, 3]
    assert [sample.position for sample in prepared.fold(prepared.held_out)] == [2, 5]
    assert [sample.position for sample in prepared.training(0)] == [1, 4]
    assert [sample.position for sample in prepared.training(1)] == [0, 3]


def test_training_validation_and_held_out_never_meet(prepared: Dataset) -> None:
    """Whatever the validation fold, every image has exactly one part."""
    for fold in range(prepared.held_out):
        parts = [prepared.training(fold), prepared.fold(fold), prepared.fold(prepared.held_out)]
        assert sorted(sample.position for part in parts for sample in part) == list(range(6))
