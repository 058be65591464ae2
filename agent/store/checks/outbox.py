"""The outbox: no gap, the chain, the watermark on it; and what its items say of rows elsewhere.

An item that was acknowledged and pruned says nothing any more: what it said of a row is HQ's to check.
"""

import json
import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from agent.store.checks.finding import Finding, Step
from agent.store.forks import LEDGER_CHAIN
from sync.chain import GENESIS, next_head
from sync.outbox import STREAMS

_ROWS = "SELECT stream, seq, kind, at_ms, body, head FROM outbox ORDER BY stream, seq"
_MARKS = "SELECT stream, seq, head FROM watermark"
_FORKS = "SELECT chain, seq, head, epoch FROM fork WHERE chain <> ?"
_FACTS = """
SELECT fact.fact_id, fact.kind, fact.stream_seq, fact.booked_at_ms, fact.event_time_ms, fact.point,
       fact.device_key, fact.nozzle, fact.product, fact.device_epoch, fact.sequence_no, fact.volume_ml,
       fact.amount_fen, fact.unit_price_milli, fact.missed_ml, fact.evidence, fact.time_quality, fact.flags,
       fact.credential, outbox.kind, outbox.at_ms, outbox.body
FROM fact LEFT JOIN outbox ON outbox.stream = 'ledger' AND outbox.seq = fact.stream_seq
WHERE fact.stream_seq >= (SELECT coalesce(min(seq), 0) FROM outbox WHERE stream = 'ledger')
"""
_CORRECTIONS = """
SELECT correction.fact_id, correction.corrected_at_ms, correction.volume_ml, correction.unit_price_milli,
       correction.stream_seq, outbox.kind, outbox.body
FROM correction LEFT JOIN outbox ON outbox.stream = 'ledger' AND outbox.seq = correction.stream_seq
WHERE correction.stream_seq >= (SELECT coalesce(min(seq), 0) FROM outbox WHERE stream = 'ledger')
"""
_OF_FACTS_AND_AWARDS = frozenset({"fuelling", "basket", "gap", "correction", "award", "claim"})
"""Kinds whose items are compared where their rows are read."""


@dataclass(slots=True)
class Said:
    """What the kept items say: refunds by (register, refund id), closes by date, the last state of each
    bundle version and when it was first ACTIVE, the last day to which each award's lot was honoured."""

    refunds: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    closes: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[int, dict[str, Any]] = field(default_factory=dict)
    activated_at_ms: dict[int, int] = field(default_factory=dict)
    honoured: dict[int, str] = field(default_factory=dict)
    adopted: dict[int, dict[str, Any]] = field(default_factory=dict)
    coupons_used: dict[str, dict[str, Any]] = field(default_factory=dict)
    coupons_issued: dict[str, dict[str, Any]] = field(default_factory=dict)
    applied: dict[int, dict[str, Any]] = field(default_factory=dict)
    adjusted: dict[int, dict[str, Any]] = field(default_factory=dict)
    """By their seq in the ledger stream."""
    statements: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    """The last one of each grant and epoch."""
    awards: int = 0
    """How many items tell of an award."""
    since: dict[str, int] = field(default_factory=dict)
    """The first kept seq of each stream: from 1 on, what is not said never happened."""

    def hear(self, kind: str, seq: int, item: dict[str, Any]) -> None:
        match kind:
            case "refund":
                self.refunds[item["till"], item["refund_id"]] = item
            case "daily.close":
                self.closes[item["date"]] = item
            case "rules.state":
                self.states[item["version"]] = item
                if item["state"] == "ACTIVE":
                    self.activated_at_ms.setdefault(item["version"], item["at_ms"])
            case "lot.honoured" if "of" in item:
                self.honoured[item["of"]] = item["until"]
            case "coupon.used":
                self.coupons_used[item["serial"]] = item
            case "coupon.issued":
                self.coupons_issued[item["serial"]] = item
            case "adjusted":
                self.adjusted[seq] = item
            case "grant.statement":
                self.statements[item["grant"], item["grant_epoch"]] = item
            case "applied":
                self.applied[item["seq"]] = item
            case "adopted" if item["what"] == "bundle":
                self.adopted[item["version"]] = item

    def everything(self, stream: str) -> bool:
        """True if nothing of the stream was pruned."""
        return self.since.get(stream, 1) == 1


