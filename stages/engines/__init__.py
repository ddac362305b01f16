"""What runs a saved network, TensorFlow or OpenVINO, and what is made of its answers. Imports neither by itself."""
