"""The real `kaggle` command against the stand-in for kaggle.com: what users type, and what they then see."""

import io
import json
import random
import subprocess
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.kaggle_server import KEY, TOKEN, KaggleServer

SLUG, KERNEL, DATASET = "steel-defects", "someone/steel-submission", "someone/steel-weights"
MEBIBYTE = 2**20
Kaggle = Callable[..., subprocess.CompletedProcess[str]]


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip of files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


@pytest.fixture
def server() -> Iterator[KaggleServer]:
    """A server with one competition of 3 MiB, whose rules are accepted."""
    with KaggleServer() as server:
        noise = random.Random(1).randbytes(3 * MEBIBYTE)  # noqa: S311
        server.files[SLUG] = zipped({"train.csv": b"ImageId\n", "noise.bin": noise})
        server.rules_accepted.add(SLUG)
        yield server


@pytest.fixture
def kaggle(server: KaggleServer, tmp_path: Path) -> Kaggle:
    """Runs `kaggle …` in a folder of its own, with nothing but the server's environment."""
    home = tmp_path / "home"
    home.mkdir()

    def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = server.environment(home) | {"TMPDIR": str(home)} | variables
        result = subprocess.run(
            ["kaggle", *words], cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=30
        )
        assert KEY not in result.stdout + result.stderr
        return result

    return run


def test_files(kaggle: Kaggle, server: KaggleServer) -> None:
    """Files are listed with their sizes; the page that they come in is asked for."""
    result = kaggle("competitions", "files", SLUG, "--csv")
    assert result.stdout.splitlines()[1:] == [
        "train.csv,8,2026-01-02 03:04:05",
        "noise.bin,3145728,2026-01-02 03:04:05",
    ]
    assert (result.returncode, result.stderr) == (0, "")
    assert server.requested("ListDataFiles") == [{"competitionName": SLUG, "pageSize": 20, "pageToken": ""}]


def test_a_newer_client_is_reported_in_the_table(kaggle: Kaggle, server: KaggleServer) -> None:
    """The warning shares stdout with the CSV, which is therefore no pure CSV."""
    server.newest_client = "99.0"
    assert kaggle("competitions", "files", SLUG, "--csv").stdout.startswith("Warning: Looks like you're using an")


def test_entered_competitions(kaggle: Kaggle) -> None:
    """A competition whose rules are accepted counts as entered."""
    result = kaggle("competitions", "list", "-s", "steel", "--csv")
    assert result.stdout.splitlines()[1].startswith(f"https://www.kaggle.com/competitions/{SLUG},")
    assert "True" in result.stdout


def test_download(kaggle: Kaggle, server: KaggleServer, tmp_path: Path) -> None:
    """The zip arrives by way of another host name, and a second run skips it."""
    result = kaggle("competitions", "download", SLUG, "-q")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / f"{SLUG}.zip").read_bytes() == server.files[SLUG]
    assert server.requested("GET") == [None]
    assert "Skipping" in kaggle("competitions", "download", SLUG).stdout


def test_download_of_one_file(kaggle: Kaggle, tmp_path: Path) -> None:
    """One file of the zip."""
    assert kaggle("competitions", "download", SLUG, "-f", "train.csv", "-q").returncode == 0
    assert (tmp_path / "train.csv").read_bytes() == b"ImageId\n"


def test_download_that_is_cut(kaggle: Kaggle, server: KaggleServer, tmp_path: Path) -> None:
    """The client continues where the last complete mebibyte ended, and the zip is complete."""
    server.cut_after = [int(2.5 * MEBIBYTE)]
    result = kaggle("competitions", "download", SLUG)
    assert result.returncode == 0
    assert f"Retry 1/5: Resuming from {2 * MEBIBYTE} bytes" in result.stdout
    assert (tmp_path / f"{SLUG}.zip").read_bytes() == server.files[SLUG]
    assert server.requested("GET") == [None, f"bytes={2 * MEBIBYTE}-"]


def test_download_that_is_cut_and_refused_once(kaggle: Kaggle, server: KaggleServer, tmp_path: Path) -> None:
    """When the rest is refused, the client starts again from the beginning."""
    server.cut_after = [int(2.5 * MEBIBYTE)]
    server.fail("Range", 503)
    assert kaggle("competitions", "download", SLUG, "-q").returncode == 0
    assert (tmp_path / f"{SLUG}.zip").read_bytes() == server.files[SLUG]
    assert server.requested("GET") == [None, f"bytes={2 * MEBIBYTE}-", None]


