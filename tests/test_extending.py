"""The pages of docs/extending/: each diff is applied to a copy of the repository, where the page's own check runs."""

import re
from pathlib import Path

import pytest

from tests.support import repository

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs/extending").glob("*.md"))
USE_TENSORFLOW = ("loss", "network")
DIFF = re.compile(r"^```diff\n(.*?)^```$", re.DOTALL | re.MULTILINE)
CHECK = re.compile(r"^<!-- check -->\n```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def parameters() -> list[object]:
    """One for each page; those whose check imports TensorFlow are slow."""
    marks = {page: [pytest.mark.slow] if page.stem in USE_TENSORFLOW else [] for page in PAGES}
    return [pytest.param(page, id=page.stem, marks=marks[page]) for page in PAGES]


@pytest.mark.parametrize("page", parameters())
def test_the_diff_of_a_page_works(page: Path, tmp_path: Path) -> None:
    """It applies as it stands, and all that the page tells to run passes."""
    text = page.read_text(encoding="utf-8")
    (diff,), (check,) = DIFF.findall(text), CHECK.findall(text)
    repository.start(tmp_path)
    (tmp_path / ".page.diff").write_text(diff, encoding="utf-8")
    repository.call(tmp_path, "git", "apply", "--whitespace=error", ".page.diff")
    printed = repository.call(tmp_path, "bash", "-euo", "pipefail", "-c", check)
    assert " passed" in printed


def test_the_index_names_every_page() -> None:
    """docs/extending.md links them all, and nothing there is not one."""
    index = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((extending/[^)]+)\)", index)) == {f"extending/{page.name}" for page in PAGES}
