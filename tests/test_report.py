"""The report, made by `evaluate` and `report` from a drawn data set. `test_report_browser.py` opens it in a browser."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from stages.dataset.prepared import Dataset
from stages.inference import engines, probabilities
from stages.inference.averaging import AS_IT_IS
from stages.pipeline.cli import UserError
from tests.support import drawn_report
from tests.support.drawn_report import HOSTILE

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


@pytest.fixture
def page(prepared: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The report of that network on twelve drawn images."""
    return drawn_report.make(tmp_path, monkeypatch)


def test_names_from_outside_are_text(page: Path) -> None:
    """Neither an image's name nor a source becomes HTML, and the page's script makes none of any text."""
    text = page.read_text(encoding="utf-8")
    assert HOSTILE.replace("<", "\\u003c") in text
    assert HOSTILE not in text
    assert "&lt;/script&gt;&lt;b&gt;drawn" in text
    assert "</script><b>drawn" not in text
    for name in ("gallery.js", "page.js"):
        script = (ROOT / "stages/figures" / name).read_text(encoding="utf-8")
        for writer in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"):
            assert writer not in script


def test_the_same_inputs_give_the_same_bytes(page: Path) -> None:
    """DVC sees no change where there is none."""
    from stages import report

    before = page.read_bytes()
    report.report()
    assert page.read_bytes() == before
    assert b"http://" not in before.replace(b"http://www.w3.org/", b"")[-20_000:]


def test_intervals_and_headline(page: Path) -> None:
    """The table's figures are those of metrics/evaluation.json."""
    from stages.pipeline import paths

    metrics = json.loads(paths.EVALUATION_METRICS.read_text())
    text = page.read_text()
    row = text[text.index("Mean Dice, the competition") :].split("</tr>")[0]
    assert f"{metrics['mean_dice']:.3f}" in row
    assert f"{metrics['validation']['mean_dice']:.3f}" in row
    assert "too few images" in row  # four of them


def test_the_expected_dice_is_told(page: Path) -> None:
    """How many of its intervals hold; nothing where there were too few masks to learn from."""
    from stages import report
    from stages.pipeline import outputs, paths

    assert "The expected Dice of" not in page.read_text(encoding="utf-8")
    none = json.loads(paths.EXPECTED_DICE_METRICS.read_text())["held_out"]["empty"]
    figures = {"pairs": 34, "expected": 0.7, "found": 0.6, "width": 0.3}
    shares = {"coverage": 0.88, "coverage_low": 0.73, "coverage_high": 0.95}
    content = {"level": 0.9, "held_out": {"marked": figures | shares, "empty": none | {"coverage": None}}}
    outputs.write_metrics(paths.EXPECTED_DICE_METRICS, content)
    report.report()
    text = " ".join(page.read_text(encoding="utf-8").split())
    assert "The expected Dice of 34 predicted masks" in text
    assert "88% lie in their interval of 90% (95% interval 73 to 95%)" in text


def test_the_score_is_named(page: Path) -> None:
    """By another metric it has rows of its own, the first with an interval; mean Dice is not called the score."""
    from stages import evaluate, report
    from stages.pipeline import paths

    before = page.read_text(encoding="utf-8")
    assert "score (" not in before.partition("</table>")[0].partition("<body>")[2].lower()
    params = yaml.safe_load(paths.PARAMS.read_text())
    params["competition"]["metric"]["name"] = "global_dice"
    paths.PARAMS.write_text(yaml.safe_dump(params))
    evaluate.evaluate()
    report.report()
    table = page.read_text(encoding="utf-8").partition("<table ")[2].partition("</table>")[0]
    titles = re.findall(r'<th scope="row">(.*?)<', table)
    assert titles[:2] == ["The competition&#39;s score (global_dice)", "Mean Dice"]
    assert titles.index("Score (global_dice) of predicting nothing") < titles.index("Mean Dice of predicting nothing")
    metrics = json.loads(paths.EVALUATION_METRICS.read_text())
    first = table.partition("Mean Dice")[0]
    assert f"<td>{metrics['score']:.3f}<small>" in first
    assert f"<td>{metrics['validation']['score']:.3f}<small>" in first
    assert "too few images" in first  # an interval of enough images would stand here