class OutboxWalk:
    """I19, and `said` for the checks that follow.

    Where a former incarnation had told HQ more than this file knows, a stream goes on after that.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._marks = {stream: (seq, head) for stream, seq, head in connection.execute(_MARKS)}
        self._forks = connection.execute(_FORKS, (LEDGER_CHAIN,)).fetchall()
        self._parts = {(stream, seq): head for stream, seq, head, _ in self._forks}
        self.said = Said()

    def run(self, step: Step) -> Iterator[Finding]:
        stream_before, seq_before, head, is_sound = "", 0, GENESIS, True
        places = {(stream, seq): b"" for stream, (seq, _) in self._marks.items()}
        places |= {(stream, seq): b"" for stream, seq, _, _ in self._forks}
        for stream, seq, kind, at_ms, body, stored in self._connection.execute(_ROWS):
            step()
            where = f"{stream} {seq}"
            if stream != stream_before:
                stream_before, is_sound = stream, True
                head = GENESIS if seq == 1 else self._parts.get((stream, seq - 1), b"")
                yield from self._begins(stream, seq)
            elif seq != seq_before + 1:
                head = self._parts.get((stream, seq - 1), b"")
                if not head:
                    yield Finding("OUTBOX_GAP", where, f"follows {seq_before}")
            if head and next_head(head, body) != stored and is_sound:
                is_sound = False
                yield Finding("OUTBOX_CHAIN", where, "its bytes or its place were changed")
            seq_before, head = seq, stored
            if (stream, seq) in places:
                places[stream, seq] = stored
            if wrong := self._item(kind, seq, at_ms, body):
                yield Finding("ITEM", where, wrong)
        for stream, (seq, marked) in self._marks.items():
            if marked not in (places[stream, seq] if seq else GENESIS, self._parts.get((stream, seq))):
                yield Finding("WATERMARK", stream, f"HQ acknowledged another history than ours at {seq}")
        for stream, seq, forked, epoch in self._forks:
            here = places[stream, seq] if seq else GENESIS
            if here not in (forked, b""):
                yield Finding("FORK", f"epoch {epoch}", f"another head at {stream} {seq}")
        yield from self._facts()

    def _begins(self, stream: str, seq: int) -> Iterator[Finding]:
        """Nothing goes before HQ has acknowledged it, and the last acknowledged row stays."""
        self.said.since[stream] = seq
        if stream not in STREAMS:
            yield Finding("ITEM", f"{stream} {seq}", "there is no such stream")
        kept_from = max(1, self._marks.get(stream, (0, b""))[0])
        if seq > kept_from and (stream, seq - 1) not in self._parts:
            yield Finding("OUTBOX_GAP", f"{stream} {seq}", f"rows from {kept_from} on must be there")

    def _item(self, kind: str, seq: int, at_ms: int, body: bytes) -> str:
        """What is wrong with a row's own columns. Bytes that are no item of ours are only chained."""
        if not body.startswith(b'{"kind":"'):
            return ""
        if not body.startswith(b'{"kind":"%s"' % kind.encode()):
            return f"its column says '{kind}'"
        if kind in _OF_FACTS_AND_AWARDS:
            self.said.awards += kind == "award"
            return ""
        try:
            item = json.loads(body)
            self.said.hear(kind, seq, item)
        except (ValueError, KeyError, TypeError):
            return "it cannot be read"
        return "" if item.get("at_ms", at_ms) == at_ms else "written at another time than it says"

    def _facts(self) -> Iterator[Finding]:
        """Every fact has its item, and that tells of this fact."""
        for row in self._connection.execute(_FACTS):
            fact_id, kind, stream_seq, booked_at_ms, *_, item_kind, at_ms, body = row
            if kind != item_kind:
                yield Finding("FACT_WITHOUT_ITEM", fact_id.hex(), f"ledger {stream_seq} is {item_kind}")
            elif at_ms != booked_at_ms or _told(body, _KEYS[kind]) != _known(kind, row):
                yield Finding("FACT_ITEM", fact_id.hex(), f"ledger {stream_seq} says something else")
        for fact_id, at_ms, volume_ml, price_milli, seq, kind, body in self._connection.execute(_CORRECTIONS):
            told = (
                _told(body, ("id", "volume_ml", "unit_price_milli", "at_ms")) if kind == "correction" else ()
            )
            if told != (_text(fact_id), volume_ml, price_milli, at_ms):
                yield Finding(
                    "FACT_ITEM", fact_id.hex(), f"its correction, ledger {seq}, says something else"
                )


_KEYS: dict[str, tuple[str, ...]] = {
    "fuelling": (
        *("id", "event_ms", "point", "device", "nozzle", "product", "device_epoch", "sequence_no"),
        *("volume_ml", "amount_fen", "unit_price_milli", "missed_ml", "evidence", "time_quality", "flags"),
        "credential",
    ),
    "basket": ("id", "event_ms", "credential"),
    "gap": ("id", "event_ms", "point", "device", "nozzle", "product", "device_epoch", "volume_ml"),
}
_DEFAULTS: dict[str, object] = {
    **dict.fromkeys(("point", "product", "flags", "credential"), ""),
    "device_epoch": 1,
    "missed_ml": 0,
}


def _told(body: bytes, keys: tuple[str, ...]) -> tuple[object, ...]:
    try:
        item = json.loads(body)
        return tuple(item.get(key, _DEFAULTS.get(key)) for key in keys)
    except (ValueError, AttributeError):
        return ()


def _known(kind: str, row: tuple[Any, ...]) -> tuple[object, ...]:
    """The columns of a fact in the order of its item's keys."""
    fact_id, _, _, _, event_ms, point, device, nozzle, product, epoch, sequence_no, volume_ml, *rest = row
    amount_fen, price_milli, missed_ml, evidence, time_quality, flags, credential, *_ = rest
    if kind == "basket":
        return _text(fact_id), event_ms, credential
    place = (_text(fact_id), event_ms, point, device, nozzle, product, epoch)
    if kind == "gap":
        return (*place, volume_ml)
    quantities = (volume_ml, amount_fen, price_milli, missed_ml)
    return (*place, sequence_no, *quantities, evidence, time_quality, flags, credential)


def _text(identity: bytes) -> str:
    return urlsafe_b64encode(identity).rstrip(b"=").decode()
