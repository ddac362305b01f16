"""The report, made by `evaluate` and `report` from a drawn data set, in a real browser without a network."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from stages.dataset import integrity
from stages.dataset.prepared import Dataset
from stages.inference import engines, ensemble, probabilities
from stages.inference.averaging import AS_IT_IS
from stages.pipeline.cli import UserError
from stages.postprocessing.prediction import Prediction
from tests.support.browser import headless

ROOT = Path(__file__).parents[1]

HOSTILE = "5 <img src=x onerror=document.title='owned'>.png"  # the name of an image, as a stranger's archive may have

pytestmark = pytest.mark.slow


def by_grey_level(grey: np.ndarray) -> Prediction:
    """The answer of a network for which bright pixels and one corner are class 1, and dark pixels class 2."""
    bright, dark = (grey > 200) * 230, (grey < 50) * 204
    bright[:4, :4] = 178  # false positives
    return Prediction(np.stack([bright, dark], axis=-1).astype(np.uint8), np.full(2, 255, np.uint8))


@pytest.fixture
def page(prepared: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The report of that network on twelve drawn images."""
    from stages import evaluate, postprocess, report
    from stages.pipeline import outputs, paths

    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["competition"] |= {"image_height": 40, "image_width": 72, "classes": ["bright", "dark"]}
    params["preprocess"]["folds"] = 3
    params["train"]["class_weights"] = None
    params["postprocess"]["enabled"] = False
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / "data").mkdir()
    (tmp_path / "prepared").rename(tmp_path / "data/prepared")
    index = tmp_path / "data/prepared/index.csv"
    index.write_text(index.read_text().replace("5.png", HOSTILE))
    described = index.with_name("summary.json")
    checksums = {integrity.KEY: integrity.of_files(index.parent, [index.name])}
    described.write_text(json.dumps(json.loads(described.read_text()) | checksums))
    shutil.copytree(ROOT / ".dvc/plots", tmp_path / ".dvc/plots")
    monkeypatch.chdir(tmp_path)
    for folder, fold in ((paths.VALIDATION_PROBABILITIES, 0), (paths.HELD_OUT_PROBABILITIES, 2)):
        data = Dataset(paths.PREPARED)
        probabilities.write(
            folder, ((entry.image, by_grey_level(data.images[entry.position])) for entry in data.fold(fold))
        )
    engines.write(paths.PROBABILITIES, engines.NOTEBOOK, AS_IT_IS)
    outputs.write_metrics(paths.INFER_METRICS, engines.NOTEBOOK.metrics)
    paths.MODEL.mkdir()
    member = ensemble.EnsembleMember("fold_0", 0, True, False, (1.0,) * 3, (0.5, 0.3, 0.2))
    ensemble.write(paths.MODEL, ensemble.Ensemble({}, [member]))
    outputs.write_metrics(paths.DOWNLOAD_METRICS, {"source": "</script><b>drawn", "sha256": "0" * 64, "size": 1})
    for name, values in (("loss", (0.9, 0.5)), ("val_mean_f1", (0.2, 0.7))):
        table = paths.TRAIN_CURVES / f"fold_0/plots/metrics/{name}.tsv"
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(f"step\t{name}\n" + "".join(f"{step}\t{value}\n" for step, value in enumerate(values)))
    postprocess.postprocess()
    evaluate.evaluate()
    report.report()
    return tmp_path / paths.REPORT


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """Chromium without a window and without a network."""
    with headless(tmp_path / "profile") as started:
        yield started


def names(browser: webdriver.Chrome) -> list[str]:
    """File names of the images shown, in their order."""
    return [re.split(r"\s+Dice ", title.text)[0] for title in browser.find_elements(By.CSS_SELECTOR, ".card h4")]


def scale(browser: webdriver.Chrome) -> float:
    """How much the enlarged image is enlarged."""
    transform = browser.find_element(By.CSS_SELECTOR, "#stage canvas").get_attribute("style")
    return float(transform.split("scale(")[1].split(")")[0])


