"""Masks of new photographs, by a network that is arithmetic: see `tests.support.trained`."""

import csv
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from stages import infer_test, predict
from stages.dataset import sample_submission, submission
from stages.dataset.layout import Layout
from stages.inference import engines, processor
from stages.inference.averaging import AS_IT_IS
from stages.inference.engines import Engine
from stages.photographs import mask_files, progress
from stages.pipeline import cli, paths, settings
from stages.pipeline.arrays import UInt8
from tests.support import trained
from tests.support.pictures import encoded

Run = Callable[..., str]


@pytest.fixture(autouse=True)
def _arithmetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are arithmetic; the current folder is an empty one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engines, "load", lambda *name_and_place: trained.network)


def segment(*words: str, status: int = 0) -> None:
    """The command, which ends with this exit status."""
    if not status:
        return cli.run_command("segment", words)
    with pytest.raises(SystemExit) as stopped:
        cli.run_command("segment", words)
    if isinstance(stopped.value.code, str):  # what Python prints before it ends with 1
        print(stopped.value.code, file=sys.stderr)
    assert status == (1 if isinstance(stopped.value.code, str) else stopped.value.code)
    return None


def photograph(place: str, *bright: tuple[int, int, int, int], size: tuple[int, int] = (32, 64)) -> Path:
    """A grey photograph, level 110, with rectangles (top, bottom, left, right) of level 204."""
    image = np.full(size, 110, np.uint8)
    for top, bottom, left, right in bright:
        image[top:bottom, left:right] = 204
    path = Path(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(path.suffix, image))
    return path


def files(folder: str) -> list[str]:
    """All files in a folder, by their paths in it."""
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def table(folder: str) -> list[dict[str, str]]:
    """The rows of masks.csv."""
    with Path(folder, mask_files.TABLE).open(newline="") as stream:
        return list(csv.DictReader(stream))


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
        "image,class,pixels,share,components,largest_probability,mean_probability",
        "a.png,pits,22,0.010742,2,0.8,0.8",  # 204 / 255; 22 of 2,048 pixels
        "a.png,cracks,0,0.000000,0,0.5686,",  # (255 - 110) / 255
        "b.jpg,pits,0,0.000000,0,0.4314,",
        "b.jpg,cracks,0,0.000000,0,0.5686,",
    ]
    legend = json.loads(Path("out/segment.json").read_text())
    assert legend["classes"] == {"1": "pits", "2": "cracks"}
    assert (legend["engine"], legend["precision"]) == ("openvino", "float32")
    printed = capsys.readouterr().out.splitlines()
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


def damaged(path: str) -> Path:
    """A photograph whose last bytes have not arrived."""
    whole = photograph(path)
    whole.write_bytes(whole.read_bytes()[:-2])
    return whole


