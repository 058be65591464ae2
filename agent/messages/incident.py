"""Something is wrong at the station: opened, worked on, closed, counted (S-083, S-104, S-111 to S-116).

An incident is about a fault, a case about a person's question. `fingerprint` is class, code and device
hashed: equal faults have equal ones, at every station (S-114). Said by the health engine.
"""

from typing import Annotated, Literal

from pydantic import Field

from agent.messages.bodies import Body, Wall, Word
from agent.messages.words import Code, Evidence, FailureClass, Id, Note, Severity, Urgency
from agent.points.inputs import DateText
from agent.points.values import Natural, Positive

Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Month = Annotated[str, Field(pattern=r"^2[01]\d\d-\d\d$")]


class IncidentOpened(Body):
    """Noticed at `detected_at_ms`; somebody must have acknowledged it by `deadline_ms`.

    `tier` and `member_class` are of the member who stands at the till, "" where nobody does (S-005,
    S-107). `case` and `owner` as soon as there are any (S-058). `repeats` counts the same in the
    hour before.
    """

    kind: Literal["incident.opened"]
    id: Id
    severity: Severity
    urgency: Urgency = "ordinary"
    failure_class: FailureClass
    code: Code
    fingerprint: Fingerprint
    device: Word = ""
    tier: Word = ""
    member_class: Word = ""
    case: Word = ""
    owner: Word = ""
    redemption: Word = ""
    of: Natural = 0
    repeats: Natural = 0
    evidence: Evidence = ()
    diagnosis: Annotated[tuple[Code, ...], Field(max_length=16)] = ()
    """What a read-only look found, most telling first (S-026)."""
    detected_at_ms: Wall
    first_response_ms: Natural = 0
    """From then until the till or the slip said something; 0 as long as nothing did."""
    deadline_ms: Wall


class IncidentUpdated(Body):
    """`update_no` counts from 1. Times are 0 until they happened."""

    kind: Literal["incident.updated"]
    id: Id
    update_no: Positive
    state: Literal["ACKED", "IN_PROGRESS", "REMEDIED", "ESCALATED", "REOPENED", "VERIFIED"]
    severity: Severity
    owner: Word = ""
    handler: Word = ""
    remedy: Code = ""
    """The whitelisted remedy that was applied (S-021, S-122)."""
    acknowledged_at_ms: Wall = 0
    verified_at_ms: Wall = 0
    evidence: Evidence = ()
    at_ms: Wall


class IncidentClosed(Body):
    """Over: when it was noticed, first answered and mended. Its probe runs again a day later (S-116)."""

    kind: Literal["incident.closed"]
    id: Id
    severity: Severity
    failure_class: FailureClass
    code: Code
    fingerprint: Fingerprint
    case: Word = ""
    owner: Word = ""
    root_cause: Code = ""
    by_itself: bool = False
    """Without anybody's hand."""
    detected_at_ms: Wall
    responded_at_ms: Wall = 0
    acknowledged_at_ms: Wall = 0
    fixed_at_ms: Wall
    verify_at_ms: Wall = 0


class IncidentDigest(Body):
    """A month of incidents: (fingerprint, code, how many, seconds until mended, all together) and by hour.

    `hours` are 24 counts by the station's local hour of day (S-134, S-191).
    """

    kind: Literal["incident.digest"]
    month: Month
    rows: Annotated[tuple[tuple[Fingerprint, Code, Positive, Natural], ...], Field(max_length=150)] = ()
    hours: Annotated[tuple[Natural, ...], Field(min_length=24, max_length=24)]
    at_ms: Wall


class SecurityIncident(Body):
    """A step of the answer to a breach, timed: what was done, and how many members it touches (S-064)."""

    kind: Literal["security.incident"]
    id: Id
    step_no: Positive
    step: Literal["FOUND", "EVIDENCE_FROZEN", "MEMBERS_LISTED", "KEY_ROTATED", "CACHE_WIPED", "CLOSED"]
    code: Code
    members: Natural = 0
    members_sha256: Word = ""
    """Of the list, which stays at the station until HQ asks for it."""
    agent_version: Word
    evidence: Evidence = ()
    note: Note = ""
    at_ms: Wall


class DrillReport(Body):
    """A rehearsed disaster, and whether the emergency plan was active in time (S-144)."""

    kind: Literal["drill.report"]
    id: Id
    scenario: Word
    on: DateText
    verdict: Literal["PASSED", "FAILED", "ABORTED"]
    code: Code = ""
    emergency_after_ms: Natural
    recovered_after_ms: Natural = 0
    limit_ms: Positive
    evidence: Evidence = ()
    at_ms: Wall


class TrendWarning(Body):
    """A figure drifts towards trouble: where it was, where it is, and where it would hurt (S-025)."""

    kind: Literal["trend.warning"]
    id: Id
    code: Code
    device: Word = ""
    evidence: Annotated[Evidence, Field(min_length=1)]
    at_ms: Wall
