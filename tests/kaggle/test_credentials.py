"""Credentials that are in no order: one message with the file or variable, what was expected, and no secret."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.kaggle import credentials
from stages.pipeline.cli import UserError
from tests.support.kaggle_project import Stage
from tests.support.kaggle_server import KEY, TOKEN, USERNAME, KaggleServer

GOOD = json.dumps({"username": USERNAME, "key": KEY})
FORM = '{"username": …, "key": …}, as Kaggle gives it'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of somebody without credentials."""
    for name in [name for name in os.environ if name.startswith("KAGGLE_") or name == "XDG_CONFIG_HOME"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".kaggle").mkdir()
    return tmp_path


def put(home: Path, name: str, content: bytes | str | None, mode: int = 0o600) -> Path:
    """A file in ~/.kaggle; None: a folder in its place."""
    path = home / ".kaggle" / name
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
    return path


def message() -> str:
    """Of the refusal; no secret is in it."""
    with pytest.raises(UserError) as error:
        credentials.check()
    said = str(error.value)
    assert KEY[:8] not in said
    assert TOKEN not in said
    assert "\n" not in said
    return said


FILES = {
    "[]": (b"[]", "found a list"),
    "null": (b"null", "found null"),
    "5": (b"5", "found a number"),
    "text": (b'"x"', "found a text"),
    "empty": (b"", "found no JSON (line 1)"),
    "cut off": (GOOD[:-5].encode(), "found no JSON (line 1)"),
    "byte order mark": (b"\xef\xbb\xbf" + GOOD.encode(), "found a byte order mark: save it as UTF-8 without one"),
    "UTF-16": (GOOD.encode("utf-16"), "found a byte order mark: save it as UTF-8 without one"),
    "Latin-1": (b'{"username": "\xe4"}', "found a file that is not UTF-8"),
    "typographic quotes": (GOOD.replace('"', "“").encode(), 'found typographic quotes: write straight ones, "'),
    "no key": (json.dumps({"username": USERNAME}).encode(), "found no text for key"),
    "a number as key": (json.dumps({"username": USERNAME, "key": 5}).encode(), "found no text for key"),
    "folder": (None, "found a folder"),
    "nested": (b"[" * 100_000, "found no JSON"),
}


@pytest.mark.parametrize("kind", FILES)
def test_kaggle_json(home: Path, kind: str) -> None:
    """Named, with the expected form; it stays as it is."""
    content, found = FILES[kind]
    path = put(home, "kaggle.json", content)
    assert message() == f"{path}: expected {FORM}, {found}"
    assert path.is_dir() if content is None else path.read_bytes() == content


@pytest.mark.parametrize("kind", ["[]", "null", "byte order mark", "folder", "cut off"])
def test_credentials_json(home: Path, kind: str) -> None:
    """What `kaggle auth login` writes is checked in the same way."""
    content, found = FILES[kind]
    path = put(home, "credentials.json", content)
    assert message() == f'{path}: expected {{"refresh_token": …}}, as Kaggle gives it, {found}'


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\xef\xbb\xbfKGAT_made_up", "expected a token, found a byte order mark: save it as UTF-8 without one"),
        ("“KGAT_made_up”".encode(), "expected a name, key or token, found typographic quotes in it: remove them"),
        (b"KGAT_made_up\nKGAT_made_up", "found a space, a line end or another character"),
        (b"\xff", "expected a token, found a file that is not UTF-8"),
        (None, "expected a token, found a folder"),
    ],
)
@pytest.mark.parametrize("name", ["access_token", "access_token.txt"])
def test_access_token(home: Path, name: str, content: bytes | None, found: str) -> None:
    """A token that no header can carry; http.client would print it."""
    path = put(home, name, content)
    said = message()
    assert said.startswith(f"{path}: expected")
    assert found in said


