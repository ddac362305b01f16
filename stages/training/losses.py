"""Losses.

A loss takes label maps, (batch, height, width), and logits, and returns one number. Sigmoid losses also take planes,
(batch, height, width, classes), 1 inside, where classes overlap. It computes in float32, whatever
the type of the logits. For softmax losses, logits have a channel for the background and one per class, (batch, height,
width, 1 + classes). For sigmoid losses, the `bce` family, they have one per class, and each class is decided by itself.

When several devices share a batch, each sees its part. A mean over pixels may be taken of each part, since Keras
averages the parts; everything else takes its sums over all devices (`stages.training.whole_batch`).

To add a loss: a function below, its name in `LOSSES` at the end and in
`stages.pipeline.train_settings.Train.loss`, and a test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import segmentation_models as sm
import tensorflow as tf

from stages.training import whole_batch
from stages.training.class_weights import Weights
from stages.training.hard_pixels import mean_of_hardest

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
FALSE_POSITIVES, FALSE_NEGATIVES = 0.3, 0.7  # what they cost in the Tversky index


def cce(weights: Weights, smoothing: float = 0, hard_pixels: float = 1) -> Loss:
    """Class-weighted categorical cross-entropy: the mean over all pixels of -w[true]·log p[true].

    With label smoothing s, log p[true] becomes (1 - s)·log p[true] + s·mean of log p over background and classes.
    Source: Szegedy et al., Rethinking the Inception Architecture, 2016, section 7.

    With hard_pixels below 1, only the pixels count that cost most (`stages.training.hard_pixels`).

    TensorFlow computes it from logits. The one of `segmentation_models` takes probabilities and clips them, so that a
    pixel with a confident wrong prediction has no gradient.
    """
    of_class = tf.constant(weights, tf.float32)

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        labels = tf.cast(labels, tf.int32)
        logits = tf.cast(logits, tf.float32)
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)  # (batch, height, width)
        if smoothing:
            even = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
            entropy = (1 - smoothing) * entropy + smoothing * even
        return mean_of_hardest(tf.gather(of_class, labels) * entropy, hard_pixels)

    return loss


def focal(weights: Weights) -> Loss:
    """Class-weighted focal loss: the mean over all pixels of -w[true]·(1 - p[true])²·log p[true].

    `cce` with less weight on pixels that are already right. Source: Lin et al., Focal Loss for Dense Object Detection,
    2017, with the class weights as α.
    """
    classes = len(weights)
    mean_loss = sm.losses.CategoricalFocalLoss(alpha=tf.constant(weights, tf.float32), gamma=2.0)

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return classes * mean_loss(_one_hot(labels, classes), tf.nn.softmax(tf.cast(logits, tf.float32)))

    return loss


def dice(weights: Weights) -> Loss:
    """1 - soft Dice, averaged over the classes without the background, over a whole batch.

    Class weights are not used: every class counts the same, however few pixels it has.
    """
    return _overlap(sm.losses.DiceLoss, weights)


def image_dice(weights: Weights) -> Loss:
    """1 - soft Dice of each crop and each class that it shows, averaged over these pairs of the whole batch.

    As competitions score masks: a small one counts as much as a large one, while in `dice` the pixels of a whole batch
    count together. Class weights are not used. It says nothing of classes that a crop does not show, nor of a batch
    without a mask, where it is 1 without a gradient: it belongs beside a cross-entropy.
    """
    classes = len(weights)

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        true, predicted = _one_hot(labels, classes), tf.nn.softmax(tf.cast(logits, tf.float32))
        return _image_dice(true[..., 1:], predicted[..., 1:])

    return loss


def tversky(weights: Weights) -> Loss:
    """1 - soft Tversky index, averaged like `dice`; class weights are not used here either.

    The index is TP / (TP + 0.3·FP + 0.7·FN): a missed pixel costs more than twice as much as one too many, so the
    network finds more of rare classes. Since both factors add up to 1, it is an F-score with β² = 0.7 / 0.3. Source:
    Salehi et al., Tversky loss function for image segmentation using 3D fully convolutional deep networks, 2017.
    """
    return _overlap(sm.losses.DiceLoss, weights, beta=(FALSE_NEGATIVES / FALSE_POSITIVES) ** 0.5)


def jaccard(weights: Weights) -> Loss:
    """1 - soft intersection over union, averaged like `dice`; class weights are not used here either."""
    return _overlap(sm.losses.JaccardLoss, weights)


def lovasz(weights: Weights) -> Loss:
    """Lovász-Softmax: a surrogate of 1 - IoU of each class, averaged over the classes in the batch, over its pixels.

    The background counts as a class, so that a batch without a defect has a gradient. Class weights are not
    used, as in `dice`. Source: Berman et al., The Lovász-Softmax loss, 2018, equations 8 and 9.
    """
    classes = len(weights)

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        probabilities = whole_batch.joined(tf.nn.softmax(tf.cast(logits, tf.float32)))
        true = tf.transpose(tf.reshape(whole_batch.joined(_one_hot(labels, classes)), (-1, classes)))  # (class, pixel)
        errors = tf.abs(true - tf.transpose(tf.reshape(probabilities, (-1, classes))))
        order = tf.argsort(errors, direction="DESCENDING", stable=True)
        errors = tf.gather(errors, order, batch_dims=1)
        in_class = tf.gather(true, order, batch_dims=1)
        pixels = tf.reduce_sum(in_class, axis=1, keepdims=True)
        iou = (pixels - tf.cumsum(in_class, axis=1)) / (pixels + tf.cumsum(1 - in_class, axis=1))
        steps = iou - tf.concat([tf.ones_like(pixels), iou[:, :-1]], axis=1)  # minus the gain of the Jaccard loss
        of_class = -tf.reduce_sum(errors * tf.stop_gradient(steps), axis=1)
        occurs = tf.cast(pixels[:, 0] > 0, tf.float32)
        return tf.reduce_sum(occurs * of_class) / tf.reduce_sum(occurs)

    return loss


def bce(weights: Weights, smoothing: float = 0, hard_pixels: float = 1) -> Loss:
    """Class-weighted binary cross-entropy: the mean over all pixels and classes of -w[true]·log p, sigmoid.

    p is the probability of the truth for that class at that pixel, present or absent. The weight is that of the pixel's
    true class, which may be the background, and the largest of them where classes overlap. TensorFlow computes it from
    logits, for the reason given in `cce`. With label smoothing s, the targets are 1 - s/2 and s/2 instead of 1 and 0.
    With hard_pixels below 1, only what costs most counts, each pixel once per class (`stages.training.hard_pixels`).
    """
    of_class = tf.constant(weights, tf.float32)

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        true, logits = _binary(labels, logits, len(weights))
        weight = _weight_of_pixel(of_class, labels, true)
        true = (1 - smoothing) * true + smoothing / 2
        entropy = tf.nn.sigmoid_cross_entropy_with_logits(true, logits)
        return mean_of_hardest(weight * entropy, hard_pixels)

    return loss


def sigmoid_focal(weights: Weights) -> Loss:
    """`focal` with sigmoids: the mean over pixels and classes of -w[true]·(1 - p)²·log p, with w and p as in `bce`."""
    of_class = tf.constant(weights, tf.float32)

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        true, logits = _binary(labels, logits, len(weights))
        entropy = tf.nn.sigmoid_cross_entropy_with_logits(true, logits)  # -log p
        return tf.reduce_mean(_weight_of_pixel(of_class, labels, true) * (1 - tf.exp(-entropy)) ** 2 * entropy)

    return loss


def sigmoid_dice(weights: Weights) -> Loss:
    """`dice` with sigmoid probabilities."""
    overlap = sm.losses.DiceLoss(per_image=False)

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        true, logits = _binary(labels, logits, len(weights))
        if whole_batch.devices() > 1:
            return _overlap_of_all_devices(true, tf.nn.sigmoid(logits), overlap)
        return overlap(true, tf.nn.sigmoid(logits))

    return loss


def sigmoid_image_dice(weights: Weights) -> Loss:
    """`image_dice` with sigmoid probabilities."""

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        true, logits = _binary(labels, logits, len(weights))
        return _image_dice(true, tf.nn.sigmoid(logits))

    return loss


def _image_dice(true: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """What `image_dice` says, from masks and probabilities, both float32 (batch, height, width, classes)."""
    both, size, found = (tf.reduce_sum(values, axis=(1, 2)) for values in (true * predicted, true, predicted))
    shown = tf.cast(size > 0, tf.float32)  # (batch, classes)
    scores = shown * 2 * both / tf.maximum(size + found, 1)  # where the class is shown, its size is at least 1
    total, pairs = tf.unstack(whole_batch.all_reduce(tf.stack([tf.reduce_sum(scores), tf.reduce_sum(shown)])))
    return 1 - total / tf.maximum(pairs, 1)


def _overlap(kind: Any, weights: Weights, **named: float) -> Loss:
    classes = len(weights)
    overlap = kind(class_indexes=list(range(1, classes)), per_image=False, **named)

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        true, predicted = _one_hot(labels, classes), tf.nn.softmax(tf.cast(logits, tf.float32))
        if whole_batch.devices() > 1:
            return _overlap_of_all_devices(true[..., 1:], predicted[..., 1:], overlap)
        return overlap(true, predicted)

    return loss


def _overlap_of_all_devices(true: tf.Tensor, predicted: tf.Tensor, overlap: Any) -> tf.Tensor:
    """What `segmentation_models` computes, from sums over all devices' parts of a batch.

    Args:
        true, predicted: masks and probabilities of this device's part, float32 (batch, height, width, classes).
        overlap: its `JaccardLoss`, or its `DiceLoss` with some beta.
    """
    sums = [tf.reduce_sum(values, axis=(0, 1, 2)) for values in (true * predicted, true, predicted)]
    both, size, found = tf.unstack(whole_batch.all_reduce(tf.stack(sums)))
    smooth = overlap.smooth
    if isinstance(overlap, sm.losses.JaccardLoss):
        return 1 - tf.reduce_mean((both + smooth) / (size + found - both + smooth))
    missed = overlap.beta**2
    return 1 - tf.reduce_mean(((1 + missed) * both + smooth) / (missed * size + found + smooth))


def _one_hot(labels: tf.Tensor, classes: int) -> tf.Tensor:
    return tf.one_hot(tf.cast(labels, tf.int32), classes)


def _binary(labels: tf.Tensor, logits: tf.Tensor, classes: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Masks and logits of the classes without the background, both float32 (batch, height, width, classes)."""
    planes = len(labels.shape) == 4
    true = tf.cast(labels, tf.float32) if planes else _one_hot(labels, classes)[..., 1:]
    return true, tf.reshape(tf.cast(logits, tf.float32), tf.shape(true))  # Keras drops the last axis of a single class


