"""The Kaggle client: authentication, retries, downloads, and errors that say what to do.

`import kaggle` looks for credentials at once and prints, so it is imported only where it is used. Its output is
dropped, since it may contain signed addresses; only its progress bar, on stderr, is shown.
"""

import contextlib
import io
import os
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from stages.pipeline.cli import UserError

Result = TypeVar("Result")

ACCOUNT = (
    "make a token at kaggle.com/settings and put it into ~/.kaggle/access_token, or set KAGGLE_USERNAME and KAGGLE_KEY"
)
TRIES = 5  # attempts per request, while the server answers 429 or 5xx
LONGEST_WAIT = 120.0  # seconds between two attempts, whatever the server asks for


class NotebooksOnlyError(UserError):
    """The competition accepts submissions from notebooks only."""


class DamagedError(UserError):
    """A download whose size is not the announced one."""


class Client:
    """Access to one competition as an authenticated user.

    Attributes:
        api: Kaggle's own client, authenticated.
        said: what it printed during the last request.

    Raises:
        UserError: there are no credentials, they are refused, or the network fails.
    """

    def __init__(self, slug: str) -> None:
        self.slug = slug
        self.api: Any = None
        self.said = ""
        self.ask("look at the credentials", self._authenticate)

    def _authenticate(self) -> None:
        from requests import RequestException  # comes with the client

        # The client would print every header, the authorization included.
        for name in ("VERBOSE", "VERBOSE_OUTPUT"):
            os.environ.pop(name, None)
        try:
            from kaggle.api.kaggle_api_extended import KaggleApi

            self.api = KaggleApi()
            self.api.authenticate()
        except RequestException:  # an OSError too: the network, not the credentials
            raise
        except (SystemExit, OSError, ValueError, KeyError):
            raise UserError(f"kaggle: expected credentials, found none that the client accepts: {ACCOUNT}") from None

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
                    raise _explained(self.slug, what, error, once) from None
                pause = _pause(response, attempt)
                print(f"kaggle: {_answer(response)}; trying again in {pause:.0f} s ({attempt} of {TRIES})", flush=True)
                time.sleep(pause)
            except HTTPError as error:
                raise UserError(
                    f"kaggle: {self.slug}: could not {what}: the connection was lost ({type(error).__name__}); "
                    "run the same command again, which keeps what has arrived"
                ) from None
            except ValueError as error:
                raise DamagedError(f"kaggle: {self.slug}: could not {what}: {error}") from None
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
            UserError: as in `ask`; or the zip arrived damaged twice, or the disk is full.
        """
        for again in (False, True):
            try:
                self.ask(
                    "download the archive",
                    lambda: self.api.competition_download_files(self.slug, path=str(folder), quiet=False),
                    bar=True,
                )
                damage = self._damage(folder)
            except DamagedError as error:  # after a signed address expired, the storage's error page replaces the zip
                damage = str(error)
            except OSError as error:
                _clear(folder)
                raise UserError(f"{folder}: cannot be written ({error.strerror or type(error).__name__})") from None
            if not damage:
                return next(folder.glob("*.zip"))
            _clear(folder)
            if not again:
                print(f"kaggle: the archive arrived damaged ({damage}): downloading it again", flush=True)
        raise UserError(f"kaggle: {self.slug}: expected an intact archive, it arrived damaged twice ({damage})")

    def _damage(self, folder: Path) -> str | None:
        """Read every entry of the downloaded zip; returns what is wrong with it, None if nothing is."""
        for path in folder.glob("*.zip"):
            try:
                with zipfile.ZipFile(path) as archive:
                    bad = archive.testzip()
            except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
                return f"{path.name}: {error}"
            return f"{bad}: wrong checksum" if bad else None
        _clear(folder)
        raise UserError(f"kaggle: {self.slug}: expected one zip with all files, found none")


def _clear(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def _pause(response: Any, attempt: int) -> float:
    """Seconds to wait: as Retry-After says, else 1, 2, 4, … ."""
    try:
        wanted = float(response.headers.get("Retry-After", ""))
    except ValueError:
        wanted = 2.0 ** (attempt - 1)
    return min(max(wanted, 0.0), LONGEST_WAIT)


def _answer(response: Any) -> str:
    """Status and message of a response; the message stands in a nested JSON body."""
    try:
        message = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        message = ""
    return f"the server answered {response.status_code}" + (f" ({message[:200]})" if message else "")


def _explained(slug: str, what: str, error: Any, once: bool) -> UserError:
    """The error for the user, with what to do. It shows neither address nor headers: both may contain secrets."""
    where = f"kaggle: {slug}: could not {what}"
    response = error.response  # a Response of an error is falsy: compare with None
    if response is None:
        return UserError(f"{where}: the server cannot be reached ({type(error).__name__})")
    answer, status = _answer(response), response.status_code
    if status == 400 and "only accepts submissions from notebooks" in answer.lower():
        return NotebooksOnlyError(f"{where}: {answer}")
    if status == 401:
        return UserError(f"{where}: the credentials were refused (401): {ACCOUNT}")
    if status in (403, 404) and ("data set" in what or "notebook" in what):
        return UserError(f"{where}: {answer}: is kernel.owner in params.yaml, if set, your user name?")
    if status == 403:
        return UserError(
            f"{where}: {answer}. Accept the rules once in the browser, at https://www.kaggle.com/c/{slug}/rules; if "
            "that is done: is competition.slug in params.yaml spelt as in the address, is the account's phone number "
            "verified, and may the token write?"
        )
    if status == 404:
        return UserError(f"{where}: {answer}: there is no such competition: check competition.slug in params.yaml")
    if status >= 500 and once:
        return UserError(
            f"{where}: {answer}; Kaggle may have accepted it nevertheless: look at "
            f"https://www.kaggle.com/c/{slug}/submissions before you send it again"
        )
    if status == 429 or status >= 500:
        return UserError(f"{where}: {answer}, even after {TRIES} attempts; try again later")
    return UserError(f"{where}: {answer}")
