"""The runs of the gain ledger: one row with one seed, its stages in a folder of its own, and what they gave.

All rows share what is in data/ablation: raw and prepared data, networks (state), and the seconds of their training. A
run works in ROW/seed_N there and ends with a done.json, a digest of the parameters, code and data behind its figures.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stages.ablation.gains import Result
from stages.ablation.plan import Params, Row
from stages.pipeline import outputs, paths
from stages.pipeline.cli import UserError
from stages.scoring import per_image
from stages.scoring.per_image import ImageScores

FOLDER = Path("data/ablation")  # git-ignored; the folder of all rows, and of the data that they share
LOG = "log.txt"
DONE = "done.json"
DATA_STAGES = ("download", "preprocess")
ROW_STAGES = ("train", "infer", "postprocess", "evaluate")
LINKS = {"raw": "data/raw", "prepared": "data/prepared", "state": "state"}  # in a run's data/, to what rows share
TOLD = 15  # lines of a failed stage's log

Runner = Callable[[str, Path, Path], int]
Described = dict[str, dict[str, Any]]


def run_stage(stage: str, folder: Path, log: Path) -> int:
    """Run one stage in a folder that holds params.yaml; returns its exit status. What it prints goes to the log."""
    with log.open("ab") as stream:
        return subprocess.run(  # noqa: S603
            [sys.executable, "-m", f"stages.{stage}"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        ).returncode


@dataclass(frozen=True)
class Job:
    """One run of a row: one seed.

    Attributes:
        folder: where it works.
        digest: of all that decides its figures: parameters, code, data.
        training: of all that decides its networks; rows that share it share them.
    """

    row: Row
    seed: int
    folder: Path
    digest: str
    training: str

    def seconds(self) -> dict[str, float] | None:
        """Seconds of each stage, if it is done and nothing has changed since; else None."""
        done = known(self.folder / DONE)
        there = done.get("digest") == self.digest and (self.folder / paths.IMAGES_TABLE).is_file()
        return done["seconds"] if there else None


def described() -> Described:
    """The stages as dvc.yaml describes them."""
    described: Described = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    missing = [stage for stage in (*DATA_STAGES, *ROW_STAGES) if stage not in described]
    if missing:
        raise UserError(f"dvc.yaml: expected the stages that a row runs, found no {', '.join(missing)}")
    return described


def digest(stages: tuple[str, ...], described: Described, params: Params, before: str) -> str:
    """A digest of what dvc.yaml says that stages depend on, parameters and modules, after the digest of their data."""
    values: dict[str, Any] = {}
    modules: set[str] = set()
    for stage in stages:
        for key in described[stage].get("params", []):
            values[key] = params
            for part in key.split("."):
                values[key] = values[key][part]
        modules |= {dep for dep in described[stage].get("deps", []) if dep.endswith(".py")}
    digest = hashlib.sha256(json.dumps([before, stages, values], sort_keys=True, default=str).encode())
    for module in sorted(modules):
        digest.update(module.encode() + hashlib.sha256(Path(module).read_bytes()).digest())
    return digest.hexdigest()


def run(job: Job, runner: Runner, title: str) -> None:
    """Run the stages of one row and seed, in a folder made anew."""
    shutil.rmtree(job.folder, ignore_errors=True)
    (job.folder / "data").mkdir(parents=True)
    (FOLDER / "state").mkdir(exist_ok=True)
    for name, target in LINKS.items():
        (job.folder / "data" / name).symlink_to(Path("../../..") / target)
    write_params(job.folder, job.row.params | {"seed": job.seed})
    print(f"ablate: {title}: starts; what it prints is in {job.folder / LOG}", flush=True)
    seconds = {}
    for stage in ROW_STAGES:
        started, finished = time.monotonic(), False
        try:
            finish(stage, job.folder, runner, title)
            finished = True
        finally:
            seconds[stage] = time.monotonic() - started
            if stage == "train":
                seconds[stage] = _training_seconds(job, seconds[stage], finished)
    if not (job.folder / paths.IMAGES_TABLE).is_file():
        raise UserError(f"{job.folder}: expected evaluate to write {paths.IMAGES_TABLE}, found none")
    outputs.write_metrics(job.folder / DONE, {"digest": job.digest, "seconds": seconds})


def _training_seconds(job: Job, took: float, finished: bool) -> float:
    """How long the networks of a job were trained, whichever row did it: later rows find them finished in data/state.

    The parts of a training that was cut off and taken up again are added. One that takes less than half the time of
    the same before has trained nothing.
    """
    record = FOLDER / "seconds" / f"{job.training}.json"
    earlier = known(record)
    before, trained = earlier.get("seconds", 0.0), earlier.get("finished", False)
    if trained and not finished:
        return took
    if trained and took < before / 2:
        took = before
    total = took if trained else before + took
    outputs.write_metrics(record, {"seconds": total, "finished": finished})
    return float(total)


def finish(stage: str, folder: Path, runner: Runner, title: str) -> None:
    """Run one stage to its end, and tell how long it took; a `UserError` if it failed."""
    started = time.monotonic()
    status = runner(stage, folder, folder / LOG)
    print(f"ablate: {title}: {stage} {time.monotonic() - started:.0f} s", flush=True)
    if status:
        log = folder / LOG
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TOLD:] if log.exists() else []
        told = "".join(f"\n    {line}" for line in lines)
        raise UserError(f"{title}: {stage} ended with exit status {status}; the last lines of {log}:{told}")


def result(row: Row, jobs: list[Job]) -> Result | None:
    """What a row gave; None unless all its seeds are done."""
    done = {job.seed: seconds for job in jobs if (seconds := job.seconds())}
    if len(done) < len(jobs):
        return None
    return Result(
        {job.seed: _scores(job, "validation") for job in jobs},
        {job.seed: _scores(job, "held_out") for job in jobs} if row.last else {},
        {seed: seconds["train"] for seed, seconds in done.items()},
        {seed: seconds["infer"] for seed, seconds in done.items()},
    )


def _scores(job: Job, split: str) -> ImageScores:
    """Scores of one split; the lines of the other are not even read as numbers."""
    path = job.folder / paths.IMAGES_TABLE
    with path.open(encoding="utf-8", newline="") as file:
        lines = [line for number, line in enumerate(file) if not number or line.startswith(f"{split},")]
    found = per_image.read(lines, str(path))
    if split not in found:
        raise UserError(f"{path}: expected images of the split {split}, found none")
    return found[split]


def write_params(folder: Path, params: Params) -> None:
    """Write params.yaml; the paths in it are made whole, since the stages run in another folder."""
    written = {name: dict(section) if isinstance(section, dict) else section for name, section in params.items()}
    for section, name, words in (
        ("download", "source", ("sample", "kaggle")),
        ("train", "encoder_weights", ("imagenet",)),
    ):
        value = written[section][name]
        if value is not None and value not in words:
            written[section][name] = str(Path(value).expanduser().absolute())
    with outputs.file(folder / paths.PARAMS) as stream:
        yaml.safe_dump(written, stream, allow_unicode=True, sort_keys=False)


def known(path: Path) -> dict[str, Any]:
    """What a JSON file says; nothing if it is not there or broken."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
