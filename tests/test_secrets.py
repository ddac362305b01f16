"""Credentials stay where they were: nothing that is printed, stored, sent as data or committed holds them."""

import base64
import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
import urllib.parse
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import draw_competition
from tests.support import tiny_project
from tests.support.kaggle_server import KEY, TOKEN, USERNAME, KaggleServer
from tests.support.test_kaggle_server import zipped

ROOT = Path(__file__).parents[1]
SLUG = "severstal-steel-defect-detection"
# What else may stand in an environment; none of it is any stage's business.
OTHERS = {
    "AWS_ACCESS_KEY_ID": "AKIAMADEUPMADEUP0001", "AWS_SECRET_ACCESS_KEY": "made/up+secret/access/key0000000000001",
    "AWS_SESSION_TOKEN": "made-up-session-token-0001", "GITHUB_TOKEN": "ghp_madeup0001",
}  # fmt: skip
SECRETS = (KEY, TOKEN, *OTHERS.values())


def spellings() -> list[bytes]:
    """The secrets as they are, as in addresses, and as in headers."""
    plain = [*SECRETS, f"{USERNAME}:{KEY}"]
    coded = [base64.b64encode(secret.encode()).decode().rstrip("=") for secret in plain]
    quoted = [urllib.parse.quote(secret, safe="") for secret in plain]
    return [secret.encode() for secret in {*plain, *coded, *quoted}]


def held(content: bytes) -> bool:
    """Whether a secret is in some bytes, or in what is packed in them."""
    if any(secret in content for secret in spellings()):
        return True
    try:
        if content[:2] == b"\x1f\x8b":
            return held(gzip.decompress(content))
        if content[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                return any(held(archive.read(name)) for name in archive.namelist())
        return content[:1] == b"\x78" and held(zlib.decompress(content))  # a loose object of git
    except (zlib.error, zipfile.BadZipFile, EOFError, OSError):
        return False


def leaks(folder: Path) -> list[str]:
    """All places below a folder that hold a secret: files, packed files, objects of git."""
    found = []
    for top, _, names in os.walk(folder):
        found += [str(Path(top, name)) for name in names if held(Path(top, name).read_bytes())]
        if Path(top).name == ".git":
            objects = ("git", "cat-file", "--batch-all-objects", "--batch")
            stored = subprocess.run(objects, cwd=Path(top).parent, capture_output=True, check=True).stdout
            found += [f"{top}: objects"] if any(secret in stored for secret in spellings()) else []
    return found


@pytest.fixture
def server() -> Iterator[KaggleServer]:
    """A server with the drawn competition, whose rules are accepted."""
    with KaggleServer() as server, tempfile.TemporaryDirectory() as scratch:
        folder = draw_competition(Path(scratch) / "competition")
        files = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        server.files[SLUG] = zipped(files)
        server.rules_accepted.add(SLUG)
        yield server


def credentials(server: KaggleServer, home: Path, kind: str) -> dict[str, str]:
    """The environment of somebody who keeps the credentials in one of four ways, and who wants to see much."""
    home.mkdir()
    (home / "tmp").mkdir()
    (home / ".gitconfig").write_text("[user]\nname = A Tester\nemail = tester@example.org\n")
    environment = server.environment(home) | OTHERS | {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1"}
    environment |= {"VERBOSE": "1", "VERBOSE_OUTPUT": "1", "TMPDIR": str(home / "tmp")}
    if kind == "environment":
        return environment
    del environment["KAGGLE_USERNAME"], environment["KAGGLE_KEY"]
    if kind == "token":
        return environment | {"KAGGLE_API_TOKEN": TOKEN}
    (home / ".kaggle").mkdir()
    name, content = "access_token", TOKEN
    if kind == "kaggle.json":
        name, content = "kaggle.json", json.dumps({"username": USERNAME, "key": KEY})
    (home / ".kaggle" / name).write_text(content)
    (home / ".kaggle" / name).chmod(0o600)
    return environment


@pytest.mark.parametrize("place", ["file", "base64", "gzip", "zip in a zip", "git"])
def test_the_search_finds_what_is_planted(tmp_path: Path, place: str) -> None:
    """A token in a file, as a header has it, packed, packed twice, and in a commit whose file is gone."""
    content = f"x{KEY}y".encode()
    if place == "base64":
        content = b"Basic " + base64.b64encode(f"{USERNAME}:{KEY}".encode())
    elif place == "gzip":
        content = gzip.compress(content)
    elif place == "zip in a zip":
        content = zipped({"a.zip": zipped({"b": content})})
    (tmp_path / "planted").write_bytes(content)
    if place == "git":
        git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.org")
        for words in (("init", "-q"), ("add", "--all"), ("commit", "-qm", "a"), ("gc", "-q")):
            subprocess.run([*git, *words], cwd=tmp_path, check=True)
        (tmp_path / "planted").unlink()
    assert leaks(tmp_path)
    (tmp_path / "empty").mkdir()
    assert leaks(tmp_path / "empty") == []


@pytest.mark.parametrize("kind", ["environment", "token", "kaggle.json", "access_token"])
@pytest.mark.parametrize("refused", [False, True])
def test_download_keeps_the_credentials_to_itself(
    server: KaggleServer, tmp_path: Path, kind: str, refused: bool
) -> None:
    """However they are kept, and whether they are taken or refused: not printed, not in any file but their own."""
    environment = credentials(server, tmp_path / "home", kind)
    server.wrong_credentials = refused
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "params.yaml").write_text(tiny_project.params("kaggle"))
    command = [sys.executable, "-m", "stages.download"]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=120)
    assert result.returncode == refused, result.stderr
    assert (folder / "data/raw").exists() != refused
    assert not held(result.stdout + result.stderr)
    kept = tmp_path / "home/.kaggle"
    assert [leak for leak in leaks(tmp_path) if not Path(leak).is_relative_to(kept)] == []


