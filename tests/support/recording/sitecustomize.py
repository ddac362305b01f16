"""Records which parameters a stage reads; imported by every Python that starts with this folder on PYTHONPATH.

At the end of the process, one line "stage section.key" per parameter is appended to the file that $RECORDED names.
"""

import atexit
import os
import re
import sys

from pydantic import BaseModel

read: set[str] = set()


def note(self: BaseModel, name: str) -> object:
    """Return an attribute as usual; record it if it is a parameter, unless params.yaml is being checked."""
    kind = type(self)
    if kind.__module__.startswith("stages.pipeline.") and name in kind.model_fields:
        code = sys._getframe(1).f_code
        by_property = isinstance(getattr(kind, code.co_name, None), property)  # which a stage has asked for
        checked_only = code.co_filename.endswith("settings.py") and not by_property
        if not checked_only:
            section = re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
            read.add(name if section == "settings" else f"{section}.{name}")
    return object.__getattribute__(self, name)


def write() -> None:
    """Append the recorded parameters."""
    main = sys.modules["__main__"].__spec__
    if read and main:
        with open(os.environ["RECORDED"], "a") as file:
            file.writelines(f"{main.name.removeprefix('stages.')} {name}\n" for name in sorted(read))


if "RECORDED" in os.environ:
    BaseModel.__getattribute__ = note  # type: ignore[method-assign,assignment]
    atexit.register(write)
