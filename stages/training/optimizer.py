"""The optimizer: Adam or AdamW, with a lower rate for the encoder, and the learning rate's schedule."""

from typing import Any

import tensorflow as tf

from stages.pipeline.settings import Train
from stages.training import encoder

keras: Any = tf.keras


class LayerwiseAdam(keras.optimizers.Adam):  # type: ignore[misc]
    """Adam or AdamW in which some variables have a share of the learning rate.

    Adam divides a gradient by the size that gradients of this variable had, so a scaled gradient gives the same step:
    the rate itself has to be scaled. Keras's optimizers have one rate for all variables. Here `learning_rate` is
    another one while a variable with a share is updated, and Keras's for everyone else.

    The decay is that of AdamW, decoupled from the gradients (Loshchilov and Hutter, 2019): weight -= rate · decay ·
    weight before the step. Keras's own uses one rate for all; this one is scaled with the variable's, as in PyTorch.
    Variables with one axis, which are biases and those of normalisation, do not decay.

    Args:
        learning_rate: a number, or one of Keras's schedules.
        decay: see above; 0 for Adam.
        slow: variables with a share of the rate.
        share: that share.
        begin: number of the first step, from 0, in which these variables take part. Adam's correction of its averages,
            which begin at 0, counts from there; counted from the first step of the training, it would make the first
            of their steps up to 6 times too large.
    """

    _factor: Any = None  # of the learning rate, while a variable with a share is updated

    def __init__(
        self, learning_rate: Any, decay: float, slow: list[tf.Variable], share: float, begin: int = 0, **arguments: Any
    ) -> None:
        super().__init__(learning_rate, **arguments)
        self.decay, self.share, self.begin = decay, share, begin
        self.slow = frozenset(self._var_key(variable) for variable in slow)

    @keras.optimizers.Adam.learning_rate.getter  # type: ignore[untyped-decorator]
    def learning_rate(self) -> Any:
        """Keras's, or during a step the one of the variable that is updated. Setting it is Keras's."""
        rate = super().learning_rate
        return rate if self._factor is None else rate * self._factor

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable) -> None:
        """Change one variable by its gradient."""
        if self._var_key(variable) in self.slow:
            self._factor = self.share * self._correction()
        if self.decay and variable.shape.rank > 1:
            variable.assign_sub(variable * (self.decay * tf.cast(self.learning_rate, variable.dtype)))
        super().update_step(gradient, variable)
        self._factor = None

    def _correction(self) -> Any:
        """What turns Adam's correction, which counts all steps, into one that counts from `begin`."""
        if not self.begin:
            return 1.0
        step = tf.cast(self.iterations + 1, tf.float32)
        return self._rate_at(tf.maximum(step - self.begin, 1)) / self._rate_at(step)

    def _rate_at(self, step: tf.Tensor) -> tf.Tensor:
        return tf.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)


def make(network: Any, options: Train, steps: int) -> Any:
    """The optimizer of a network whose epochs have so many steps."""
    rate = learning_rate(options, steps)
    if options.weight_decay or options.encoder_learning_rate != 1 or options.frozen_epochs:
        begin = options.frozen_epochs * steps
        slow = encoder.variables(network) if begin or options.encoder_learning_rate != 1 else []
        optimizer = LayerwiseAdam(rate, options.weight_decay, slow, options.encoder_learning_rate, begin)
    else:
        optimizer = keras.optimizers.Adam(rate)
    if options.precision == "mixed_float16":  # small gradients vanish in float16 otherwise
        optimizer = keras.mixed_precision.LossScaleOptimizer(optimizer)
    return optimizer


def learning_rate(options: Train, steps: int) -> Any:
    """Keras's schedules, which count in steps; `steps` per epoch."""
    if options.learning_rate_schedule != "cosine":
        return options.learning_rate
    warmup = round(options.warmup_epochs * steps)
    ramp = {"warmup_target": options.learning_rate, "warmup_steps": warmup} if warmup else {}
    start = 0.0 if warmup else options.learning_rate
    return keras.optimizers.schedules.CosineDecay(start, options.epochs * steps - warmup, **ramp)
