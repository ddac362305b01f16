"""`compare --html`: two runs of a drawn data set in one page, one of them from git and DVC's cache, in a browser."""

import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from stages.commands import compare
from stages.dataset.prepared import Dataset
from stages.inference import probabilities
from stages.pipeline import paths
from stages.pipeline.cli import UserError
from stages.postprocessing.prediction import Prediction
from tests.support import drawn_report
from tests.support.browser import headless

pytestmark = pytest.mark.slow


def given(*words: str) -> Namespace:
    """The arguments of the command."""
    parser = ArgumentParser()
    compare.add_arguments(parser)
    return parser.parse_args(words)


def call(*words: str) -> None:
    """Run a program in the current folder."""
    subprocess.run(words, check=True, capture_output=True)


@pytest.fixture
def runs(prepared: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run `first`, committed with its predictions in DVC's cache; in the workspace another without false positives."""
    from stages import evaluate

    drawn_report.make(tmp_path, monkeypatch)
    call("git", "init", "-q")
    call(sys.executable, "-m", "dvc", "init", "-q", "--force")  # .dvc holds the templates of the charts, until now
    shutil.copytree(drawn_report.ROOT / ".dvc/plots", ".dvc/plots")
    call(sys.executable, "-m", "dvc", "add", "-q", str(paths.PREDICTED_MASKS))
    call("git", "add", "params.yaml", "metrics", ".dvc/config", f"{paths.PREDICTED_MASKS}.dvc")
    call("git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first")
    call("git", "tag", "first")
    stored = probabilities.Cache(paths.HELD_OUT_PROBABILITIES)
    better: dict[str, Prediction] = {image: stored[image] for image in stored.presence}
    for prediction in better.values():
        prediction.pixels[:4, :4] = 0
    shutil.rmtree(paths.HELD_OUT_PROBABILITIES)
    probabilities.write(paths.HELD_OUT_PROBABILITIES, better.items())
    evaluate.evaluate()
    return tmp_path


def test_the_page(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Figures of both with verdicts, both confusion matrices, and the images that differ with both predictions."""
    page = tmp_path / "page.html"
    compare.run(given("first", "workspace", "--html", str(page)))
    assert "B: workspace" in capsys.readouterr().out
    with headless(tmp_path / "profile") as browser:
        browser.get(page.as_uri())
        wait = WebDriverWait(browser, 60)
        wait.until(lambda driven: driven.execute_script("return document.documentElement.dataset.ready") == "yes")
        wait.until(lambda driven: len(driven.find_elements(By.CSS_SELECTOR, ".chart svg")) == 2)
        assert browser.title == "first and workspace compared"
        assert "Too few images to tell A and B apart on the held-out fold: mean Dice 0.742 (A) and 1.000 (B)" in (
            browser.find_element(By.TAG_NAME, "header").text
        )
        row = browser.find_element(By.CSS_SELECTOR, "#held_out tbody tr").text
        for text in ("0.742", "1.000", "+0.258", "too few images to tell"):
            assert text in row
        labels = browser.find_element(By.CSS_SELECTOR, "[data-chart=confusion]").text.split("\n")
        assert {"A", "B", "background", "bright", "dark"} <= set(labels)
        browser.find_element(By.ID, "tab-pictures").click()
        panel = browser.find_element(By.ID, "pictures")
        assert "4 held-out images got other masks; below are all of them." in panel.text
        Select(panel.find_element(By.NAME, "sort")).select_by_visible_text("B better, most first")
        card = panel.find_element(By.CLASS_NAME, "card")
        assert card.text.startswith("8.png Dice A 0.000, B 1.000, B − A +1.000 (bright 0.000 → 1.000)")
        browser.execute_script("arguments[0].scrollIntoView()", card)
        pixel = (
            "const canvas = arguments[0].querySelector(`[data-layer='${arguments[1]}']`);"
            "return canvas.width && [...canvas.getContext('2d').getImageData(1, 1, 1, 1).data.slice(0, 3)]"
        )
        wait.until(lambda driven: driven.execute_script(pixel, card, "A"))
        assert np.ptp(browser.execute_script(pixel, card, "A")) > 40  # coloured: the corner of false positives
        assert np.ptp(browser.execute_script(pixel, card, "B")) < 12  # grey
        card.find_element(By.CSS_SELECTOR, "[data-layer=B]").click()
        wait.until(lambda driven: driven.find_element(By.ID, "zoom").is_displayed())
        assert "errors of A" in browser.find_element(By.CSS_SELECTOR, "#zoom .layers").text
        log = browser.get_log("browser")  # type: ignore[no-untyped-call]
        severe = [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]
        assert [message for message in severe if "will-read-frequently" not in message] == []


def test_a_file_that_exists(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not overwritten without being told to, and nothing is left beside it; the same runs give the same bytes."""
    page = tmp_path / "page.html"
    page.write_text("mine")
    with pytest.raises(UserError, match=r"--html .*page\.html: expected no such file, found one: .* --overwrite"):
        compare.run(given("first", "workspace", "--html", str(page)))
    assert page.read_text() == "mine"
    assert capsys.readouterr().out == ""  # refused before any work
    written = []
    for _ in range(2):
        compare.run(given("first", "workspace", "--html", str(page), "--overwrite"))
        written.append(page.read_bytes())
    assert written[0] == written[1]
    assert list(tmp_path.glob(".page*")) == []
    with pytest.raises(UserError, match="expected a file name in a folder that exists, found no folder"):
        compare.run(given("first", "workspace", "--html", str(tmp_path / "none/page.html")))
    with pytest.raises(UserError, match="found a folder of that name"):
        compare.run(given("first", "workspace", "--html", str(tmp_path)))


def test_predictions_that_are_not_there(runs: Path, tmp_path: Path) -> None:
    """The page has a table instead of pictures, and says why; so it does if the folder holds other images."""
    page = tmp_path / "page.html"
    compare.run(given("first", "first", "--html", str(page)))
    assert "0 held-out images got other masks" in page.read_text(encoding="utf-8")
    paths.PREDICTED_MASKS.rename("elsewhere.csv")
    compare.run(given("first", "workspace", "--html", str(page), "--overwrite"))
    text = page.read_text(encoding="utf-8")
    assert "No pictures: workspace: expected data/predicted.csv, found none" in text
    assert '<th scope="row">8.png</th><td>0.000</td><td>1.000</td><td>+1.000</td>' in text
    Path("elsewhere.csv").rename(paths.PREDICTED_MASKS)
    paths.PREPARED.rename("elsewhere")
    compare.run(given("first", "workspace", "--html", str(page), "--overwrite"))
    assert "No pictures: data/prepared: expected what preprocess writes" in page.read_text(encoding="utf-8")
