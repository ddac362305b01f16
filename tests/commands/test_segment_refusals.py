"""Photographs, outputs and models that segment refuses: one message each, and nothing partial."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages.inference import engines, processor
from stages.inference.averaging import AS_IT_IS
from stages.inference.engines import Engine
from stages.pipeline import lock, paths
from tests.support import trained
from tests.support.pictures import encoded
from tests.support.segmenting import damaged, files, photograph, segment, table


@pytest.fixture(autouse=True)
def _arithmetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are arithmetic; the current folder is an empty one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(engines, "load", lambda *name_and_place: trained.network)


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
    Path("nested/day").mkdir(parents=True)
    segment("in", "again/f.png", "in/f.png", "empty", "nested", "no-such", "--out", "out", status=1)
    reported = capsys.readouterr().err.splitlines()
    expected = [
        ("empty", "expected photographs (.jpg, .jpeg, .png, .tif, .tiff, .bmp, .dcm), found none"),
        ("nested", "expected photographs (.jpg, .jpeg, .png, .tif, .tiff, .bmp, .dcm), found none; folders within it"),
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
    assert reported[-1] == "segment: expected masks of everything that was named, got none for 11: see above"
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
        *(
            (
                ["in", "--out", f"{own}/x"],
                f"{own}/x: expected a folder outside of {own}, which belongs to the project: name another one",
            )
            for own in (".git", "stages")
        ),
        (
            ["in", "--out", "data/raw/x"],
            "data/raw/x: expected a folder outside of data/raw, which DVC or a stage empties",
        ),
        (["empty", "--out", "empty", "--watch"], "empty: expected another folder than that of the photographs"),
    ):
        segment(*words, status=1)
        assert f"segment: {reason}" in capsys.readouterr().err
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


def test_a_broken_link_in_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """Its share may be gone: it is named, not passed over; the others are segmented."""
    trained.make(Path())
    photograph("in/a.png")
    Path("in/gone.jpg").symlink_to("/share/gone.jpg")
    segment("in", "--out", "out", status=1)
    assert "segment: in/gone.jpg: expected a photograph, found a link to nothing" in capsys.readouterr().err
    assert Path("out/masks/a.png").is_file()


def test_links_in_a_circle(capsys: pytest.CaptureFixture[str]) -> None:
    """One message; the photograph beside them is segmented, and a folder of that kind is no output."""
    trained.make(Path())
    Path("loop.jpg").symlink_to("loop.jpg")
    segment("loop.jpg", str(photograph("a.png")), "--out", "out", status=1)
    assert "segment: loop.jpg: expected a photograph or a folder, found nothing" in capsys.readouterr().err
    assert Path("out/masks/a.png").is_file()
    Path("round").symlink_to("round")
    segment("a.png", "--out", "round", status=1)
    assert "Traceback" not in capsys.readouterr().err


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
