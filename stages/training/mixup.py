"""Mixup: training on mixtures of two crops, with the mixture of their losses."""

from typing import Any

import tensorflow as tf

from stages.training import whole_batch

keras: Any = tf.keras


class Mixing(keras.Model):  # type: ignore[misc]
    """A Keras model that may be trained on mixtures; otherwise Keras's own.

    Each crop of a batch is mixed with the one before it, by one share a batch that is drawn from Beta(mixup, mixup):

        loss = share · loss(true of this crop) + (1 - share) · loss(true of the other)

    Source: Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018. Mixing losses is the same as mixing labels
    for the cross-entropies, and makes sense for overlaps too, which are not defined for a mixed mask.

    The share depends on the number of the step alone, so that a training that is taken up again draws the same.
    """

    def __init__(self, mixup: float, *inputs_and_outputs: Any, **arguments: Any) -> None:
        super().__init__(*inputs_and_outputs, **arguments)
        self.mixup = mixup
        if mixup:  # Keras finds it here, tells its mean and sets it back at the start of every epoch
            self.mean_loss = keras.metrics.Mean("loss")

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One step of training on a batch of images and what is true of them."""
        if not self.mixup:
            return super().train_step(data)  # type: ignore[no-any-return]
        images, true = data
        share = self.share(self.optimizer.iterations)
        mixed = share * images + (1 - share) * whole_batch.rolled(images)
        others = tf.nest.map_structure(whole_batch.rolled, true)
        with tf.GradientTape() as tape:
            found = self(mixed, training=True)
            loss = share * self.compute_loss(mixed, true, found) + (1 - share) * self.compute_loss(mixed, others, found)
        self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        self.mean_loss.update_state(loss * whole_batch.devices())  # Keras has divided it by that
        return {"loss": self.mean_loss.result()}

    def share(self, step: tf.Tensor) -> tf.Tensor:
        """The share of step `step`, float32 in 0 … 1: of two gamma variates, the first by their sum."""
        drawn = tf.random.stateless_gamma((2,), tf.stack([tf.cast(step, tf.int32), 0]), alpha=self.mixup)
        return drawn[0] / tf.maximum(tf.reduce_sum(drawn), 1e-12)
