"""`submit` as a process, with the real client, against a stand-in for kaggle.com."""

import csv
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.kaggle_project import SLUG, Call, Stage
from tests.support.kaggle_server import KaggleServer


def send(stage: Stage, *words: str) -> subprocess.CompletedProcess[str]:
    """`python -m stages submit -m … --poll 0.1 …`."""
    return stage("submit", "-m", "first idea", "--poll", "0.1", *words)


def table(folder: Path) -> list[dict[str, str]]:
    """The rows of metrics/leaderboard.csv."""
    with (folder / "metrics/leaderboard.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def revision(project: Call, name: str) -> str:
    """The commit of an experiment."""
    return project("git", "for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name}").strip()


def test_a_score_is_recorded_with_what_was_sent(
    project: Call, stage: Stage, folder: Path, server: KaggleServer
) -> None:
    """The experiment, its revision, the file's digest, both scores, and what Kaggle calls it."""
    server.score_after = 2
    server.score = lambda content: ("0.9", "0.88") if b",2 5," in content else ("0.1", "0.1")
    result = send(stage)
    assert result.returncode == 0, result.stderr
    assert "3 images, 3 masks" in result.stdout
    assert "message 'first idea'; 5 submission(s) left today" in result.stdout
    assert "from A (" in result.stdout
    assert "pending, waiting for the score" in result.stdout
    assert "public score 0.9, private score 0.88" in result.stdout
    (sent,) = server.submissions
    content = (folder / "data/submission.csv").read_bytes()
    assert (sent["content"], sent["description"]) == (content, "first idea")
    (row,) = table(folder)
    assert row.pop("time").startswith("20")
    assert row == {
        "experiment": "A", "revision": revision(project, "A"), "message": "first idea", "public_score": "0.9",
        "private_score": "0.88", "reference": str(sent["ref"]), "sha256": hashlib.sha256(content).hexdigest(),
    }  # fmt: skip
    assert "?? metrics/" in project("git", "status", "--porcelain")  # git does not ignore it


@pytest.mark.long
def test_what_runs_while_the_score_is_awaited_changes_nothing(
    project: Call, folder: Path, server: KaggleServer, environment: dict[str, str]
) -> None:
    """A is sent; B runs in the same workspace before A has its score: the row is A's, and both submissions have one."""
    server.score_after = 20
    command = [sys.executable, "-m", "stages", "submit", "-m", "first idea", "--poll"]
    waiting = subprocess.Popen([*command, "1"], cwd=folder, env=environment, text=True, stdout=subprocess.PIPE)
    for _ in range(600):
        if server.submissions:
            break
        time.sleep(0.1)
    content = (folder / "data/submission.csv").read_bytes()
    project("dvc", "exp", "run", "-n", "B", "-S", "seed=3")
    server.score_after = 0
    assert waiting.wait(timeout=60) == 0
    (row,) = table(folder)
    assert (row["experiment"], row["revision"]) == ("A", revision(project, "A"))
    assert row["sha256"] == hashlib.sha256(content).hexdigest()
    assert (folder / "data/submission.csv").read_bytes() != content
    subprocess.run([*command, "0.1"], cwd=folder, env=environment, check=True, stdout=subprocess.PIPE)
    assert [row["experiment"] for row in table(folder)] == ["A", "B"]
    assert [row["reference"] for row in table(folder)] == [str(one["ref"]) for one in server.submissions]
    project("dvc", "exp", "apply", "A")
    assert [row["experiment"] for row in table(folder)] == ["A", "B"]


def test_a_commit_can_be_sent(project: Call, stage: Stage, folder: Path, server: KaggleServer) -> None:
    """What is committed and no experiment goes by its branch; what is neither is saved as an experiment."""
    project("dvc", "exp", "remove", "A")
    project("git", "add", "--all")
    project("git", "commit", "-q", "-m", "seed 2")
    result = send(stage)
    assert result.returncode == 0, result.stderr
    (row,) = table(folder)
    assert (row["experiment"], row["revision"]) == ("main", project("git", "rev-parse", "HEAD").strip())
    assert project("dvc", "exp", "list", "--name-only").split() == []
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("seed: 2", "seed: 7"))
    project("dvc", "repro", "-q")
    assert send(stage).returncode == 0
    _, row = table(folder)
    assert row["experiment"].startswith("submitted-")
    assert row["revision"] == revision(project, row["experiment"])
    assert "seed: 7" in project("git", "show", f"{row['revision']}:params.yaml")


