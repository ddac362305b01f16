from pathlib import Path

import pytest

from stages.inference import processor


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu sse2 avx512f avx512_bf16 avx512_vnni\n", True),
        ("processor\t: 0\nflags\t\t: fpu amx_tile amx_bf16\n", True),
        ("processor\t: 0\nflags\t\t: fpu sse2 avx2\n", False),
        ("processor\t: 0\nmodel name\t: avx512_bf16\nflags\t\t: avx512_bf16_like\n", False),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", False),
        ("", False),
    ],
)
def test_bfloat16_is_known_by_the_processors_flags(
    text: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only whole names in the list of flags count."""
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")
    processor.CPU_INFO.write_text(text, encoding="utf-8")
    processor.has_bfloat16.cache_clear()
    assert processor.has_bfloat16() is expected
    processor.has_bfloat16.cache_clear()


def test_without_a_list_of_flags_there_is_no_bfloat16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on systems other than Linux."""
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "none")
    processor.has_bfloat16.cache_clear()
    assert not processor.has_bfloat16()
    processor.has_bfloat16.cache_clear()


def test_an_nvidia_gpu_is_known_by_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with one entry per GPU, or the device through which the driver is asked; an empty folder is none."""
    listed, control = tmp_path / "gpus", tmp_path / "nvidiactl"
    monkeypatch.setattr(processor, "NVIDIA", (listed, control))
    assert not processor.has_nvidia_gpu()
    listed.mkdir()
    assert not processor.has_nvidia_gpu()
    (listed / "0000:01:00.0").mkdir()
    assert processor.has_nvidia_gpu()
    (listed / "0000:01:00.0").rmdir()
    control.touch()
    assert processor.has_nvidia_gpu()
