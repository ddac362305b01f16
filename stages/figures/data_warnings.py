"""What check_data found, in one sentence each: from metrics/check_data.json, which holds numbers alone."""

from collections.abc import Iterator
from typing import Any

from stages.dataset.shift import LARGE_AUC, LARGE_D, SURE_AUC
from stages.scoring import bootstrap

SHOWN = ("brightness", "spread", "black")
COMMAND = "python -m stages.check_data says what to do"


def sentences(checks: dict[str, Any]) -> list[str]:
    """The problems and warnings, the problems first, and how they are read in full; nothing if there are none.

    Args:
        checks: the content of metrics/check_data.json.

    Raises:
        KeyError, TypeError: a figure is missing, or no number.
    """
    problems, warnings = int(checks["problems"]), int(checks["warnings"])
    if not problems + warnings:
        return []
    pairs = checks["leakage"]["pairs_across_folds"]
    found = [*_apart(checks)]
    if pairs:
        found.append(f"{pairs:,} pair(s) of near-duplicates lie in different folds: figures may be too good")
    found += list(_features(checks["test"]))[: max(0, problems - len(found))]
    found += list(_rare(checks["classes"]))
    return [*found, f"Data checks: {problems} problem(s), {warnings} warning(s); {COMMAND}"]


def _apart(checks: dict[str, Any]) -> Iterator[str]:
    """Sets of images that a classifier tells from those trained on."""
    folds = {f"validation {name.replace('_', ' ')}": of for name, of in sorted(checks["validation"].items())}
    for name, of in (folds | {"the held-out fold": checks["held_out"], "the test images": checks["test"]}).items():
        if of["auc"] is not None and of["auc"] > LARGE_AUC and of["auc_low"] > SURE_AUC:
            yield f"A classifier tells {name} from the images trained on (AUC {of['auc']:.2f}, chance is 0.5)"


def _features(test: dict[str, Any]) -> Iterator[str]:
    """Those in which the test images differ most; whether surely enough, only check_data's count of problems says."""
    large = [name for name in SHOWN if abs(test[name]["d"] or 0) > LARGE_D]
    for name in sorted(large, key=lambda name: -abs(test[name]["d"])):
        yield (
            f"The test images differ in {name}: {test[name]['test']:.3g} on average, {test[name]['training']:.3g} in "
            "the training images"
        )


def _rare(classes: dict[str, dict[str, int]]) -> Iterator[str]:
    few = [name for name, of in classes.items() if min(of.values()) < bootstrap.FEWEST]
    if few:
        yield (
            f"Few examples of {', '.join(few)}: fewer than {bootstrap.FEWEST} groups of near-duplicates among the "
            "validation or the held-out images, so their figures mean little"
        )
