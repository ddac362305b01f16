"""A record of what was sent to Kaggle, so that an interrupted command does not send it again."""

import json
import os
from pathlib import Path
from typing import Any

from stages.pipeline.cli import UserError


class Journal:
    """Results of finished steps, by a digest of what was sent, in a JSON file.

    The file is replaced as a whole at each change, which is on the disk before the call returns.

    Raises:
        UserError: the file is not a journal, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: dict[str, dict[str, Any]] = {}
        if path.exists():
            advice = "look on Kaggle what has been sent, then remove the file"
            try:
                self.done = json.loads(path.read_text(encoding="utf-8"))
            except OSError as error:
                raise UserError(
                    f"{path}: expected the record of what was sent to Kaggle, found no readable file ({error.strerror})"
                ) from None
            except (ValueError, RecursionError) as error:
                raise UserError(
                    f"{path}: expected the record of what was sent to Kaggle, found no JSON ({error}): {advice}"
                ) from None
            if not isinstance(self.done, dict) or not all(isinstance(step, dict) for step in self.done.values()):
                raise UserError(f"{path}: expected results by step and digest, found other JSON: {advice}")

    def get(self, step: str, key: str) -> Any:
        """The result of a step for this digest; None if it is not done."""
        return self.done.get(step, {}).get(key)

    def note(self, step: str, key: str, result: Any, *, alone: bool = False, closes: str | None = None) -> None:
        """Record the result of a step.

        Args:
            step: its name.
            key: the digest.
            result: what JSON can hold.
            alone: whether it replaces the results for all other digests.
            closes: a step whose result for this digest is removed at the same time.

        Raises:
            UserError: the file cannot be written.
        """
        self.done[step] = {**({} if alone else self.done.get(step, {})), key: result}
        if closes:
            self.done.get(closes, {}).pop(key, None)
        self._write()

    def forget(self, step: str, key: str) -> None:
        """Remove a result, so that the step is done again.

        Raises:
            UserError: the file cannot be written.
        """
        self.done.get(step, {}).pop(key, None)
        self._write()

    def _write(self) -> None:
        partial = self.path.with_name(f".{self.path.name}.partial")
        try:
            partial.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("w", encoding="utf-8") as file:
                file.write(json.dumps(self.done, indent=2) + "\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written ({error.strerror}): mend that, then run the same command again, which "
                "sends nothing twice"
            ) from None
