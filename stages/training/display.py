"""What a person sees of a training: what begins, how far an epoch is, each epoch's result, the best one, the time left.

    train: fold_0: epoch 3 of 7: loss 1.40, mean F1 0.379 (best so far: epoch 2, 0.401); about 1 min 20 s left

Nothing here changes a result.
"""

import math
import time
from typing import Any

import tensorflow as tf

from stages.dataset.prepared import Sample
from stages.pipeline.progress import counter, duration
from stages.pipeline.settings import Train
from stages.training.callbacks import Logs, Progress, best_epochs
from stages.training.crops import Crops

keras: Any = tf.keras

MONITORS = {
    "mean_f1": "mean F1",
    "mean_dice": "mean Dice",
    "positive_mean_dice": "Dice where there is a mask",
    "global_dice": "Dice over all pixels",
    "iou_thresholds": "mean precision at IoU 0.5 … 0.95",
}


def begin(name: str, crops: Crops, validation: list[Sample]) -> None:
    """Print what a training will do.

    Args:
        name: of the network.
        crops: those it is trained on.
        validation: images of its validation fold, or none.
    """
    options = crops.options
    network, size = f"{options.architecture} on {options.backbone}", f"{crops.height}×{crops.width}"
    steps = f"{crops.steps} steps ({options.batch_size} crops of {size} each)"
    print(f"train: {name}: {network}, {options.epochs} epoch(s) of {steps}; the first step takes longest", flush=True)
    if validation:
        print(
            f"train: {name}: after each epoch, {len(validation)} images are validated; the best epoch is the one with "
            f"the highest {MONITORS[options.monitor]} (train.monitor)",
            flush=True,
        )


class Display(keras.callbacks.Callback):  # type: ignore[misc]
    """A progress bar per epoch, and a line after it. It must stand after `Validate` and before `Progress`.

    Args:
        name: of the network, and of the phase if there are two.
        steps: per epoch.
        progress: of this training; its history is that of the epochs before, those before a kill included.
        options: of this training.
    """

    def __init__(self, name: str, steps: int, progress: Progress, options: Train) -> None:
        super().__init__()
        self.name, self.steps, self.progress, self.options = name, steps, progress, options
        self.ends: list[float] = []  # of the epochs of this process, and the begin of the first
        self.validated = ""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Open a bar."""
        self.ends = self.ends or [time.monotonic()]
        title = f"train: {self.name}: epoch {epoch + 1} of {self.options.epochs}"
        self.bar = counter(title, self.steps, unit="steps", leave=False)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Move the bar by one step."""
        self.bar.set_postfix_str(f"loss {(logs or {}).get('loss', math.nan):.4f}{self.validated}", refresh=False)
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Close the bar and print the epoch's result; the next bar shows the validation figure beside the loss."""
        self.bar.close()
        self.ends.append(time.monotonic())
        history = [*self.progress.history, logs or {}]
        print(f"train: {self.name}: {result(history, self.options)}{self._left(len(history))}", flush=True)
        figure = history[-1].get(f"val_{self.options.monitor}")
        self.validated = "" if figure is None else f", {MONITORS[self.options.monitor]} {figure:.3f}"

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Say which weights are kept."""
        print(f"train: {self.name}: {ending(self.progress.history, self.options)}", flush=True)

    def _left(self, done: int) -> str:
        """The time until this training ends. An epoch takes as long as the last ones: the first prepares the others."""
        counted = self.ends[1:] if len(self.ends) > 2 else self.ends
        seconds = (counted[-1] - counted[0]) / (len(counted) - 1) * (self.options.epochs - done)
        return f"; about {duration(seconds)} left" if done < self.options.epochs else ""


def result(history: list[Logs], options: Train) -> str:
    """The last epoch of a training in words, with the best one so far, if they are validated.

    Args:
        history: the logs of all epochs up to now.
        options: of the training: `monitor` is the figure that chooses.
    """
    key, last = f"val_{options.monitor}", history[-1]
    text = f"epoch {len(history)} of {options.epochs}: loss {last['loss']:.3g}"
    if key not in last:
        return text
    text += f", {MONITORS[options.monitor]} {last[key]:.3f}"
    best = _best(history, options)
    if best == len(history) - 1:
        return f"{text} (the best so far)"
    return f"{text} (best so far: epoch {best + 1}, {history[best][key]:.3f})"


def ending(history: list[Logs], options: Train) -> str:
    """How a training ended, and which epochs' weights are kept. Arguments as for `result`."""
    key, title = f"val_{options.monitor}", MONITORS[options.monitor]
    kept, best = [str(epoch + 1) for epoch in best_epochs(history, options)], _best(history, options)
    numbers = ", ".join(kept)
    text = f"the weights of epoch {numbers} are kept"
    if len(kept) > 1:
        text = f"the mean of the weights of epochs {numbers} is kept"
    if key in history[-1]:
        text = f"the best is epoch {best + 1}, with {title} {history[best][key]:.3f}; {text}"
    if len(history) < options.epochs:
        text = (
            f"stopped after epoch {len(history)}: {options.early_stopping_patience} epoch(s) without a better {title} "
            f"(train.early_stopping_patience); {text}"
        )
    return text


def _best(history: list[Logs], options: Train) -> int:
    return best_epochs(history, options.model_copy(update={"average_best": 1}))[0]
