"""The report in a real browser without a network."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from stages.dataset.prepared import Dataset
from tests.support import drawn_report
from tests.support.browser import headless
from tests.support.drawn_report import HOSTILE

pytestmark = pytest.mark.slow


@pytest.fixture
def page(prepared: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The report of a network that goes by grey level, on twelve drawn images."""
    return drawn_report.make(tmp_path, monkeypatch)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """Chromium without a window and without a network."""
    with headless(tmp_path / "profile") as started:
        yield started


COLOUR = (
    "const [card, layer, x, y] = arguments, canvas = card.querySelector(`[data-layer=${layer}]`);"
    "return canvas.width && "
    "[...canvas.getContext('2d').getImageData(x * canvas.width, y * canvas.height, 1, 1).data]"
)


def opened(browser: webdriver.Chrome, page: Path) -> WebDriverWait[webdriver.Chrome]:
    """Open the page, and wait until its scripts and charts are done."""
    browser.get(page.as_uri())
    wait = WebDriverWait(browser, 60)
    wait.until(lambda driven: driven.execute_script("return document.documentElement.dataset.ready") == "yes")
    return wait


def names(browser: webdriver.Chrome, gallery: str = "held-out") -> list[str]:
    """File names of the images shown, in their order."""
    script = "return [...document.querySelectorAll(arguments[0])].map((title) => title.firstChild.textContent.trim())"
    return list(browser.execute_script(script, f".cards[data-gallery={gallery}] h4"))


def scale(browser: webdriver.Chrome) -> float:
    """How much the enlarged image is enlarged."""
    transform = browser.find_element(By.CSS_SELECTOR, "#stage canvas").get_attribute("style")
    return float(transform.split("scale(")[1].split(")")[0])


def complaints(browser: webdriver.Chrome) -> list[str]:
    """Errors and warnings on the console. That on reading canvases is about these tests; the page reads none."""
    log = browser.get_log("browser")  # type: ignore[no-untyped-call]
    messages = [entry["message"] for entry in log if entry["level"] in ("SEVERE", "WARNING")]
    return [message for message in messages if "will-read-frequently" not in message]


def test_results_come_first(page: Path, browser: webdriver.Chrome) -> None:
    """The title is the source; verdict and warnings stand above the charts; nothing needs a network."""
    wait = opened(browser, page)
    wait.until(lambda driven: len(driven.find_elements(By.CSS_SELECTOR, ".chart svg")) == 7)
    assert browser.title == "script><b>drawn: segmentation report"
    header = browser.find_element(By.TAG_NAME, "header").text
    assert header.startswith(
        "Segmentation report · severstal-steel-defect-detection\nscript><b>drawn\nToo few images to tell"
    )
    assert "It finds 100% of the true masks (3 of 3), with 2 false alarms in 5 clean pairs" in header
    assert "</script><b>drawn" in header
    results = browser.find_element(By.ID, "results").text
    assert drawn_report.FINDING in results.partition("Confusion matrix")[0]
    labels = browser.find_element(By.CSS_SELECTOR, "[data-chart=confusion]").text
    for label in ("bright", "dark", "background", "true class", "predicted class", "1.000"):
        assert label in labels
    assert "this run" not in labels
    assert "training loss · network of fold 0" in browser.find_element(By.CSS_SELECTOR, "[data-chart=curves]").text
    assert complaints(browser) == []


def test_held_out_images(page: Path, browser: webdriver.Chrome) -> None:
    """They are sorted, filtered and drawn with the colours of classes and errors."""
    wait = opened(browser, page)
    assert not browser.find_element(By.ID, "held-out").is_displayed()
    browser.find_element(By.ID, "tab-held-out").click()
    assert not browser.find_element(By.ID, "results").is_displayed()

    # The held-out fold is images 2, 5, 8 and 11; 8 is clean, 2 has a dark square, 5 and 11 have bright ones.
    controls = browser.find_element(By.CSS_SELECTOR, "#held-out .controls")
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
    assert controls.find_element(By.CLASS_NAME, "count").text == "1 of 4 images"
    shown["class"].select_by_visible_text("without a defect")
    assert names(browser) == ["8.png"]
    shown["class"].select_by_visible_text("any")
    controls.find_element(By.NAME, "false_negatives").click()
    assert names(browser) == []
    controls.find_element(By.NAME, "false_negatives").click()
    controls.find_element(By.NAME, "false_positives").click()
    assert len(names(browser)) == 4

    # The corner of false positives is blue in the errors; the bright square has its class's colour in the truth.
    card = browser.find_elements(By.CSS_SELECTOR, "#held-out .card")[2]
    browser.execute_script("arguments[0].scrollIntoView()", card)
    wait.until(lambda driven: driven.execute_script(COLOUR, card, "errors", 0.5, 0.5))
    red, _, blue, _ = browser.execute_script(COLOUR, card, "errors", 0.02, 0.03)
    assert blue > red + 60
    labels_5 = np.load(page.parent / "prepared/labels.npy")[5]
    row, column = (float(side.mean() + 0.5) for side in np.nonzero(labels_5))
    for layer in ("truth", "prediction"):
        red, green, blue, _ = browser.execute_script(COLOUR, card, layer, column / 72, row / 40)
        assert red > green > blue + 40  # orange
    assert complaints(browser) == []
    assert browser.title != "owned"
    assert browser.find_elements(By.TAG_NAME, "img") == []


