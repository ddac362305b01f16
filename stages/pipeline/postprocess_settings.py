"""The section `postprocess` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stages.pipeline.sections import Flag, NaturalInt, Number, Section, Share

# What does nothing, of each list that may be fixed.
MILDEST = {"thresholds": 128, "gates": 0, "min_areas": 0, "min_components": 0, "vetoes": 0}
Levels = Annotated[tuple[NaturalInt, ...], Field(min_length=1)] | None


class Postprocess(Section):
    """How probabilities become masks. Values that are null are chosen on the validation folds."""

    enabled: Flag
    objective: Literal["competition", "find_defects"]
    min_precision: Annotated[Number, Field(gt=0, le=1)]
    gate: Literal["none", "max", "area", "presence"]
    veto: Flag
    one_class: Flag
    divide_by_weights: Flag
    min_positive_dice_ratio: Share
    parts: Annotated[int, Field(ge=2, strict=True)]
    thresholds: Levels
    gates: Levels
    min_areas: Levels
    min_components: Levels
    vetoes: Levels

    @property
    def fixed(self) -> list[str]:
        """The lists that are given and can take pixels away; not those that do nothing, such as a gate of 0."""
        given = {name: getattr(self, name) for name in MILDEST}
        return [name for name, levels in given.items() if levels is not None and set(levels) != {MILDEST[name]}]

    @property
    def chosen(self) -> bool:
        """Whether anything is left to be chosen on the validation folds, which are then scored cross-fitted."""
        unused = {"gates"} if self.gate == "none" else set[str]()
        unused |= set() if self.veto else {"vetoes"}
        return self.enabled and any(getattr(self, name) is None for name in MILDEST.keys() - unused)

    @model_validator(mode="after")
    def _levels(self) -> "Postprocess":
        for level in self.thresholds or ():
            if not 1 <= level <= 255:
                raise ValueError(f"thresholds: expected numbers in 1 … 255 (255: probability 1), found {level}")
        return self
