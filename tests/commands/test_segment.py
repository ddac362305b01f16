"""Masks of new photographs, by a network that is arithmetic: see `tests.support.trained`."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from stages import infer_test, predict
from stages.dataset import sample_submission, submission
from stages.dataset.layout import Layout
from stages.inference import engines
from stages.inference.averaging import AS_IT_IS
from stages.pipeline import paths, settings
from stages.pipeline.arrays import UInt8
from tests.support import trained
from tests.support.pictures import encoded
from tests.support.segmenting import files, photograph, segment, table


@pytest.fixture(autouse=True)
def _arithmetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are arithmetic; the current folder is an empty one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engines, "load", lambda *name_and_place: trained.network)


def mask(path: str) -> UInt8:
    """A mask as it is stored."""
    return cv2.imread(path, cv2.IMREAD_UNCHANGED)  # type: ignore[return-value]


FORMS: dict[str, dict[str, Any]] = {
    "equal": {},
    "with flips and two scales": {"inference": {"flips": True, "scales": [1.0, 2.0]}},
    "padded": {"images": {"sizes": "padded"}, "image_height": 48, "image_width": 96},
    "resized": {"images": {"sizes": "resized"}},
    "tiled": {"images": {"sizes": "tiled"}},
    "overlapping": {"overlapping_classes": True},
    "in colour": {"images": {"channels": 3}},
    "16 bits": {"images": {"levels": [0, 65535]}},
}


@pytest.mark.parametrize("form", FORMS)
def test_the_masks_are_those_of_predict(form: str) -> None:
    """Byte for byte, for test images of every kind that a recipe allows."""
    trained.make(Path(), **FORMS[form])
    draw_test_images(form)
    infer_test.infer_test()
    predict.predict()
    segment(str(paths.TEST_IMAGES), "--out", "out")
    options = settings.load()
    layout = Layout.of(options.competition)
    sample = sample_submission.read(paths.SAMPLE_SUBMISSION, layout)
    masks = (as_labels(Path(image).stem, layout) for image in sample.images)
    submission.write(Path("ours.csv"), sample, masks, options.predict.form)
    assert Path("ours.csv").read_bytes() == paths.SUBMISSION.read_bytes()
    assert Path("ours.csv").read_text().count("\n") > 4  # there are masks


def draw_test_images(form: str) -> None:
    """Make the three test images fit a form, under the names that the sample has."""
    sizes = [(32, 64)] * 3 if form not in ("padded", "resized", "tiled") else [(32, 64), (48, 40), (20, 96)]
    if form == "tiled":
        sizes[2] = (70, 200)
    for number, size in enumerate(sizes):
        generator = np.random.default_rng(number)
        shape = (*size, 3) if form == "in colour" else size
        noise = generator.integers(0, 256, shape, dtype=np.uint8)
        image = noise.astype(np.uint16) * 257 if form == "16 bits" else noise
        suffix = ".png" if form == "16 bits" else ".jpg"  # the content tells the format, not the name
        Path(paths.TEST_IMAGES, f"test_{number}.jpg").write_bytes(encoded(suffix, image))


def as_labels(name: str, layout: Layout) -> UInt8:
    """The masks of a photograph, as predict has them."""
    if not layout.overlapping:
        return mask(f"out/masks/{name}.png")
    planes = [mask(f"out/masks/{name}.{title}.png") for title in layout.classes]
    assert {*np.unique(planes)} <= {0, 255}
    return np.stack(planes, axis=-1) // 255


def test_what_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Two parts of 2×3 and 4×4 pixels in one photograph, nothing in the other; figures worked out by hand."""
    trained.make(Path())
    photograph("in/a.png", (0, 2, 0, 3), (10, 14, 20, 24))
    photograph("in/b.jpg")
    segment("in", "--out", "out")
    assert files("out") == [
        "masks.csv", "masks/a.png", "masks/b.png", "overlays/a.jpg", "overlays/b.jpg", "segment.json",
    ]  # fmt: skip
    expected = np.zeros((32, 64), np.uint8)
    expected[0:2, 0:3] = expected[10:14, 20:24] = 1
    np.testing.assert_array_equal(mask("out/masks/a.png"), expected)
    assert not mask("out/masks/b.png").any()
    assert Path("out/masks.csv").read_text().splitlines() == [
        "image,class,pixels,share,components,largest_probability,mean_probability,"
        "expected_dice,expected_low,expected_high",
        "a.png,pits,22,0.010742,2,0.8,0.8,,,",  # 204 / 255; 22 of 2,048 pixels
        "a.png,cracks,0,0.000000,0,0.5686,,,,",  # (255 - 110) / 255
        "b.jpg,pits,0,0.000000,0,0.4314,,,,",
        "b.jpg,cracks,0,0.000000,0,0.5686,,,,",
    ]
    legend = json.loads(Path("out/segment.json").read_text())
    assert legend["classes"] == {"1": "pits", "2": "cracks"}
    assert (legend["engine"], legend["precision"]) == ("openvino", "float32")
    _, *printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("segment: 1 network(s), openvino in float32, without flips at scale 1.0: as dvc.lock ")
    assert printed[1].startswith("segment: 2 photograph(s) in ")
    assert printed[1].endswith(" s, 1 with a mask (pits 1, cracks 0): out")