@pytest.mark.prove
def test_the_pipeline_keeps_the_credentials_to_itself(server: KaggleServer, tmp_path: Path) -> None:
    """Data from Kaggle, an experiment, a queued one, a submission and a notebook: searched is all that they leave."""
    environment = credentials(server, tmp_path / "home", "kaggle.json")
    folder = tiny_project.repository(tmp_path / "project", "kaggle")
    server.kernel_files["submission.csv"] = b"ImageId,EncodedPixels,ClassId\n"
    printed = b""

    def call(*command: str) -> None:
        nonlocal printed
        result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=1200)
        printed += result.stdout + result.stderr
        assert result.returncode == 0, result.stdout + result.stderr

    call("dvc", "exp", "run", "-v", "-n", "first")
    call("dvc", "exp", "run", "--queue", "-n", "second", "-S", "predict.form=pairs")
    call("dvc", "queue", "start")
    for _ in range(600):
        status = subprocess.run(["dvc", "queue", "status"], cwd=folder, env=environment, capture_output=True, text=True)
        if "Queued" not in status.stdout and "Running" not in status.stdout:
            break
    assert "Success" in status.stdout, status.stdout
    send = (sys.executable, "-m", "stages", "submit", "--empty", "--poll", "0.1", "-m", "a test")
    call(*send)
    call(*send, "--kernel", "--again")
    assert len(server.submissions) == 2
    assert yaml.safe_load((folder / "dvc.lock").read_text())
    assert (folder / "data/report.html").is_file()
    assert not held(printed)
    sent = [content for versions in server.datasets.values() for one in versions for content in one["files"].values()]
    assert not held(b"".join(sent))
    assert not held(json.dumps([one["request"] for versions in server.kernels.values() for one in versions]).encode())
    kept = tmp_path / "home/.kaggle"
    assert [leak for leak in leaks(tmp_path) if not Path(leak).is_relative_to(kept)] == []
