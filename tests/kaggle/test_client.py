"""Faults of the Kaggle client and what users see of them. The client is replaced: nothing reaches the network."""

import io
import os
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import requests
import urllib3

from stages.kaggle import answers, client
from stages.kaggle.credentials import ACCOUNT
from stages.pipeline.cli import UserError

PRIVATE = "KGAT_0123456789abcdef"  # made up
SLUG = "severstal-steel-defect-detection"
USED = "KAGGLE_USERNAME and KAGGLE_KEY"
REFUSED = f"the server answered 401: it does not accept the credentials in {USED}: {ACCOUNT}"

Act = Callable[..., None]


def nothing(*_: object, **__: object) -> None:
    """Do nothing."""


def raises(*errors: BaseException) -> Act:
    """Something that raises these, one after the other, and the last one from then on."""
    remaining = list(errors)

    def act(*_: object, **__: object) -> None:
        raise remaining.pop(0) if len(remaining) > 1 else remaining[0]

    return act


def answered(status: int, text: str = "", **headers: str) -> requests.HTTPError:
    """The error of an answer with this status, with the secret in all that it carries."""
    response = requests.Response()
    response.status_code = status
    response.url = f"https://www.kaggle.com/api/?token={PRIVATE}"
    response.headers.update(headers)
    response._content = f'{{"error": {{"code": {status}, "message": "{text}"}}}}'.encode() if text else b"<html>"
    return requests.HTTPError(f"{status} Error for url {response.url}", response=response)


def zipped(content: bytes = b"x" * 1000) -> bytes:
    """A zip with one entry, stored without compression."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("train.csv", content)
    return written.getvalue()


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses are noted and not made."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch, slept: list[float]) -> Callable[[Act, Act], None]:
    """Replaces the client by one that authenticates and downloads with the given functions; credentials are set."""
    monkeypatch.delenv("KAGGLE_API_TOKEN", raising=False)
    monkeypatch.setenv("KAGGLE_USERNAME", "someone")
    monkeypatch.setenv("KAGGLE_KEY", "made_up")

    def install(authenticate: Act = nothing, download: Act = nothing) -> None:
        class KaggleApi:
            def authenticate(self) -> None:
                print(f"advice, line after line, and a signed address: {PRIVATE}")
                authenticate()

            def competition_download_files(self, competition: str, path: str, quiet: bool) -> None:
                print(PRIVATE)
                download(competition, path, quiet)

        packages = ("kaggle", "kaggle.api", "kaggle.api.kaggle_api_extended")
        for name in packages:
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        sys.modules[packages[-1]].KaggleApi = KaggleApi  # type: ignore[attr-defined]

    return install


def gives(*archives: bytes, name: str = f"{SLUG}.zip") -> Act:
    """A download that leaves these archives, one after the other."""
    remaining = list(archives)

    def download(slug: str, path: str, quiet: bool) -> None:
        (Path(path) / name).write_bytes(remaining.pop(0))

    return download


def message(folder: Path) -> str:
    """The message of a download that fails; it never holds a secret."""
    with pytest.raises(UserError) as error:
        client.Client(SLUG).download(folder)
    assert PRIVATE not in str(error.value)
    assert error.value.__context__ is None or error.value.__suppress_context__  # no traceback shows it either
    return str(error.value)


def test_the_zip_is_found(tmp_path: Path, kaggle: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    """The client is asked for the competition, with its progress bar but without what it prints."""
    kaggle(download=gives(zipped()))
    assert client.Client(SLUG).download(tmp_path) == tmp_path / f"{SLUG}.zip"
    assert capsys.readouterr().out == ""


def test_a_damaged_zip_is_fetched_again(
    tmp_path: Path, kaggle: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    """One whose checksum is wrong, as a retry with an expired address leaves it."""
    damaged = zipped().replace(b"xxxx", b"yyyy", 1)
    kaggle(download=gives(damaged, zipped()))
    found = client.Client(SLUG).download(tmp_path)
    assert found.read_bytes() == zipped()
    assert "arrived damaged (train.csv: wrong checksum): downloading it again" in capsys.readouterr().out


def test_a_zip_damaged_twice(tmp_path: Path, kaggle: Callable[..., None]) -> None:
    """An error, and nothing is left that could pass for the archive."""
    kaggle(download=gives(zipped()[:500], b"no zip at all"))
    assert message(tmp_path) == (
        f"kaggle: {SLUG}: expected an intact archive, it arrived damaged twice ({SLUG}.zip: File is not a zip file)"
    )
    assert list(tmp_path.iterdir()) == []


def test_no_zip(tmp_path: Path, kaggle: Callable[..., None]) -> None:
    """A client that succeeds without a zip is no success."""
    kaggle()
    assert message(tmp_path) == f"kaggle: {SLUG}: expected one zip with all files, found none"


def test_a_full_disk(tmp_path: Path, kaggle: Callable[..., None]) -> None:
    """Told as what it is, and what was written is taken away again."""
    (tmp_path / f"{SLUG}.zip").write_bytes(b"half")
    kaggle(download=raises(OSError(28, "No space left on device")))
    assert message(tmp_path) == f"{tmp_path}: cannot be written (No space left on device)"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (SystemExit(1), f"Kaggle does not know them, or they have expired: {ACCOUNT}"),
        (
            PermissionError(13, "Permission denied", "/home/someone/.config"),
            "/home/someone/.config: Permission denied: set KAGGLE_CONFIG_DIR to a folder that the client can read and "
            "write",
        ),
    ],
    ids=["exit", "OSError"],
)
def test_credentials_that_the_client_does_not_take(
    tmp_path: Path,
    kaggle: Callable[..., None],
    error: BaseException,
    reason: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The user learns in one line where they are, and the client's reason."""
    kaggle(authenticate=raises(error))
    assert message(tmp_path) == f"kaggle: could not use the credentials in {USED}: {reason}"
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("step", ["authenticate", "download"])
@pytest.mark.parametrize(
    ("status", "text", "expected"),
    [
        (401, "", REFUSED),
        (
            403,
            "You must accept the rules",
            "the server answered 403 (You must accept the rules). Accept the rules once in the browser, at "
            f"https://www.kaggle.com/c/{SLUG}/rules; if that is done: is competition.slug in params.yaml spelt as in "
            "the address, is the account's phone number verified, and may the token write? "
            "(Credentials: KAGGLE_USERNAME and KAGGLE_KEY)",
        ),
        (
            404,
            "",
            "the server answered 404: there is no such competition: check competition.slug in params.yaml",
        ),
        (400, "Bad file", "the server answered 400 (Bad file)"),
        (429, "", "the server answered 429, even after 5 attempts; try again later"),
        (503, "Over capacity", "the server answered 503 (Over capacity), even after 5 attempts; try again later"),
    ],
)
def test_answers_of_the_server(
    tmp_path: Path, kaggle: Callable[..., None], step: str, status: int, text: str, expected: str
) -> None:
    """A message says what the user can do about a refusal or fault, at both steps that ask the server."""
    kaggle(**{step: raises(answered(status, text))})
    what = {"authenticate": "look at the credentials", "download": "download the archive"}[step]
    assert message(tmp_path) == f"kaggle: {SLUG}: could not {what}: {expected}"


