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


def missing() -> str:
    """What a test of a page lacks on this machine; empty if nothing."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return f"no browser on PATH ({', '.join(BROWSERS)})"
    return "" if shutil.which("chromedriver") else f"no chromedriver on PATH for {browser}"


@contextmanager
def headless(profile: Path) -> "Iterator[webdriver.Chrome]":
    """Start Chromium without a window, and close it when the block ends.

    Its proxy is a port that nobody listens on, so that no connection succeeds.

    Args:
        profile: folder for what the browser stores.
    """
    if reason := missing():
        pytest.fail(reason) if os.environ.get("CHROMIUM") == "required" else pytest.skip(reason)
    from selenium import webdriver  # here, since every run of the tests reads this module

    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, BROWSERS)))
    for argument in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--proxy-server=127.0.0.1:9",
        "--window-size=1400,1000", f"--user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield started
    finally:
        started.quit()
