"""An exponential moving average of a network's weights, which takes their place in validation and in what is kept.

    average += (1 - momentum) · (weight - average), after every step, from the weights at the start of the training,

where momentum is the smaller of the given one and (1 + steps) / (10 + steps), as in TensorFlow's
`ExponentialMovingAverage`, so that the first weights are soon forgotten in a short training too.

The moving averages of batch normalisation are averaged in the same way, as in timm's `ModelEmaV2`: those of the last
steps belong to other weights. Keras's optimizers can average (`use_ema`), but only what they train, so those would be
left out.
"""

from typing import Any

import tensorflow as tf

keras: Any = tf.keras


class WeightsAverage:
    """The averages, which belong to the state of a training.

    Args:
        network: without optimizer and metrics; see `stages.training.model.bare`.
        momentum: 0 … 1.
        steps: the optimizer's counter, a variable.
    """

    def __init__(self, network: Any, momentum: float, steps: tf.Variable) -> None:
        self.weights, self.momentum, self.steps = network.weights, momentum, steps
        self.averages = [
            tf.Variable(tf.identity(weight), trainable=False, name=f"average_{number}")
            for number, weight in enumerate(self.weights)
        ]

    @tf.function  # type: ignore[untyped-decorator]
    def update(self) -> None:
        """Take in the weights as they are after another step."""
        steps = tf.cast(self.steps, tf.float32)
        momentum = tf.minimum(self.momentum, (1 + steps) / (10 + steps))
        for average, weight in zip(self.averages, self.weights, strict=True):
            average.assign_add((1 - momentum) * (weight - average))

    @tf.function  # type: ignore[untyped-decorator]
    def exchange(self) -> None:
        """Give the network the averages and keep its weights in their place; called again, it undoes that."""
        for average, weight in zip(self.averages, self.weights, strict=True):
            kept = tf.identity(weight)
            weight.assign(average)
            average.assign(kept)


class Update(keras.callbacks.Callback):  # type: ignore[misc]
    """Updates the averages after every step."""

    def __init__(self, average: WeightsAverage) -> None:
        super().__init__()
        self.average = average

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """A step has ended."""
        self.average.update()


class Exchange(keras.callbacks.Callback):  # type: ignore[misc]
    """Exchanges weights and averages at the end of an epoch, between the callbacks before and after this one."""

    def __init__(self, average: WeightsAverage) -> None:
        super().__init__()
        self.average = average

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """The epoch has ended."""
        self.average.exchange()


def around(average: WeightsAverage | None, callbacks: list[Any]) -> list[Any]:
    """These callbacks, which find the averages in the network at the end of an epoch, if there are any."""
    return [Update(average), Exchange(average), *callbacks, Exchange(average)] if average else callbacks
