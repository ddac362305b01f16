"""From probabilities to masks and figures: post-processing, confusion, pictures. No TensorFlow."""
