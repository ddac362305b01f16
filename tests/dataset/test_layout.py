"""What a competition fixes, in one object."""

from stages.dataset.layout import Layout
from stages.pipeline.settings import Competition


def test_the_layout_of_params_yaml() -> None:
    """Height comes before width, class ids count from 1."""
    layout = Layout.of(Competition(slug="steel", image_height=256, image_width=1600, classes=("pit", "line")))
    assert layout == Layout(("pit", "line"), 256, 1600)
    assert (layout.size, layout.pixels, str(layout)) == ((256, 1600), 409_600, "256×1600")
    assert (layout.number_of_classes, list(layout.class_ids)) == (2, [1, 2])


def test_unnamed_classes() -> None:
    """Where only their number is known, as in the notebook on Kaggle, classes are numbered from 1."""
    assert Layout.unnamed(2, 4, 6) == Layout(("class_1", "class_2"), 4, 6)
