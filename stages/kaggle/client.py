"""The Kaggle client: authentication, retries, downloads, and errors that say what to do.

`import kaggle` looks for credentials at once and prints, so it is imported only where it is used. Its output is
dropped, since it may contain signed addresses; only its progress bar, on stderr, is shown.
"""

import contextlib
import errno
import io
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from stages.kaggle import answers, archive_check, credentials
from stages.kaggle.answers import TRIES, DamagedError
from stages.pipeline.cli import UserError

Result = TypeVar("Result")

SILENCE = 300.0  # seconds; as long as the client itself waits when it goes on with a download
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Client:
    """Access to one competition as an authenticated user.

    Attributes:
        api: Kaggle's own client, authenticated.
        credentials: the variables or the file that hold the credentials, for messages.
        said: what it printed during the last request.

    Raises:
        UserError: there are no credentials, they are refused, or the network fails.
    """

    def __init__(self, slug: str) -> None:
        self.slug = slug
        self.api: Any = None
        self.said = ""
        self.credentials = credentials.check()
        self.ask("look at the credentials", self._authenticate)

    def _authenticate(self) -> None:
        from requests import RequestException  # comes with the client

        # The client would print every header, the authorization included.
        for name in ("VERBOSE", "VERBOSE_OUTPUT"):
            os.environ.pop(name, None)
        _bound_silence()
        where = f"kaggle: could not use the credentials in {self.credentials}"
        try:
            from kaggle.api.kaggle_api_extended import KaggleApi

            self.api = KaggleApi()
            self.api.authenticate()
        except RequestException:  # an OSError and perhaps a ValueError: the network, not the credentials
            raise
        except SystemExit:  # after a page of advice, without a reason
            raise UserError(
                f"{where}: Kaggle does not know them, or they have expired: {credentials.ACCOUNT}"
            ) from None
        except OSError as error:
            named = f"{error.filename}: " if error.filename else ""
            raise UserError(
                f"{where}: {named}{error.strerror or type(error).__name__}: set KAGGLE_CONFIG_DIR to a folder that the "
                "client can read and write"
            ) from None
        except answers.UNREADABLE:
            credentials.check_all_files()
            raise
        self.api._get_retry_after_delay = answers.asked_pause  # the client's own would wait for days, or fail at nan

    def ask(self, what: str, request: Callable[[], Result], *, bar: bool = False, once: bool = False) -> Result:
        """Make a request. After 429 and 5xx it is repeated, at most `TRIES` times, with the pause that the server asks.

        Args:
            what: the purpose, for messages: "download the archive".
            request: the call to the client.
            bar: whether to show its progress bar, and whatever else it writes to stderr.
            once: whether a repetition would do harm. Then 5xx is not repeated: the server may have done the work.

        Raises:
            UserError: the request was refused, its object does not exist, or the server cannot be reached or is still
                busy after the last attempt.
            RefusedError: the server refused the request, and has done nothing.
            NotebooksOnlyError: it was a submission, and the competition accepts notebooks only.
            DamagedError: it was a download of another size than announced.
        """
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        for attempt in range(1, TRIES + 1):
            said = io.StringIO()
            stderr = contextlib.nullcontext() if bar else contextlib.redirect_stderr(io.StringIO())
            try:
                with contextlib.redirect_stdout(said), stderr:
                    return request()
            except RequestException as error:
                response = error.response
                status = 0 if response is None else response.status_code
                if not (status == 429 or (status >= 500 and not once)) or attempt == TRIES:
                    raise answers.explained(self.slug, what, error, once, self.credentials) from None
                pause = answers.pause(response, attempt)
                print(
                    f"kaggle: {answers.answer(response)}; trying again in {pause:.0f} s ({attempt} of {TRIES})",
                    flush=True,
                )
                time.sleep(pause)
            except HTTPError as error:
                raise UserError(
                    f"kaggle: {self.slug}: could not {what}: the connection was lost ({type(error).__name__}); "
                    "run the same command again, which keeps what has arrived"
                ) from None
            except answers.UNREADABLE as error:
                if str(error).startswith("Downloaded file size"):
                    raise DamagedError(str(error)) from None
                raise answers.unreadable(self.slug, what, error) from None
            finally:
                self.said = said.getvalue()
        raise AssertionError("the last attempt returns or raises")

    def download(self, folder: Path) -> Path:
        """Download all files of the competition as one zip, with a progress bar, and test it.

        An interrupted download, of this process or an earlier one, is resumed. A damaged zip is downloaded again, once.

        Args:
            folder: an existing folder for this competition alone, which is kept when the process is killed.

        Returns:
            The path of the zip, whose checksums are all correct.

        Raises:
            UserError: as in `ask`; or the zip arrived damaged twice, cannot be read, or the disk is full. A zip that is
                whole is kept.
        """
        damage = None
        for again in (False, True):
            try:
                self.ask(
                    "download the archive",
                    lambda: self.api.competition_download_files(self.slug, path=str(folder), quiet=False),
                    bar=True,
                )
                announced = None
            except DamagedError as error:  # after a signed address expired, the storage's error page replaces the zip
                announced = str(error)
            except OSError as error:
                if error.errno in _FULL:
                    _clear(folder)
                raise UserError(f"{folder}: cannot be written ({error.strerror or type(error).__name__})") from None
            found = next(folder.glob("*.zip"), None)
            if found is None and announced is None:
                _clear(folder)
                raise UserError(f"kaggle: {self.slug}: expected one zip with all files, found none")
            damage = _damage(found) if found else announced
            if found and not damage:
                return found
            _clear(folder)
            if not again:
                print(f"kaggle: the archive arrived damaged ({damage}): downloading it again", flush=True)
        raise UserError(f"kaggle: {self.slug}: expected an intact archive, it arrived damaged twice ({damage})")


def _bound_silence() -> None:
    """End requests whose connection stays silent for `SILENCE` seconds: the client sets no limit, at most of them."""
    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send
    if getattr(send, "bounded", False):
        return

    def bounded(self: Any, request: Any, stream: bool = False, timeout: Any = None, **rest: Any) -> Any:
        return send(self, request, stream=stream, timeout=SILENCE if timeout is None else timeout, **rest)

    bounded.bounded = True  # type: ignore[attr-defined]
    HTTPAdapter.send = bounded


def _damage(file: Path) -> str | None:
    try:
        return archive_check.damage(file)
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}): it is kept") from None


def _clear(folder: Path) -> None:
    """Remove what a download left: a zip that is not whole, its marker, pages of errors."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
