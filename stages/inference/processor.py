"""What this machine's processor can compute with: decides what `precision: auto` means."""

from functools import cache
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16"})  # as Linux calls them


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 numbers itself; elsewhere they are converted, which takes longer.

    Known on Linux for x86 alone. On any other system the answer is no.
    """
    return not BFLOAT16.isdisjoint(_described("flags").split())


def gains_from_bfloat16() -> bool:
    """Whether bfloat16 is faster than float32 here, so that `auto` takes it.

    With amx_bf16, or with avx512_bf16 on AMD's processors. On Intel's, avx512_bf16 alone multiplies no more numbers per
    cycle than float32 does, and the conversions come on top: on a Xeon whose AMX is switched off, training took 1.3
    times as long in bfloat16 (docs/benchmarks.md).
    """
    flags = _described("flags").split()
    return "amx_bf16" in flags or ("avx512_bf16" in flags and _described("vendor_id").strip() == "AuthenticAMD")


def missing(precision: str) -> str:
    """What training on the processor in this `train.precision` needs and does not find; empty if nothing."""
    if precision == "mixed_float16":
        return "expected a GPU with tensor cores, found none"
    if precision == "mixed_bfloat16" and not has_bfloat16():
        return f"expected a processor with {' or '.join(sorted(BFLOAT16))}, found one without"
    return ""


def _described(key: str) -> str:
    """What Linux says of the first core under this key; empty if nothing."""
    found = (line.partition(":")[2] for line in _cpu_info(CPU_INFO) if line.partition(":")[0].strip() == key)
    return next(found, "")


@cache
def _cpu_info(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
