"""What a finished network is known by: a comment does not cost a training, a changed number does."""

import ast
from pathlib import Path

import pytest

from stages.dataset.prepared import Dataset
from stages.pipeline import settings

ROOT = Path(__file__).parents[2]
# Modules that `stages.training.fit` imports and whose code changes no network: they act through the options alone
# (settings and what reads them), only report mistakes, or only name types.
WITHOUT_EFFECT = {
    # What they did is in the digest of the prepared data, or they serve the scores alone.
    "stages.dataset.dicom",
    "stages.dataset.geometry",
    "stages.dataset.image_headers",
    "stages.dataset.integrity",
    "stages.dataset.rle",
    "stages.dataset.true_masks",
    "stages.pipeline.competition_settings",
    "stages.pipeline.postprocess_settings",
    "stages.pipeline.arrays",
    "stages.pipeline.cli",
    "stages.pipeline.cores",
    "stages.pipeline.hashes",
    "stages.pipeline.limits",
    "stages.pipeline.outputs",
    "stages.pipeline.paths",
    "stages.pipeline.progress",
    "stages.pipeline.sections",
    "stages.pipeline.settings",
    "stages.pipeline.source_code",
    "stages.pipeline.train_settings",
    "stages.pipeline.unchanged",
    "stages.pipeline.yaml_files",
    "stages.training.display",
    "stages.training.job",
}

pytestmark = pytest.mark.slow


def imported(module: str, found: set[str]) -> set[str]:
    """A module of this repository and all modules that it imports, directly or not."""
    file = ROOT / f"{module.replace('.', '/')}.py"
    if module in found or not file.is_file():
        return found
    found.add(module)
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name.startswith("stages."):
                imported(name, found)
    return found


def test_every_module_that_decides_a_network_is_listed() -> None:
    """The list is what fit imports, except what is known to have no effect; each package's __init__ is empty."""
    from stages.training import network_cache

    found = imported("stages.training.fit", set())
    assert set(network_cache.MODULES) == found - WITHOUT_EFFECT
    assert list(network_cache.MODULES) == sorted(network_cache.MODULES)
    for package in {ROOT / name.replace(".", "/") for name in found}:
        body = ast.parse((package.parent / "__init__.py").read_text(encoding="utf-8")).body
        assert len(body) <= 1, "code in an __init__ would escape the fingerprint"


def test_a_comment_keeps_the_finished_network_and_a_number_does_not(
    prepared: Dataset, options: settings.Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fingerprint follows the files of the listed modules."""
    from stages.training import network_cache
    from stages.training.job import Job

    def fingerprint() -> str:
        network_cache.code_digest.cache_clear()  # as in a new process
        return network_cache.fingerprint(Job(prepared, options, 1), 0)

    before = fingerprint()
    for name in network_cache.MODULES:
        file = tmp_path / f"{name.replace('.', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((ROOT / file.relative_to(tmp_path)).read_bytes())
    monkeypatch.setattr(network_cache, "ROOT", tmp_path)
    crops = tmp_path / "stages/training/crops.py"
    source = crops.read_text(encoding="utf-8")
    assert fingerprint() == before
    crops.write_text(source.replace("TRIES = 8", "TRIES = 8  # eight\n\n"), encoding="utf-8")
    assert fingerprint() == before
    crops.write_text(source.replace("TRIES = 8", "TRIES = 9"), encoding="utf-8")
    edited = fingerprint()
    assert edited != before
    crops.write_text(source, encoding="utf-8")
    assert network_cache.fingerprint(Job(prepared, options, 1), 0) == edited, "an edit that this process does not run"


def test_a_network_is_known_by_all_that_decides_it(prepared: Dataset, options: settings.Train, tmp_path: Path) -> None:
    """Its own fold, seed, options and weights change it; other folds, a last training, a blend, processes do not."""
    from stages.training.job import Job
    from stages.training.network_cache import fingerprint

    def changed(seed: int = 1, fold: int | None = 0, **changes: object) -> str:
        return fingerprint(Job(prepared, options.model_copy(update=changes), seed), fold)

    here = changed()
    for changes in ({"folds": (0, 1)}, {"final": "all"}, {"blend": ("x",)}, {"loader_processes": 3}):
        assert changed(**changes) == here
    file = tmp_path / "weights.h5"
    others = [changed(seed=2), changed(fold=1), changed(fold=None), changed(mixup=0.5)]
    for content in (b"1", b"2"):
        file.write_bytes(content)
        others.append(changed(encoder_weights=str(file)))
    assert len({here, *others}) == 7
