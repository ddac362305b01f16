"""The confusion matrix as a picture."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from stages.pipeline.arrays import Float64, Int64
from stages.scoring import confusion

MOST_NUMBERED = 30  # names with a number in each cell; with more, colours alone are readable


def draw(matrix: Int64, names: Sequence[str], path: Path) -> None:
    """Write a confusion matrix as a PNG: each cell shows its share of the true class, also as colour, and its pixels.

    With many classes, it shows the colours alone.

    Args:
        matrix: int64 of shape (1 + classes, 1 + classes), true by predicted.
        names: names of the rows and columns, the background first.
        path: the file to write. The same matrix gives the same bytes on the same machine.
    """
    shares = confusion.shares(matrix)
    numbered = len(names) <= MOST_NUMBERED
    side = 1.15 * len(names) + 1.6 if numbered else 0.12 * len(names) + 8
    figure = Figure((side + 0.9, side), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    texts = [
        [f"{shares[row, column]:.3f}\n{matrix[row, column]:,}" for column in range(len(names))]
        for row in range(len(names) if numbered else 0)
    ]
    picture = paint(axes, shares, names, texts)
    if not numbered:
        axes.tick_params(labelsize=7)
        axes.tick_params(axis="x", rotation=90)
    figure.colorbar(picture, ax=axes, label="share of the true class", shrink=0.8)
    axes.set_title("Pixels by true and predicted class, held-out fold")
    figure.savefig(path, metadata={"Software": None})


def paint(
    axes: Axes, shares: Float64, names: Sequence[str], texts: Sequence[Sequence[str]], fontsize: float = 9
) -> AxesImage:
    """Draw shares of the true class as coloured cells, with the names and a text in each cell; returns the image."""
    picture = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    for row, of_row in enumerate(texts):
        for column, text in enumerate(of_row):
            ink = "black" if shares[row, column] > 0.55 else "white"
            axes.text(column, row, text, ha="center", va="center", fontsize=fontsize, color=ink)
    return picture
