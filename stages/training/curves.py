"""The curves of a training, as DVCLive writes them for `dvc plots`."""

import shutil
import sqlite3
from pathlib import Path

from dvclive import Live
from scmrepo.exceptions import SCMError

from stages.pipeline import cli
from stages.training.callbacks import Curve, Logs


def open_folder(folder: Path) -> Live:
    """Start new curves in a folder.

    Raises:
        UserError: DVCLive cannot work here.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        return Live(str(folder), dvcyaml=False, save_dvc_exp=False, report=None)
    except SCMError as error:
        raise cli.UserError(
            f"DVCLive, which writes the curves, needs a git repository with at least one commit ({error}): "
            "git add --all && git commit -m start"
        ) from None
    except sqlite3.OperationalError as error:
        raise cli.UserError(
            f"DVCLive, which writes the curves, cannot open DVC's own tables in /var/tmp/dvc or .dvc/tmp ({error}): is "
            "that disk full, or are you not allowed to write there?"
        ) from None


def logger(live: Live) -> Curve:
    """A function that writes the figures of one epoch."""

    def log(epoch: int, logs: Logs) -> None:
        for name, value in logs.items():
            live.log_metric(name, value)
        live.next_step()

    return log
