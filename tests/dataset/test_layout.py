"""What a competition fixes, in one object."""

import json
from pathlib import Path

from stages.dataset.layout import Layout, RunLengths
from stages.pipeline import settings

ROOT = Path(__file__).parents[2]


def test_the_layout_of_params_yaml() -> None:
    """Height comes before width, class ids count from 1."""
    layout = Layout.of(settings.load(ROOT / "params.yaml").competition)
    assert layout == Layout(("pits", "cracks", "scratches", "patches"), 256, 1600)
    assert (layout.size, layout.pixels, str(layout)) == ((256, 1600), 409_600, "256×1600")
    assert (layout.number_of_classes, list(layout.class_ids)) == (4, [1, 2, 3, 4])


def test_unnamed_classes() -> None:
    """Where only their number is known, as in the notebook on Kaggle, classes are numbered from 1."""
    assert Layout.unnamed(2, 4, 6) == Layout(("class_1", "class_2"), 4, 6)


def test_a_layout_as_json() -> None:
    """The notebook on Kaggle gets everything, tuples included."""
    layout = Layout(("pit", "line"), 4, 6, overlapping=True, run_lengths=RunLengths("rows", "relative", ("-1",)))
    assert Layout.from_json(json.loads(json.dumps(layout.to_json()))) == layout
