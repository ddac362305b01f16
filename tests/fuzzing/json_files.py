"""JSON between stages: networks, rules, metrics, the journal of what was sent, states of trainings, the notebook's."""

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from hypothesis.strategies import SearchStrategy

from stages import report
from stages.commands import summary
from stages.dataset.layout import Layout
from stages.inference import ensemble
from stages.inference.ensemble import Ensemble, EnsembleMember
from stages.kaggle import submissions
from stages.kaggle.journal import Journal
from stages.pipeline import dvc_state
from stages.postprocessing import rules_file
from stages.postprocessing.rules import Rule, Rules
from stages.training import checksums, forced
from tests.fuzzing import changes
from tests.fuzzing.reader import Files, Reader

KIND = "json"
ROOT = Path(__file__).parents[2]
MEMBERS = [
    EnsembleMember("fold_0", 0, True, True, (1.0, 2.0, 3.0), (0.9, 0.05, 0.05)),
    EnsembleMember("all", None, True, True, (1.0, 2.0, 3.0), (0.9, 0.05, 0.05)),
]
NETWORK = b"a network"
ENSEMBLE = {
    "data": {"layout": Layout(("pit", "line"), 6, 8).to_json(), "folds": 3, "digest": "0"},
    "members": [vars(member) for member in MEMBERS],
    "sha256": {"fold_0/saved_model.pb": hashlib.sha256(NETWORK).hexdigest()},
}  # fmt: skip
_RULES = Rules("area", (Rule(128, 3, 20, 0), Rule(100, 0, 0, 5)), (1.5, 2.0)).to_json()
RULES = {
    "rules": _RULES,
    "parts": [{"images": ["a.jpg", "b.jpg"], "rules": _RULES}, {"images": ["c.jpg"], "rules": _RULES}],
}
SENT = {"experiment": "a", "revision": "b", "message": "c"}
JOURNAL: dict[str, Any] = {
    "intent": {"steel 1": {**SENT, "size": 5, "listed": [1, 2]}, "steel 2": {**SENT, "size": None, "listed": []}},
    "submission": {"steel 0": {**SENT, "reference": 7}},
    "dataset": {"0": "someone/steel-model"},
}
HISTORY = {
    "checkpoint": "epoch_0",
    "history": [{"loss": 0.5}],
    "stopped": False,
    "callbacks": [{"best": 0.1}],
    "sha256": {"w": hashlib.sha256(NETWORK).hexdigest()},
}
NAMES = ("download", "evaluation", "check_data", "train", "predict", "preprocess", "postprocess")
METRICS = {
    f"metrics/{name}.json": (ROOT / f"metrics/{name}.json").read_bytes()
    for name in NAMES
    if (ROOT / f"metrics/{name}.json").is_file()
}


def networks(folder: Path) -> str | None:
    """Read ensemble.json, check the networks' files, and compute what post-processing needs of them."""
    found = ensemble.read(folder)
    for member in found.members:
        ensemble.check_files(folder, found, member.folder)
    found.of_fold(0)
    content = json.loads((folder / ensemble.FILE).read_text(encoding="utf-8"))
    rewritten = json.loads(json.dumps([vars(member) for member in found.members]))
    return None if rewritten == content["members"] and isinstance(found, Ensemble) else f"found {rewritten}"


def rules(folder: Path) -> str | None:
    """Read the rules of post-processing; written again, they are the same."""
    path = folder / "postprocess.json"
    found, content = rules_file.read(path), json.loads(path.read_text(encoding="utf-8"))
    if json.loads(json.dumps(found.rules.to_json())) != content["rules"]:
        return f"expected {content['rules']}, found {found.rules.to_json()}"
    named = [image for part in content["parts"] for image in part["images"]]
    return None if sorted(found.of_image) == sorted(named) else f"expected {named}, found {sorted(found.of_image)}"


def figures(folder: Path) -> str | None:
    """Print the summary, and read what the report reads."""
    (folder / "data").mkdir()
    (folder / "data/submission.csv").touch()
    summary.run(None)
    report._read(Path("metrics/evaluation.json"), classes=dict)
    return None


class _Listed:
    """A client whose account has sent nothing."""

    slug = "steel"

    class api:  # noqa: N801  (as the client has it)
        """Kaggle's client."""

        @staticmethod
        def competition_submissions(slug: str, page_number: int) -> list[Any]:
            """No submission."""
            return []

    @staticmethod
    def ask(what: str, request: Any) -> Any:
        """The answer."""
        return request()


def journal(folder: Path) -> str | None:
    """Read the journal, and find out what became of interrupted submissions."""
    path = folder / "submitted.json"
    found = Journal(path)
    submissions.settle(_Listed(), found)  # type: ignore[arg-type]
    found.get("submission", "steel 0")
    found.note("dataset", "1", "x", alone=True)
    return None if Journal(path).get("dataset", "1") == "x" else "a note is lost"


def state(folder: Path) -> str | None:
    """Read the record of a training's state, which has its own checksum."""
    found = checksums.read_record(folder / "progress.json")
    checksums.damaged(folder, found["sha256"])
    return None if found == HISTORY else f"accepted {found}"


def running(folder: Path) -> str | None:
    """Look at DVC's list of running stages, and at the list of networks that a forced run has trained."""
    dvc_state.mend()
    with contextlib.chdir(folder):
        forced.StartingOver(True)
    return None


def _record() -> bytes:
    text = json.dumps(HISTORY)
    return json.dumps(HISTORY | {checksums.OWN: hashlib.sha256(text.encode()).hexdigest()}).encode()


def _metrics() -> SearchStrategy[Files]:
    valid = {**METRICS, "params.yaml": (ROOT / "params.yaml").read_bytes()}
    names = ("metrics/download.json", "metrics/evaluation.json", "metrics/check_data.json")
    return changes.one_of_files(valid, {name: changes.json_file(json.loads(METRICS[name])) for name in names})


READERS = [
    Reader(
        "ensemble.json",
        KIND,
        changes.one_of_files(
            {"fold_0/saved_model.pb": NETWORK}, {"ensemble.json": changes.json_file(json.loads(json.dumps(ENSEMBLE)))}
        ),
        networks,
    ),
    Reader("rules", KIND, changes.json_file(RULES).map(changes.named("postprocess.json")), rules),
    Reader("metrics", KIND, _metrics(), figures),
    Reader("journal", KIND, changes.json_file(JOURNAL).map(changes.named("submitted.json")), journal),
    Reader(
        "state of a training",
        KIND,
        changes.one_of_files({"w": NETWORK}, {"progress.json": changes.json_file(json.loads(_record()))}),
        state,
        (ValueError, KeyError),
    ),
    Reader(
        "lists of running stages",
        KIND,
        changes.one_of_files(
            {".dvc/tmp/rwlock": b"{}", str(forced.RECORD): b"[]"},
            {
                ".dvc/tmp/rwlock": changes.json_file({"a": [{"pid": 1, "cmd": "x"}]}),
                str(forced.RECORD): changes.json_file(["a", "b"]),
            },
        ),
        running,
    ),
]
