"""Remotes for sharing data and models with DVC: a folder, and an S3-compatible server on this machine."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import pytest

# The server accepts any keys, but DVC's client needs some.
KEYS = {"AWS_ACCESS_KEY_ID": "an-access-key", "AWS_SECRET_ACCESS_KEY": "a-secret-key"}


@dataclass(frozen=True)
class Storage:
    """A DVC remote, and what is needed to reach it.

    Attributes:
        name: of the remote.
        url: of the remote.
        options: of the remote, as `dvc remote modify` takes them.
        dvc: the `dvc` that can reach it.
        environment: variables that this `dvc` needs, with the keys.
    """

    name: str
    url: str
    options: dict[str, str] = field(default_factory=dict)
    dvc: str = "dvc"
    environment: dict[str, str] = field(default_factory=dict)


def environment_with_s3(folder: Path) -> Path:
    """Make a virtual environment with the project's version of DVC, its S3 plug-in and a server; returns its `bin`.

    The plug-in needs an older python-dateutil than the project's lock has. It is skipped without a package index.
    """
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    packages = [f"dvc=={version('dvc')}", "dvc-s3>=3.2,<4", "moto[server]>=5"]
    command = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", *packages]
    result = subprocess.run(command, text=True, capture_output=True)
    if result.returncode:
        pytest.skip(f"needs packages that cannot be installed: {result.stderr.strip().splitlines()[-1]}")
    return folder / "bin"


@contextmanager
def s3(programs: Path, log: Path) -> Iterator[Storage]:
    """Run a server with one empty bucket, which keeps its objects in memory, until the block ends.

    Args:
        programs: what `environment_with_s3` returned.
        log: file for the server's output.
    """
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with log.open("wb") as printed:
        server = subprocess.Popen([programs / "moto_server", "-p", str(port)], stdout=printed, stderr=printed)
    try:
        _make_bucket(f"{address}/steel", server)
        # Requests to this machine must not use a proxy, and keys must not come from anywhere else.
        around = {"NO_PROXY": "127.0.0.1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
        away = {"AWS_SHARED_CREDENTIALS_FILE": str(log.parent / "none"), "AWS_CONFIG_FILE": str(log.parent / "none")}
        options = {"endpointurl": address}
        yield Storage("s3", "s3://steel/store", options, str(programs / "dvc"), around | away | KEYS)
    finally:
        server.terminate()
        server.wait()


def _make_bucket(url: str, server: "subprocess.Popen[bytes]") -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        assert server.poll() is None, "the server has ended"
        try:
            opener.open(urllib.request.Request(url, method="PUT"), timeout=10).close()  # noqa: S310
            return
        except OSError:  # the server does not listen yet
            time.sleep(0.1)
    raise AssertionError(f"{url}: the server does not answer")
