"""Charts of a data set: how often each class occurs, and how large its masks are.

Figures are drawn without pyplot, so no global state changes and no display is needed. The same numbers give the same
bytes on the same machine.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from stages.figures import overlays

MOST_UPRIGHT = 12  # bars whose numbers stand side by side
_BINS_PER_DECADE = 10
_GREY = "0.35"
_CLEAN = "0.72"
_INK = "0.15"


def classes(
    images: Mapping[str, int], by_number: Mapping[str, int | None], class_ids: Sequence[int], every: int
) -> Figure:
    """Bar charts: images per class, and images by their number of classes.

    Args:
        images: how many images have each class, by its name.
        by_number: for "0", "1", … how many images have that number of classes; None if unknown.
        class_ids: of these classes, in their order.
        every: how many classes there are; more than are shown if these are the most frequent ones.
    """
    further = 0.25 * max(0, len(images) - MOST_UPRIGHT)  # inches
    figure = _figure(10.5 + further, 4.2)
    left, right = figure.subplots(1, 2, width_ratios=[1 + further / 5.25, 1])
    _bars(left, images, [_rgb(class_id) for class_id in class_ids])
    left.set_title(f"Images with each class{_of_many(class_ids, every)}", loc="left", fontsize=13)
    left.set_ylabel("images")
    shown = _grouped({number: count for number, count in by_number.items() if count or int(number) < 3})
    _bars(right, shown, [_CLEAN if number == "0" else _GREY for number in shown])
    right.set_title("Images by number of classes", loc="left", fontsize=13)
    right.set_xlabel("classes in the image (0: no mask)")
    return figure


def areas(areas: Mapping[str, Sequence[int]], large: int, class_ids: Sequence[int], every: int) -> Figure:
    """Histograms of mask areas with their medians, one panel per class, on a common logarithmic axis.

    Large counts are on a logarithmic axis too, so that single masks are visible next to hundreds.

    Args:
        areas: the areas of the masks of each class in pixels, by its name.
        large: area to mark with a dotted line, if a mask exceeds it.
        class_ids, every: as in `classes`.
    """
    known = [area for values in areas.values() for area in values]
    low, high = (min(known), max(known)) if known else (1, 10)
    first = np.floor(np.log10(low) * _BINS_PER_DECADE)
    last = np.ceil(np.log10(high + 1) * _BINS_PER_DECADE)
    first = min(first, last // _BINS_PER_DECADE * _BINS_PER_DECADE)  # include a power of ten, for a tick with a label
    edges = 10 ** (np.arange(first, last + 1) / _BINS_PER_DECADE)
    figure = _figure(9, 0.9 + 1.6 * len(areas))
    panels = figure.subplots(len(areas), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for class_id, panel, (name, values) in zip(class_ids, panels, areas.items(), strict=True):
        _clear_frame(panel)
        panel.grid(axis="y", color="0.9", linewidth=0.8)
        _histogram(panel, values, edges, class_id)
        panel.set_title(f"{name}: {len(values):,} masks", loc="left", fontsize=11)
        if high > large:
            panel.axvline(large, color=_GREY, linewidth=1, linestyle=":")
            above = sum(area > large for area in values)
            panel.set_title(f"{above:,} over {large:,} px", loc="right", fontsize=10, color=_GREY)
    panels[0].set_xscale("log")
    panels[0].set_xlim(edges[0], edges[-1])
    _scale_counts(panels[0])
    for axis in (panels[-1].xaxis, panels[0].yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axis.set_minor_formatter(NullFormatter())
    panels[-1].set_xlabel(f"area of a mask in pixels (logarithmic){_of_many(class_ids, every)}")
    figure.supylabel(f"masks per bar{' (logarithmic)' if panels[0].get_yscale() == 'symlog' else ''}", fontsize=10)
    return figure


def _of_many(class_ids: Sequence[int], every: int) -> str:
    return f" ({len(class_ids)} most frequent of {every})" if len(class_ids) < every else ""


def _grouped(counts: Mapping[str, int | None]) -> dict[str, int | None]:
    """Counts by number of classes, those of many numbers joined into ranges: "0", "1-12", "13-24", …."""
    if len(counts) <= 2 * MOST_UPRIGHT:
        return dict(counts)
    step = -(-max(map(int, counts)) // MOST_UPRIGHT)
    grouped: dict[str, int | None] = {"0": counts["0"]}
    for number, count in counts.items():
        if number != "0":
            first = (int(number) - 1) // step * step + 1
            name = f"{first}-{first + step - 1}"
            grouped[name] = (grouped.get(name) or 0) + (count or 0)
    return grouped


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG without a date or a version."""
    figure.savefig(path, format="png", metadata={"Software": None})


def _figure(width: float, height: float) -> Figure:
    """An empty figure; its size is in inches of 150 pixels."""
    figure = Figure(figsize=(width, height), dpi=150, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _bars(axes: Axes, counts: Mapping[str, int | None], colours: Sequence[str | tuple[float, float, float]]) -> None:
    heights = [count or 0 for count in counts.values()]
    bars = axes.bar(list(counts), heights, color=colours, width=0.7)
    figures = ["unknown" if count is None else f"{count:,}" for count in counts.values()]
    many = len(counts) > MOST_UPRIGHT
    axes.bar_label(bars, figures, padding=2, fontsize=9 if many else 11, color=_INK, rotation=90 if many else 0)
    axes.set_ylim(0, (1.25 if many else 1.12) * max(1, *heights))  # room for the labels
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    _clear_frame(axes)
    if sum(map(len, counts)) > 50:  # characters: the names would overlap
        axes.tick_params(axis="x", rotation=90)


def _histogram(axes: Axes, values: Sequence[int], edges: npt.NDArray[np.float64], class_id: int) -> None:
    if not values:
        axes.text(0.5, 0.5, "no masks", transform=axes.transAxes, ha="center", va="center", color=_GREY)
        return
    axes.hist(values, bins=edges.tolist(), color=_rgb(class_id), edgecolor="white", linewidth=0.5)
    median = float(np.median(values))
    axes.axvline(median, color=_INK, linewidth=1.5)
    left_half = median < np.sqrt(edges[0] * edges[-1])  # write on the side with more room
    axes.annotate(
        f"median {median:,.0f} px",
        (median, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4 if left_half else -4, -3),
        textcoords="offset points",
        ha="left" if left_half else "right",
        va="top",
        color=_INK,
    )


def _scale_counts(axes: Axes) -> None:
    """Scale the axis of counts, with room above the bars for the medians."""
    top = axes.get_ylim()[1]
    if top > 20:
        axes.set_yscale("symlog", linthresh=1, linscale=0.5)  # linear up to 1: one mask has a bar, none has no bar
        axes.set_ylim(0, 6 * top)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_ylim(0, 1.3 * top)


def _clear_frame(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)


def _rgb(class_id: int) -> tuple[float, float, float]:
    red, green, blue = overlays.colour(class_id)
    return red / 255, green / 255, blue / 255
