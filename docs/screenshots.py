"""Screenshots of the project's pages in a browser without a window, for docs/pictures.py."""

import contextlib
import io
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from stages.figures import overlays
from stages.pipeline import cli, paths
from stages.pipeline.arrays import UInt8
from stages.pipeline.cli import UserError

if TYPE_CHECKING:
    from selenium import webdriver

LESSON = Path("docs/lesson.ipynb")
COMPARED = ("compare-cce", "compare-cce_dice")  # the experiments of `make compare`
SCROLL_BAR = 16
DRAWS = 2.0  # seconds: images are drawn when they come into view


def report(path: Path) -> None:
    """The figures, and the held-out images."""
    if not paths.REPORT.is_file():
        raise UserError(f"{paths.REPORT}: expected the report of a finished run, found none: run make")
    views = [_tab("tab-results", "header"), _tab("tab-held-out", "#held-out .controls")]
    overlays.save(_screens(paths.REPORT, views, ready=_marked_ready), path)


def comparison(path: Path) -> None:
    """The page of `python -m stages compare A B --html`: its figures, and the images that differ most."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "compare.html")
        with contextlib.redirect_stdout(io.StringIO()):
            cli.run_command("compare", [*COMPARED, "--html", str(page)])
        views = [_tab("tab-results", "header"), _tab("tab-pictures", "#pictures .controls")]
        overlays.save(_screens(page, views, ready=_marked_ready), path)


def plots(path: Path) -> None:
    """The page of `dvc plots diff`: the curves, and the confusion matrices."""
    with tempfile.TemporaryDirectory(
        dir=".", prefix="dvc_plots."
    ) as folder:  # the page finds .dvc/tmp/vega.js from here
        command = ["dvc", "plots", "diff", *COMPARED, "--out", folder]
        ran = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
        if ran.returncode:
            raise UserError(f"dvc plots diff {' '.join(COMPARED)}: expected its page, found: {ran.stderr.strip()}")
        overlays.save(_screens(Path(folder, "index.html"), [_top], ready=_drawn_by_vega), path)


def lesson(path: Path) -> None:
    """The beginning of the lesson, and its first pictures."""
    from nbconvert import HTMLExporter

    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "lesson.html")
        page.write_text(HTMLExporter().from_filename(str(LESSON))[0], encoding="utf-8")
        overlays.save(_screens(page, [_top, _element("img")]), path)


View = Callable[["webdriver.Chrome"], None]


def _screens(page: Path, views: Sequence[View], ready: Callable[["webdriver.Chrome"], bool] = lambda _: True) -> UInt8:
    """What the browser shows of a page at each of these views, side by side."""
    from selenium.webdriver.support.ui import WebDriverWait

    from tests.support import browser

    if reason := browser.missing():
        raise UserError(reason)
    with tempfile.TemporaryDirectory() as profile, browser.headless(Path(profile)) as chromium:
        chromium.set_window_size(1000, 1400)
        chromium.get(page.resolve().as_uri())
        WebDriverWait(chromium, 60).until(ready)
        found = []
        for view in views:
            view(chromium)
            time.sleep(DRAWS)
            png = np.frombuffer(chromium.get_screenshot_as_png(), np.uint8)
            found.append(np.asarray(cv2.imdecode(png, cv2.IMREAD_COLOR_RGB), np.uint8)[:-SCROLL_BAR, :-SCROLL_BAR])
    return np.hstack(found)


def _marked_ready(page: "webdriver.Chrome") -> bool:
    return bool(page.execute_script("return document.documentElement.dataset.ready") == "yes")


def _drawn_by_vega(page: "webdriver.Chrome") -> bool:
    return bool(page.execute_script("return document.querySelector('.vega-embed canvas, .vega-embed svg') !== null"))


def _top(page: "webdriver.Chrome") -> None:
    page.execute_script("scrollTo(0, 0)")


def _element(selector: str) -> View:
    return lambda page: page.execute_script("document.querySelector(arguments[0]).scrollIntoView()", selector)


def _tab(tab: str, place: str) -> View:
    def show(page: "webdriver.Chrome") -> None:
        page.execute_script("document.getElementById(arguments[0]).click()", tab)
        _element(place)(page)

    return show