def test_report_in_a_browser(page: Path, browser: webdriver.Chrome) -> None:
    """It opens, sorts, filters and zooms without an error on the console and without a network."""
    browser.get(page.as_uri())
    wait = WebDriverWait(browser, 60)
    wait.until(lambda driven: driven.execute_script("return document.documentElement.dataset.ready") == "yes")
    wait.until(lambda driven: len(driven.find_elements(By.CSS_SELECTOR, ".chart svg")) == 7)
    assert "</script><b>drawn" in browser.find_element(By.CSS_SELECTOR, "header").text
    labels = browser.find_element(By.CSS_SELECTOR, "[data-chart=confusion]").text
    for label in ("bright", "dark", "background", "true class", "predicted class", "1.000"):
        assert label in labels
    assert "training loss · network of fold 0" in browser.find_element(By.CSS_SELECTOR, "[data-chart=curves]").text

    # The held-out fold is images 2, 5, 8 and 11; 8 is clean, 2 has a dark square, 5 and 11 have bright ones.
    controls = browser.find_element(By.ID, "controls")
    shown = {control: Select(controls.find_element(By.NAME, control)) for control in ("sort", "class")}
    worst_first = names(browser)
    assert sorted(worst_first) == ["11.png", "2.png", HOSTILE, "8.png"]
    assert worst_first[0] == "8.png"  # one false positive on a clean image costs everything
    shown["sort"].select_by_visible_text("Dice, best first")
    assert names(browser)[-1] == "8.png"
    shown["sort"].select_by_visible_text("name")
    assert names(browser) == ["11.png", "2.png", HOSTILE, "8.png"]
    shown["class"].select_by_visible_text("dark")
    assert names(browser) == ["2.png"]
    assert browser.find_element(By.ID, "count").text == "1 of 4 images"
    shown["class"].select_by_visible_text("without a defect")
    assert names(browser) == ["8.png"]
    shown["class"].select_by_visible_text("any")
    controls.find_element(By.NAME, "false_negatives").click()
    assert names(browser) == []
    controls.find_element(By.NAME, "false_negatives").click()
    controls.find_element(By.NAME, "false_positives").click()
    assert len(names(browser)) == 4

    # The corner of false positives is blue in the errors; the bright square has its class's colour in the truth.
    card = browser.find_elements(By.CSS_SELECTOR, ".card")[2]
    browser.execute_script("arguments[0].scrollIntoView()", card)
    colour = (
        "const [card, layer, x, y] = arguments, canvas = card.querySelector(`[data-layer=${layer}]`);"
        "return canvas.width && "
        "[...canvas.getContext('2d').getImageData(x * canvas.width, y * canvas.height, 1, 1).data]"
    )
    wait.until(lambda driven: driven.execute_script(colour, card, "errors", 0.5, 0.5))
    red, _, blue, _ = browser.execute_script(colour, card, "errors", 0.02, 0.03)
    assert blue > red + 60
    labels_5 = np.load(page.parent / "prepared/labels.npy")[5]
    row, column = (float(side.mean() + 0.5) for side in np.nonzero(labels_5))
    for layer in ("truth", "prediction"):
        red, green, blue, _ = browser.execute_script(colour, card, layer, column / 72, row / 40)
        assert red > green > blue + 40  # orange

    card.find_element(By.CSS_SELECTOR, "[data-layer=errors]").send_keys(Keys.ENTER)
    dialog = browser.find_element(By.ID, "zoom")
    wait.until(lambda driven: dialog.is_displayed())
    assert dialog.text.startswith(HOSTILE)
    fitted = scale(browser)
    dialog.find_element(By.CSS_SELECTOR, "[data-zoom='2']").click()
    assert scale(browser) == pytest.approx(2 * fitted)
    dialog.find_element(By.ID, "stage").send_keys("-")
    assert scale(browser) == pytest.approx(fitted)
    dialog.find_element(By.CSS_SELECTOR, "[value=truth]").click()
    dialog.find_element(By.CSS_SELECTOR, "[data-step='1']").click()
    wait.until(lambda driven: dialog.text.startswith("8.png"))
    assert scale(browser) == pytest.approx(fitted)
    dialog.send_keys(Keys.ESCAPE)
    wait.until(lambda driven: not dialog.is_displayed())

    log = browser.get_log("browser")  # type: ignore[no-untyped-call]
    messages = [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]
    assert browser.title != "owned"
    assert browser.find_elements(By.TAG_NAME, "img") == []
    # This test reads canvases, the page does not.
    assert [message for message in messages if "will-read-frequently" not in message] == []


def test_names_from_outside_are_text(page: Path) -> None:
    """Neither an image's name nor a source becomes HTML, and the page's script makes none of any text."""
    text = page.read_text(encoding="utf-8")
    assert HOSTILE.replace("<", "\\u003c") in text
    assert HOSTILE not in text
    assert "&lt;/script&gt;&lt;b&gt;drawn" in text
    assert "</script><b>drawn" not in text
    script = (ROOT / "stages/figures/report.js").read_text(encoding="utf-8")
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


def test_the_score_is_named(page: Path) -> None:
    """By another metric it has rows of its own, the first with an interval; mean Dice is not called the score."""
    from stages import evaluate, report
    from stages.pipeline import paths

    before = page.read_text(encoding="utf-8")
    assert "score (" not in before.partition("</table>")[0].lower()
    params = yaml.safe_load(paths.PARAMS.read_text())
    params["competition"]["metric"]["name"] = "global_dice"
    paths.PARAMS.write_text(yaml.safe_dump(params))
    evaluate.evaluate()
    report.report()
    table = page.read_text(encoding="utf-8").partition("</table>")[0]
    titles = re.findall(r'<th scope="row">(.*?)</th>', table)
    assert titles[:2] == ["The competition&#39;s score (global_dice)", "Mean Dice"]
    assert titles.index("Score (global_dice) of predicting nothing") < titles.index("Mean Dice of predicting nothing")
    metrics = json.loads(paths.EVALUATION_METRICS.read_text())
    first = table.partition("Mean Dice")[0]
    assert f"<td>{metrics['score']:.3f}</td>" in first
    assert f"<td>{metrics['validation']['score']:.3f}</td>" in first
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
    first = page.read_text(encoding="utf-8").partition("</table>")[0].partition("Mean Dice")[0]
    assert "score (mean_dice, classes joined)" in first
    assert f"<td>{score:.3f}</td>" in first
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
    rows = bootstrap.headline(per_image.read(lines, "drawn")["held_out"], {"mean_dice": 0.5})
    found = {row["title"]: row for row in rows}
    low, high = found["pit"]["interval"]
    assert found["pit"]["value"] == pytest.approx(0.275)
    assert low < 0.275 < high
    assert [found[name]["few"] for name in ("pit", "line")] == [False, True]
    assert found["Mean Dice, the competition's score"]["validation"] == 0.5


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
