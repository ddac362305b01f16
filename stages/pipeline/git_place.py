"""Where this project lies in its git repository, which may be a larger one."""

import subprocess
from pathlib import Path


def in_repository(path: Path) -> str:
    """A path relative to the root of the git repository, as DVC looks for it in another revision.

    Args:
        path: relative to this folder.
    """
    found = subprocess.run(["git", "rev-parse", "--show-prefix"], text=True, capture_output=True, check=False)  # noqa: S607
    prefix = found.stdout.rstrip("\n") if found.returncode == 0 else ""
    return f"{prefix}{path.as_posix()}"
