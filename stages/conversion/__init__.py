"""From a folder of one's own images and labels to a competition."""