def test_the_overlay_names_the_classes_and_outlines_them() -> None:
    """It is enlarged tenfold, below a bar; the inside of a mask stays grey, its edge has the colour of pits."""
    trained.make(Path())
    segment(str(photograph("a.png", (8, 24, 16, 48))), "--out", "out")
    picture = cv2.imread("out/overlays/a.jpg").astype(int)
    assert picture.shape[1] == 640
    below = picture[-320:]
    assert np.ptp(below[160, 320]) < 10
    blue, green, red = below[160, 161]
    assert (red > 200, green > 100, blue < 90) == (True, True, True)


def test_masks_are_of_the_size_of_the_photograph() -> None:
    """Whatever the size at which the competition scores."""
    trained.make(Path(), submission={"height": 16, "width": 32})
    segment(str(photograph("a.png", (8, 24, 16, 48))), "--out", "out")
    assert mask("out/masks/a.png").shape == (32, 64)
    assert abs(int(table("out")[0]["pixels"]) - 16 * 32) < 100


def test_a_name_that_a_spreadsheet_would_run() -> None:
    """Is a text in the table."""
    trained.make(Path())
    segment(str(photograph("=1+1.png")), "--out", "out")
    assert table("out")[0]["image"] == "'=1+1.png"


def test_tensorflow_gets_whole_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last bits depend on the batch; OpenVINO computes each image by itself, a single one without company."""
    trained.make(Path())
    sizes: list[int] = []

    def network(images: UInt8) -> tuple[Any, Any]:
        sizes.append(len(images))
        return trained.network(images)

    monkeypatch.setattr(engines, "load", lambda *name_and_place: network)
    path = str(photograph("a.png"))
    segment(path, "--out", "openvino")
    engines.write(paths.PROBABILITIES, engines.NOTEBOOK, AS_IT_IS)
    trained.record(Path())
    segment(path, "--out", "tensorflow")
    assert sizes == [1, 4]


def test_parameters_are_those_of_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    """What was edited since, for the next experiment, does not count."""
    trained.make(Path())
    path = photograph("a.png", (8, 24, 16, 48))
    segment(str(path), "--out", "before")
    params = yaml.safe_load(paths.PARAMS.read_text())
    params["inference"]["flips"] = True
    params["competition"]["image_height"] = 999
    paths.PARAMS.write_text(yaml.safe_dump(params))
    capsys.readouterr()
    segment(str(path), "--out", "after")
    assert "without flips" in capsys.readouterr().out
    assert Path("before/masks/a.png").read_bytes() == Path("after/masks/a.png").read_bytes()
