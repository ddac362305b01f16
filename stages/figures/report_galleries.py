"""The images of the report: those of the held-out fold, and test images."""

from collections.abc import Iterable

from stages.figures.gallery import Item
from stages.figures.pages import Gallery
from stages.figures.submitted import ANY, SentImages


def held_out(items: Iterable[Item], count: int, classes: list[str]) -> Gallery:
    """All images of the held-out fold, the worst first."""
    return Gallery(
        id="held-out",
        title=f"Held-out images ({count:,})",
        note="All images of the held-out fold: photograph, true and predicted masks, and where the two differ.",
        items=items,
        layers=["photo", "truth", "prediction", "errors"],
        classes=classes,
        clean="without a defect",
        sorts={
            "score-up": "Dice, worst first",
            "score-down": "Dice, best first",
            "false_negatives-down": "false negatives, most first",
            "false_positives-down": "false positives, most first",
            "name-up": "name",
        },
        filters={"false_negatives": "with false negatives", "false_positives": "with false positives"},
    )


def test(items: Iterable[Item], sent: SentImages, classes: list[str]) -> Gallery:
    """Test images with the masks of the submission."""
    joined = sent.layout.metric.joined and sent.layout.number_of_classes > 1
    return Gallery(
        id="test",
        title=f"Test images ({len(sent.shown):,})",
        note=f"Predicted masks as {sent.path} has them; nobody knows the true ones. {_shown(sent)}",
        items=items,
        layers=["photo", "prediction"],
        classes=[ANY] if joined else classes,
        clean="without a mask",
        sorts={"position-up": "order of the submission", "area-down": "masked pixels, most first", "name-up": "name"},
        filters={"area": "with a mask"},
        wide=2,
    )


def _shown(sent: SentImages) -> str:
    """How many of how many images are shown, and how they were chosen."""
    if not sent.images:
        return "The submission has no rows: its test images exist only where the notebook runs."
    marked = f"{sent.marked:,} of {sent.images:,} images have a mask."
    if sent.share is None:
        return f"{marked} All are shown."
    return (
        f"{marked} Shown: {len(sent.shown):,} of {sent.images:,}, at most {sent.share:,} for each predicted class and "
        "for images without a mask, spread evenly over the submission."
    )
