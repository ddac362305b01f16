"""What a person sees of a training, in words."""

from types import SimpleNamespace
from typing import Any

import pytest

from stages.pipeline import settings

pytestmark = pytest.mark.slow

HISTORY = [
    {"loss": 2.1174, "val_mean_f1": 0.2878},
    {"loss": 1.573, "val_mean_f1": 0.401},
    {"loss": 1.4, "val_mean_f1": 0.3793},
]


def test_each_epoch_names_the_best_one(options: settings.Train) -> None:
    """By the figure that train.monitor names; of equals the earlier; without validation, only the loss."""
    from stages.training.display import result

    asked = options.model_copy(update={"epochs": 7})
    assert result(HISTORY[:2], asked) == "epoch 2 of 7: loss 1.57, mean F1 0.401 (the best so far)"
    assert result(HISTORY, asked) == "epoch 3 of 7: loss 1.4, mean F1 0.379 (best so far: epoch 2, 0.401)"
    assert result([*HISTORY[:2], HISTORY[1]], asked).endswith("(best so far: epoch 2, 0.401)")
    dice = asked.model_copy(update={"monitor": "mean_dice"})
    logs = [
        {"loss": 2.0, "val_mean_f1": 0.9, "val_mean_dice": 0.5},
        {"loss": 1.0, "val_mean_f1": 0.1, "val_mean_dice": 0.6},
    ]
    assert result(logs, dice) == "epoch 2 of 7: loss 1, mean Dice 0.600 (the best so far)"
    assert result([{"loss": 2.0}], asked) == "epoch 1 of 7: loss 2"


def test_the_end_says_which_weights_are_kept(options: settings.Train) -> None:
    """Those of the best epoch or of several, and why it is over."""
    from stages.training.display import ending

    assert ending(HISTORY, options) == "the best is epoch 2, with mean F1 0.401; the weights of epoch 2 are kept"
    two = options.model_copy(update={"average_best": 2})
    assert ending(HISTORY, two).endswith("; the mean of the weights of epochs 2, 3 is kept")
    stopped = options.model_copy(update={"epochs": 9, "early_stopping_patience": 1})
    assert ending(HISTORY, stopped).startswith("stopped after epoch 3: 1 epoch(s) without a better mean F1 (train.")
    assert ending([{"loss": 2.0}] * 3, options) == "the weights of epoch 3 are kept"


def test_an_epoch_prints_its_result_and_the_time_left(
    options: settings.Train, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first epoch takes 50 s; the second 40, and then there are 5 more like it."""
    from stages.training import display

    now = iter([0.0, 50.0, 90.0])
    monkeypatch.setattr(display, "time", SimpleNamespace(monotonic=lambda: next(now)))
    progress: Any = SimpleNamespace(history=[])
    shown = display.Display("fold_0", 1, progress, options.model_copy(update={"epochs": 7}))
    for epoch, logs in enumerate(HISTORY[:2]):
        monkeypatch.setattr(display, "counter", lambda *words, **more: SimpleNamespace(close=lambda: None))
        shown.on_epoch_begin(epoch)
        shown.on_epoch_end(epoch, logs)
        progress.history = [*progress.history, logs]
    shown.on_train_end()
    assert capsys.readouterr().out.splitlines() == [
        "train: fold_0: epoch 1 of 7: loss 2.12, mean F1 0.288 (the best so far); about 5 min left",
        "train: fold_0: epoch 2 of 7: loss 1.57, mean F1 0.401 (the best so far); about 3 min 20 s left",
        "train: fold_0: stopped after epoch 2: 3 epoch(s) without a better mean F1 (train.early_stopping_patience); "
        "the best is epoch 2, with mean F1 0.401; the weights of epoch 2 are kept",
    ]


def test_every_figure_that_can_choose_has_a_name() -> None:
    """As the parameters list them."""
    from typing import get_args

    from stages.training.display import MONITORS

    assert set(MONITORS) == set(get_args(settings.Train.model_fields["monitor"].annotation))