def _weight_of_pixel(of_class: tf.Tensor, labels: tf.Tensor, true: tf.Tensor) -> tf.Tensor:
    """The class weight of each pixel, float32 (batch, height, width, 1)."""
    if len(labels.shape) != 4:
        return tf.gather(of_class, tf.cast(labels, tf.int32))[..., tf.newaxis]
    largest = tf.reduce_max(true * of_class[1:], axis=-1, keepdims=True)
    return tf.where(tf.reduce_any(true > 0, axis=-1, keepdims=True), largest, of_class[0])


def _sum(first: Callable[..., Loss], *others: Callable[[Weights], Loss]) -> Callable[..., Loss]:
    """The sum of a cross-entropy, which takes the label smoothing and the share of hard pixels, and other losses."""

    def make(weights: Weights, smoothing: float = 0, hard_pixels: float = 1) -> Loss:
        terms = [first(weights, smoothing, hard_pixels), *(other(weights) for other in others)]
        return lambda labels, logits: tf.add_n([term(labels, logits) for term in terms])

    return make


@dataclass(frozen=True)
class Kind:
    """One kind of loss.

    Attributes:
        make: builds the loss from class weights, float32 (1 + classes,), and, for the losses with a cross-entropy
            (`stages.pipeline.train_settings.WITH_CROSS_ENTROPY`), the label smoothing and the share of hard pixels.
        activation: what turns its logits into probabilities.
        weighted: whether class weights play a part.
    """

    make: Callable[..., Loss]
    activation: Literal["softmax", "sigmoid"]
    weighted: bool = True


LOSSES = {
    "cce": Kind(cce, "softmax"),
    "cce_dice": Kind(_sum(cce, dice), "softmax"),
    "cce_jaccard": Kind(_sum(cce, jaccard), "softmax"),
    "cce_image_dice": Kind(_sum(cce, image_dice), "softmax"),
    "dice": Kind(dice, "softmax", weighted=False),
    "tversky": Kind(tversky, "softmax", weighted=False),
    "focal": Kind(focal, "softmax"),
    "lovasz": Kind(lovasz, "softmax", weighted=False),
    "bce": Kind(bce, "sigmoid"),
    "bce_dice": Kind(_sum(bce, sigmoid_dice), "sigmoid"),
    "bce_image_dice": Kind(_sum(bce, sigmoid_image_dice), "sigmoid"),
    "focal_dice_bce": Kind(_sum(bce, sigmoid_dice, sigmoid_focal), "sigmoid"),
}
