"""Where convert writes: nothing is overwritten unasked, and nothing partial is left."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from stages.conversion import competition
from stages.conversion.labels import LabelledImage
from stages.dataset import archive
from stages.dataset.layout import Files
from stages.pipeline.cli import UserError
from tests.support.own_steel import HALF, PREFIXES, RUNS, drawn, refused, run, with_test_images


def test_the_output_stands_first_or_after_two_dashes(steel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a list of names it would be taken for another name: the message says where to put it."""
    reported = refused(capsys, *HALF, *PREFIXES, "--classes", "a", "b", "out.zip")
    assert reported == "convert: expected an OUTPUT first, before the options, or after --; found none"
    run(*HALF, *PREFIXES, "--classes", "a", "b", "--", "out.zip")
    assert Path("out.zip").is_file()


def test_nothing_is_overwritten_unasked(steel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the zip nor the masks; --force replaces both, but never a folder that holds anything else."""
    Path("steel.test-masks.csv").write_text("mine", encoding="utf-8")
    reported = refused(capsys, "steel.zip", *PREFIXES, *HALF)
    assert "steel.test-masks.csv: expected nothing there" in reported
    assert Path("steel.test-masks.csv").read_text(encoding="utf-8") == "mine"
    run("steel.zip", *PREFIXES, *HALF, "--force")
    assert "steel.zip: expected nothing there" in refused(capsys, "steel.zip", *PREFIXES, *HALF)
    Path("out").mkdir()
    Path("out/thesis.tex").write_text("mine", encoding="utf-8")
    assert "alone, found thesis.tex too" in refused(capsys, "out", *PREFIXES, *HALF, "--force")
    assert "expected an output outside of the input" in refused(capsys, "images", *PREFIXES, *HALF, "--force")
    assert "expected a name for the output, found .." in refused(capsys, "..", *PREFIXES, *HALF, "--force")
    assert Path("out/thesis.tex").exists()


@pytest.mark.parametrize("output", ["out", "out.zip"])
def test_a_failure_while_writing_leaves_the_old_output(
    steel: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    """The output is replaced as a whole or not at all."""
    options = [output, *PREFIXES, *HALF]
    run(*options)
    before = archive.digest(Path(output))
    masks = Path("out.test-masks.csv").read_bytes()
    names = sorted(path.name for path in steel.iterdir())

    def broken(found: Sequence[LabelledImage]) -> Iterator[tuple[str, int, str]]:
        yield "In_1.jpg", 1, "1 1"
        raise UserError("no such luck")

    monkeypatch.setattr(competition, "_rows", broken)
    assert refused(capsys, *options, "--force", "--seed", "1") == "convert: no such luck"
    assert archive.digest(Path(output)) == before
    assert Path("out.test-masks.csv").read_bytes() == masks
    assert sorted(path.name for path in steel.iterdir()) == names


def test_true_masks_of_an_earlier_share_go_with_it(
    steel: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--test-images has none of its own: they are removed once the output is replaced, not before, nor any other's."""
    options = with_test_images()
    for name in ("out", "other"):
        run(name, *PREFIXES, *HALF)
    stale, other = Path("out.test-masks.csv"), Path("other.test-masks.csv")
    assert "out: expected nothing there" in refused(capsys, "out", *PREFIXES, *options)
    with monkeypatch.context() as patched:
        patched.setattr(competition, "_rows", lambda found: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run("out", *PREFIXES, *options, "--force")
    assert stale.is_file()
    run("out", *PREFIXES, *options, "--force")
    assert (stale.exists(), other.is_file()) == (False, True)
    assert [path.name for path in Path("out/test_images").iterdir()] == ["t.bmp"]


def test_the_same_input_gives_the_same_bytes(steel: Path) -> None:
    """The zip holds neither dates nor an order of chance; another seed may split otherwise, the same one may not."""
    digests = set()
    for name in ("a.zip", "b.zip"):
        run(name, *PREFIXES, *HALF, "--seed", "5")
        digests.add(hashlib.sha256(Path(name).read_bytes()).hexdigest())
        for path in Path("images").iterdir():
            path.touch()
    assert len(digests) == 1


def test_the_download_stage_takes_the_zip(steel: Path) -> None:
    """What is written is the layout that the pipeline reads."""
    run("steel.zip", *PREFIXES, *HALF)
    Path("raw").mkdir()
    archive.copy(Path("steel.zip"), Path("raw"), "steel.zip", Files())
    assert sorted(path.name for path in Path("raw").iterdir()) == sorted(competition.LAYOUT)


@pytest.mark.parametrize("output", ["loop", "loop.zip", "loop/out", "one"])
def test_an_output_that_leads_back(steel: Path, capsys: pytest.CaptureFixture[str], output: str) -> None:
    """A link to itself, or two to one another: one message, with and without --force."""
    for name, target in (("loop", "loop"), ("loop.zip", "loop.zip"), ("one", "two"), ("two", "one")):
        Path(name).symlink_to(target)
    for force in ([], ["--force"]):
        reported = refused(capsys, output, *PREFIXES, *HALF, *force)
        assert reported.startswith(f"convert: {output}: expected ")


def test_what_stands_in_the_way_of_the_output(steel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A link that leads nowhere or to a folder, and a folder with the recipe's name, before anything is read."""
    Path("out").symlink_to("gone")
    assert "out: expected nothing there, found something" in refused(capsys, "out", *PREFIXES, *HALF)
    reported = refused(capsys, "out", *PREFIXES, *HALF, "--force")
    assert "out: expected a file, a folder or nothing there, found a link to gone" in reported
    Path("steel.recipe.yaml").mkdir()
    reported = refused(capsys, "steel.zip", *PREFIXES, *HALF, "--force")
    assert "steel.recipe.yaml: expected a file or nothing there, found a folder" in reported
    assert not Path("steel.zip").exists()


def test_upper_case_names_pass_through(steel: Path) -> None:
    """Images and labels of a camera: converted, and taken by the download stage."""
    for folder in ("images", "labels"):
        for file in list(Path(folder).iterdir()):
            file.rename(file.with_suffix(file.suffix.upper()))
    run("out.zip", *PREFIXES, *HALF)
    Path("raw").mkdir()
    archive.copy(Path("out.zip"), Path("raw"), "out.zip", Files())
    names = sorted(path.name for path in Path("raw").rglob("*") if path.parent.name.endswith("_images"))
    assert names == ["In_1.JPG", "In_2.BMP", "Pa_1.PNG", "Pa_2.JPG"]


def test_a_photograph_that_exif_turns(steel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is stored as it is; the mask, drawn on what viewers show, is turned back."""
    exif = Image.Exif()
    exif[274] = 6  # viewers turn it clockwise: the first column becomes the upper row, its last pixel first
    with Image.open("images/Pa_1.png") as picture:
        picture.save("images/Pa_1.png", exif=exif)
    cv2.imwrite("labels/Pa_1.png", np.rot90(drawn("Pa_1", 255), -1))
    run("out", *PREFIXES, *with_test_images())
    assert f"Pa_1.png,2,{RUNS['Pa_1']}\n" in Path("out/train.csv").read_text()
    assert "images that EXIF turns are kept as stored" in capsys.readouterr().out
    assert Path("out/train_images/Pa_1.png").read_bytes() == Path("images/Pa_1.png").read_bytes()