def test_another_engine_than_the_notebooks(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its figures stand beside those of the notebook's way, which here lacks the 4×4 corner of false positives."""
    from stages import evaluate, report
    from stages.pipeline import outputs, paths

    evaluate.evaluate()
    assert "notebook" not in json.loads(paths.EVALUATION_METRICS.read_text())
    assert "evaluate: by tensorflow in float32, as in the notebook" in capsys.readouterr().out
    bfloat16 = engines.Engine("openvino", "bfloat16")
    engines.write(paths.PROBABILITIES, bfloat16, AS_IT_IS)
    outputs.write_metrics(paths.INFER_METRICS, bfloat16.metrics)
    stored = probabilities.Cache(paths.HELD_OUT_PROBABILITIES)
    corrected = {image: stored[image] for image in stored.presence}
    for prediction in corrected.values():
        prediction.pixels[:4, :4] = 0
    probabilities.write(paths.NOTEBOOK_PROBABILITIES, corrected.items())
    evaluate.evaluate()
    metrics = json.loads(paths.EVALUATION_METRICS.read_text())
    assert metrics["notebook"]["mean_dice"] > metrics["mean_dice"]
    assert metrics["notebook"]["masks_that_differ"] == 4
    assert metrics["notebook"]["pixels_that_differ"] == 16 / (40 * 72)
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("evaluate: by openvino in bfloat16; the notebook's way (tensorflow in float32) scores ")
    assert line.endswith("; 64 of 11,520 pixels differ")
    report.report()
    text = " ".join(page.read_text(encoding="utf-8").split())
    assert "Computed by openvino in bfloat16." in text
    assert f"mean Dice is {metrics['notebook']['mean_dice']:.3f}, and" in text
    assert "0.5556% of the pixels differ" in text


def test_classes_that_are_joined(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the search to the report and `compare`: the score of the joined masks is the same everywhere."""
    from stages import evaluate, postprocess, report
    from stages.commands import compare
    from stages.pipeline import paths

    params = yaml.safe_load(paths.PARAMS.read_text())
    params["competition"]["submission"]["rows"] = "images"
    params["postprocess"]["enabled"] = True
    paths.PARAMS.write_text(yaml.safe_dump(params))
    for stage in (postprocess.postprocess, evaluate.evaluate, report.report):
        stage()
    assert "searched by its own score" not in capsys.readouterr().out
    score = json.loads(paths.EVALUATION_METRICS.read_text())["score"]
    table = pd.read_csv(paths.IMAGES_TABLE)
    joined = table[table["split"] == "held_out"].drop_duplicates("image")
    pixels = joined["joined_true_pixels"] + joined["joined_predicted_pixels"]
    assert (2 * joined["joined_intersection"] / pixels).fillna(1).mean() == pytest.approx(score)
    first = page.read_text(encoding="utf-8").partition("<table ")[2].partition("Mean Dice")[0]
    assert "score (mean_dice, classes joined)" in first
    assert f"<td>{score:.3f}<small>" in first
    assert f"| {score:.4f} | {score:.4f} |" in re.sub(" +", " ", compare.compare(["workspace"], ["workspace"]))


def test_joined_classes_that_overlap_are_told(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The search says that it did not go by the joined score."""
    from stages import postprocess
    from stages.pipeline import paths

    params = yaml.safe_load(paths.PARAMS.read_text())
    params["competition"] |= {"overlapping_classes": True}
    params["competition"]["submission"]["rows"] = "images"
    params["train"]["loss"] = "bce"
    params["postprocess"]["enabled"] = True
    paths.PARAMS.write_text(yaml.safe_dump(params))
    postprocess.postprocess()
    assert "classes overlap: each was searched by its own score, not by that of the joined" in capsys.readouterr().out


def test_intervals_of_enough_images() -> None:
    """They lie around the value; a class in few images has no interval to trust."""
    from stages.scoring import bootstrap, per_image

    lines = ["split,image,group,class,dice,true_pixels,predicted_pixels,intersection"]
    for number in range(12):
        lines.append(f"held_out,{number}.jpg,{number},pit,{number / 20},9,9,1")
        lines.append(f"held_out,{number}.jpg,{number},line,{float(number > 1)},{3 * (number < 2)},{3 * (number < 2)},0")
    rows = bootstrap.headline(per_image.read(lines, "drawn")["held_out"])
    found = {row["title"]: row for row in rows}
    low, high = found["pit"]["interval"]
    assert found["pit"]["value"] == pytest.approx(0.275)
    assert low < 0.275 < high
    assert [found[name]["few"] for name in ("pit", "line")] == [False, True]
    assert found["Mean Dice, the competition's score"]["name"] == "mean_dice"


def test_a_costly_search_is_warned_about(page: Path) -> None:
    """With the figures of the validation folds."""
    from stages import report
    from stages.pipeline import paths

    assert "Post-processing costs" not in page.read_text(encoding="utf-8")
    metrics = json.loads(paths.EVALUATION_METRICS.read_text())
    metrics["validation"]["positive_mean_dice"] = 0.5
    metrics["validation"]["without_postprocessing"]["positive_mean_dice"] = 1
    paths.EVALUATION_METRICS.write_text(json.dumps(metrics))
    report.report()
    assert '<p class="warning">Post-processing costs 50.0% of the Dice' in page.read_text(encoding="utf-8")


def test_a_figure_is_missing(page: Path) -> None:
    """One message, and the earlier report stays."""
    from stages import report
    from stages.pipeline import paths

    before = page.read_bytes()
    expected = r"metrics/evaluation.json: expected the figures of this version, .* run dvc repro --force evaluate"
    metrics = json.loads(paths.EVALUATION_METRICS.read_text())
    for name in ("classes", "without_postprocessing", "all_empty_mean_dice"):
        paths.EVALUATION_METRICS.write_text(json.dumps({key: metrics[key] for key in metrics if key != name}))
        with pytest.raises(UserError, match=expected):
            report.report()
    paths.EVALUATION_METRICS.write_text(json.dumps(metrics | {"validation": {"positive_mean_dice": 0.5}}))
    with pytest.raises(UserError, match=expected):
        report.report()
    assert page.read_bytes() == before


def test_check_data_of_another_version(page: Path) -> None:
    """Its file is named, and the earlier report stays."""
    from stages import report
    from stages.pipeline import outputs, paths

    before = page.read_bytes()
    for damaged in ({"problems": 1, "warnings": 0}, drawn_report.CHECKS | {"findings": 3}):
        outputs.write_metrics(paths.CHECK_DATA_METRICS, damaged)
        with pytest.raises(UserError, match=r"metrics/check_data.json: expected .*: run dvc repro"):
            report.report()
    assert page.read_bytes() == before


def test_warnings_stand_before_the_figures(page: Path) -> None:
    """Those of check_data."""
    text = page.read_text(encoding="utf-8").partition('id="figures"')[0]
    assert f"<li>{drawn_report.FINDING}</li>" in text


@pytest.mark.parametrize(
    ("source", "title"),
    [("sample", "Built-in sample"), ("kaggle", "steel"), ("~/scans/coils.zip", "coils.zip"), ("/", "/")],
)
def test_the_title_is_the_source(source: str, title: str) -> None:
    """Not the competition's slug, which the sample and one's own images have too."""
    from stages import report

    assert report.title(source, "steel") == title


def test_many_test_images_do_not_fill_the_page(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of 700, 300 are on the page; photographs are reduced where all of them together are too large."""
    from stages import report
    from stages.figures import gallery
    from stages.pipeline import paths

    assert "Photographs are stored" not in page.read_text(encoding="utf-8")
    drawn_report.submit_drawn(yaml.safe_load(paths.PARAMS.read_text())["competition"], images=700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gallery, "MOST_PIXELS", 300 * 40 * 72)
        report.report()
    assert "report: 4 held-out and 300 test images" in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert "466 of 700 images have a mask. Shown: 300 of 700, at most 100 for each predicted class" in text
    assert text.count('class="item" data-gallery="test"') == 300
    assert "Photographs are stored 800 pixels wide at most; masks are not reduced." in text
