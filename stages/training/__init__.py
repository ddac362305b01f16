"""From crops to trained networks. Call `stages.inference.tensorflow_start.start(training=True)` before importing."""
