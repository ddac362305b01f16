"""How a label picture tells its class."""

from pathlib import Path

from stages.conversion.class_rules import ClassOf


def test_the_longest_prefix_counts() -> None:
    """`In` does not take what `Inner` fits better, whatever the order, and "" takes the rest."""
    class_of = ClassOf(prefixes=("In", "", "Inner"))
    assert [class_of.of(Path(f"{stem}.png")) for stem in ("In_1", "Inner_1", "other")] == [1, 3, 2]
