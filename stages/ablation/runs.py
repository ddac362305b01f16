"""The experiments of an ablation: one per variant and seed, and what they gave.

The seed of a variant is `train.seed`: the folds, and so the images that are compared, are the same for all.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.ablation import experiments
from stages.ablation.gains import Result
from stages.ablation.plan import Params, Variant
from stages.dataset.layout import Layout, Metric
from stages.pipeline import paths, settings, yaml_files
from stages.pipeline.cli import UserError
from stages.scoring import per_image
from stages.scoring.per_image import ImageScores

PIPELINE = Path("dvc.yaml")
TARGET = "evaluate"  # the stage to run, with those that it depends on
STAGES = ("download", "preprocess", "pseudo_label", "train", "quantize", "infer", "postprocess", TARGET)
# Parameters that may be paths. The experiments run in another folder, so a relative path would not be found there.
PATHS = {("download", "source"): ("sample", "kaggle"), ("train", "encoder_weights"): ("imagenet", None)}

Runner = Callable[[str, dict[str, Any], tuple[str, ...]], None]


@dataclass(frozen=True)
class Run:
    """A variant with one seed.

    Attributes:
        experiment: its name, such as "ablation-rotation-1".
        params: all of params.yaml.
        workspace: params.yaml as it is here.
    """

    experiment: str
    params: Params
    workspace: Params

    def finished(self) -> str | None:
        """The commit of the experiment, if it has run with these parameters and the present code; else None."""
        revision = experiments.revision(self.experiment)
        if revision is None or experiments.parameters(revision, paths.PARAMS) != self.params:
            return None
        return revision if experiments.same_files(revision, code()) else None

    def start(self, runner: Runner) -> None:
        """Run the experiment."""
        runner(self.experiment, experiments.differences(self.params, self.workspace), (TARGET,))


def of(variant: Variant, workspace: Params, prefix: str) -> dict[int, Run]:
    """The runs of a variant by seed. Their names begin with `prefix`."""
    return {
        seed: Run(f"{prefix}{variant.slug}-{seed}", _with_seed(variant.params, seed), workspace)
        for seed in variant.seeds
    }


def result(variant: Variant, workspace: Params, prefix: str) -> Result | None:
    """What a variant gave; None unless all its runs are finished."""
    revisions = {seed: run.finished() for seed, run in of(variant, workspace, prefix).items()}
    found = {seed: revision for seed, revision in revisions.items() if revision}
    if len(found) < len(revisions):
        return None
    metric = Layout.of(settings.parsed(variant.params).competition).metric
    return Result(
        {seed: _scores(revision, "validation", metric) for seed, revision in found.items()},
        {seed: _scores(revision, "held_out", metric) for seed, revision in found.items()} if variant.last else {},
    )


def code() -> list[str]:
    """dvc.yaml, and the files and folders of code that the stages of a run depend on."""
    described = yaml_files.read(PIPELINE, "the stages of the pipeline")["stages"]
    deps = {dep for stage in STAGES for dep in described.get(stage, {}).get("deps", [])}
    return [str(PIPELINE), *sorted(dep for dep in deps if dep.startswith("stages/"))]


def _with_seed(params: Params, seed: int) -> Params:
    result = copy.deepcopy(params)
    result["train"]["seed"] = seed
    for (section, name), words in PATHS.items():
        value = result[section][name]
        if value not in words and value is not None:
            result[section][name] = str(Path(value).expanduser().absolute())
    return result


def _scores(revision: str, split: str, metric: Metric) -> ImageScores:
    """Scores of one split; the lines of the other are not even read as numbers."""
    where = f"{revision[:7]}:{paths.IMAGES_TABLE}"
    header, *lines = experiments.read(revision, paths.IMAGES_TABLE).splitlines(keepends=True)
    found = per_image.read([header, *(line for line in lines if line.startswith(f"{split},"))], where, metric)
    if split not in found:
        raise UserError(f"{where}: expected images of the split {split}, found none")
    return found[split]
