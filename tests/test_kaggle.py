"""`download` and `submit` as processes of their own, with the real client, against a stand-in for kaggle.com."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.kaggle_server import KEY, KaggleServer
from tests.support.test_kaggle_server import zipped

ROOT = Path(__file__).parents[1]
SLUG = "severstal-steel-defect-detection"
HEADER = "ImageId,EncodedPixels,ClassId\n"
NAMES = [f"test_{number}.jpg" for number in range(3)]
BIG = os.urandom(3 << 20)  # what makes a download take several pieces

Stage = Callable[..., subprocess.CompletedProcess[str]]

# In the place of the pipeline: what it submits depends on the seed, 0 submits nothing.
PREDICT = """
import pathlib, yaml
seed = yaml.safe_load(open("params.yaml"))["seed"]
rows = [f"test_{n}.jpg,{seed} 5,1" if seed else f"test_{n}.jpg,1 1,0" for n in range(3)]
pathlib.Path("data/submission.csv").write_text("ImageId,EncodedPixels,ClassId\\n" + "\\n".join(rows) + "\\n")
"""
KERNEL = """
import json, pathlib
folder = pathlib.Path("data/kernel/dataset/model/fold_0")
folder.mkdir(parents=True)
(folder / "saved_model.pb").write_bytes(pathlib.Path("data/submission.csv").read_bytes())
from stages import kernel
owner = "INSERT_OWNER_HERE"
(folder.parents[1] / "dataset-metadata.json").write_text(json.dumps(kernel.dataset_metadata(owner, "SLUG")))
(folder.parents[2] / "kernel-metadata.json").write_text(json.dumps(kernel.kernel_metadata(owner, "SLUG", None)))
(folder.parents[2] / "submission.py").write_text("print()")
""".replace("SLUG", SLUG)
PIPELINE = """
stages:
  predict:
    cmd: python predict.py
    params: [seed]
    deps: [predict.py]
    outs: [data/submission.csv]
  kernel:
    cmd: python kernel.py
    deps: [kernel.py, data/submission.csv]
    outs: [data/kernel]
"""


@pytest.fixture
def server() -> Iterator[KaggleServer]:
    """A server with the competition, whose rules are accepted."""
    with KaggleServer() as server:
        server.files[SLUG] = zipped(
            {
                "train.csv": b"ImageId,ClassId,EncodedPixels\n",
                "sample_submission.csv": HEADER.encode(),
                "train_images/a.jpg": BIG,
                "test_images/b.jpg": b"b",
            }
        )
        server.rules_accepted.add(SLUG)
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with params.yaml, of which the source is Kaggle."""
    folder = tmp_path / "project"
    folder.mkdir()
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["download"]["source"] = "kaggle"
    params["competition"] |= {"image_height": 32, "image_width": 64}
    params["seed"] = 1
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    return folder


