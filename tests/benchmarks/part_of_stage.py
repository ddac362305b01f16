"""Run one stage on part of its images or steps, with the whole data set loaded, and write down how long it took.

    python -m tests.benchmarks.part_of_stage train --steps 10 --images 60 --notes notes.json

What a stage keeps in memory belongs to the whole data set. Steps of an epoch, images of a validated or scored fold, and
test images are left out.
"""

import argparse
import importlib
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from stages.dataset import sample_submission
from stages.dataset.layout import Layout
from stages.dataset.prepared import Dataset, Sample
from stages.inference import tensorflow_start
from stages.pipeline import cli


def shorten_folds(images: int) -> None:
    """End every fold after this many images; training folds stay complete."""
    whole = Dataset.fold

    def fold(self: Dataset, fold: int) -> list[Sample]:
        return whole(self, fold)[:images]

    Dataset.fold = fold  # type: ignore[method-assign]


def shorten_test(images: int) -> None:
    """End the sample submission, and thus the test set, after this many images."""
    whole = sample_submission.read

    def template(path: Path, layout: Layout) -> sample_submission.Template:
        sample = whole(path, layout)
        return replace(sample, images=sample.images[:images], rows=sample.rows[:images])

    sample_submission.read = template


def shorten_epochs(steps: int) -> dict[str, Any]:
    """End every epoch after this many steps; returns notes on the last one, which are filled in during training.

    Returns:
        seconds_a_step: without the first step, which includes reading ahead; seconds_an_image: of validation.
    """
    tensorflow_start.start(training=True)
    from stages.training import callbacks, display, fit
    from stages.training.crops import Crops

    notes: dict[str, Any] = {}
    whole = Crops.__init__

    def crops(self: Crops, *arguments: Any) -> None:
        whole(self, *arguments)
        self.steps = min(steps, self.steps)

    class Display(display.Display):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_end(batch, logs)
            if batch == 0:
                self.started = time.perf_counter()
            else:
                notes["seconds_a_step"] = (time.perf_counter() - self.started) / batch

    class Validate(callbacks.Validate):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            started = time.perf_counter()
            super().on_epoch_end(epoch, logs)
            notes["seconds_an_image"] = (time.perf_counter() - started) / max(1, len(self.samples))

    Crops.__init__ = crops  # type: ignore[method-assign,assignment]
    fit.Display, fit.Validate = Display, Validate  # type: ignore[attr-defined]
    return notes


def main() -> None:
    """Run the stage that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage")
    parser.add_argument("--steps", type=int, required=True, help="of an epoch")
    parser.add_argument("--images", type=int, required=True, help="of a fold, or of the test set")
    parser.add_argument("--notes", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args()
    shorten_folds(options.images)
    shorten_test(options.images)
    notes = shorten_epochs(options.steps) if options.stage == "train" else {}
    stage = getattr(importlib.import_module(f"stages.{options.stage}"), options.stage)
    started = time.perf_counter()
    cli.guard(options.stage, stage)
    notes["seconds_of_work"] = time.perf_counter() - started
    options.notes.write_text(json.dumps(notes), encoding="utf-8")


if __name__ == "__main__":
    main()
