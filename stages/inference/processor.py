"""What this machine's processor can compute with: decides what `precision: auto` means."""

from functools import cache
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16"})  # as Linux calls them


@cache
def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 numbers itself; elsewhere they are converted, which takes longer.

    Known on Linux for x86 alone. On any other system the answer is no.
    """
    try:
        text = CPU_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line.partition(":")[2] for line in text.splitlines() if line.startswith("flags")), "")
    return not BFLOAT16.isdisjoint(flags.split())


def missing(precision: str) -> str:
    """What training on the processor in this `train.precision` needs and does not find; empty if nothing."""
    if precision == "mixed_float16":
        return "expected a GPU with tensor cores, found none"
    if precision == "mixed_bfloat16" and not has_bfloat16():
        return f"expected a processor with {' or '.join(sorted(BFLOAT16))}, found one without"
    return ""
