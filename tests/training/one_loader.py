"""A process that takes batches from two others until it is ended: python tests/training/one_loader.py PREPARED."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from stages.dataset.prepared import Dataset  # noqa: E402
from stages.pipeline import cli, settings  # noqa: E402
from stages.training import loader  # noqa: E402
from stages.training.crops import Crops  # noqa: E402


def main() -> None:
    """Take batches."""
    data = Dataset(Path(sys.argv[1]))
    train = settings.load(ROOT / "params.yaml").train.model_copy(update={"crop_height": 32, "crop_width": 32})
    with loader.opened(Crops(data, data.training(0), train, 1), 2, 2) as source:
        for number, _ in enumerate(source.batches(np.arange(2) + 2 * part for part in range(10**9))):
            if number == 4:
                print("ready", flush=True)


if __name__ == "__main__":
    cli.guard("train", main)
