"""What the competition fixes: run lengths, tables, folds, score, client, built-in sample. No TensorFlow."""
