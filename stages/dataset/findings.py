"""What a data check reports."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How much a finding matters."""

    PROBLEM = "PROBLEM"  # figures are wrong, or later stages fail
    WARNING = "WARNING"  # some figures mean little
    NOTE = "NOTE"  # worth knowing


class Check(Enum):
    """What was checked."""

    DISTRIBUTION_SHIFT = "distribution shift"
    LEAKAGE = "leakage"
    RARE_CLASSES = "rare classes"
    IMAGE_SIZE = "image size"


@dataclass(frozen=True)
class Finding:
    """One result of a check.

    Attributes:
        severity: how much it matters.
        check: what was checked.
        message: what was found, and what to do about it.
    """

    severity: Severity
    check: Check
    message: str

    def __str__(self) -> str:
        return f"{self.severity.value}: {self.check.value}: {self.message}"


def serious(findings: Iterable[Finding]) -> list[Finding]:
    """Problems first, then warnings: all findings but notes."""
    found = list(findings)
    return [each for severity in (Severity.PROBLEM, Severity.WARNING) for each in found if each.severity is severity]


def count(findings: Iterable[Finding], severity: Severity) -> int:
    """How many findings are of one severity."""
    return sum(finding.severity is severity for finding in findings)
