"""What a competition fixes for all of its images: the names of the classes and the size in pixels."""

from dataclasses import dataclass
from typing import Protocol


class HasLayout(Protocol):
    """What `Layout.of` reads. `settings.Competition` has it; the notebook on Kaggle lacks pydantic, so no import."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, ClassId 1 first."""

    @property
    def image_height(self) -> int:
        """Height of every image in pixels."""

    @property
    def image_width(self) -> int:
        """Width of every image in pixels."""


@dataclass(frozen=True)
class Layout:
    """Classes and image size of a competition.

    Attributes:
        classes: names of the classes, ClassId 1 first.
        height, width: size of every image in pixels.

        >>> Layout(("pit", "line"), 256, 1600).size
        (256, 1600)
    """

    classes: tuple[str, ...]
    height: int
    width: int

    @classmethod
    def of(cls, competition: HasLayout) -> "Layout":
        """The layout that params.yaml states under `competition:`."""
        return cls(competition.classes, competition.image_height, competition.image_width)

    @classmethod
    def unnamed(cls, number_of_classes: int, height: int, width: int) -> "Layout":
        """A layout whose classes are called class_1, class_2, …, for code that needs only their number."""
        return cls(tuple(f"class_{number}" for number in range(1, number_of_classes + 1)), height, width)

    @property
    def number_of_classes(self) -> int:
        """How many classes there are; a ClassId lies in 1 … number_of_classes."""
        return len(self.classes)

    @property
    def class_ids(self) -> range:
        """1, 2, …, number_of_classes."""
        return range(1, len(self.classes) + 1)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in the order of an array's shape."""
        return self.height, self.width

    @property
    def pixels(self) -> int:
        """Pixels of one image."""
        return self.height * self.width

    def __str__(self) -> str:
        return f"{self.height}×{self.width}"
