"""What the Kaggle client may do, as told to the user. The client itself is replaced: nothing reaches the network."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import requests
import urllib3

from stages.command import UserError
from stages.competition import client

PRIVATE = "KGAT_0123456789abcdef"  # made up
SLUG = "severstal-steel-defect-detection"
ACCOUNT = (
    "make a token at kaggle.com/settings and put it into ~/.kaggle/access_token, or set KAGGLE_USERNAME and KAGGLE_KEY"
)

Act = Callable[..., None]


def nothing(*_: object, **__: object) -> None:
    """Do nothing."""


def raises(error: BaseException) -> Act:
    """Something that raises."""

    def act(*_: object, **__: object) -> None:
        raise error

    return act


def answered(status: int) -> requests.HTTPError:
    """The error of an answer with this status, with the secret in all that it carries."""
    response = requests.Response()
    response.status_code = status
    response.url = f"https://www.kaggle.com/api/?token={PRIVATE}"
    return requests.HTTPError(f"{status} Error for url {response.url}", response=response)


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch) -> Callable[[Act, Act], None]:
    """Replaces the client by one that authenticates and downloads as told."""

    def install(authenticate: Act = nothing, download: Act = nothing) -> None:
        class KaggleApi:
            def authenticate(self) -> None:
                print("advice, line after line")
                authenticate()

            def competition_download_files(self, competition: str, path: str, quiet: bool) -> None:
                download(competition, path, quiet)

        packages = ("kaggle", "kaggle.api", "kaggle.api.kaggle_api_extended")
        for name in packages:
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        sys.modules[packages[-1]].KaggleApi = KaggleApi  # type: ignore[attr-defined]

    return install


def message(folder: Path) -> str:
    """What is told about a download that fails; never a secret."""
    with pytest.raises(UserError) as told:
        client.download(SLUG, folder)
    assert PRIVATE not in str(told.value)
    assert told.value.__context__ is None or told.value.__suppress_context__  # no traceback shows it either
    return str(told.value)


def test_the_zip_is_found(tmp_path: Path, kaggle: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    """The client is asked for the competition, with its progress bar but without its advice; its zip is returned."""
    asked: list[object] = []

    def download(slug: str, path: str, quiet: bool) -> None:
        asked.extend((slug, path, quiet))
        (Path(path) / f"{slug}.zip").write_bytes(b"zip")

    kaggle(download=download)
    assert client.download(SLUG, tmp_path) == tmp_path / f"{SLUG}.zip"
    assert asked == [SLUG, str(tmp_path), False]
    assert capsys.readouterr().out == ""


def test_no_zip(tmp_path: Path, kaggle: Callable[..., None]) -> None:
    """A client that succeeds without a zip is no success."""
    kaggle()
    assert message(tmp_path) == f"kaggle: {SLUG}: expected one zip with all files, found none"


@pytest.mark.parametrize(
    "error",
    [SystemExit(1), OSError("no kaggle.json"), ValueError(f"key {PRIVATE}"), KeyError("username")],
    ids=lambda error: type(error).__name__,
)
def test_no_credentials(
    tmp_path: Path, kaggle: Callable[..., None], error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    """However the client gives up on credentials, the user learns in one line where to put them."""
    kaggle(authenticate=raises(error))
    assert message(tmp_path) == f"kaggle: expected credentials, found none that the client accepts: {ACCOUNT}"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("step", ["authenticate", "download"])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, f"the credentials were refused (401): {ACCOUNT}"),
        (
            403,
            f"refused (403). Accept the rules once in the browser, at https://www.kaggle.com/c/{SLUG}/rules; "
            "if that is done, look at the spelling of competition.slug in params.yaml",
        ),
        (
            404,
            f"refused (404). Accept the rules once in the browser, at https://www.kaggle.com/c/{SLUG}/rules; "
            "if that is done, look at the spelling of competition.slug in params.yaml",
        ),
        (429, "the server answered 429; try again later"),
        (500, "the server answered 500; try again later"),
        (503, "the server answered 503; try again later"),
    ],
)
def test_answers_of_the_server(
    tmp_path: Path, kaggle: Callable[..., None], step: str, status: int, expected: str
) -> None:
    """Refusals and faults are told by what the user can do about them, at both steps that ask the server."""
    kaggle(**{step: raises(answered(status))})
    assert message(tmp_path) == f"kaggle: {SLUG}: {expected}"


@pytest.mark.parametrize("step", ["authenticate", "download"])
@pytest.mark.parametrize(
    "error", [requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError]
)
def test_no_network(tmp_path: Path, kaggle: Callable[..., None], step: str, error: type[Exception]) -> None:
    """Without a network the credentials are not blamed, and the address, which may carry a token, is not shown."""
    kaggle(**{step: raises(error(f"https://storage.example/?signature={PRIVATE}"))})
    assert message(tmp_path) == f"kaggle: {SLUG}: the server cannot be reached ({error.__name__})"


@pytest.mark.parametrize(
    "error", [ValueError("Downloaded file size (3) does not match"), urllib3.exceptions.ProtocolError(PRIVATE)]
)
def test_a_download_that_breaks_off(tmp_path: Path, kaggle: Callable[..., None], error: Exception) -> None:
    """A download with fewer bytes than announced, or torn in the middle, ends in a message."""
    kaggle(download=raises(error))
    assert message(tmp_path) == (
        f"kaggle: {SLUG}: expected the whole archive, the download broke off ({type(error).__name__}); try again"
    )


def test_the_client_is_imported_only_when_used() -> None:
    """Importing our module leaves the real client, which looks for credentials at once, alone."""
    names = {name for name, value in vars(client).items() if isinstance(value, ModuleType)}
    assert names <= {"contextlib", "io"}
