"""The section `postprocess` of params.yaml."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stages.pipeline.sections import Flag, NaturalInt, Number, Section, Share

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

    @model_validator(mode="after")
    def _levels(self) -> "Postprocess":
        for level in self.thresholds or ():
            if not 1 <= level <= 255:
                raise ValueError(f"thresholds: expected numbers in 1 … 255 (255: probability 1), found {level}")
        return self
