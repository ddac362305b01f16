from pathlib import Path

import pytest

from stages.inference import processor


@pytest.mark.parametrize(
    ("text", "has", "gains"),
    [
        ("vendor_id\t: AuthenticAMD\nflags\t\t: fpu sse2 avx512f avx512_bf16 avx512_vnni\n", True, True),
        ("vendor_id\t: GenuineIntel\nflags\t\t: fpu avx512_bf16 amx_tile amx_bf16\n", True, True),
        ("vendor_id\t: GenuineIntel\nflags\t\t: fpu sse2 avx512f avx512_bf16 avx512_vnni\n", True, False),
        ("vendor_id\t: AuthenticAMD\nflags\t\t: fpu sse2 avx2\n", False, False),
        ("vendor_id\t: AuthenticAMD\nmodel name\t: avx512_bf16\nflags\t\t: avx512_bf16_like\n", False, False),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", False, False),
        ("", False, False),
    ],
)
def test_bfloat16_is_known_by_the_processors_flags(
    text: str, has: bool, gains: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only whole names in the list of flags count; Intel's AVX512_BF16 alone makes nothing faster."""
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")
    processor.CPU_INFO.write_text(text, encoding="utf-8")
    assert processor.has_bfloat16() is has
    assert processor.gains_from_bfloat16() is gains


def test_without_a_list_of_flags_there_is_no_bfloat16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on systems other than Linux."""
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "none")
    assert not processor.has_bfloat16()
    assert not processor.gains_from_bfloat16()


@pytest.mark.parametrize(
    ("precision", "bfloat16", "expected"),
    [
        ("auto", False, ""),
        ("float32", False, ""),
        ("mixed_bfloat16", True, ""),
        ("mixed_bfloat16", False, "expected a processor with amx_bf16 or avx512_bf16, found one without"),
        ("mixed_float16", True, "expected a GPU with tensor cores, found none"),
    ],
)
def test_what_a_processor_lacks(monkeypatch: pytest.MonkeyPatch, precision: str, bfloat16: bool, expected: str) -> None:
    """Half precision without the instructions for it only takes longer."""
    monkeypatch.setattr(processor, "has_bfloat16", lambda: bfloat16)
    assert processor.missing(precision) == expected
