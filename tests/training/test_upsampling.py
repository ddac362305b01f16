"""Upsampling in training: Keras's values and gradients, in a form that GPUs and XLA have."""

from typing import Any

import numpy as np
import pytest

from stages.pipeline import settings

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("size", [2, 4, (2, 8), 3])
def test_values_and_gradients_are_those_of_keras(size: int | tuple[int, int]) -> None:
    """Also of XLA, which has no gradient of Keras's layer; bit by bit where factors are powers of two."""
    import tensorflow as tf

    from stages.training.upsampling import UpSampling2D

    rng = np.random.default_rng(0)
    images = tf.constant(rng.normal(size=(2, 3, 5, 4)), tf.float32)
    layers = [tf.keras.layers.UpSampling2D(size), UpSampling2D(size)]
    weights = tf.constant(rng.normal(size=layers[0](images).shape), tf.float32)

    def gradient(layer: Any, values: tf.Tensor, **training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(values)
            output = layer(values, **training)
        return output, tape.gradient(output, values, output_gradients=weights)

    expected = gradient(layers[0], images)
    compiled = tf.function(lambda values: gradient(layers[1], values, training=True), jit_compile=True)
    for found in (gradient(layers[1], images, training=True), compiled(images)):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-5 if size == 3 else 0, atol=0)


@pytest.mark.parametrize("architecture", ["Unet", "FPN", "Linknet"])
def test_no_network_trains_with_the_operation_that_gpus_lack(options: settings.Train, architecture: str) -> None:
    """Its gradient raises on a GPU when determinism is asked for. Without training the graph is Keras's."""
    import tensorflow as tf

    from stages.training import model

    network = model.build(options.model_copy(update={"architecture": architecture}), 4)

    @tf.function  # type: ignore[untyped-decorator]
    def step(images: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(network(images, training=True) ** 2)
        return tape.gradient(loss, network.trainable_variables)

    images = tf.TensorSpec((1, 64, 64, 1))
    kinds = operations(step.get_concrete_function(images))
    assert "ResizeNearestNeighborGrad" not in kinds
    used = operations(tf.function(lambda values: network(values, training=False)).get_concrete_function(images))
    assert "ResizeNearestNeighbor" in used
    assert "IdentityN" not in used


def operations(function: Any) -> set[str]:
    """The kinds of operations in a graph and in the functions that it calls."""
    graph = function.graph.as_graph_def()
    return {node.op for part in (graph, *graph.library.function) for node in getattr(part, "node", ()) or part.node_def}
