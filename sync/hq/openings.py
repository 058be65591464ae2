"""Opening balances from a file of JSON lines: read and checked as a whole, then taken in by chunks.

One object a line: `member`, `minor` (may be negative: a debt) and `as_of_ms` (UTC), and where
they are known `buckets` ([{"lapses_on", "minor"}]), `status`, `tier` and `credentials` (keyed hashes).
What stations report counts on top of it. Each chunk goes in whole or not at all, with how far the file
is; the same file again goes on from there.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sync.hq.store import HqStore, OpeningLine
from sync.questions import CredentialHash, Id
from sync.refusal import Refusal

CHUNK_LINES = 1_000
_LONGEST_BYTES = 65_536

Minor = Annotated[int, Field(ge=-(10**12), le=10**12)]
Day = Annotated[str, Field(pattern=r"^(\d{4}-\d{2}-\d{2})?$")]


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class Bucket(_Entry):
    """The part of a balance that is worth something up to and including `lapses_on` ("" for ever)."""

    lapses_on: Day = ""
    minor: Annotated[int, Field(ge=1, le=10**12)]


class Opening(_Entry):
    """One line."""

    member: Id
    minor: Minor
    as_of_ms: Annotated[int, Field(ge=0, le=2**53 - 1)]
    buckets: Annotated[tuple[Bucket, ...], Field(max_length=200)] = ()
    status: Literal["", "ACTIVE", "FROZEN", "CLOSED"] = ""
    tier: Annotated[str, Field(max_length=64)] = ""
    credentials: Annotated[tuple[CredentialHash, ...], Field(max_length=50)] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """`lines` of the file, of which `booked` went in now; `minor` is the sum of the whole file."""

    file: str
    lines: int
    booked: int
    minor: int


@dataclass(frozen=True, slots=True)
class _Surveyed:
    file: str
    lines: int
    minor: int


Step = Callable[[int, int], None]
"""(lines done, of how many)"""


def import_openings(store: HqStore, path: Path, at_ms: int, step: Step | None = None) -> Imported | Refusal:
    """Take a file in. Raises OSError if it cannot be read.

    OPENING_MALFORMED, OPENING_TWICE (a member in two lines) and OPENING_EMPTY: nothing was taken in.
    OPENING_DIFFERS, CREDENTIAL_TAKEN: the chunks before that line are in, and stay.
    """
    surveyed = _survey(path)
    if isinstance(surveyed, Refusal):
        return surveyed
    booked = 0
    with path.open("rb") as lines:
        entries = _entries(lines)
        position = 0
        while position < surveyed.lines:
            taken = _take_chunk(store, surveyed, entries, position, at_ms)
            if isinstance(taken, Refusal):
                return taken
            position, came = taken
            booked += came
            if step is not None:
                step(position, surveyed.lines)
    return Imported(surveyed.file, surveyed.lines, booked, surveyed.minor)


def _take_chunk(
    store: HqStore, surveyed: _Surveyed, entries: Iterator[OpeningLine], position: int, at_ms: int
) -> tuple[int, int] | Refusal:
    """(the line after which to go on, how many were new)."""
    try:
        with store.write() as tx:
            done = tx.openings.begin(surveyed.file, surveyed.lines, at_ms)
            for _ in range(done - position):
                next(entries)
            here = max(done, position)
            chunk = [next(entries) for _ in range(min(CHUNK_LINES, surveyed.lines - here))]
            refusal = tx.openings.take(surveyed.file, chunk, at_ms) if chunk else None
            if refusal is not None:
                raise _RolledBack(refusal)
    except _RolledBack as back:
        return back.refusal
    return here + len(chunk), len(chunk)


class _RolledBack(Exception):
    """Ends a transaction without a trace."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


def _survey(path: Path) -> _Surveyed | Refusal:
    """The file's id, its length and its sum; the first line that cannot be right ends it."""
    hashed, members, minor, number = hashlib.sha256(), set[str](), 0, 0
    with path.open("rb") as lines:
        for number, line in enumerate(iter(lambda: lines.readline(_LONGEST_BYTES), b""), 1):
            hashed.update(line)
            entry = _parsed(line, number)
            if isinstance(entry, Refusal):
                return entry
            if entry.member in members:
                return Refusal("OPENING_TWICE", f"line {number}: this member stands in a line before")
            members.add(entry.member)
            minor += entry.minor
    if not number:
        return Refusal("OPENING_EMPTY", f"{path} holds no lines")
    return _Surveyed(hashed.hexdigest(), number, minor)


def _entries(lines: Iterator[bytes]) -> Iterator[OpeningLine]:
    for number, line in enumerate(lines, 1):
        entry = _parsed(line, number)
        assert isinstance(entry, Opening), "the file was changed while it was read"
        yield OpeningLine(
            line_no=number,
            member=entry.member,
            minor=entry.minor,
            as_of_ms=entry.as_of_ms,
            buckets="[" + ",".join(bucket.model_dump_json() for bucket in entry.buckets) + "]",
            status=entry.status,
            tier=entry.tier,
            credentials=entry.credentials,
        )


def _parsed(line: bytes, number: int) -> Opening | Refusal:
    try:
        return Opening.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        return Refusal("OPENING_MALFORMED", f"line {number}: {where}: {first['msg']}", "one object a line")
