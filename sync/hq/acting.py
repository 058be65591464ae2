"""What HQ does about what items tell it (`heard.py`): once, in order, in the transaction that books them."""

from collections.abc import Callable, Iterable

from sync.hq.heard import Adopted, Applied, CertificateAsked, Heard, NextKey
from sync.hq.store import Writing
from sync.hq.store.documents import FOR_ALL, Edition
from sync.refusal import Refusal

DELTA_BASE = "DELTA_BASE"
"""The verdict of a station whose members are of another version than a delta begins at."""

Certify = Callable[[Writing, str, CertificateAsked], Refusal | None]
"""Answers a question for a certificate in the same transaction: (tx, station, question)."""


def act(
    tx: Writing, station: str, heard: Iterable[Heard], at_ms: int, certify: Certify | None
) -> list[Refusal]:
    """Do what follows; returns the alarms. The station's lock is held."""
    alarms = (_act(tx, station, one, at_ms, certify) for one in heard)
    return [alarm for alarm in alarms if alarm is not None]


def _act(tx: Writing, station: str, one: Heard, at_ms: int, certify: Certify | None) -> Refusal | None:
    match one:
        case Applied():
            return _applied(tx, station, one, at_ms)
        case NextKey(key):
            tx.documents.announce_key(station, key, at_ms)
            return None
        case CertificateAsked():
            return certify(tx, station, one) if certify else None
        case Adopted():
            return _adopted(tx, station, one, at_ms)


def _applied(tx: Writing, station: str, one: Applied, at_ms: int) -> Refusal | None:
    """DOWN_REFUSED: it was signed and arrived and yet took no effect. DOWN_UNKNOWN: not issued here, and
    what was issued under that number is to be issued again. SNAPSHOT_WANTED: no delta fits any more.
    """
    line = tx.down.applied(station, one.down_seq, one.id, one.verdict, at_ms)
    if line is None:
        lost = tx.down.lose_number(station, one.down_seq)
        again = f"; {lost} is to be issued again" if lost else ""
        return Refusal("DOWN_UNKNOWN", f"{one.down_seq} {one.id} was applied and is not known here{again}")
    if one.verdict == DELTA_BASE:
        wanted = f"{one.down_seq} {one.id}: {one.detail}; `forecourt hq publish members` helps"
        return Refusal("SNAPSHOT_WANTED", wanted)
    if one.verdict:
        return Refusal("DOWN_REFUSED", f"{one.down_seq} {line.kind} {one.id}: {one.verdict} {one.detail}")
    return None


def _adopted(tx: Writing, station: str, one: Adopted, at_ms: int) -> Refusal | None:
    """EQUIVOCATION: one version has two contents. The first one that was seen stays on record."""
    whose = FOR_ALL if one.for_all else station
    held = tx.documents.edition(one.what, one.name, one.version, whose)
    if held is None:
        first = Edition(one.what, one.name, one.version, whose, one.sha256, said_by=station)
        tx.documents.add_edition(first, None, at_ms)
        held = tx.documents.edition(one.what, one.name, one.version, whose)
    assert held is not None
    if held.sha256 == one.sha256:
        return None
    other = held.said_by or "HQ's own"
    named = f"{one.what} {one.name} {one.version}".replace("  ", " ")
    return Refusal("EQUIVOCATION", f"{named}: {one.sha256[:16]} here, {other} has {held.sha256[:16]}")
