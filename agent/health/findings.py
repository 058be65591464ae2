"""What a probe says: one sentence of evidence, and for everything that is not fine a code and a remedy."""

from dataclasses import dataclass
from enum import StrEnum

from agent.health.remedies import REMEDIES


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    """Worth knowing; the station works all the same."""
    FAIL = "fail"


class Part(StrEnum):
    """Which part of the station a finding is about; the worst failing one decides the exit code."""

    STORE = "store"
    DEVICE = "device"
    HQ = "hq"
    STATION = "station"


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` and `remedy` are "" exactly when `level` is OK."""

    part: Part
    name: str
    level: Level
    evidence: str
    code: str = ""
    remedy: str = ""


def fine(part: Part, name: str, evidence: str) -> Finding:
    return Finding(part, name, Level.OK, evidence)


def doubt(part: Part, name: str, code: str, evidence: str, remedy: str = "") -> Finding:
    """A warning. Without `remedy` the one of `REMEDIES`."""
    return Finding(part, name, Level.WARN, evidence, code, remedy or REMEDIES[code])


def failure(part: Part, name: str, code: str, evidence: str, remedy: str = "") -> Finding:
    """A failure. Without `remedy` the one of `REMEDIES`."""
    return Finding(part, name, Level.FAIL, evidence, code, remedy or REMEDIES[code])


def worst_part(findings: list[Finding]) -> Part | None:
    """The part to look at first: money before devices before the road before the rest. None: all well."""
    failing = {finding.part for finding in findings if finding.level is Level.FAIL}
    return next((part for part in Part if part in failing), None)
