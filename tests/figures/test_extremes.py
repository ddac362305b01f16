"""Pictures of images with extreme sides and of many classes: bounded, readable, and made in seconds."""

import base64
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from stages.dataset import label_maps
from stages.figures import confusion_chart, gallery, overlays
from stages.pipeline.arrays import UInt8

EXTREMES = [(20_000, 20), (20, 20_000), (32_768, 1), (1, 32_768), (1, 1), (5000, 639), (32_768, 700)]
JPEG_SIDE = 65_535


def drawn(height: int, width: int) -> tuple[UInt8, UInt8]:
    """An even image, and its label map with one class in the lower right half."""
    labels = np.zeros((height, width), np.uint8)
    labels[height // 2 :, width // 2 :] = 1
    return np.full((height, width), 100, np.uint8), labels


@pytest.mark.parametrize("size", EXTREMES)
def test_six_images_fit_into_a_picture(size: tuple[int, int], tmp_path: Path) -> None:
    """Whatever their sides; the mask is still there, and a caption has room."""
    image, labels = overlays.reduced(*overlays.enlarge(*drawn(*size)), width=1600)
    assert image.shape == labels.shape
    assert labels.any()
    assert image.size <= 1600 * overlays.MOST_ROWS
    assert min(image.shape) >= min(16, *size)
    captioned = overlays.caption(overlays.errors(image, labels, 0 * labels), "a.png", overlays.LEGEND)
    assert captioned.shape[1] >= 640
    overlays.save(overlays.stack([captioned] * 6), tmp_path / "six.jpg")
    assert max(cv2.imread(str(tmp_path / "six.jpg")).shape) <= JPEG_SIDE


@pytest.mark.parametrize("size", EXTREMES)
def test_an_image_of_the_report_is_small(size: tuple[int, int]) -> None:
    """Its thin side stays visible."""
    raw = np.frombuffer(base64.b64decode(gallery.jpeg(drawn(*size)[0])), np.uint8)
    height, width = cv2.imdecode(raw, cv2.IMREAD_GRAYSCALE).shape
    assert width <= gallery.WIDTH
    assert height <= gallery.HEIGHT
    assert min(height, width) >= min(16, *size)


def test_outlines_of_many_classes() -> None:
    """Drawn in one go, they are those that are drawn class by class."""
    random = np.random.default_rng(1)
    labels = np.kron(random.integers(0, 200, (9, 9)), np.ones((7, 5))).astype(np.uint8)
    image = np.full(labels.shape, 100, np.uint8)
    planes = np.stack([label_maps.of_class(labels, class_id) for class_id in range(1, 200)], axis=-1).astype(np.uint8)
    for thickness in (1, 2):
        np.testing.assert_array_equal(
            overlays.outline(image, labels, thickness), overlays.outline(image, planes, thickness)
        )


def test_a_caption_of_many_names_ends() -> None:
    """It says how many are left out."""
    picture = np.zeros((10, 640, 3), np.uint8)
    names = {f"class_{number}_with_a_name": overlays.colour(number) for number in range(1, 255)}
    assert overlays.caption(picture, "a.png", names).shape[0] < 400


def test_a_confusion_matrix_of_many_classes(tmp_path: Path) -> None:
    """Colours without numbers: 254 classes would need 65,025 texts, which take minutes."""
    names = ["background", *(f"a_rather_long_name_of_class_{number}" for number in range(1, 100))]
    started = time.monotonic()
    confusion_chart.draw(np.eye(100, dtype=np.int64) + 1, names, tmp_path / "confusion.png")
    assert time.monotonic() - started < 60
    assert max(cv2.imread(str(tmp_path / "confusion.png")).shape) < 2500