@pytest.mark.parametrize("name", ["KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"])
@pytest.mark.parametrize("value", [f"“{KEY}”", f"{KEY}\n{KEY}", f" {KEY}", f"{KEY}ä"])
def test_variables(home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """The variable is named, not its value."""
    monkeypatch.setenv(name, value)
    assert message().startswith(f"{name}: expected ")


def test_a_long_token(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client takes it for a path that is too long, and its error would show it."""
    monkeypatch.setenv("KAGGLE_API_TOKEN", KEY * 10)
    assert message().startswith("KAGGLE_API_TOKEN: expected a token or a file's path, found 320 characters")


def test_half_of_the_variables(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is missing is named; the file may hold it."""
    monkeypatch.setenv("KAGGLE_USERNAME", USERNAME)
    path = home / ".kaggle/kaggle.json"
    assert message() == f"kaggle: expected KAGGLE_USERNAME and KAGGLE_KEY, found the first alone, and no {path}"
    put(home, "kaggle.json", json.dumps({"key": KEY}))
    assert credentials.check() == f"KAGGLE_USERNAME and {path}"


def test_permissions(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that others can read is used, with a warning; one that nobody can read is a mistake."""
    path = put(home, "kaggle.json", GOOD, 0o644)
    assert credentials.check() == str(path)
    assert capsys.readouterr().out == f"kaggle: {path}: other users of this machine can read it: chmod 600 {path}\n"

    def denied(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    assert message() == f"{path}: expected {FORM}, found no readable file (Permission denied): chmod 600 {path}"


def test_the_order_is_the_client_s(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token goes before the variables, those go before the file, and a file that is not used may be damaged."""
    assert "expected credentials, found none" in message()
    login = put(home, "credentials.json", '{"refresh_token": "x"}')
    assert credentials.check() == str(login)
    file = put(home, "kaggle.json", GOOD)
    assert credentials.check() == str(file)
    monkeypatch.setenv("KAGGLE_USERNAME", USERNAME)
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    file.write_text("null")
    assert credentials.check() == "KAGGLE_USERNAME and KAGGLE_KEY"
    token = put(home, "access_token", TOKEN)
    assert credentials.check() == str(token)
    monkeypatch.setenv("KAGGLE_API_TOKEN", TOKEN)
    assert credentials.check() == "KAGGLE_API_TOKEN"
    monkeypatch.setenv("KAGGLE_API_TOKEN", str(token))
    assert credentials.check() == f"{token} (named by KAGGLE_API_TOKEN)"


# With the real client


def unwritable(home: Path, environment: dict[str, str]) -> str:
    """No folder can be made in HOME, as on a read-only disk."""
    (home / "file").touch()
    environment["HOME"] = str(home / "file")
    return f"could not use the credentials in KAGGLE_USERNAME and KAGGLE_KEY: {home}/file/.config"


def expired(home: Path, environment: dict[str, str]) -> str:
    """Kaggle does not know the token."""
    del environment["KAGGLE_USERNAME"], environment["KAGGLE_KEY"]
    path = put(home, "access_token", "KGAT_another")
    return f"could not use the credentials in {path}: Kaggle does not know them, or they have expired"


def unused(home: Path, environment: dict[str, str]) -> str:
    """The client stumbles over a file that it should not need."""
    path = put(home, "kaggle.json", "5")
    return f"{path}: expected {FORM}, found a number"


def wrong_key(home: Path, environment: dict[str, str]) -> str:
    """Kaggle's reason is passed on."""
    del environment["KAGGLE_USERNAME"], environment["KAGGLE_KEY"]
    path = put(home, "kaggle.json", GOOD.replace("0123", "9999"))
    return f"the server answered 401 (Unauthenticated): it does not accept the credentials in {path}: make a token"


@pytest.mark.parametrize("kind", [unwritable, expired, unused, wrong_key])
def test_the_reason_is_passed_on(
    stage: Stage, environment: dict[str, str], server: KaggleServer, kind: Callable[[Path, dict[str, str]], str]
) -> None:
    """With the variables or the file that were used, in one line."""
    home = Path(environment["HOME"])
    (home / ".kaggle").mkdir(exist_ok=True)
    expected = kind(home, environment)
    result = stage("download")
    assert result.returncode == 1
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1