def test_bad_photographs_are_reported_and_the_others_segmented(capsys: pytest.CaptureFixture[str]) -> None:
    """One message each, nothing of them in the output, and exit status 1."""
    trained.make(Path())
    damaged("in/a.jpg")
    photograph("in/b.png", size=(30, 64))
    Path("in/c.png").write_bytes(encoded(".png", np.full((32, 64), 900, np.uint16)))
    Path("in/d.jpg").write_bytes(encoded(".jpg", np.full((32, 64, 3), (9, 90, 200), np.uint8)))
    Path("in/e.png").write_text("text")
    photograph("in/f.png")
    photograph("in/F.jpg")
    photograph("again/f.png")
    photograph(f"in/{'g' * 160}.png")
    Path("empty").mkdir()
    segment("in", "again/f.png", "in/f.png", "empty", "no-such", "--out", "out", status=1)
    reported = capsys.readouterr().err.splitlines()
    expected = [
        ("empty", "expected photographs (.jpg, .jpeg, .png, .tif, .tiff, .bmp, .dcm), found none"),
        ("no-such", "expected a photograph or a folder, found nothing"),
        ("in/f.png", "expected another name than in/F.jpg, whose masks have the same: rename one"),
        (f"in/{'g' * 160}.png", "expected a name of at most 150 bytes, found one of 164: rename it"),
        ("again/f.png", "expected another name than in/F.jpg"),
        ("in/a.jpg", "expected a whole JPEG, found one that is cut off or damaged: "),
        ("in/b.png", "expected 32×64 pixels (competition.image_height, image_width), found 30×64; "),
        ("in/c.png", "expected 8 bits per channel, found uint16"),
        ("in/d.jpg", "expected grey levels (competition.images.channels: 1), found colours"),
        ("in/e.png", "expected one of JPEG, PNG, TIFF, BMP, DICOM, found 4 bytes that begin as none of them"),
    ]
    assert len(reported) == len(expected) + 1
    for line, (path, reason) in zip(reported, expected, strict=False):
        assert line.startswith(f"segment: {path}: {reason}")
    assert reported[-1] == "segment: expected masks of everything that was named, got none for 10: see above"
    assert files("out") == ["masks.csv", "masks/F.png", "overlays/F.jpg", "segment.json"]
    assert {row["image"] for row in table("out")} == {"F.jpg"}


def test_nothing_is_left_if_no_photograph_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    """The same command may be given again once they are mended."""
    trained.make(Path())
    segment(str(damaged("a.jpg")), "--out", "new/out", status=1)
    assert not Path("new/out").exists()
    Path("out").mkdir()
    segment("no-such", "--out", "out", status=1)
    assert os.listdir("out") == []


def test_an_output_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    """Not empty, a file, one that DVC empties, the photographs' own folder, or one that another process writes to."""
    trained.make(Path())
    photograph("in/a.png")
    Path("file").touch()
    Path("empty").mkdir()
    for words, reason in (
        (
            ["in", "--out", "data"],
            "data: expected a new or an empty folder for the masks, found model in it and 3 more",
        ),
        (["in", "--out", "file"], "file: expected a new or an empty folder for the masks, found a file"),
        (
            ["in", "--out", "data/raw/x"],
            "data/raw/x: expected a folder outside of data/raw, which DVC or a stage empties",
        ),
        (["empty", "--out", "empty", "--watch"], "empty: expected another folder than that of the photographs"),
    ):
        segment(*words, status=1)
        assert f"segment: {reason}" in capsys.readouterr().err
    from stages.pipeline import lock

    with lock.held(Path("out/.segment.lock"), "segment", ""):
        segment("in", "--out", "out", status=1)
    assert "expected no other segment at work in this folder, found process" in capsys.readouterr().err
    segment("in", "--out", "out")  # the file that a killed one left does not count


def test_photographs_where_dvc_empties_are_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    """In data/raw they will be gone; elsewhere nothing is said."""
    trained.make(Path())
    segment("data/raw/test_images/test_0.jpg", "--out", "one")
    line = (
        "segment: data/raw/test_images/test_0.jpg: DVC empties data/raw when its stage runs: keep photographs outside"
    )
    assert capsys.readouterr().out.startswith(line)
    segment(str(photograph("a.png")), "--out", "two")
    assert "DVC empties" not in capsys.readouterr().out


def other_network() -> None:
    """As after a training that was never recorded."""
    Path("data/model/fold_0/saved_model.pb").write_bytes(b"another")


def trained_again() -> None:
    """As after `dvc repro train`: the network is recorded, but rules were chosen with another."""
    lock = yaml.safe_load(Path("dvc.lock").read_text())
    old = lock["stages"]["train"]["outs"][0]["md5"]
    Path("dvc.lock").write_text(Path("dvc.lock").read_text().replace(old, "0" * 32 + ".dir", 1))
    shutil.rmtree("data/model")
    trained.make(Path("other"))
    Path("other/data/model/fold_0/saved_model.pb").write_bytes(b"another")
    Path("other/data/model").rename("data/model")
    text = Path("dvc.lock").read_text()
    trained.record(Path())
    now = yaml.safe_load(Path("dvc.lock").read_text())["stages"]["train"]["outs"][0]["md5"]
    lock = yaml.safe_load(text)
    lock["stages"]["train"]["outs"][0]["md5"] = now
    lock["stages"]["infer"]["deps"][0]["md5"] = old
    Path("dvc.lock").write_text(yaml.safe_dump(lock))


