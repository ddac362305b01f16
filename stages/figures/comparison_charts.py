"""The charts of the comparison page."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stages.figures import vega
from stages.figures.comparison_images import Differing
from stages.pipeline import paths
from stages.pipeline.arrays import Float64, Int64

MOST_POINTS = 5_000  # Chromium draws so many in a second
_AXIS = {"scale": {"domain": [0, 1]}, "axis": {"grid": True, "tickCount": 5}}


def confusion(matrices: Sequence[Sequence[Int64]], shares: Sequence[Float64], names: Sequence[str]) -> dict[str, Any]:
    """Both confusion matrices by the template of `dvc plots`: shares of the true class, and pixels of all runs.

    Args:
        matrices: of the runs of A, and of those of B.
        shares: of A and of B.
        names: of the classes, the background first.
    """
    rows = [
        {
            "actual": actual,
            "predicted": predicted,
            "share": str(share[row, column]),
            "pixels": str(pixels[row, column]),
            "rev": side,
            "filename": paths.CONFUSION_TABLE.as_posix(),
            "field": "share",
        }
        for side, runs, share in zip("AB", matrices, shares, strict=True)
        for pixels in [np.sum(runs, axis=0)]
        for row, actual in enumerate(names)
        for column, predicted in enumerate(names)
    ]
    return vega.fill("confusion_shares", paths.PLOT_TEMPLATES, rows, "predicted", "actual")


def images(differing: Sequence[Differing]) -> dict[str, Any]:
    """Dice of each image on which the runs differ: of A to the right, of B upwards; above the line B is better."""
    points = [{"image": each.image, "a": round(each.a, 4), "b": round(each.b, 4)} for each in differing[:MOST_POINTS]]
    fields = (("image", "image"), ("a", "Dice, A"), ("b", "Dice, B"))
    return {
        "width": 270,
        "height": 270,
        "layer": [
            {
                "data": {"values": [{"a": 0, "b": 0}, {"a": 1, "b": 1}]},
                "mark": {"type": "line", "color": "#9aa4ad", "strokeDash": [4, 4]},
                "encoding": {axis: {"field": name, "type": "quantitative"} for axis, name in (("x", "a"), ("y", "b"))},
            },
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.6, "color": "#0b62a4"},
                "encoding": {
                    "x": {"field": "a", "type": "quantitative", "title": "Dice of the image, A", **_AXIS},
                    "y": {"field": "b", "type": "quantitative", "title": "Dice of the image, B", **_AXIS},
                    "tooltip": [{"field": name, "title": title} for name, title in fields],
                },
            },
        ],
    }
