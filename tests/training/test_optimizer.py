"""The optimizer: Adam with a decay and with a lower rate for some variables."""

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow


def variables(*values: Any) -> list[Any]:
    """TensorFlow's, float32."""
    import tensorflow as tf

    return [tf.Variable(value, dtype=tf.float32) for value in values]


def test_without_decay_and_shares_it_is_adam() -> None:
    """The same weights after three steps, bit by bit."""
    import tensorflow as tf

    from stages.training.optimizer import LayerwiseAdam

    one, other = variables([1.0, -2.0], [1.0, -2.0])
    adams = (tf.keras.optimizers.Adam(0.1), one), (LayerwiseAdam(0.1, 0, [], 1), other)
    for gradient in ([1.0, 3.0], [0.5, -1.0], [0.0, 2.0]):
        for adam, variable in adams:
            adam.apply_gradients([(tf.constant(gradient), variable)])
    np.testing.assert_array_equal(one, other)


def test_a_share_scales_the_step_and_a_scaled_gradient_does_not() -> None:
    """Adam's first step is the rate, whatever the gradient; with a share of a tenth it is a tenth of the rate."""
    import tensorflow as tf

    from stages.training.optimizer import LayerwiseAdam

    usual, small, slow = variables([1.0], [1.0], [1.0])
    adam = LayerwiseAdam(0.1, 0, [slow], 0.1)
    adam.apply_gradients([(tf.constant([5.0]), usual), (tf.constant([0.5]), small), (tf.constant([5.0]), slow)])
    np.testing.assert_allclose([*usual.numpy(), *small.numpy(), *slow.numpy()], [0.9, 0.9, 0.99], rtol=1e-5)
    assert float(adam.learning_rate.numpy()) == pytest.approx(0.1)  # as logs and schedules see it


def test_decay_shrinks_kernels_and_no_biases() -> None:
    """No gradient at all: a step takes rate · decay = 0.1 · 0.5 off a kernel, a tenth of that off the encoder's."""
    import tensorflow as tf

    from stages.training.optimizer import LayerwiseAdam

    kernel, bias, slow = variables([[2.0]], [2.0], [[2.0]])
    adam = LayerwiseAdam(0.1, 0.5, [slow], 0.1)
    adam.apply_gradients([(tf.zeros_like(each), each) for each in (kernel, bias, slow)])
    assert [float(tf.squeeze(each)) for each in (kernel, bias, slow)] == pytest.approx([1.9, 2.0, 1.99])


def test_a_variable_that_begins_later_begins_as_in_a_new_training() -> None:
    """After 40 steps of others, its own steps are the first ones of Adam: 0.1 each for an even gradient."""
    import tensorflow as tf

    from stages.training.optimizer import LayerwiseAdam

    always, later = variables([0.0], [0.0])
    adam = LayerwiseAdam(0.1, 0, [later], 1, begin=40)
    adam.build([always, later])
    for _ in range(40):
        adam.apply_gradients([(tf.ones(1), always)])
    for step in (1, 2, 3):
        adam.apply_gradients([(tf.ones(1), always), (tf.ones(1), later)])
        assert float(later[0]) == pytest.approx(-0.1 * step, rel=1e-4)
    assert float(always[0]) == pytest.approx(-4.3, rel=1e-4)
