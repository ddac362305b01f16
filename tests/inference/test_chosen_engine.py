"""What `auto` means on a machine."""

from pathlib import Path

import pytest

from stages.inference import engines, gpus, processor
from stages.inference.averaging import Views
from stages.inference.engines import Engine
from stages.pipeline import settings
from stages.pipeline.cli import UserError

CASES = [  # engine, precision, on a GPU, on a processor that gains from bfloat16, neither
    ("auto", "auto", "tensorflow float32", "openvino bfloat16", "openvino float32"),
    ("auto", "float32", "tensorflow float32", "openvino float32", "openvino float32"),
    ("auto", "int8", "openvino int8", "openvino int8", "openvino int8"),
    ("tensorflow", "auto", "tensorflow float32", "tensorflow float32", "tensorflow float32"),
    ("openvino", "auto", "openvino float32", "openvino bfloat16", "openvino float32"),
    ("openvino", "float32", "openvino float32", "openvino float32", "openvino float32"),
]


def asked(engine: str, precision: str) -> settings.Inference:
    """The parameters."""
    return settings.Inference.model_construct(batch_size=4, flips=False, engine=engine, precision=precision)


def machine(monkeypatch: pytest.MonkeyPatch, gpu: bool = False, bfloat16: bool = False) -> None:
    """A machine that has these."""
    monkeypatch.setattr(gpus, "expected", lambda: gpu)
    monkeypatch.setattr(processor, "has_bfloat16", lambda: bfloat16)
    monkeypatch.setattr(processor, "gains_from_bfloat16", lambda: bfloat16)


@pytest.mark.parametrize(("engine", "precision", "on_gpu", "with_bfloat16", "without"), CASES)
def test_what_auto_means(
    monkeypatch: pytest.MonkeyPatch, engine: str, precision: str, on_gpu: str, with_bfloat16: str, without: str
) -> None:
    """TensorFlow for a GPU, bfloat16 for a processor that gains from it, int8 only where it is asked for."""
    for parts, expected in (({"gpu": True}, on_gpu), ({"bfloat16": True}, with_bfloat16), ({}, without)):
        machine(monkeypatch, **parts)
        assert engines.chosen(asked(engine, precision)) == Engine(*expected.split())


def test_bfloat16_on_a_processor_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO would compute in float32 and say nothing."""
    machine(monkeypatch, gpu=True, bfloat16=True)
    assert engines.chosen(asked("auto", "bfloat16")) == Engine("openvino", "bfloat16")
    machine(monkeypatch)
    with pytest.raises(UserError, match=r"expected a processor with avx512_bf16 or amx_bf16, found none: set .* auto"):
        engines.chosen(asked("openvino", "bfloat16"))


def test_auto_without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told before anything is trained; on a GPU it is not needed."""
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    machine(monkeypatch, gpu=True)
    assert engines.chosen(asked("auto", "auto")) == engines.NOTEBOOK
    machine(monkeypatch)
    with pytest.raises(UserError, match=r"expected the package openvino, found none: .* -m pip install openvino, or"):
        engines.chosen(asked("auto", "auto"))


def test_what_computed_probabilities_stands_beside_them(tmp_path: Path) -> None:
    """infer writes it, evaluate reads it."""
    engine = Engine("openvino", "bfloat16")
    engines.write(tmp_path, engine, Views(flips=True, scales=(0.75, 1.0)))
    assert engines.read(tmp_path) == (engine, "with flips at scale 0.75, 1.0")
    assert str(engine) == "openvino in bfloat16"


@pytest.mark.parametrize(
    "content",
    [None, "", "[]", "{}", '{"engine": 1, "precision": "b", "views": ""}', '{"engine": "a", "views": "c"}'],
)
def test_a_damaged_note_of_the_engine(tmp_path: Path, content: str | None) -> None:
    """Missing, as beside probabilities of an earlier version, or of another kind."""
    if content is not None:
        (tmp_path / engines.FILE).write_text(content)
    with pytest.raises(UserError, match=r"engine.json: expected what infer writes, .* run dvc repro --force infer"):
        engines.read(tmp_path)
