"""From images to probabilities, whatever engine runs the networks."""
