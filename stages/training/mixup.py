"""The model that is trained: what of it is trained, and mixup, the training on mixtures of two crops."""

from typing import Any

import tensorflow as tf

from stages.training import whole_batch

keras: Any = tf.keras

SHIFT = "bn_data/beta:0"  # in the ResNets of image_classifiers


class Mixing(keras.Model):  # type: ignore[misc]
    """A Keras model that can be trained on mixtures.

    Each crop of a batch is mixed with the one before it. One share per batch is drawn from Beta(mixup, mixup):

        loss = share · loss(labels of this crop) + (1 - share) · loss(labels of the other)

    Source: Zhang et al., mixup: Beyond Empirical Risk Minimization, 2018. For cross-entropies, mixing the losses equals
    mixing the labels. For overlap losses, which are not defined for a mixed mask, only mixing the losses makes sense.

    The share depends only on the number of the step, so a resumed training draws the same shares.
    """

    def __init__(self, mixup: float, *inputs_and_outputs: Any, **arguments: Any) -> None:
        super().__init__(*inputs_and_outputs, **arguments)
        self.mixup = mixup
        if mixup:  # Keras finds it here and resets it at the start of every epoch
            self.mean_loss = keras.metrics.Mean("loss")

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        """All but the shift of the image before the first convolution of some encoders.

        The batch normalisation after that convolution shifts too. To know the gradient of this one number, the gradient
        of every pixel of the image would be computed, the most expensive operation of a step.
        """
        return [weight for weight in super().trainable_weights if not weight.name.endswith(SHIFT)]

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        """One training step on a batch of images and their labels."""
        if not self.mixup:
            return super().train_step(data)  # type: ignore[no-any-return]
        images, labels = tf.cast(data[0], tf.float32), data[1]
        share = self.share(self.optimizer.iterations)
        mixed = share * images + (1 - share) * whole_batch.rolled(images)
        others = tf.nest.map_structure(whole_batch.rolled, labels)
        with tf.GradientTape() as tape:
            predicted = self(mixed, training=True)
            loss = share * self.compute_loss(mixed, labels, predicted)
            loss += (1 - share) * self.compute_loss(mixed, others, predicted)
        self.optimizer.minimize(loss, self.trainable_variables, tape=tape)
        self.mean_loss.update_state(loss * whole_batch.devices())  # Keras has divided it by that
        return {"loss": self.mean_loss.result()}

    def share(self, step: tf.Tensor) -> tf.Tensor:
        """The share of step `step`, float32 in 0 … 1: a beta variate, which is a gamma variate by the sum of two."""
        drawn = tf.random.stateless_gamma((2,), tf.stack([tf.cast(step, tf.int32), 0]), alpha=self.mixup)
        return drawn[0] / tf.maximum(tf.reduce_sum(drawn), 1e-12)
