"""Text and JSON, with or without a byte order mark, read whole."""

import json
import stat
from pathlib import Path
from typing import Any

from stages.pipeline.cli import UserError


def text(file: Path) -> str:
    """The text of a file in UTF-8.

    Raises:
        UserError: it cannot be read, is a pipe or a folder, or is not UTF-8.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise UserError(f"{file}: expected a file, found a folder, a pipe or a device")
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{file}: expected a readable file ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{file}: expected text in UTF-8, found: {error}") from None


def json_object(file: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        UserError: as `text`, or it holds something else.
    """
    try:
        content = json.loads(text(file))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: expected JSON, found: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: expected a JSON object, found {type(content).__name__}")
    return content
