"""The Kaggle client, for what the pipeline asks of it.

`import kaggle` looks for credentials at once, prints, and ends the process without them: it is imported only where it
is used.
"""

import contextlib
import io
from pathlib import Path
from typing import Any

from stages.command import UserError

_ACCOUNT = (
    "make a token at kaggle.com/settings and put it into ~/.kaggle/access_token, or set KAGGLE_USERNAME and KAGGLE_KEY"
)


def download(slug: str, folder: Path) -> Path:
    """Download all files of a competition as one zip, with the client's progress bar.

    Args:
        slug: name of the competition, as in kaggle.com/c/…
        folder: an existing folder, to hold the zip.

    Returns:
        The zip, as it came: reading its entries tests their checksums.

    Raises:
        UserError: no credentials, rules not accepted, no such competition, the network.
    """
    from requests import RequestException  # comes with the client
    from urllib3.exceptions import HTTPError

    try:
        api = _authenticated()
        api.competition_download_files(slug, path=str(folder), quiet=False)
    except RequestException as error:
        raise UserError(f"kaggle: {slug}: {_explain(error, slug)}") from None
    except (HTTPError, ValueError) as error:  # ValueError: fewer bytes than announced
        raise UserError(
            f"kaggle: {slug}: expected the whole archive, the download broke off ({type(error).__name__}); try again"
        ) from None
    archives = sorted(folder.glob("*.zip"))
    if not archives:
        raise UserError(f"kaggle: {slug}: expected one zip with all files, found none")
    return archives[0]


def _authenticated() -> Any:
    from requests import RequestException

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):  # 19 lines of advice
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
    except RequestException:  # an OSError too: the network, not the credentials
        raise
    except (SystemExit, OSError, ValueError, KeyError):
        raise UserError(f"kaggle: expected credentials, found none that the client accepts: {_ACCOUNT}") from None
    return api


def _explain(error: Any, slug: str) -> str:
    status = error.response.status_code if error.response is not None else None
    if status == 401:
        return f"the credentials were refused (401): {_ACCOUNT}"
    if status in (403, 404):
        return (
            f"refused ({status}). Accept the rules once in the browser, at https://www.kaggle.com/c/{slug}/rules; "
            "if that is done, look at the spelling of competition.slug in params.yaml"
        )
    if status is not None:
        return f"the server answered {status}; try again later"
    return f"the server cannot be reached ({type(error).__name__})"
