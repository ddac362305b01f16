"""Which quantised networks belong to which weights."""

from pathlib import Path

import pytest

from stages.inference import ensemble, quantized
from stages.inference.ensemble import Ensemble, EnsembleMember
from stages.pipeline.cli import UserError

NAMES = ["fold_0", "blend_1/fold_0"]


def written(folder: Path, weights: bytes = b"weights") -> Ensemble:
    """An ensemble of two networks, as train writes it."""
    for name in NAMES:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "saved_model.pb").write_bytes(weights)
    members = [EnsembleMember(name, 0, True, False, (1.0,), (1.0,)) for name in NAMES]
    ensemble.write(folder, Ensemble({}, members))
    return ensemble.read(folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Quantised networks of these."""
    for name in NAMES:
        (tmp_path / "quantized" / name).mkdir(parents=True)
        for file in ("network.xml", "network.bin"):
            (tmp_path / "quantized" / name / file).write_bytes(b"rounded")
    quantized.write(tmp_path / "quantized", written(tmp_path / "model"), NAMES)
    return tmp_path


def check(folder: Path, name: str = "fold_0") -> None:
    """As infer does."""
    networks = quantized.read(folder / "quantized")
    quantized.check_files(folder / "quantized", networks, ensemble.read(folder / "model"), name)


def test_what_quantize_wrote_is_accepted(folder: Path) -> None:
    """Each network by its own files."""
    for name in NAMES:
        check(folder, name)


def test_other_weights_are_noticed(folder: Path) -> None:
    """As after another training, without quantize."""
    written(folder / "model", b"others")
    with pytest.raises(UserError, match=r"quantized/fold_0: .* found one made from other weights: run dvc repro quan"):
        check(folder)


def test_a_network_that_was_not_quantised(folder: Path) -> None:
    """quantize says "none" where the precision is another."""
    quantized.write(folder / "quantized", ensemble.read(folder / "model"), [])
    assert '"networks": "none"' in (folder / "quantized/quantized.json").read_text()
    with pytest.raises(UserError, match="expected the int8 network of fold_0 in the ensemble, found none: run dvc re"):
        check(folder)


@pytest.mark.parametrize("name", ["network.xml", "network.bin"])
def test_damage_is_noticed(folder: Path, name: str) -> None:
    """A file that is missing, or another by one bit."""
    file = folder / "quantized/fold_0" / name
    file.write_bytes(b"roundee")
    with pytest.raises(UserError, match=f"{name}: expected the file that quantize wrote, .* --force quantize"):
        check(folder)
    file.unlink()
    with pytest.raises(UserError, match=f"{name}: expected the file that quantize wrote, .* --force quantize"):
        check(folder)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"networks": null}', '{"networks": {"fold_0": {}}}', '{"networks": 1}', "[" * 100_000,
     '{"networks": {"fold_0": {"sha256": [], "made_from": {}}}}'],
)  # fmt: skip
def test_a_damaged_description(folder: Path, content: str) -> None:
    """No text, other kinds, missing keys."""
    (folder / "quantized/quantized.json").write_text(content)
    with pytest.raises(UserError, match=r"quantized.json: expected what quantize writes, .* --force quantize"):
        check(folder)


def test_a_missing_description(tmp_path: Path) -> None:
    """Before quantize has run."""
    with pytest.raises(UserError, match=r"expected what quantize writes, .* found none: run dvc repro quantize"):
        quantized.read(tmp_path)
