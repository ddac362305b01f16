"""Run docs/lesson.ipynb from top to bottom, and keep what it prints and draws: `make lesson`.

The notebook works in a temporary clone of the last commit, so the folder, params.yaml and its data stay as they are.
"""

import re
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "docs/lesson.ipynb"
DECIDES = ("stages", "recipes", "params.yaml", "dvc.yaml", "requirements.txt")  # what the clone takes from the commit
SECONDS = 1200  # that a cell may take
SOLUTION = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def read(path: Path = NOTEBOOK) -> nbformat.NotebookNode:
    """Read a notebook."""
    return nbformat.read(path, as_version=4)


def solutions(notebook: nbformat.NotebookNode) -> list[str]:
    """The code of the solutions, which stands in collapsed text, not in cells."""
    return [
        code for cell in notebook.cells if cell.cell_type == "markdown" for code in SOLUTION.findall(cell["source"])
    ]


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Execute all cells, as if the notebook lay in a folder; what they print and draw is kept in it.

    Raises:
        CellExecutionError: a cell failed.
    """
    place = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(
        notebook, timeout=SECONDS, kernel_name="python3", resources=place, coalesce_streams=True
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the times
    notebook.metadata["language_info"].pop("version", None)


def main() -> str | None:
    """Run the notebook in place; returns a message if that cannot be done."""
    changed = subprocess.run(  # noqa: S603
        ["git", "status", "--porcelain", "--", *DECIDES],  # noqa: S607
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    if changed:
        return f"lesson: expected a committed state, because the last commit is run; found:\n{changed.rstrip()}"
    notebook = read()
    try:
        run(notebook, NOTEBOOK.parent)
    except nbclient.exceptions.CellExecutionError as error:
        return f"lesson: {NOTEBOOK.relative_to(ROOT)}: expected every cell to succeed, found:\n{error}"
    nbformat.write(notebook, NOTEBOOK)
    print(f"lesson: {NOTEBOOK.relative_to(ROOT)}: {sum(cell.cell_type == 'code' for cell in notebook.cells)} cells run")
    return None


if __name__ == "__main__":
    sys.exit(main())