def other_engine() -> None:
    """Probabilities by an engine that dvc.lock does not record."""
    engines.write(paths.PROBABILITIES, Engine("openvino", "bfloat16"), AS_IT_IS)


def bfloat16() -> None:
    """A run on another machine."""
    other_engine()
    trained.record(Path())


def int8() -> None:
    """A run with quantised networks, of which nothing is recorded."""
    engines.write(paths.PROBABILITIES, Engine("openvino", "int8"), AS_IT_IS)
    trained.record(Path())


FAULTS: dict[str, tuple[Callable[[], object], str]] = {
    "no run": (lambda: Path("dvc.lock").unlink(), "dvc.lock: expected the record of the stages' outputs"),
    "no model": (
        lambda: shutil.rmtree("data/model"),
        "data/model: expected the output that dvc.lock records, found none",
    ),
    "another model": (other_network, "data/model: expected the files that dvc.lock records, found others or changed"),
    "another model, recorded": (
        trained_again,
        "dvc.lock: expected results of infer from the data/model that is recorded",
    ),
    "no rules": (paths.RULES.unlink, "data/postprocess.json: expected the output that dvc.lock records, found none"),
    "other rules": (
        lambda: paths.RULES.write_text("{}"),
        "data/postprocess.json: expected the file that dvc.lock records",
    ),
    "another engine": (
        other_engine,
        "data/probabilities/engine.json: expected the file that dvc.lock records, found an",
    ),
    "no int8 networks": (int8, "dvc.lock: expected the MD5 of data/quantized, found none: run dvc repro"),
    "no bfloat16 here": (
        bfloat16,
        "data/probabilities/engine.json: the rules were chosen with openvino in bfloat16: expected a processor with "
        "amx_bf16 or avx512_bf16, found none: segment on such a machine, or run dvc repro on this machine",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_model_that_is_not_the_recorded_one(
    fault: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message, and nothing is written."""
    trained.make(Path())
    change, reason = FAULTS[fault]
    change()
    monkeypatch.setattr(processor, "has_bfloat16", lambda: False)
    segment(str(photograph("a.png")), "--out", "out", status=1)
    (reported,) = capsys.readouterr().err.splitlines()
    assert reported.startswith(f"segment: {reason}")
    assert not Path("out").exists()


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


def test_progress_without_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A line now and then; here for each photograph."""
    trained.make(Path())
    monkeypatch.setattr(progress, "EVERY", 0.0)
    for number in range(3):
        photograph(f"in/{number}.png")
    damaged("in/9.jpg")
    segment("in", "--out", "out", status=1)
    lines = [line for line in capsys.readouterr().out.splitlines() if " of 4 photographs" in line]
    assert lines == [f"segment: {number} of 4 photographs" for number in (1, 2, 3, 4)]


def test_a_disk_that_is_full(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One message; no file is cut off, and the table has what was done."""
    trained.make(Path())
    for number in range(3):
        photograph(f"in/{number}.png")
    real = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.name.startswith(".2."):
            raise OSError(28, "No space left on device", str(path))
        return real(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    segment("in", "--out", "out", status=1)
    (reported,) = capsys.readouterr().err.splitlines()
    assert reported == "segment: out/masks/2.png: cannot be written (No space left on device)"
    assert not [name for name in files("out") if "partial" in name]
    assert {row["image"] for row in table("out")} == {"0.png", "1.png"}
