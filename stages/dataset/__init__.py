"""From an archive to checked images, masks and folds. Uses `pipeline` alone."""
