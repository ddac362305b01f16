"""Masks by OpenVINO: one photograph at a time gives the bytes that predict gives in batches."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from stages import infer_test, predict
from stages.dataset import sample_submission, submission
from stages.dataset.layout import Layout
from stages.inference import ensemble, processor
from stages.inference.averaging import Views
from stages.inference.engines import Engine
from stages.pipeline import paths, settings
from tests.inference.test_engines import save
from tests.support import trained
from tests.support.pictures import encoded
from tests.training.conftest import options

__all__ = ["options"]
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
COUNT = 6  # test images: one batch of four that is full, and one that is not


@pytest.fixture
def run(options: settings.Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Six test images, their submission by random weights, and the run's dvc.lock: a function of precision."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stages").symlink_to(ROOT / "stages")

    def made(precision: str) -> None:
        engine = Engine("openvino", precision)
        trained.make(tmp_path, {"flips": True, "precision": precision}, images={"sizes": "tiled"})
        shutil.rmtree(paths.TEST_IMAGES)
        paths.TEST_IMAGES.mkdir()
        images = [noise(number) for number in range(COUNT)]
        for number, image in enumerate(images):
            Path(paths.TEST_IMAGES, f"test_{number}.png").write_bytes(encoded(".png", image))
        rows = [f"test_{number}.png,1 1,0\n" for number in range(COUNT)]
        paths.SAMPLE_SUBMISSION.write_text("ImageId,EncodedPixels,ClassId\n" + "".join(rows))
        shutil.rmtree(paths.MODEL)
        save(options, paths.MODEL / "fold_0", [image[:32, :64] for image in images])
        member = ensemble.EnsembleMember("fold_0", 0, True, False, (1.0,) * 3, (0.3,) * 3)
        ensemble.write(paths.MODEL, ensemble.Ensemble({}, [member]))
        from stages.inference import engines

        engines.write(paths.PROBABILITIES, engine, Views(flips=True))
        trained.record(tmp_path)
        infer_test.infer_test()
        predict.predict()

    return made


def noise(number: int) -> np.ndarray:
    """Blurred spots; the second image has two tiles."""
    size = (32, 100) if number == 1 else (32, 64)
    coarse = np.random.default_rng(number).integers(0, 256, (size[0] // 4, size[1] // 4)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_masks_are_those_of_predict(run: Any, tmp_path: Path, precision: str) -> None:
    """Six in a folder, in batches of four; and each in a process of its own, alone: the same bytes, no TensorFlow."""
    if precision == "bfloat16" and not processor.has_bfloat16():
        pytest.skip("the processor has no bfloat16")
    run(precision)
    program = "import sys; from stages.__main__ import main; main(sys.argv[1:]); sys.exit('tensorflow' in sys.modules)"
    images = sorted(paths.TEST_IMAGES.iterdir())
    for out, photographs in (("together", [paths.TEST_IMAGES]), ("one", images[:1]), ("two", images[1:2])):
        command = [sys.executable, "-c", program, "segment", *map(str, photographs), "--out", out]
        called = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert called.returncode == 0, called.stderr
    for out, number in (("one", 0), ("two", 1)):
        alone, together = (Path(folder, f"masks/test_{number}.png").read_bytes() for folder in (out, "together"))
        assert alone == together
    layout = Layout.of(settings.load().competition)
    sample = sample_submission.read(paths.SAMPLE_SUBMISSION, layout)
    masks = (cv2.imread(f"together/masks/test_{number}.png", cv2.IMREAD_UNCHANGED) for number in range(COUNT))
    submission.write(Path("ours.csv"), sample, masks, "sample")  # type: ignore[arg-type]
    assert Path("ours.csv").read_bytes() == paths.SUBMISSION.read_bytes()
    assert len({*Path("ours.csv").read_text().splitlines()}) > COUNT  # some show both classes