def test_a_damaged_table_is_reported_first(project: Call, stage: Stage, folder: Path, server: KaggleServer) -> None:
    """Nothing is sent whose score could not be recorded."""
    (folder / "metrics").mkdir()
    (folder / "metrics/leaderboard.csv").write_text("score\n0.9\n")
    result = send(stage)
    assert result.returncode == 1
    assert "metrics/leaderboard.csv: expected the columns time, experiment, revision" in result.stderr
    assert server.submissions == []


def test_a_wait_that_was_broken_off_does_not_send_again(
    project: Call, stage: Stage, folder: Path, server: KaggleServer
) -> None:
    """The last submission of the day, whose score comes late: the same command fetches it."""
    server.limits = {"numToday": 4, "numTotal": 4, "numAllowedNow": 1}
    server.score_after = 15
    assert send(stage, "--wait", "0.3").returncode == 1
    result = send(stage)
    assert result.returncode == 0, result.stderr
    assert "already sent" in result.stdout
    assert len(server.submissions) == 1
    (row,) = table(folder)
    assert (row["experiment"], row["reference"]) == ("A", str(server.submissions[0]["ref"]))
    server.limits = {"numToday": 0, "numTotal": 5, "numAllowedNow": 5}
    assert send(stage, "--again").returncode == 0
    assert len(server.submissions) == 2
    assert len(table(folder)) == 2


def test_an_answer_that_is_lost_does_not_send_again(project: Call, stage: Stage, server: KaggleServer) -> None:
    """A 503 may come after Kaggle has taken the file."""
    server.fail("CreateSubmission", 503, times=1)
    result = send(stage)
    assert result.returncode == 1
    assert "Kaggle may have accepted it nevertheless: run the same command again" in result.stderr
    assert len(server.requested("CreateSubmission")) == 1


def test_a_journal_that_is_damaged(project: Call, stage: Stage, folder: Path, server: KaggleServer) -> None:
    """Nothing is sent."""
    (folder / "data/submitted.json").write_text('{"submission"')
    result = send(stage)
    assert result.returncode == 1
    assert "data/submitted.json: expected the record of what was sent to Kaggle, found no JSON" in result.stderr
    assert server.submissions == []


@pytest.mark.parametrize("option", ["--poll", "--wait"])
def test_impossible_seconds(stage: Stage, option: str) -> None:
    """Reported before anything is done."""
    result = stage("submit", "-m", "x", option, "-1")
    assert result.returncode == 2
    assert "expected more than 0 seconds, found -1" in result.stderr