def killed_download(server: KaggleServer, folder: Path) -> Path:
    """Kill `kaggle competitions download` when 2 MiB have arrived and no more come; its half of a zip."""
    server.stall_after = [int(2.5 * MEBIBYTE)]
    half = folder / f"{SLUG}.zip"
    with subprocess.Popen(
        ["kaggle", "competitions", "download", SLUG, "-q"], cwd=folder, env=server.environment(folder / "home")
    ) as process:
        for _ in range(1000):
            if half.exists() and half.stat().st_size == 2 * MEBIBYTE:
                break
            time.sleep(0.02)
        process.kill()
    assert half.stat().st_size == 2 * MEBIBYTE
    return half


def test_download_that_is_killed(kaggle: Kaggle, server: KaggleServer, tmp_path: Path) -> None:
    """The next run asks for the rest alone, and the zip is whole."""
    half = killed_download(server, tmp_path)
    result = kaggle("competitions", "download", SLUG)
    assert result.returncode == 0
    assert f"Resuming from {2 * MEBIBYTE} bytes" in result.stdout
    assert half.read_bytes() == server.files[SLUG]
    assert server.requested("GET") == [None, None, f"bytes={2 * MEBIBYTE}-"]


def test_other_data_after_a_kill(kaggle: Kaggle, server: KaggleServer, tmp_path: Path) -> None:
    """A half of older data is not gone on with: its ETag is another."""
    half = killed_download(server, tmp_path)
    server.files[SLUG] = zipped({"train.csv": b"ImageId,ClassId\n", "noise.bin": bytes(3 * MEBIBYTE)})
    assert kaggle("competitions", "download", SLUG).returncode == 0
    assert half.read_bytes() == server.files[SLUG]
    assert server.requested("GET") == [None, None]


def test_address_that_expires(kaggle: Kaggle, server: KaggleServer, tmp_path: Path) -> None:
    """The client takes the error's text for the file's beginning, and the next run succeeds with a broken zip."""
    server.cut_after, server.expire_on_retry = [int(2.5 * MEBIBYTE)], 1
    first = kaggle("competitions", "download", SLUG, "-q")
    assert (first.returncode, "does not match expected size" in first.stderr) == (1, True)
    assert kaggle("competitions", "download", SLUG, "-q").returncode == 0
    broken = (tmp_path / f"{SLUG}.zip").read_bytes()
    assert (len(broken), broken[:5]) == (len(server.files[SLUG]), b"<?xml")
    assert server.requested("GET")[:3] == [None, f"bytes={2 * MEBIBYTE}-", None]


def test_wrong_zip(kaggle: Kaggle, server: KaggleServer, tmp_path: Path) -> None:
    """A wrong zip is served once; asked again, the right one comes."""
    server.wrong_zip = [b"PK\x03\x04 and no more"]
    for expected in (b"PK\x03\x04 and no more", server.files[SLUG]):
        assert kaggle("competitions", "download", SLUG, "-q", "--force").returncode == 0
        assert (tmp_path / f"{SLUG}.zip").read_bytes() == expected


@pytest.fixture
def submission(tmp_path: Path) -> bytes:
    """What stands in submission.csv."""
    content = b"ImageId_ClassId,EncodedPixels\na.jpg_1,1 3\n"
    (tmp_path / "submission.csv").write_bytes(content)
    return content


def test_submit_and_wait_for_the_score(kaggle: Kaggle, server: KaggleServer, submission: bytes) -> None:
    """A file is uploaded, submitted and scored; the output says how many submissions are left."""
    server.score_after, server.score = 1, lambda content: (f"0.{len(content)}", "0.2")
    result = kaggle("competitions", "submit", SLUG, "-f", "submission.csv", "-m", "first try")
    assert result.returncode == 0
    assert result.stdout == f"4 submissions remaining today.\nSuccessfully submitted to {SLUG}"
    assert server.submissions[0]["content"] == submission
    assert server.requested("PUT") == [len(submission)]
    waiting, scored = (kaggle("competitions", "submissions", SLUG, "--csv").stdout for _ in range(2))
    assert "first try,SubmissionStatus.PENDING,," in waiting
    assert f"first try,SubmissionStatus.COMPLETE,0.{len(submission)},0.2" in scored


def test_submission_that_cannot_be_scored(kaggle: Kaggle, server: KaggleServer, submission: bytes) -> None:
    """The list shows an error, without its text, which only the Python interface gives."""
    server.submission_error = "ParserException: expected 22024 rows"
    kaggle("competitions", "submit", SLUG, "-f", "submission.csv", "-m", "short")
    listed = kaggle("competitions", "submissions", SLUG, "--csv").stdout
    assert "short,SubmissionStatus.ERROR,," in listed
    assert "ParserException" not in listed


