"""Submissions scored against true masks, on small masks whose Dice is known."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from stages.commands import score
from stages.dataset.image_names import ImageNames
from stages.dataset.image_sizes import ImageSizes
from stages.dataset.layout import Layout, Metric
from stages.pipeline import cli
from stages.pipeline.cli import UserError

# 2×3 pixels, classes pit and line. a: half of the pit found. b: a line found, and a false pit. c: clean, as predicted.
MASKS = "ImageId,ClassId,EncodedPixels\na.png,1,1 2\nb.png,2,5 2\n"
MASKS_AS_PAIRS = "ImageId_ClassId,EncodedPixels\na.png_1,1 2\na.png_2,\nb.png_1,\nb.png_2,5 2\nc.png_1,\nc.png_2,\n"
ROOT = Path(__file__).parents[2]
SENT = "ImageId,EncodedPixels,ClassId\na.png,2 2,1\nb.png,5 2,2\nb.png,1 1,1\nc.png,1 6,0\n"
SENT_AS_PAIRS = "ImageId_ClassId,EncodedPixels\na.png_1,2 2\na.png_2,\nb.png_1,1 1\nb.png_2,5 2\nc.png_1,\nc.png_2,\n"
NAMES = ("pit", "line")


def scored(folder: Path, sent: str, true: str) -> str:
    """The output for a submission and true masks with these texts."""
    paths = folder / "sent.csv", folder / "true.csv"
    for path, text in zip(paths, (sent, true), strict=True):
        path.write_text(text, encoding="utf-8")
    sizes = ImageSizes(folder / "none", ImageNames(()), Layout(NAMES, 2, 3))
    return score.score(*paths, sizes)


@pytest.mark.parametrize("true", [MASKS, MASKS_AS_PAIRS])
@pytest.mark.parametrize("sent", [SENT, SENT_AS_PAIRS])
def test_figures_of_either_form(tmp_path: Path, sent: str, true: str) -> None:
    """Of six pairs: a/pit 2·1/(2+2) = 0.5, b/pit 0 (one false pixel), the other four 1: (0.5 + 0 + 4) / 6 = 0.75."""
    assert scored(tmp_path, sent, true).splitlines() == [
        "score: 3 images, 6 pairs of image and class",
        "mean Dice (the score)           0.7500",
        "  … of predicting nothing       0.6667",
        "Dice where there is a mask      0.7500",
        "  pit                           0.5000       1 images",
        "  line                          1.0000       1 images",
    ]


@pytest.mark.parametrize(
    ("named", "first", "second"),
    [
        (Metric("mean_dice"), "mean Dice (the score)           0.6667", "  … of predicting nothing       0.5000"),
        (Metric("mean_dice", 0), "score (mean_dice, empty 0)      0.1667", "  … of predicting nothing       0.0000"),
        (Metric("global_dice"), "score (global_dice)             0.3333", "  … of predicting nothing       0.0000"),
        (Metric("iou_thresholds"), "score (iou_thresholds)          0.5000", "  … of predicting nothing       0.5000"),
    ],
)
def test_the_score_that_is_named_comes_first(named: Metric, first: str, second: str) -> None:
    """One of 2 predicted pixels is right, 4 are true: Dice 2·1/(4 + 2) = 1/3, IoU 1/5. The other image is clean."""
    counts = (np.array([[1], [0]]), np.array([[4], [0]]), np.array([[2], [0]]))
    lines = score.summary(*counts, ["pit"], named).splitlines()
    assert lines[1:3] == [first, second]
    mean = "mean Dice (the score)" if named == Metric("mean_dice") else "mean Dice"
    assert f"{mean:28}    0.6667" in lines


def test_true_masks_score_one_against_themselves(tmp_path: Path) -> None:
    """The true masks in pairs are a submission too, and the best one."""
    lines = scored(tmp_path, MASKS_AS_PAIRS, MASKS_AS_PAIRS).splitlines()
    assert [line.split()[-1] for line in lines[1:4]] == ["1.0000", "0.6667", "1.0000"]


def test_a_class_without_a_mask_is_undefined(tmp_path: Path) -> None:
    """Neither 0 nor 1, and the mean over classes leaves it out."""
    lines = scored(tmp_path, SENT, "ImageId,ClassId,EncodedPixels\na.png,1,1 2\n").splitlines()
    assert lines[3].split()[-1] == "0.5000"
    assert lines[5].split() == ["line", "undefined", "0", "images"]


@pytest.mark.parametrize(
    ("sent", "true", "message"),
    [
        (SENT.replace("c.png", "d.png"), MASKS_AS_PAIRS, "sent.csv: expected every image that"),
        (SENT + "d.png,1 6,0\n", MASKS_AS_PAIRS, "true.csv: expected every image of"),
        (SENT + "a.png,1 1,2\n", MASKS, "found a.png in two places"),
        (SENT.replace("5 2,2", "5 3,2"), MASKS, "sent.csv, line 3: b.png: expected runs inside 2×3 = 6 pixels"),
        (SENT.replace("1 1,1", "5 1,1"), MASKS, "sent.csv, line 4: b.png: expected masks that do not overlap"),
        (SENT_AS_PAIRS.replace("c.png_2,\n", ""), MASKS, "c.png: expected a row for each of 2 classes (--classes"),
        (SENT_AS_PAIRS.replace("c.png_2,", "c.png_1,"), MASKS, "c.png: expected each class once, found classes [1, 1]"),
        ("ImageId,EncodedPixels,ClassId\n", MASKS, "sent.csv: expected a row for every test image, found none"),
        (SENT, MASKS + "b.png,2,1 1\n", "true.csv, line 4: b.png, class 2: expected one row, found another"),
        (SENT, MASKS.replace("1 2", "0 2"), "true.csv, line 2: a.png, class 1: expected every start in 1 … 6"),
        (SENT, "a,b\n", "true.csv, line 1: expected the columns"),
    ],
)
def test_faults_are_reported(tmp_path: Path, sent: str, true: str, message: str) -> None:
    """Each message names the file, and the row or image."""
    with pytest.raises(UserError) as refusal:
        scored(tmp_path, sent, true)
    assert message in str(refusal.value)


def test_size_and_classes_come_from_the_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With all three given no params.yaml is needed; otherwise its absence is reported."""
    monkeypatch.chdir(tmp_path)
    Path("sent.csv").write_text(SENT, encoding="utf-8")
    Path("true.csv").write_text(MASKS, encoding="utf-8")
    cli.run_command("score", ["sent.csv", "true.csv", "--height", "2", "--width", "3", "--classes", "pit", "line"])
    assert "mean Dice (the score)           0.7500" in capsys.readouterr().out
    with pytest.raises(SystemExit) as stopped:
        cli.run_command("score", ["sent.csv", "true.csv", "--height", "2"])
    assert "score: params.yaml: expected the parameters" in str(stopped.value.code)


def test_options_change_nothing_else_of_params_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The metric and the columns stay, and a size that is given is that of the masks, whatever the images' sizes are.

    One row per image; the mask of the second image is missed: global Dice 2·2/(4 + 2), mean Dice (1 + 0) / 2.
    """
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["competition"] |= {"classes": ["salt"], "image_height": 50, "image_width": 70}
    params["competition"]["columns"] |= {"image": "id", "class_id": None, "image_and_class": None, "runs": "rle"}
    params["competition"]["images"]["sizes"] = "resized"
    params["competition"]["submission"] |= {"rows": "images", "height": 1, "width": 2}
    params["competition"]["metric"]["name"] = "global_dice"
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    Path("sent.csv").write_text("id,rle\na,5 2\nb,\n", encoding="utf-8")
    Path("true.csv").write_text("id,rle\na,5 2\nb,1 2\n", encoding="utf-8")
    for names in ([], ["--classes", "salt"]):
        cli.run_command("score", ["sent.csv", "true.csv", "--height", "2", "--width", "3", *names])
        printed = capsys.readouterr().out
        assert "score (global_dice)             0.6667" in printed
        assert "mean Dice                       0.5000" in printed
