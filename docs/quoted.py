"""Keep the output that README.md and docs/ quote up to date: `python -m docs.quoted`.

A page quotes a command's output between two comments, which GitHub does not show:

    <!-- output of: python -m stages summary -->
    …
    <!-- end of output -->

Lines of Markdown stand there as they are printed; a fence around them stays. Commands read only what is committed: they
run in a temporary folder where data/submission.csv is an empty file, so that no finished run is needed.
"""

import re
import shlex
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
QUOTED = re.compile(r"(<!-- output of: (.+?) -->\n)(.*?)(<!-- end of output -->)", re.DOTALL)
NEEDED = ("Makefile", "ablation.yaml", "docs", "metrics", "params.yaml", "stages")


def pages() -> list[Path]:
    """README.md and the pages of docs/ and its folders."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def update(text: str) -> str:
    """The page with the output that its commands print now."""

    def replace(found: re.Match[str]) -> str:
        opening, command, before, closing = found.groups()
        printed = output(command).strip("\n")
        if fence := re.match(r"```\w*\n", before):
            printed = f"{fence[0]}{printed}\n```"
        return f"{opening}{printed}\n{closing}"

    return QUOTED.sub(replace, text)


@cache
def output(command: str) -> str:
    """What a command prints, run on the committed metrics."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for needed in NEEDED:
            (folder / needed).symlink_to(ROOT / needed)
        (folder / "data").mkdir()
        (folder / "data/submission.csv").touch()
        words = [sys.executable if word == "python" else word for word in shlex.split(command)]
        return subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True).stdout  # noqa: S603


if __name__ == "__main__":
    for page in pages():
        before = page.read_text(encoding="utf-8")
        after = update(before)
        if after != before:
            page.write_text(after, encoding="utf-8")
            print(f"{page.relative_to(ROOT)}: updated")
