"""The page of `dvc plots`, from .dvc/plots.html, in a real browser without a network."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from dvc.repo import Repo
from dvc_render import render_html
from dvc_render.image import ImageRenderer
from dvc_render.vega import VegaRenderer

from stages.figures import plots_script
from stages.pipeline.cli import UserError
from tests.support.browser import headless

if TYPE_CHECKING:
    from selenium import webdriver

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / ".dvc/plots.html"
ROWS = [
    {"rev": rev, "step": step, "loss": 1 / (step + 1), "filename": "", "field": "loss"}
    for rev in "AB"
    for step in (0, 1)
]


@pytest.fixture
def browser(tmp_path: Path) -> Iterator["webdriver.Chrome"]:
    """A browser without a window."""
    with headless(tmp_path / "profile") as started:
        yield started


def write_page(folder: Path) -> Path:
    """A page as DVC writes it: a chart, a file without one, a picture of the data and one of the evaluation."""
    (folder / "static").mkdir(parents=True)
    pictures = []
    for name in ("metrics/explore/areas.png", "metrics/evaluation/best.jpg"):
        file = folder / "static" / Path(name).name
        cv2.imwrite(str(file), np.full((8, 8), 90, np.uint8))
        pictures.append(ImageRenderer([{"rev": "A", "src": str(file)}], name))
    charts = [VegaRenderer(ROWS, "loss.tsv", x="step", y="loss"), VegaRenderer([], "metrics.json")]
    render_html([*charts, *pictures], folder / "index.html", TEMPLATE)
    return folder / "index.html"


@pytest.mark.parametrize("place", ["dvc_plots", "results/of/today"])
def test_charts_are_drawn_without_a_network(
    place: str, tmp_path: Path, browser: "webdriver.Chrome", monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the script that make setup writes, also for a page further down; pictures of the data stand apart."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    monkeypatch.chdir(tmp_path)
    Path(".dvc").mkdir()
    plots_script.write()
    browser.get(write_page(tmp_path / place).as_uri())
    WebDriverWait(browser, 60).until(
        lambda _: browser.find_elements(By.CSS_SELECTOR, "#loss_tsv canvas, #loss_tsv svg")
    )
    assert browser.find_elements(By.ID, "metrics_json") == []
    (folded,) = browser.find_elements(By.CSS_SELECTOR, "details.data")
    assert [each.get_attribute("id") for each in folded.find_elements(By.CSS_SELECTOR, "[id]")] == [
        "metrics_explore_areas_png"
    ]
    assert browser.find_element(By.ID, "metrics_evaluation_best_jpg").is_displayed()


def test_a_page_without_the_script_and_the_network_says_what_is_missing(
    tmp_path: Path, browser: "webdriver.Chrome"
) -> None:
    """Instead of empty space."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(write_page(tmp_path / "dvc_plots").as_uri())
    places = WebDriverWait(browser, 60).until(lambda page: page.find_elements(By.ID, "loss_tsv"))
    assert "python -m stages.figures.plots_script writes" in places[0].text


def test_dvc_takes_the_page() -> None:
    """Its path in .dvc/config is seen from .dvc."""
    assert ROOT / ".dvc" / Repo(ROOT).config["plots"]["html_template"] == TEMPLATE
    assert TEMPLATE.is_file()


def test_outside_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder is made there."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"expected to run in the project's folder, found no \.dvc here"):
        plots_script.write()
    assert list(tmp_path.iterdir()) == []