def test_upload_that_fails(kaggle: Kaggle, server: KaggleServer, submission: bytes) -> None:
    """Nothing is handed in, and yet the exit status is 0."""
    server.fail("PUT", 503)
    result = kaggle("competitions", "submit", SLUG, "-f", "submission.csv", "-m", "lost", "-q")
    assert (result.returncode, result.stdout) == (0, "Could not submit to competition")
    assert server.submissions == server.requested("CreateSubmission") == []


def test_bare_csv_in_a_code_competition(kaggle: Kaggle, server: KaggleServer, submission: bytes) -> None:
    """It is refused after the upload, for a reason that the client keeps to itself."""
    server.code_competitions.add(SLUG)
    result = kaggle("competitions", "submit", SLUG, "-f", "submission.csv", "-m", "bare", "-q")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("400 Client Error: Bad Request for url")
    assert server.requested("PUT") == [len(submission)]
    assert server.submissions == []


def test_notebook_is_submitted(kaggle: Kaggle, server: KaggleServer) -> None:
    """A version that has run is handed in by its number, with its output file."""
    server.code_competitions.add(SLUG)
    server.kernels[KERNEL] = [{"request": {}, "statuses": ["ERROR"]}, {"request": {}, "statuses": ["COMPLETE"]}]
    server.kernel_files["submission.csv"] = b"made by the notebook"
    command = ("competitions", "submit", SLUG, "-k", KERNEL, "-f", "submission.csv", "-m", "notebook", "-q", "-v")
    assert kaggle(*command, "1").stderr.startswith("400 Client Error")
    assert kaggle(*command, "2").stdout == f"Successfully submitted to {SLUG}"
    (handed_in,) = server.submissions
    assert (handed_in["kernel"], handed_in["content"]) == ((KERNEL, 2), b"made by the notebook")


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    """A folder for `kaggle kernels push`."""
    folder = tmp_path / "kernel"
    folder.mkdir()
    (folder / "predict.py").write_text("print(1)\n", encoding="utf-8")
    about: dict[str, Any] = {"id": KERNEL, "title": "Steel submission", "code_file": "predict.py", "language": "python"}
    about |= {"kernel_type": "script", "enable_internet": False, "competition_sources": [SLUG]}
    (folder / "kernel-metadata.json").write_text(json.dumps(about | {"dataset_sources": [DATASET]}), encoding="utf-8")
    return folder


def test_push(kaggle: Kaggle, server: KaggleServer, kernel: Path) -> None:
    """The script, its sources and the accelerator arrive; a missing data set is reported and nothing more."""
    result = kaggle("kernels", "push", "-p", "kernel", "--accelerator", "NvidiaTeslaT4")
    assert result.returncode == 0
    assert "not valid dataset sources" in result.stdout
    assert DATASET in result.stdout
    assert "Kernel version 1 successfully pushed" in result.stdout
    (version,) = server.kernels[KERNEL]
    expected = {"text": "print(1)\n", "enableInternet": False, "isPrivate": True, "machineShape": "NvidiaTeslaT4"}
    assert version["request"].items() >= expected.items()


def test_push_that_fails(kaggle: Kaggle, server: KaggleServer, kernel: Path) -> None:
    """Kaggle's refusal is an answer with status 200, and the exit status is 0."""
    server.kernel_error = "Maximum weekly GPU quota of 30.00 hours reached."
    result = kaggle("kernels", "push", "-p", "kernel")
    assert (result.returncode, result.stdout) == (0, f"Kernel push error: {server.kernel_error}\n")


def test_status_of_a_run(kaggle: Kaggle, server: KaggleServer) -> None:
    """Each look takes the run a step further; a failed one tells why."""
    server.kernels[KERNEL] = [{"request": {}, "statuses": ["RUNNING", "ERROR"]}]
    seen = [kaggle("kernels", "status", KERNEL).stdout for _ in range(2)]
    assert seen[0] == f'{KERNEL} has status "KernelWorkerStatus.RUNNING"\n'
    assert seen[1].endswith(f'"KernelWorkerStatus.ERROR"\nFailure message: "{server.kernel_failure}"\n')


