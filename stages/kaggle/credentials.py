"""Which credentials the Kaggle client will use, and whether their file or variable is in order.

The client passes over a file that it cannot read, or ends with an error of Python. So they are looked at first, in the
client's order. No message shows what is in them.
"""

import json
import os
from pathlib import Path
from typing import Any

from stages.pipeline.cli import UserError

ACCOUNT = (
    "make a token at kaggle.com/settings and put it into ~/.kaggle/access_token, or set KAGGLE_USERNAME and KAGGLE_KEY"
)
_VARIABLES = ("KAGGLE_USERNAME", "KAGGLE_KEY")
_QUOTES = "“”„‟‘’‚‛«»"


class NoCredentialsError(UserError):
    """There are no credentials at all."""


def check() -> str:
    """Find the credentials that the client will use.

    Returns:
        The variables, or the file, that hold them, for messages.

    Raises:
        NoCredentialsError: there are none.
        UserError: they cannot be read, or are not in the expected form.
    """
    used = _token() or _key() or _login()
    if used is None:
        raise NoCredentialsError(f"kaggle: expected credentials, found none: {ACCOUNT}")
    return used


def check_all_files() -> None:
    """Look at every file that the client may read, also at those that it should not need.

    Raises:
        UserError: one is not in the expected form; the client fails at some of them whatever else is there.
    """
    for path in {key_file(), Path.home() / ".kaggle/kaggle.json"}:
        _object(path, "username", "key")
    _object(_login_file(), "refresh_token")


def key_file() -> Path:
    """Where the client looks for kaggle.json."""
    folder = os.environ.get("KAGGLE_CONFIG_DIR")
    if folder:
        return Path(folder) / "kaggle.json"
    old = Path.home() / ".kaggle"
    new = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kaggle"
    return (old if os.path.exists(old) else new) / "kaggle.json"


def _token() -> str | None:
    """The place of an access token, which goes before everything else."""
    folder = Path.home() / ".kaggle"
    files = [(folder / name, str(folder / name)) for name in ("access_token", "access_token.txt")]
    value = os.environ.get("KAGGLE_API_TOKEN")
    if value:
        try:
            is_file = Path(value).exists()
        except OSError as error:  # the client asks the same, and its error has the token as a file's name
            raise UserError(
                f"KAGGLE_API_TOKEN: expected a token or a file's path, found {len(value)} characters that the client "
                f"takes for a path ({error.strerror}): put the token into {files[0][0]}"
            ) from None
        if not is_file:
            return _checked(value, "KAGGLE_API_TOKEN")
        files = [(Path(value), f"{value} (named by KAGGLE_API_TOKEN)")]
    for path, shown in files:
        if os.path.exists(path):
            text = _text(path, f"{path}: expected a token")
            if text:
                _checked(text, str(path))
                return shown
    return None


def _key() -> str | None:
    """The places of a user name and key; a variable goes before the same entry of the file."""
    there = [name for name in _VARIABLES if os.environ.get(name)]
    for name in there:
        _checked(os.environ[name], name)
    missing = [name.removeprefix("KAGGLE_").lower() for name in _VARIABLES if name not in there]
    if not missing:
        return " and ".join(there)
    path = key_file()
    if _object(path, *missing) is None:
        if there:
            other = next(name for name in _VARIABLES if name not in there)
            raise UserError(f"kaggle: expected {there[0]} and {other}, found the first alone, and no {path}")
        return None
    return " and ".join([*there, str(path)])


def _login_file() -> Path:
    return Path.home() / ".kaggle/credentials.json"


def _login() -> str | None:
    """The file that `kaggle auth login` writes."""
    return None if _object(_login_file(), "refresh_token") is None else str(_login_file())


def _object(path: Path, *names: str) -> dict[str, Any] | None:
    """Read a file of credentials in JSON that must have some entries; None if there is no such file."""
    if not os.path.lexists(path):
        return None
    expected = f"{path}: expected {{{', '.join(f'{json.dumps(name)}: …' for name in names)}}}, as Kaggle gives it"
    text = _text(path, expected)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        if any(quote in text for quote in _QUOTES):
            raise UserError(f'{expected}, found typographic quotes: write straight ones, "') from None
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise UserError(f"{expected}, found no JSON{where}") from None
    if not isinstance(found, dict):
        kinds = {list: "a list", type(None): "null", str: "a text"}
        raise UserError(f"{expected}, found {kinds.get(type(found), 'a number')}")
    for name in names:
        value = found.get(name)
        if not isinstance(value, str) or not value:
            raise UserError(f"{expected}, found no text for {name}")
        _checked(value, f"{path}: {name}")
    return found


def _text(path: Path, expected: str) -> str:
    """Read a file of credentials, without white space around it. Warns if others may read it, as the client does."""
    if path.is_dir():
        raise UserError(f"{expected}, found a folder")
    try:
        content, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        raise UserError(f"{expected}, found no readable file ({error.strerror}): chmod 600 {path}") from None
    if content.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise UserError(f"{expected}, found a byte order mark: save it as UTF-8 without one")
    try:
        text = content.decode("utf-8").strip()
    except UnicodeDecodeError:
        raise UserError(f"{expected}, found a file that is not UTF-8") from None
    if mode & 0o044:
        print(f"kaggle: {path}: other users of this machine can read it: chmod 600 {path}", flush=True)
    return text


def _checked(value: str, where: str) -> str:
    """Refuse what no header can carry; returns `where`."""
    if any(quote in value for quote in _QUOTES):
        raise UserError(f"{where}: expected a name, key or token, found typographic quotes in it: remove them")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise UserError(f"{where}: expected letters, digits and signs, found a space, a line end or another character")
    return where
