"""A browser without a window, for tests of pages: the system's Chromium, steered by the system's chromedriver.

Selenium would download a driver that is missing. Here, tests are skipped instead; CHROMIUM=required makes them fail.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from selenium import webdriver

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
MISSING = "no browser to test pages in"


@contextmanager
def headless(profile: Path) -> "Iterator[webdriver.Chrome]":
    """Start Chromium without a window, and close it when the block ends.

    Its proxy is a port that nobody listens on, so that no connection succeeds.

    Args:
        profile: folder for what the browser stores.
    """
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        wanted = f"one of {', '.join(BROWSERS)}" if binary is None else f"chromedriver for {binary}"
        message = f"{MISSING}: expected {wanted} on PATH, found none"
        pytest.fail(message) if os.environ.get("CHROMIUM") == "required" else pytest.skip(message)
    from selenium import webdriver  # here, since every run of the tests reads this module

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--proxy-server=127.0.0.1:9",
        "--window-size=1400,1000", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        yield started
    finally:
        started.quit()