def test_test_images(page: Path, browser: webdriver.Chrome) -> None:
    """Their tab has the masks of the submission, and says how many of how many images it shows."""
    wait = opened(browser, page)
    browser.find_element(By.ID, "tab-results").send_keys(Keys.ARROW_LEFT)  # from the first to the last
    assert browser.current_url.endswith("#test")
    panel = browser.find_element(By.ID, "test")
    assert "2 of 3 images have a mask. All are shown." in panel.text
    assert names(browser, "test") == ["t0000.png", "t0001.png", "t0002.png"]
    Select(panel.find_element(By.NAME, "class")).select_by_visible_text("bright")
    assert names(browser, "test") == ["t0001.png"]
    assert "bright 200 px" in panel.text
    card = panel.find_element(By.CLASS_NAME, "card")
    wait.until(lambda driven: driven.execute_script(COLOUR, card, "photo", 0.5, 0.5))
    inside, outside = (browser.execute_script(COLOUR, card, "prediction", *at) for at in ((0.5, 0.35), (0.1, 0.35)))
    assert inside[0] > inside[1] > inside[2] + 40  # orange
    assert max(outside[:3]) - min(outside[:3]) < 12  # grey
    assert complaints(browser) == []


def test_the_zoom_keeps_pixels_square(page: Path, browser: webdriver.Chrome) -> None:
    """It goes by whole numbers, with the marks and without blur, and by keyboard alone."""
    wait = opened(browser, page)
    browser.find_element(By.ID, "tab-held-out").click()
    Select(browser.find_element(By.CSS_SELECTOR, "#held-out [name=sort]")).select_by_visible_text("name")
    card = browser.find_elements(By.CSS_SELECTOR, "#held-out .card")[2]
    card.find_element(By.CSS_SELECTOR, "[data-layer=errors]").send_keys(Keys.ENTER)
    dialog, stage = browser.find_element(By.ID, "zoom"), browser.find_element(By.ID, "stage")
    wait.until(lambda driven: dialog.is_displayed())
    assert dialog.text.startswith(HOSTILE)
    canvas = stage.find_element(By.TAG_NAME, "canvas")
    assert (canvas.get_attribute("width"), canvas.get_attribute("height")) == ("72", "40")
    fitted = scale(browser)
    assert fitted == 16  # 72 pixels in some 1,350
    stage.send_keys("+")
    assert scale(browser) == 24
    assert canvas.value_of_css_property("image-rendering") == "pixelated"
    assert dialog.find_element(By.ID, "zoom-scale").text == "24×"
    before = canvas.get_attribute("style")
    stage.send_keys(Keys.SHIFT, Keys.ARROW_RIGHT)
    assert canvas.get_attribute("style") != before
    assert scale(browser) == 24
    stage.send_keys("-")
    assert scale(browser) == fitted
    dialog.find_element(By.CSS_SELECTOR, "[data-zoom='1']").click()
    dialog.find_element(By.ID, "stage").send_keys("0")
    assert scale(browser) == fitted

    # The second layer is the truth: its edge is opaque in the colour of its class, as large as a pixel of the image.
    stage.send_keys("2")
    assert dialog.find_element(By.CSS_SELECTOR, "[value=truth]").is_selected()
    row, column = (int(side.min()) for side in np.nonzero(np.load(page.parent / "prepared/labels.npy")[5]))
    pixel = "return [...arguments[0].getContext('2d').getImageData(arguments[1], arguments[2], 1, 1).data]"
    assert browser.execute_script(pixel, canvas, column, row)[:3] == [230, 159, 0]
    stage.send_keys(Keys.ARROW_RIGHT)
    wait.until(lambda driven: dialog.text.startswith("8.png"))
    assert dialog.find_element(By.CSS_SELECTOR, "[value=truth]").is_selected()
    dialog.send_keys(Keys.ESCAPE)
    wait.until(lambda driven: not dialog.is_displayed())
    assert complaints(browser) == []


@pytest.mark.parametrize("width", [1400, 390])
def test_nothing_is_wider_than_the_window(page: Path, browser: webdriver.Chrome, width: int) -> None:
    """Tables and charts scroll by themselves, on a telephone too."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 700}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    wait = opened(browser, page)
    wait.until(lambda driven: len(driven.find_elements(By.CSS_SELECTOR, ".chart svg")) == 7)
    for tab in ("results", "held-out", "test"):
        browser.execute_script("document.getElementById(arguments[0]).click()", f"tab-{tab}")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