@pytest.fixture
def environment(server: KaggleServer, tmp_path: Path) -> dict[str, str]:
    """The server's environment, in which our modules are found and headers would be printed if they could be."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\nname = A Tester\nemail = tester@example.org\n")
    return server.environment(home) | {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1", "VERBOSE": "1"}


@pytest.fixture
def stage(folder: Path, environment: dict[str, str]) -> Stage:
    """Runs `python -m stages.NAME …` in the folder; no secret is ever printed."""

    def run(name: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *(["stages", name] if name == "submit" else [f"stages.{name}"]), *words]
        result = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, timeout=120)
        for secret in (KEY, "Authorization", "upload_id", "Basic "):
            assert secret not in result.stdout + result.stderr
        assert "Traceback" not in result.stderr
        return result

    return run


def arrived(folder: Path) -> bool:
    """Whether the data is there, whole, and nothing else is left."""
    whole = (folder / "data/raw/train_images/a.jpg").read_bytes() == BIG
    return whole and sorted(path.name for path in (folder / "data").iterdir()) == ["raw"]


# Download


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
    assert "arrived damaged (train_images/a.jpg: wrong checksum): fetching it again" in result.stdout
    assert arrived(folder)


def test_download_of_a_zip_that_is_bad_twice(stage: Stage, folder: Path, server: KaggleServer) -> None:
    """Is told, and nothing is left to be taken for whole."""
    server.wrong_zip = [b"no zip", b"no zip either"]
    result = stage("download")
    assert result.returncode == 1
    assert f"kaggle: {SLUG}: expected a whole archive, it arrived damaged twice" in result.stderr
    assert not list(folder.glob("data/**/*.zip"))


def test_download_of_a_zip_that_points_outside(stage: Stage, folder: Path, server: KaggleServer) -> None:
    """Refused before anything is unpacked."""
    server.files[SLUG] = zipped({"../evil.csv": b"x", "train.csv": b"x"})
    result = stage("download")
    assert result.returncode == 1
    assert "expected entries inside the archive's folder, found '../evil.csv'" in result.stderr
    assert not list(folder.rglob("evil.csv"))


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "the credentials were refused (401): make a token at kaggle.com/settings"),
        (403, f"Accept the rules once in the browser, at https://www.kaggle.com/c/{SLUG}/rules"),
        (404, "there is no such competition; look at the spelling of competition.slug"),
    ],
)
def test_download_that_is_refused(stage: Stage, folder: Path, server: KaggleServer, status: int, told: str) -> None:
    """One line that says what to do; nothing half-made is left."""
    server.fail("DownloadDataFiles", status, "Forbidden for a reason", times=9)
    result = stage("download")
    assert result.returncode == 1
    assert told in result.stderr
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
    """After five tries it is told."""
    server.fail("DownloadDataFiles", 429, headers={"Retry-After": "0"}, times=9)
    result = stage("download")
    assert result.returncode == 1
    assert "the server answered 429 (made to fail), still after 5 tries; try again later" in result.stderr
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


# Submit


@pytest.fixture
def project(folder: Path, environment: dict[str, str]) -> Callable[..., str]:
    """A repository whose pipeline is a stand-in too, run as the experiment `A`; runs commands in it."""

    def call(*command: str) -> str:
        result = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True, timeout=120)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    (folder / "predict.py").write_text(PREDICT)
    (folder / "kernel.py").write_text(KERNEL)
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / "data/raw").mkdir(parents=True)
    (folder / "data/raw/sample_submission.csv").write_text(HEADER + "".join(f"{name},1 1,0\n" for name in NAMES))
    shutil.copy(ROOT / ".gitignore", folder / ".gitignore")
    (folder / "data/.gitignore").write_text("*\n!.gitignore\n")
    for command in ("git init -q -b main", "dvc init -q", "git add --all", "git commit -q -m start"):
        call(*command.split())
    call("dvc", "exp", "run", "-n", "A", "-S", "seed=2")
    return call


def send(stage: Stage, *words: str) -> subprocess.CompletedProcess[str]:
    """`python -m stages submit -m … --poll 0.1 …`."""
    return stage("submit", "-m", "first idea", "--poll", "0.1", *words)


def test_a_score_stays_with_the_experiment_that_was_sent(
    project: Callable[..., str], stage: Stage, folder: Path, server: KaggleServer
) -> None:
    """A is submitted, B is run: A has the score, B has none, and `dvc metrics diff` shows it."""
    server.score_after = 2
    server.score = lambda content: ("0.9", "0.88") if b",2 5," in content else ("0.1", "0.1")
    result = send(stage)
    assert result.returncode == 0, result.stderr
    assert "3 images, 3 masks" in result.stdout
    assert "as 'first idea'; 5 submission(s) left today" in result.stdout
    assert "of the experiment A (" in result.stdout
    assert "pending, waiting for the score" in result.stdout
    assert "public score 0.9, private score 0.88" in result.stdout
    (sent,) = server.submissions
    content = (folder / "data/submission.csv").read_bytes()
    assert (sent["content"], sent["description"]) == (content, "first idea")
    kept = json.loads(project("git", "show", f"{revision(project, 'A')}:metrics/leaderboard.json"))
    assert not (folder / "metrics/leaderboard.json").exists()  # it would be taken for the next run's
    assert (kept["public_score"], kept["private_score"], kept["reference"]) == (0.9, 0.88, sent["ref"])
    assert kept["submission_sha256"] == hashlib.sha256(content).hexdigest()
    project("dvc", "exp", "run", "-n", "B", "-S", "seed=3")
    shown = json.loads(project("dvc", "metrics", "diff", "B", "A", "--targets", "metrics/leaderboard.json", "--json"))
    told = shown["metrics/leaderboard.json"]["public_score"]
    assert (told["old"], told["new"]) == (None, 0.9)
    project("dvc", "exp", "apply", "A")
    project("dvc", "exp", "run", "-n", "C", "-S", "seed=4")
    assert "leaderboard" not in project("git", "ls-tree", "-r", "--name-only", revision(project, "C"))
    assert "leaderboard" in project("git", "ls-tree", "-r", "--name-only", revision(project, "A"))


def revision(project: Callable[..., str], name: str) -> str:
    """The git reference of an experiment."""
    return project("git", "for-each-ref", "--format=%(refname)", f"refs/exps/*/*/{name}").strip()


def test_what_runs_while_the_score_is_awaited_changes_nothing(
    project: Callable[..., str], folder: Path, server: KaggleServer, environment: dict[str, str]
) -> None:
    """A is sent; B runs in the same workspace before A has its score."""
    server.score_after = 20
    before = project("git", "ls-tree", "-r", revision(project, "A"))
    waiting = subprocess.Popen(
        [sys.executable, "-m", "stages", "submit", "-m", "first idea", "--poll", "1"],
        cwd=folder, env=environment, text=True, stdout=subprocess.PIPE,
    )  # fmt: skip
    for _ in range(600):
        if server.submissions:
            break
        time.sleep(0.1)
    project("dvc", "exp", "run", "-n", "B", "-S", "seed=3")
    server.score_after = 0
    assert waiting.wait(timeout=60) == 0
    after = project("git", "ls-tree", "-r", revision(project, "A")).splitlines()
    assert [line for line in after if "leaderboard" not in line] == before.splitlines()
    assert len(after) == len(before.splitlines()) + 1
    assert "leaderboard" not in project("git", "ls-tree", "-r", revision(project, "B"))
    assert project("git", "status", "--porcelain").count("leaderboard") == 0
    assert "A" in project("dvc", "exp", "list", "--name-only").split()


def test_a_commit_can_be_sent(project: Callable[..., str], stage: Stage, folder: Path, server: KaggleServer) -> None:
    """What is committed and no experiment, and what is neither, get an experiment for their score."""
    project("dvc", "exp", "remove", "A")
    project("git", "commit", "-q", "-a", "-m", "seed 2")
    result = send(stage)
    assert result.returncode == 0, result.stderr
    (first,) = project("dvc", "exp", "list", "--name-only").split()
    assert first.startswith("submitted-")
    project("dvc", "repro", "-q")
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("seed: 2", "seed: 7"))
    project("dvc", "repro", "-q")
    assert send(stage).returncode == 0
    names = project("dvc", "exp", "list", "--all-commits", "--name-only").split()
    (second,) = {name for name in names if name.startswith("submitted-")} - {first}
    shown = json.loads(
        project("dvc", "metrics", "diff", first, second, "--targets", "metrics/leaderboard.json", "--all", "--json")
    )
    told = shown["metrics/leaderboard.json"]["reference"]
    assert [told["old"], told["new"]] == [one["ref"] for one in server.submissions]
    assert "seed: 7" in project("git", "show", f"{revision(project, second)}:params.yaml")


def test_a_wait_that_was_broken_off_does_not_send_again(
    project: Callable[..., str], stage: Stage, server: KaggleServer
) -> None:
    """The last submission of the day, whose score comes late: the same command fetches it."""
    server.limits = {"numToday": 4, "numTotal": 4, "numAllowedNow": 1}
    server.score_after = 15
    assert send(stage, "--wait", "0.3").returncode == 1
    result = send(stage)
    assert result.returncode == 0, result.stderr
    assert "the same was sent before" in result.stdout
    assert len(server.submissions) == 1
    assert "leaderboard" in project("git", "ls-tree", "-r", revision(project, "A"))
    server.limits = {"numToday": 0, "numTotal": 5, "numAllowedNow": 5}
    assert send(stage, "--again").returncode == 0
    assert len(server.submissions) == 2


def test_an_answer_that_is_lost_does_not_send_again(
    project: Callable[..., str], stage: Stage, server: KaggleServer
) -> None:
    """A 503 may come after Kaggle has taken the file."""
    server.fail("CreateSubmission", 503, times=1)
    result = send(stage)
    assert result.returncode == 1
    assert "it may have been taken all the same: look at" in result.stderr
    assert len(server.requested("CreateSubmission")) == 1


def test_a_journal_that_is_damaged(
    project: Callable[..., str], stage: Stage, folder: Path, server: KaggleServer
) -> None:
    """Nothing is sent on its word."""
    (folder / "data/submitted.json").write_text('{"submission"')
    result = send(stage)
    assert result.returncode == 1
    assert "data/submitted.json: expected what was sent to Kaggle so far, found no JSON" in result.stderr
    assert server.submissions == []


@pytest.mark.parametrize("option", ["--poll", "--wait"])
def test_impossible_seconds(stage: Stage, option: str) -> None:
    """Told before anything is done."""
    result = stage("submit", "-m", "x", option, "-1")
    assert result.returncode == 2
    assert "expected more than 0 seconds, found -1" in result.stderr


def test_dry_run(project: Callable[..., str], stage: Stage, server: KaggleServer) -> None:
    """All is checked and told; nothing is sent."""
    result = send(stage, "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "submit: --dry-run: nothing was sent" in result.stdout
    assert "5 submission(s) left today" in result.stdout
    assert server.submissions == []
    assert server.requested("StartSubmissionUpload") == []


def test_a_stale_submission_is_refused(
    project: Callable[..., str], stage: Stage, folder: Path, server: KaggleServer
) -> None:
    """Parameters that changed since, or a file that was edited by hand."""
    params = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(params.replace("seed: 2", "seed: 3"))
    result = send(stage)
    assert result.returncode == 1
    assert "expected it to come from the present parameters, data and code, found changes in predict" in result.stderr
    (folder / "params.yaml").write_text(params)
    csv = folder / "data/submission.csv"
    text = csv.read_text()
    csv.unlink()  # a link into the cache
    csv.write_text(text.replace("2 5", "9 5"))
    assert "found changes in predict" in send(stage).stderr
    assert server.submissions == []


def test_an_empty_submission_is_refused(project: Callable[..., str], stage: Stage, server: KaggleServer) -> None:
    """Unless it is meant."""
    project("dvc", "exp", "run", "-n", "nothing", "-S", "seed=0")
    result = send(stage)
    assert result.returncode == 1
    assert "data/submission.csv: expected masks, found none in 3 images" in result.stderr
    assert server.requested("GetSubmissionLimits") == []
    assert send(stage, "--empty").returncode == 0
    assert len(server.submissions) == 1


def test_an_invalid_submission_is_refused(
    project: Callable[..., str], stage: Stage, folder: Path, server: KaggleServer
) -> None:
    """Before anything is asked of Kaggle."""
    sample = folder / "data/raw/sample_submission.csv"
    sample.write_text(sample.read_text() + "another.jpg,1 1,0\n")
    result = send(stage)
    assert "data/submission.csv: expected 4 images, as in the sample, found 3" in result.stderr
    assert server.requests == []


def test_without_git(project: Callable[..., str], stage: Stage, folder: Path, server: KaggleServer) -> None:
    """There would be nothing to keep the score with."""
    shutil.rmtree(folder / ".git")
    project("dvc", "config", "--local", "core.no_scm", "true")
    result = send(stage)
    assert result.returncode == 1
    assert "expected a git repository, to keep the score with what was sent, found none" in result.stderr
    assert server.requests == []


def test_none_left_today(project: Callable[..., str], stage: Stage, server: KaggleServer) -> None:
    """No upload is wasted."""
    server.limits = {"numToday": 5, "numTotal": 9, "numAllowedNow": 0}
    result = send(stage)
    assert result.returncode == 1
    assert "expected a submission left for today, found none" in result.stderr
    assert server.submissions == []


def test_a_submission_that_cannot_be_scored(project: Callable[..., str], stage: Stage, server: KaggleServer) -> None:
    """Kaggle's reason is told, and no score is kept."""
    server.submission_error = "Submission must have 7 rows"
    result = send(stage)
    assert result.returncode == 1
    assert "could not be scored: Submission must have 7 rows" in result.stderr


