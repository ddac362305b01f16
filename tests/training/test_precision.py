"""Training in half precision: right losses, float32 weights, and nothing left behind in the process."""

from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from stages.dataset.prepared import Dataset
from stages.inference import processor
from stages.pipeline import settings
from stages.pipeline.cli import UserError
from tests.support.resuming import same_after_a_kill

pytestmark = pytest.mark.slow

MIXED = ["mixed_float16", "mixed_bfloat16"]


@pytest.mark.parametrize(
    ("capabilities", "bfloat16", "expected"),
    [
        ([], True, {"auto": "mixed_bfloat16", "mixed_bfloat16": "", "mixed_float16": "a GPU with tensor cores"}),
        ([], False, {"auto": "float32", "mixed_bfloat16": "a processor with amx_bf16 or avx512_bf16", "float32": ""}),
        ([(8, 0)], False, {"auto": "mixed_bfloat16", "mixed_bfloat16": "", "mixed_float16": ""}),
        ([(9, 0), (7, 5)], True, {"auto": "float32", "mixed_bfloat16": "8.0 or more, found 7.5", "mixed_float16": ""}),
        ([(6, 1)], True, {"auto": "float32", "mixed_float16": "7.0 or more, found 6.1"}),
        ([(0, 0)], True, {"auto": "float32", "mixed_bfloat16": "found 0.0"}),
    ],
)
def test_precision_by_the_machine(
    options: settings.Train,
    monkeypatch: pytest.MonkeyPatch,
    capabilities: list[tuple[int, int]],
    bfloat16: bool,
    expected: dict[str, str],
) -> None:
    """auto takes bfloat16 where GPUs have it or the processor gains from it; what is missing is a clear error."""
    from stages.training import precision

    monkeypatch.setattr(precision, "_capabilities", lambda: capabilities)
    monkeypatch.setattr(processor, "has_bfloat16", lambda: bfloat16)
    monkeypatch.setattr(processor, "gains_from_bfloat16", lambda: bfloat16)
    for wanted, found in expected.items():
        asked = options.model_copy(update={"precision": wanted})
        if not found or wanted == "auto":
            assert precision.resolved(asked, len(capabilities)).precision == (found or wanted)
        else:
            with pytest.raises(UserError, match=f"train: precision: {wanted}: expected .*{found}.*auto or float32"):
                precision.resolved(asked, len(capabilities))


@pytest.mark.parametrize("precision", MIXED)
def test_only_the_inside_of_the_network_is_in_half_precision(options: settings.Train, precision: str) -> None:
    """Both outputs and all weights are float32, a convolution's result is not; the next network is float32 again."""
    from stages.training import model

    changes = {"precision": precision, "presence_weight": 0.1}
    network = model.build(options.model_copy(update=changes), 2)
    found = network(np.zeros((1, 64, 64, 1), np.float32))
    assert {value.dtype.name for value in found.values()} == {"float32"}
    assert {np.dtype(weight.dtype.as_numpy_dtype).name for weight in network.weights} == {"float32"}
    inner = next(layer for layer in network.layers if hasattr(layer, "layers"))
    assert inner.output[0].dtype == precision.removeprefix("mixed_")
    assert model.keras.mixed_precision.global_policy().name == "float32"
    assert model.keras.layers.Dense(1).compute_dtype == "float32"


def test_a_build_that_fails_leaves_no_precision_behind(
    options: settings.Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process's policy is float32 again, whatever happens."""
    import segmentation_models as sm

    from stages.training import model

    def fail(**arguments: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(sm, "Unet", fail)
    with pytest.raises(RuntimeError):
        model.build(options.model_copy(update={"precision": "mixed_float16"}), 2)
    assert model.keras.mixed_precision.global_policy().name == "float32"


@pytest.mark.parametrize("name", get_args(settings.Train.model_fields["loss"].annotation))
def test_sums_over_more_pixels_than_float16_holds(name: str) -> None:
    """Of 300×300 pixels, more than float16's 65,504, and logits that it holds exactly: the loss of float32 logits."""
    import tensorflow as tf

    from stages.training import losses

    kind = losses.LOSSES[name]
    random = np.random.default_rng(0)
    labels = tf.constant(random.integers(0, 3, (1, 300, 300)), tf.uint8)
    scores = random.integers(-8, 9, (1, 300, 300, 2 if kind.activation == "sigmoid" else 3))
    loss = kind.make(np.array([1, 2, 3], np.float32))
    found, expected = (loss(labels, tf.constant(scores, dtype)) for dtype in (tf.float16, tf.float32))
    assert found.dtype == tf.float32
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize(("mixed", "tolerance"), [("mixed_float16", 0.01), ("mixed_bfloat16", 0.05)])
@pytest.mark.prove  # half precision is made for GPUs, and slow on a processor
def test_each_precision_trains_to_about_the_same(
    prepared: Dataset,
    options: settings.Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mixed: str,
    tolerance: float,
) -> None:
    """The losses of two epochs are close, and the file of weights loads into the float32 network that is exported.

    The scale of the loss starts where no gradient is too large for float16. From Keras's own 32,768 it has to fall, a
    step is left out each time, and of the eight steps here too few would remain to compare.
    """
    from stages.training import fit, model
    from stages.training.job import Job

    scaled = partial(fit.keras.mixed_precision.LossScaleOptimizer, initial_scale=128)
    monkeypatch.setattr(fit.keras.mixed_precision, "LossScaleOptimizer", scaled)
    losses = {}
    for precision in ("float32", mixed):
        changed = options.model_copy(update={"precision": precision, "epochs": 2, "learning_rate": 1e-4})
        trained = fit.fit(Job(prepared, changed, 1), 0, tmp_path / precision, lambda *logs: None)
        losses[precision] = [logs["loss"] for logs in trained.history]
        exported = fit.exported(changed, prepared)
        assert exported.precision == "float32"
        network = model.bare(model.build(exported, len(prepared.classes)))
        network.load_weights(trained.weights)
        assert all(np.isfinite(weight).all() for weight in network.get_weights())
    np.testing.assert_allclose(losses[mixed], losses["float32"], rtol=tolerance)
    assert losses[mixed] != losses["float32"]


@pytest.mark.prove
def test_a_killed_training_in_float16_goes_on_to_the_same_result(
    prepared: Dataset, options: settings.Train, tmp_path: Path
) -> None:
    """The state holds the scale of the loss too, and a plateau schedule reaches the learning rate within."""
    from stages.training.job import Job

    changes = {"precision": "mixed_float16", "learning_rate_schedule": "plateau", "plateau_patience": 1, "mixup": 0.3}
    same_after_a_kill(Job(prepared, options.model_copy(update=changes), 1), tmp_path)
