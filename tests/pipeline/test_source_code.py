"""What counts as a change of a module."""

import pytest

from stages.pipeline import source_code

SOURCE = '''
"""A module."""
import math

class Circle:
    """Round."""
    def area(self, radius):
        """Its area."""
        return math.pi * radius ** 2
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("Its area.", "The area of the circle.", True),
        ('        """Its area."""\n', "", True),
        ('    """Round."""\n', '    """Round."""\n\n    # A comment.\n', True),
        ("import math", "import math\n\n\n", True),
        ("radius ** 2", "radius**2", True),
        ("radius ** 2", "radius ** 3", False),
        ("import math", "import cmath as math", False),
        ("return math.pi", 'return len("pi")', False),
    ],
)
def test_comments_docstrings_and_blank_lines_do_not_count(old: str, new: str, same: bool) -> None:
    """Only what the module does counts."""
    assert old in SOURCE
    assert source_code.same(SOURCE, SOURCE.replace(old, new)) is same


def test_source_that_cannot_be_parsed() -> None:
    """Half written, it is another one, whatever the other is; the same text is the same."""
    assert source_code.same("x = (", "x = (")
    assert not source_code.same("x = (", "x = ( ")
    assert not source_code.same("x = 1", "x = (")