def test_a_score_that_does_not_come(project: Callable[..., str], stage: Stage, server: KaggleServer) -> None:
    """The submission stays sent; the page to look at is named."""
    server.score_after = 1000
    result = send(stage, "--wait", "0.5")
    assert result.returncode == 1
    assert f"https://www.kaggle.com/c/{SLUG}/submissions" in result.stderr
    assert len(server.submissions) == 1


def test_a_failed_upload(project: Callable[..., str], stage: Stage, server: KaggleServer) -> None:
    """The client calls it a success; it is told as what it is."""
    server.fail("PUT", 500, times=20)
    result = send(stage)
    assert result.returncode == 1
    assert "nothing was submitted" in result.stderr
    assert server.submissions == []


def test_notebooks_only(project: Callable[..., str], stage: Stage, server: KaggleServer) -> None:
    """A CSV that is refused after its upload: the other road is named."""
    server.code_competitions.add(SLUG)
    result = send(stage)
    assert result.returncode == 1
    assert "only accepts Submissions from Notebooks" in result.stderr
    assert "python -m stages submit --kernel sends the notebook" in result.stderr


def test_the_notebooks_road(project: Callable[..., str], stage: Stage, folder: Path, server: KaggleServer) -> None:
    """Data set, notebook, run, submission, score; a second call does none of it twice, another model all but one."""
    server.code_competitions.add(SLUG)
    server.kernel_files = {"submission.csv": b"from the notebook"}
    server.dataset_statuses = ["BLOBS_RECEIVED", "READY"]
    result = send(stage, "--kernel")
    assert result.returncode == 0, result.stderr
    assert "public score 0.5" in result.stdout
    ((name, versions),) = server.datasets.items()
    assert name == f"someone/{SLUG}-model"
    assert set(versions[0]["files"]) == {"model.zip"}
    (kernel,) = server.requested("SaveKernel")
    assert kernel["slug"] == f"someone/{SLUG}-inference"
    assert kernel["datasetDataSources"] == [name]
    assert kernel["competitionDataSources"] == [SLUG]
    assert not kernel.get("enableInternet")
    assert server.submissions[0]["content"] == b"from the notebook"
    result = send(stage, "--kernel")
    assert result.returncode == 0, result.stderr
    assert "the same was sent before" in result.stdout
    counted = [len(server.requested(method)) for method in ("CreateDataset", "SaveKernel", "CreateCodeSubmission")]
    assert counted == [1, 1, 1]
    project("dvc", "exp", "run", "-n", "B", "-S", "seed=3")
    assert send(stage, "--kernel").returncode == 0
    methods = ("CreateDataset", "CreateDatasetVersion", "SaveKernel", "CreateCodeSubmission")
    assert [len(server.requested(method)) for method in methods] == [1, 1, 2, 2]
    project("dvc", "exp", "apply", "A")
    assert "was sent before" in send(stage, "--kernel").stdout
    assert [len(server.requested(method)) for method in methods] == [1, 1, 2, 2]


def test_a_notebook_that_fails(project: Callable[..., str], stage: Stage, server: KaggleServer) -> None:
    """A run that ends in an error, and a push that is refused with status 200."""
    server.kernel_statuses = ["RUNNING", "ERROR"]
    result = send(stage, "--kernel")
    assert result.returncode == 1
    assert "found ERROR: Your notebook tried to allocate more memory than is available." in result.stderr
    assert len(server.requested("SaveKernel")) == 1
    server.kernel_statuses, server.kernel_files = ["COMPLETE"], {"submission.csv": b"from the notebook"}
    assert send(stage, "--kernel").returncode == 0  # pushed again, the data set not
    assert len(server.requested("SaveKernel")) == 2
    assert len(server.requested("CreateDataset")) == 1
    server.kernel_error = "Maximum batch CPU session count reached"
    project("dvc", "exp", "run", "-n", "B", "-S", "seed=3")
    result = send(stage, "--kernel")
    assert "expected the notebook to be taken, found: Maximum batch CPU session count reached" in result.stderr
    assert len(server.submissions) == 1