def test_dry_run(project: Call, stage: Stage, server: KaggleServer) -> None:
    """Everything is checked and reported; nothing is sent."""
    result = send(stage, "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "submit: --dry-run: nothing was sent" in result.stdout
    assert "5 submission(s) left today" in result.stdout
    assert server.submissions == []
    assert server.requested("StartSubmissionUpload") == []


def test_dry_run_with_an_account_that_does_not_work(
    project: Call, stage: Stage, folder: Path, server: KaggleServer, environment: dict[str, str]
) -> None:
    """The file is checked all the same; with --kernel, which needs the account, it is a mistake."""
    environment["KAGGLE_KEY"] = "f" * 32
    result = stage("submit", "--dry-run")
    assert result.returncode == 0, result.stderr
    assert "data/submission.csv: 3 images, 3 masks, SHA-256" in result.stdout
    assert "submit: how many submissions are left is not known: kaggle: " in result.stdout
    assert stage("submit", "--dry-run", "--kernel").returncode == 1
    assert server.submissions == []


def test_a_description_is_needed_to_send(project: Call, stage: Stage, server: KaggleServer) -> None:
    """It is asked for before anything is checked or sent."""
    result = stage("submit")
    assert result.returncode == 1
    assert "submit: expected a description, which Kaggle shows, found none" in result.stderr
    assert server.requests == []


def test_a_stale_submission_is_refused(project: Call, stage: Stage, folder: Path, server: KaggleServer) -> None:
    """Parameters that changed since, or a file that was edited by hand."""
    params = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text(params.replace("seed: 2", "seed: 3"))
    result = send(stage)
    assert result.returncode == 1
    assert (
        "expected it to be made from the current parameters, data and code, found changes in predict" in result.stderr
    )
    (folder / "params.yaml").write_text(params)
    csv = folder / "data/submission.csv"
    text = csv.read_text()
    csv.unlink()  # a link into the cache
    csv.write_text(text.replace("2 5", "9 5"))
    assert "found changes in predict" in send(stage).stderr
    assert server.submissions == []


def test_an_empty_submission_is_refused(project: Call, stage: Stage, server: KaggleServer) -> None:
    """Unless --empty is given."""
    project("dvc", "exp", "run", "-n", "nothing", "-S", "seed=0")
    result = send(stage)
    assert result.returncode == 1
    assert "data/submission.csv: expected masks, found none in 3 images" in result.stderr
    assert server.requested("GetSubmissionLimits") == []
    assert send(stage, "--empty").returncode == 0
    assert len(server.submissions) == 1


def test_an_invalid_submission_is_refused(project: Call, stage: Stage, folder: Path, server: KaggleServer) -> None:
    """Before anything is asked of Kaggle."""
    sample = folder / "data/raw/sample_submission.csv"
    sample.write_text(sample.read_text() + "another.jpg,1 1,0\n")
    result = send(stage)
    assert "data/submission.csv: expected 4 images, as in the sample, found 3" in result.stderr
    assert server.requests == []


def test_without_git(project: Call, stage: Stage, folder: Path, server: KaggleServer) -> None:
    """There would be no revision to record."""
    shutil.rmtree(folder / ".git")
    project("dvc", "config", "--local", "core.no_scm", "true")
    result = send(stage)
    assert result.returncode == 1
    assert "expected a git repository, to record what was sent, found none" in result.stderr
    assert server.requests == []


def test_none_left_today(project: Call, stage: Stage, server: KaggleServer) -> None:
    """No upload is wasted."""
    server.limits = {"numToday": 5, "numTotal": 9, "numAllowedNow": 0}
    result = send(stage)
    assert result.returncode == 1
    assert "expected a submission left for today, found none" in result.stderr
    assert server.submissions == []


def test_a_submission_that_cannot_be_scored(project: Call, stage: Stage, server: KaggleServer) -> None:
    """Kaggle's reason is shown, and no score is recorded."""
    server.submission_error = "Submission must have 7 rows"
    result = send(stage)
    assert result.returncode == 1
    assert "could not be scored: Submission must have 7 rows" in result.stderr


def test_a_score_that_does_not_come(project: Call, stage: Stage, server: KaggleServer) -> None:
    """The submission stays sent; the message names the page to look at."""
    server.score_after = 1000
    result = send(stage, "--wait", "0.5")
    assert result.returncode == 1
    assert f"https://www.kaggle.com/c/{SLUG}/submissions" in result.stderr
    assert len(server.submissions) == 1


def test_a_failed_upload(project: Call, stage: Stage, server: KaggleServer) -> None:
    """The client reports success; submit reports the failure."""
    server.fail("PUT", 500, times=20)
    result = send(stage)
    assert result.returncode == 1
    assert "nothing was submitted" in result.stderr
    assert server.submissions == []


def test_notebooks_only(project: Call, stage: Stage, server: KaggleServer) -> None:
    """A CSV is refused after its upload: the message names the other way."""
    server.code_competitions.add(SLUG)
    result = send(stage)
    assert result.returncode == 1
    assert "only accepts Submissions from Notebooks" in result.stderr
    assert "python -m stages submit --kernel sends the notebook" in result.stderr


def test_a_notebook_is_submitted(project: Call, stage: Stage, folder: Path, server: KaggleServer) -> None:
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
    assert "already sent" in result.stdout
    counted = [len(server.requested(method)) for method in ("CreateDataset", "SaveKernel", "CreateCodeSubmission")]
    assert counted == [1, 1, 1]
    project("dvc", "exp", "run", "-n", "B", "-S", "seed=3")
    assert send(stage, "--kernel").returncode == 0
    methods = ("CreateDataset", "CreateDatasetVersion", "SaveKernel", "CreateCodeSubmission")
    assert [len(server.requested(method)) for method in methods] == [1, 1, 2, 2]
    project("dvc", "exp", "apply", "A")
    assert "already sent" in send(stage, "--kernel").stdout
    assert [len(server.requested(method)) for method in methods] == [1, 1, 2, 2]


def test_a_notebook_that_fails(project: Call, stage: Stage, server: KaggleServer) -> None:
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
    assert "expected Kaggle to accept the notebook, found: Maximum batch CPU session count reached" in result.stderr
    assert len(server.submissions) == 1
