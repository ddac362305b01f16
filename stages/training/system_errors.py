"""TensorFlow's and HDF5's errors about a full disk and the like, as the operating system's own errors."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The operating system's reasons for not writing a file.
REASONS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


@contextmanager
def as_os_error(path: Path) -> Iterator[None]:
    """Raise what TensorFlow and HDF5 report when the system refuses to write a file as an `OSError`.

    Args:
        path: what the error names if it does not name a file itself.

    Raises:
        OSError: with the system's number, such as that of a full disk. All other errors pass unchanged.
    """
    from tensorflow.errors import OpError  # after tensorflow_start.start

    try:
        yield
    except (OSError, RuntimeError, OpError) as error:
        number = next((reason for reason in REASONS if os.strerror(reason) in str(error)), 0)
        if not number:
            raise
        raise OSError(number, os.strerror(number), getattr(error, "filename", None) or str(path)) from None
