"""From crops to trained networks. All of it imports TensorFlow: call `stages.inference.tensorflow_start` first."""
