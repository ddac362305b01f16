"""Segment the competition's test images and write submission.csv: the script of the notebook on Kaggle.

`python -m stages.kernel` copies this file, and puts the modules of the package `stages` into the notebook's data set.
"""

import os
import sys
from pathlib import Path


def main() -> None:
    """Find the code in the mounted data set and run it."""
    mounted = Path(os.environ.get("MOUNTED", "/kaggle/input"))
    for parameters in mounted.rglob("parameters.json"):
        # Kaggle mounts the folder `code` as it is, or as the zip that its client sends.
        sys.path[:0] = [str(parameters.parent / "code"), str(parameters.parent / "code.zip")]
    try:
        from stages.inference import tensorflow_start
    except ModuleNotFoundError:
        sys.exit(f"submission: {mounted}: expected the data set with parameters.json and the folder code, found none")
    os.environ["TF_USE_LEGACY_KERAS"] = "0"  # the networks are SavedModels, which need no Keras
    tensorflow_start.start()
    from stages.kaggle import notebook
    from stages.pipeline import cli

    cli.guard("submission", lambda: notebook.run(mounted, Path("submission.csv")))


if __name__ == "__main__":
    main()
