"""data/predicted.csv, the predicted masks of the held-out fold that `evaluate` writes."""

from typing import IO

import pandas as pd

from stages.pipeline import outputs
from stages.pipeline.cli import UserError

HEADER = ["image", "class", "run_lengths"]


def read(lines: IO[str], name: str, again: str) -> dict[str, dict[str, str]]:
    """Run lengths by image and class.

    Args:
        lines: the file, opened.
        name: of the file, for messages.
        again: what to do if it is damaged.

    Raises:
        UserError: it is another table.
    """
    try:
        table = pd.read_csv(lines, dtype=str, keep_default_na=False)
        if list(table.columns) != HEADER:
            raise ValueError(f"the columns {', '.join(table.columns)}"[:200])
    except ValueError as error:  # of pandas and of decoding too
        reason = " ".join(str(error).split())
        raise UserError(f"{name}: expected what evaluate writes, found: {reason}: {again}") from None
    names = table[["image", "class"]].map(outputs.unescaped, na_action="ignore")
    return {
        str(image): dict(zip(masks["class"], masks["run_lengths"], strict=True))
        for image, masks in table.assign(**names).groupby("image", sort=False)
    }