def test_output_of_a_run(kaggle: Kaggle, server: KaggleServer, tmp_path: Path) -> None:
    """Files and log of the newest version."""
    server.kernels[KERNEL] = [{"request": {}, "statuses": ["COMPLETE"]}]
    server.kernel_files["submission.csv"] = b"made by the notebook"
    assert kaggle("kernels", "output", KERNEL, "-p", "output", "-q").returncode == 0
    assert (tmp_path / "output" / "submission.csv").read_bytes() == b"made by the notebook"
    assert json.loads((tmp_path / "output" / "steel-submission.log").read_text())[0]["data"] == "done\n"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder for `kaggle datasets create`, with an empty file in it."""
    folder = tmp_path / "weights"
    folder.mkdir()
    about = {"id": DATASET, "title": "Steel weights", "licenses": [{"name": "CC0-1.0"}]}
    (folder / "dataset-metadata.json").write_text(json.dumps(about), encoding="utf-8")
    (folder / "model.bin").write_bytes(b"first")
    (folder / "empty").touch()
    return folder


def test_data_set_and_its_next_version(kaggle: Kaggle, server: KaggleServer, weights: Path) -> None:
    """Files of a private data set are uploaded, an empty one too; `create` on an existing one is refused with 0."""
    assert "Your private Dataset is being created" in kaggle("datasets", "create", "-p", "weights", "-q").stdout
    again = kaggle("datasets", "create", "-p", "weights", "-q")
    assert (again.returncode, again.stdout.startswith("Dataset creation error: ")) == (0, True)
    (weights / "model.bin").write_bytes(b"second")
    assert "is being created" in kaggle("datasets", "version", "-p", "weights", "-m", "better", "-q").stdout
    first, second = server.datasets[DATASET]
    assert first["request"]["isPrivate"]
    assert first["files"] == {"model.bin": b"first", "empty": b""}
    assert second["files"] == {"model.bin": b"second", "empty": b""}
    assert kaggle("datasets", "status", DATASET).stdout == "ready"


def test_file_of_a_data_set_that_is_lost(kaggle: Kaggle, server: KaggleServer, weights: Path) -> None:
    """A file whose upload is refused is left out, and the version is made without it; only stdout tells."""
    server.datasets[DATASET] = []
    (weights / "empty").unlink()
    (weights / "thresholds.json").write_bytes(b"{}")
    server.fail("PUT", 403)
    result = kaggle("datasets", "version", "-p", "weights", "-m", "half")
    assert (result.returncode, "Dataset version is being created" in result.stdout) == (0, True)
    (version,) = server.datasets[DATASET]
    (lost,) = {"model.bin", "thresholds.json"} - set(version["files"])
    assert f"Upload unsuccessful: {lost}\n" in result.stdout


def test_wrong_credentials(kaggle: Kaggle, server: KaggleServer) -> None:
    """Status 401 appears on stdout, as advice."""
    server.wrong_credentials = True
    result = kaggle("competitions", "download", SLUG)
    assert (result.returncode, result.stderr) == (1, "")
    assert result.stdout.startswith("Authentication required to call the Kaggle API.")


def test_tokens(kaggle: Kaggle) -> None:
    """A token serves in place of the key; a stale one beats a good key."""
    assert kaggle("competitions", "files", SLUG, KAGGLE_API_TOKEN=TOKEN, KAGGLE_KEY="no").returncode == 0
    stale = kaggle("competitions", "files", SLUG, KAGGLE_API_TOKEN=TOKEN + "_stale")
    assert (stale.returncode, stale.stdout[:23]) == (1, "Authentication required")


def test_rules_that_are_not_accepted(kaggle: Kaggle, server: KaggleServer, tmp_path: Path) -> None:
    """Status 403, without the reason that the answer holds; no file is left."""
    server.rules_accepted.clear()
    result = kaggle("competitions", "download", SLUG)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("403 Client Error: Forbidden for url: http://localhost/api/v1/competitions.")
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]


@pytest.mark.parametrize(
    ("status", "message"), [(404, "Client Error: Not Found"), (429, "Client Error"), (500, "Server Error")]
)
def test_errors(kaggle: Kaggle, server: KaggleServer, tmp_path: Path, status: int, message: str) -> None:
    """Reported on stderr at once: nothing is repeated, whatever Retry-After says, and no file is left."""
    server.fail("DownloadDataFiles", status, headers={"Retry-After": "1"})
    result = kaggle("competitions", "download", SLUG, "-q")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"{status} {message}")
    assert len(server.requested("DownloadDataFiles")) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "home"]


def test_no_other_host_is_reached(server: KaggleServer, tmp_path: Path) -> None:
    """As a proxy, the server leads nowhere else."""
    fetch = "import urllib.request as u; u.urlopen('http://www.kaggle.com/')"
    environment = server.environment(tmp_path)
    result = subprocess.run(["python", "-c", fetch], env=environment, capture_output=True, text=True, timeout=30)
    assert "502" in result.stderr
    assert [request.path for request in server.requests] == ["http://www.kaggle.com/"]
