"""The networks and rules that the last run of the pipeline left, as dvc.lock records them, ready for any photograph."""

from dataclasses import dataclass
from importlib.util import find_spec

from stages.dataset.layout import Layout
from stages.inference import engines, processor
from stages.inference.averaging import Network, Views
from stages.inference.engines import Engine
from stages.inference.networks import Networks
from stages.pipeline import paths, recorded, sections, settings
from stages.pipeline.cli import UserError
from stages.postprocessing import expectation_file, rules_file
from stages.postprocessing.expectation_file import Fitted
from stages.postprocessing.rules import Rules

ENGINE = paths.PROBABILITIES / engines.FILE  # what the rules were chosen with


@dataclass(frozen=True)
class TrainedModel:
    """What makes masks of photographs.

    Attributes:
        layout: what images have to be like, and the names of the classes.
        networks: all of the ensemble, as `predict` averages them.
        engine: what runs them: that with which the rules were chosen, whatever params.yaml says.
        views, batch_size: as in `averaging.of_images`.
        rules: from probabilities to masks.
        md5: of networks and rules, by their paths, as in dvc.lock.
        fitted: what to expect of its masks, and the training images as numbers; None: the run has no stage
            expected_dice.
    """

    layout: Layout
    networks: list[Network]
    engine: Engine
    views: Views
    batch_size: int
    rules: Rules
    md5: dict[str, str]
    fitted: Fitted | None = None

    def batch_for(self, photographs: int) -> int:
        """How many images the networks get at once, for so many photographs.

        OpenVINO computes each image by itself, so that a few need not be filled up to a batch; two sizes are enough,
        because it compiles the network for each. TensorFlow's last bits depend on the batch.
        """
        return 1 if self.engine.name == "openvino" and photographs < self.batch_size else self.batch_size


def load() -> TrainedModel:
    """Load networks and rules, after comparing them with what dvc.lock records.

    Parameters come from dvc.lock too: those with which the rules were chosen, even if params.yaml has changed since.

    Raises:
        UserError: there is no finished run, a file is another than the recorded one, the rules were chosen on the
            probabilities of other networks, or this machine cannot run the engine with which they were chosen.
    """
    for path in (paths.MODEL, paths.RULES, ENGINE):
        recorded.check(path)
    recorded.check_read("infer", paths.MODEL)
    recorded.check_read("postprocess", paths.PROBABILITIES)
    options = _section(settings.Inference, "infer", "inference")
    layout = Layout.of(_section(settings.Competition, "postprocess", "competition"))
    engine, seen = engines.read(paths.PROBABILITIES)
    views = Views(options.flips, options.scales)
    if seen != str(views):
        raise UserError(f"{ENGINE}: expected {views}, as {recorded.LOCK} records, found {seen}: run dvc repro")
    _check_machine(engine)
    if engine.precision == "int8":
        recorded.check(paths.QUANTIZED)
        recorded.check_read("infer", paths.QUANTIZED)
    networks = Networks(engine)
    return TrainedModel(
        layout,
        networks.of(networks.ensemble.members),
        engine,
        views,
        options.batch_size,
        rules_file.read(paths.RULES).rules,
        {path.as_posix(): recorded.md5_recorded(path) for path in (paths.MODEL, paths.RULES)},
        _fitted(layout),
    )


def _fitted(layout: Layout) -> Fitted | None:
    """What the stage expected_dice has learned of these rules."""
    if not paths.EXPECTED_DICE.exists():
        print(
            f"segment: no expected Dice and no warning about other light, since there is no {paths.EXPECTED_DICE}: "
            "dvc repro expected_dice makes it",
            flush=True,
        )
        return None
    recorded.check(paths.EXPECTED_DICE)
    recorded.check_read("expected_dice", paths.RULES)
    fitted = expectation_file.read(paths.EXPECTED_DICE)
    if fitted.model.classes != list(layout.classes):
        raise UserError(
            f"{paths.EXPECTED_DICE}: expected the classes {', '.join(layout.classes)}, found "
            f"{', '.join(fitted.model.classes)}: {expectation_file.AGAIN}"
        )
    return fitted


def _section(kind: type[sections.Checked], stage: str, name: str) -> sections.Checked:
    content = recorded.parameters(stage, name)
    return sections.check(kind, content, f"{recorded.LOCK}: {stage}: {name}")


def _check_machine(engine: Engine) -> None:
    """See that this machine runs the networks as they were run when the rules were chosen.

    Raises:
        UserError: it does not.
    """
    chosen = f"{ENGINE}: the rules were chosen with {engine}: expected"
    advice = "run dvc repro on this machine"
    if engine.name == "openvino" and find_spec("openvino") is None:
        raise UserError(f"{chosen} the package openvino, found none: {settings.installing('openvino')}, or {advice}")
    if engine.precision == "bfloat16" and not processor.has_bfloat16():
        needed = " or ".join(sorted(processor.BFLOAT16))
        raise UserError(f"{chosen} a processor with {needed}, found none: segment on such a machine, or {advice}")