def test_notebooks_only(kaggle: Callable[..., None]) -> None:
    """A refusal with an error class of its own, since there is another way to submit."""
    kaggle(authenticate=raises(answered(400, "Severstal only accepts Submissions from Notebooks")))
    with pytest.raises(answers.NotebooksOnlyError, match=r"answered 400 \(Severstal only accepts Submissions"):
        client.Client(SLUG)


def test_a_busy_server_is_asked_again(
    tmp_path: Path, kaggle: Callable[..., None], slept: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """After the pause that it asks for, or after 1, 2, 4 … seconds, and never after more than two minutes."""
    errors = iter([answered(429, **{"Retry-After": "7"}), answered(502), answered(429, **{"Retry-After": "9999"})])
    succeeds = gives(zipped())

    def download(*arguments: object) -> None:
        for error in errors:
            raise error
        succeeds(*arguments)

    kaggle(download=download)
    assert client.Client(SLUG).download(tmp_path).name == f"{SLUG}.zip"
    assert slept == [7, 2, 120]
    assert "kaggle: the server answered 429; trying again in 7 s (1 of 5)" in capsys.readouterr().out


@pytest.mark.parametrize("step", ["authenticate", "download"])
@pytest.mark.parametrize(
    "error", [requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError]
)
def test_no_network(tmp_path: Path, kaggle: Callable[..., None], step: str, error: type[Exception]) -> None:
    """Without a network the credentials are not blamed, and the address, which may carry a token, is not shown."""
    kaggle(**{step: raises(error(f"https://storage.example/?signature={PRIVATE}"))})
    assert message(tmp_path).endswith(f": the server cannot be reached ({error.__name__})")


def test_a_download_that_breaks_off(tmp_path: Path, kaggle: Callable[..., None]) -> None:
    """What has arrived can be taken up again."""
    (tmp_path / f"{SLUG}.zip").write_bytes(b"half")
    kaggle(download=raises(urllib3.exceptions.ProtocolError(PRIVATE)))
    assert message(tmp_path) == (
        f"kaggle: {SLUG}: could not download the archive: the connection was lost (ProtocolError); "
        "run the same command again, which keeps what has arrived"
    )
    assert (tmp_path / f"{SLUG}.zip").exists()


def test_a_download_of_another_size_is_fetched_again(tmp_path: Path, kaggle: Callable[..., None]) -> None:
    """An address that has expired leaves an error page in the zip's place, which must not be gone on with."""
    (tmp_path / f"{SLUG}.zip.kaggle-partial").write_bytes(b"marker")
    kaggle(download=raises(ValueError("Downloaded file size (105) does not match expected size (3000)")))
    assert "it arrived damaged twice (" in message(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_headers_are_never_printed(kaggle: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """VERBOSE would have the client print the authorization."""
    monkeypatch.setenv("VERBOSE", "1")
    kaggle()
    client.Client(SLUG)
    assert "VERBOSE" not in os.environ


def test_the_client_is_imported_only_when_used() -> None:
    """Importing our module leaves the real client, which looks for credentials at once, alone."""
    names = {name for name, value in vars(client).items() if isinstance(value, ModuleType)}
    ours = {"answers", "archive_check", "credentials"}
    assert names <= ours | {"contextlib", "errno", "io", "os", "shutil", "time"}
