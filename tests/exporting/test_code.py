"""The code of an export: complete, and in need of little."""

from pathlib import Path

import pytest

from stages.exporting import code, networks
from tests.support import reachable

ROOT = Path(__file__).parents[2]


def test_the_listed_modules_are_those_that_the_example_imports() -> None:
    """None is missing, none superfluous; of other packages only NumPy, OpenCV and one that runs networks.

    simplejpeg, pydicom and Pillow are imported only where they are there or needed, segmentation_models for training.
    """
    found, others = reachable.from_module("stages.exporting.example")
    assert found == set(code.MODULES)
    assert others == {
        "numpy", "cv2", "onnxruntime", "openvino", "tensorflow", "PIL", "simplejpeg", "pydicom", "segmentation_models",
    }  # fmt: skip


def test_the_example_is_short() -> None:
    """About 30 lines without its docstrings and blank lines."""
    lines = (ROOT / "stages/exporting/example.py").read_text().split('"""')[2::2]
    assert sum(bool(line.strip()) for part in lines for line in part.splitlines()) <= 30


@pytest.mark.parametrize("form", networks.FORMATS)
def test_requirements_are_pinned(tmp_path: Path, form: networks.Format) -> None:
    """One that runs the networks, and those that read photographs, as they are here."""
    code.write(tmp_path, form)
    lines = (tmp_path / "requirements.txt").read_text().splitlines()
    assert lines[0].startswith(code.ENGINES[form][0].partition("-")[0])
    assert [line.partition("==")[0] for line in lines[1:]] == [
        "numpy", "opencv-python-headless", "pillow", "simplejpeg", "pydicom",
    ]  # fmt: skip
    assert all("==" in line for line in lines)
