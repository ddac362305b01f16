"""The Kaggle client, for what the pipeline asks of it.

`import kaggle` looks for credentials at once and prints: it is imported only where it is used. What it prints is
dropped, since its messages may hold signed addresses; its progress bar, on stderr, stays.
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
TRIES = 5  # of a request that is answered with 429 or 5xx
LONGEST_WAIT = 120.0  # seconds between two of them, whatever the server asks for


class NotebooksOnlyError(UserError):
    """A competition that takes submissions from notebooks only."""


class DamagedError(UserError):
    """Something that arrived with another size than was announced."""


class Client:
    """One competition, as an authenticated user sees it.

    Attributes:
        api: the client, authenticated.
        said: what it printed during the last request.

    Raises:
        UserError: no credentials, or they are refused; the network.
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
        """Make a request, again after 429 and 5xx, with the pause that the server asks for; a bounded number of times.

        Args:
            what: what it is for, for messages: "download the archive".
            request: the call to the client.
            once: whether doing it twice would do harm: then not after 5xx, which may come after the work is done.
            bar: whether its progress bar is to be seen, and with it all else that it writes to stderr.

        Raises:
            UserError: refused, not there, not reachable, or still busy after the last try.
            NotebooksOnlyError: it was a submission, and the competition takes notebooks only.
            DamagedError: it was a download, and what arrived is not what was announced.
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
                    f"kaggle: {self.slug}: could not {what}: the connection broke off ({type(error).__name__}); "
                    "run the same command again, what has arrived is kept"
                ) from None
            except ValueError as error:
                raise DamagedError(f"kaggle: {self.slug}: could not {what}: {error}") from None
            finally:
                self.said = said.getvalue()
        raise AssertionError("the last try returns or raises")

    def download(self, folder: Path) -> Path:
        """Download all files of the competition as one zip, with a progress bar, and test it.

        A download that was cut off, in this process or an earlier one, goes on where it stopped. A zip that arrives
        damaged is fetched again once.

        Args:
            folder: an existing folder that survives a kill, for this competition alone.

        Returns:
            The zip, all its checksums tested.

        Raises:
            UserError: as in `ask`; damaged twice; the disk is full.
        """
        for again in (False, True):
            try:
                self.ask(
                    "download the archive",
                    lambda: self.api.competition_download_files(self.slug, path=str(folder), quiet=False),
                    bar=True,
                )
                damage = self._damage(folder)
            except DamagedError as error:  # an address that expired: the storage's error page lies in the zip's place
                damage = str(error)
            except OSError as error:
                _clear(folder)
                raise UserError(f"{folder}: cannot be written ({error.strerror or type(error).__name__})") from None
            if not damage:
                return next(folder.glob("*.zip"))
            _clear(folder)
            if not again:
                print(f"kaggle: the archive arrived damaged ({damage}): fetching it again", flush=True)
        raise UserError(f"kaggle: {self.slug}: expected a whole archive, it arrived damaged twice ({damage})")

    def _damage(self, folder: Path) -> str | None:
        """What is wrong with the zip that has arrived, every entry read; None if nothing is."""
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
    """Seconds to wait: those of Retry-After, or 1, 2, 4, … ."""
    try:
        wanted = float(response.headers.get("Retry-After", ""))
    except ValueError:
        wanted = 2.0 ** (attempt - 1)
    return min(max(wanted, 0.0), LONGEST_WAIT)


def _answer(response: Any) -> str:
    """Status and message of an answer, as the server gives it in its nested body."""
    try:
        told = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        told = ""
    return f"the server answered {response.status_code}" + (f" ({told[:200]})" if told else "")


def _explained(slug: str, what: str, error: Any, once: bool) -> UserError:
    """What the user can do about it. Neither the address nor a header is shown: both may hold secrets."""
    where = f"kaggle: {slug}: could not {what}"
    response = error.response  # an error's Response is falsy
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
            "verified, may the token write?"
        )
    if status == 404:
        return UserError(
            f"{where}: {answer}: there is no such competition; look at the spelling of competition.slug in params.yaml"
        )
    if status >= 500 and once:
        return UserError(
            f"{where}: {answer}; it may have been taken all the same: look at "
            f"https://www.kaggle.com/c/{slug}/submissions before you send it again"
        )
    if status == 429 or status >= 500:
        return UserError(f"{where}: {answer}, still after {TRIES} tries; try again later")
    return UserError(f"{where}: {answer}")
