"""What has been sent to Kaggle, so that a command that was broken off does not send it again."""

import json
import os
from pathlib import Path
from typing import Any

from stages.pipeline.cli import UserError


class Journal:
    """Results of steps by the contents that they were done for, in a JSON file that is replaced as a whole.

    Raises:
        UserError: the file is not what a journal has written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: dict[str, dict[str, Any]] = {}
        if path.is_file():
            try:
                self.done = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise UserError(
                    f"{path}: expected what was sent to Kaggle so far, found no JSON ({error}): remove it, and look on "
                    "Kaggle what has been sent"
                ) from None

    def get(self, step: str, key: str) -> Any:
        """What the step gave for these contents; None if it has not been done for them."""
        return self.done.get(step, {}).get(key)

    def note(self, step: str, key: str, result: Any, *, alone: bool = False) -> None:
        """Remember the result of a step; `alone` if it takes the place of those of other contents."""
        self.done[step] = {**({} if alone else self.done.get(step, {})), key: result}
        self._write()

    def forget(self, step: str, key: str) -> None:
        """Have the step done again."""
        self.done.get(step, {}).pop(key, None)
        self._write()

    def _write(self) -> None:
        partial = self.path.with_name(f".{self.path.name}.partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(self.done, indent=2) + "\n", encoding="utf-8")
        os.replace(partial, self.path)
