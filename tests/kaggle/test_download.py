"""`download` as a process, with the real client, against a stand-in for kaggle.com."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.support.kaggle_project import BIG, SLUG, Stage
from tests.support.kaggle_server import KaggleServer
from tests.support.test_kaggle_server import zipped


def arrived(folder: Path) -> bool:
    """Whether the data is there, whole, and nothing else is left."""
    whole = (folder / "data/raw/train_images/a.jpg").read_bytes() == BIG
    return whole and sorted(path.name for path in (folder / "data").iterdir()) == ["raw"]


def test_download(stage: Stage, folder: Path, server: KaggleServer) -> None:
    """The archive arrives, and its own SHA-256 is kept, since Kaggle publishes none."""
    result = stage("download")
    assert result.returncode == 0, result.stderr
    assert arrived(folder)
    metrics = json.loads((folder / "metrics/download.json").read_text())
    assert metrics["sha256"] == hashlib.sha256(server.files[SLUG]).hexdigest()
    assert metrics["source"] == "kaggle"


def test_download_with_a_cut(stage: Stage, folder: Path, server: KaggleServer) -> None:
    """A connection that breaks in the middle is taken up where it stopped."""
    server.cut_after = [1 << 20]
    assert stage("download").returncode == 0
    assert arrived(folder)
    assert [asked for asked in server.requested("GET") if asked]


def test_download_with_a_kill(stage: Stage, folder: Path, server: KaggleServer, environment: dict[str, str]) -> None:
    """Killed in the middle; the next run asks for the rest only."""
    server.stall_after = [2 << 20]
    process = subprocess.Popen([sys.executable, "-m", "stages.download"], cwd=folder, env=environment)
    partial = folder / "data/kaggle" / SLUG / f"{SLUG}.zip"
    for _ in range(600):
        if partial.exists() and partial.stat().st_size >= 1 << 20:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "data/raw").exists()
    held = partial.stat().st_size
    assert stage("download").returncode == 0
    assert arrived(folder)
    assert f"bytes={held}-" in server.requested("GET")


def test_download_of_a_bad_zip(stage: Stage, folder: Path, server: KaggleServer) -> None:
    """One of the right size whose checksum is wrong is fetched again, once."""
    bad = bytearray(server.files[SLUG])
    bad[1 << 20] ^= 255
    server.wrong_zip = [bytes(bad)]
    result = stage("download")
    assert result.returncode == 0
    assert "arrived damaged (train_images/a.jpg: wrong checksum): downloading it again" in result.stdout
    assert arrived(folder)


def test_download_of_a_zip_that_is_bad_twice(stage: Stage, folder: Path, server: KaggleServer) -> None:
    """An error, and nothing is left that could pass for the archive."""
    server.wrong_zip = [b"no zip", b"no zip either"]
    result = stage("download")
    assert result.returncode == 1
    assert f"kaggle: {SLUG}: expected an intact archive, it arrived damaged twice" in result.stderr
    assert not list(folder.glob("data/**/*.zip"))


def test_download_of_a_zip_that_points_outside(stage: Stage, folder: Path, server: KaggleServer) -> None:
    """Refused before anything is unpacked."""
    server.files[SLUG] = zipped({"../evil.csv": b"x", "train.csv": b"x"})
    result = stage("download")
    assert result.returncode == 1
    assert "expected entries inside the archive's folder, found '../evil.csv'" in result.stderr
    assert not list(folder.rglob("evil.csv"))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "does not accept the credentials in KAGGLE_USERNAME and KAGGLE_KEY: make a token at kaggle.com/settings"),
        (403, f"Accept the rules once in the browser, at https://www.kaggle.com/c/{SLUG}/rules"),
        (404, "there is no such competition: check competition.slug"),
    ],
)
def test_download_that_is_refused(stage: Stage, folder: Path, server: KaggleServer, status: int, message: str) -> None:
    """One line that says what to do; nothing half-made is left."""
    server.fail("DownloadDataFiles", status, "Forbidden for a reason", times=9)
    result = stage("download")
    assert result.returncode == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (folder / "data/raw").exists()
    assert not (folder / "metrics").exists()


def test_download_from_a_busy_server(stage: Stage, folder: Path, server: KaggleServer) -> None:
    """429 and 503 are waited out, for as long as the server asks."""
    server.fail("DownloadDataFiles", 429, headers={"Retry-After": "1"})
    server.fail("DownloadDataFiles", 503)
    result = stage("download")
    assert result.returncode == 0
    assert "the server answered 429 (made to fail); trying again in 1 s" in result.stdout
    assert "the server answered 503" in result.stdout
    assert arrived(folder)


def test_download_from_a_server_that_stays_busy(stage: Stage, server: KaggleServer) -> None:
    """After five attempts it gives up."""
    server.fail("DownloadDataFiles", 429, headers={"Retry-After": "0"}, times=9)
    result = stage("download")
    assert result.returncode == 1
    assert "the server answered 429 (made to fail), even after 5 attempts; try again later" in result.stderr
    assert len(server.requested("DownloadDataFiles")) == 5


@pytest.mark.prove
def test_download_to_a_full_disk(folder: Path, environment: dict[str, str], server: KaggleServer) -> None:
    """One line, and the half zip is taken away; it takes a minute, since the client tries five times."""
    (folder / "data/kaggle").mkdir(parents=True)
    download = f"mount -t tmpfs -o size=2m none data/kaggle && {sys.executable} -m stages.download; code=$?"
    script = f"{download}; find data/kaggle -type f; exit $code"
    result = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        cwd=folder, env=environment, text=True, capture_output=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 1
    assert f"download: data/kaggle/{SLUG}: cannot be written (No space left on device)" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout.strip() == ""
    assert not (folder / "data/raw").exists()


def test_another_source_keeps_what_has_arrived(stage: Stage, folder: Path) -> None:
    """A download from Kaggle that was interrupted can go on after a run on the sample."""
    params = yaml.safe_load((folder / "params.yaml").read_text())
    params["download"] |= {"source": "sample", "sample_train_images": 20, "sample_test_images": 4}
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    part = folder / "data/kaggle" / SLUG / f"{SLUG}.zip"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    result = stage("download")
    assert result.returncode == 0, result.stderr
    assert part.read_bytes() == b"half"
