"""Figures: Dice, confusion matrices, precision and recall, calibration, intervals and comparisons."""
