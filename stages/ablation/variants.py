"""Experiments with other values of one parameter, based on the committed params.yaml, whatever the workspace's says."""

from typing import Any

from stages.ablation import experiments
from stages.pipeline import paths
from stages.pipeline.cli import UserError

PREFIX = "compare-"


def run(key: str, values: list[str]) -> list[str]:
    """Run one experiment per value, one after the other.

    Args:
        key: of params.yaml, such as "train.loss".
        values: what to set it to.

    Returns:
        Names of the experiments: `compare-VALUE`.

    Raises:
        UserError: there is no commit to start from, or an experiment failed.
    """
    workspace = experiments.mapping(paths.PARAMS.read_text(encoding="utf-8"), str(paths.PARAMS))
    back = experiments.differences(_committed(), workspace)
    for value in values:
        experiments.run(f"{PREFIX}{value}", back | {key: value})
    return [f"{PREFIX}{value}" for value in values]


def _committed() -> dict[str, Any]:
    try:
        return experiments.parameters("HEAD", paths.PARAMS)
    except UserError as error:
        raise UserError(f"expected a committed {paths.PARAMS} to start from, found none ({error})") from None
