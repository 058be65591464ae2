"""Awards: each is computed again from its stored inputs by the stored bundle, bit for bit (I4).

They are gone through member by member, so that what each member used can be summed on the way.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from agent.points.award import Award, award
from agent.points.inputs import AwardInputs
from agent.points.lean import LeanInputs, fuel_line
from agent.points.ratios import ratio_at
from agent.points.rules import Bundle
from agent.store.awards import Used, counted, periods
from agent.store.bundles import StoredBundle
from agent.store.checks.finding import Finding, Step
from agent.store.checks.last_days import LastDays, local_time
from agent.store.checks.outbox import Said

_AWARDS = """
SELECT award.award_id, award.member, award.bundle, award.version, award.minor, award.reason, award.inputs,
       award.result, award.settled_at_ms, award.stream_seq,
       fact.fact_id, fact.kind, fact.product, coalesce(correction.volume_ml, fact.volume_ml),
       fact.amount_fen, fact.evidence, fact.time_quality, fact.event_time_ms,
       coalesce(correction.stream_seq, fact.stream_seq),
       binding.member, outbox.kind, outbox.at_ms, outbox.body,
       lot.member, lot.minor, lot.earned_on, lot.spendable_at_ms, lot.term_ends_on, lot.lapses_on,
       lot.honoured_until, lot.ratio_version,
       (SELECT max(ledger_entry.at_ms) FROM lot_move JOIN ledger_entry ON ledger_entry.seq = lot_move.seq
        WHERE lot_move.lot_id = lot.lot_id AND ledger_entry.kind = 'return')
FROM award LEFT JOIN fact ON fact.fact_id = award.fact_id
LEFT JOIN correction ON correction.fact_id = award.fact_id
LEFT JOIN binding ON binding.fact_id = award.fact_id
LEFT JOIN outbox ON outbox.stream = 'ledger' AND outbox.seq = award.stream_seq
LEFT JOIN lot ON lot.lot_id = award.award_id
ORDER BY award.member, award.stream_seq
"""
_USAGE = "SELECT member, period, minor, fills, volume_ml, amount_fen FROM usage ORDER BY member"
_PROGRAMME = "SELECT programme FROM station"


@dataclass(slots=True)
class _Row:
    """One award with everything that must agree with it; the fields stand in the order of the query."""

    award_id: bytes
    member: str
    bundle: str
    version: int
    minor: int
    reason: str
    inputs: str
    result: str
    settled_at_ms: int
    stream_seq: int
    fact_id: bytes | None
    fact_kind: str
    product: str
    volume_ml: int
    amount_fen: int
    evidence: str
    time_quality: str
    event_time_ms: int
    fact_seq: int
    bound_member: str | None
    item_kind: str | None
    item_at_ms: int
    item: bytes
    lot_member: str | None
    lot_minor: int
    earned_on: str
    spendable_at_ms: int
    term_ends_on: str
    lapses_on: str
    honoured_until: str
    ratio_version: int
    returned_at_ms: int | None


class AwardWalk:
    def __init__(
        self,
        connection: sqlite3.Connection,
        bundles: dict[int, tuple[StoredBundle, Bundle]],
        said: Said,
    ) -> None:
        self._connection = connection
        self._bundles = bundles
        self._said = said
        self._programme = str(connection.execute(_PROGRAMME).fetchone()[0])
        self._last_days = LastDays(bundles)
        self._with_item = 0

    def run(self, step: Step) -> Iterator[Finding]:
        usage = _Usage(self._connection)
        for values in self._connection.execute(_AWARDS):
            step()
            row = _Row(*values)
            where = f"award {row.award_id.hex()}"
            yield from self._surroundings(row, where)
            if row.fact_id is None:
                continue
            try:
                inputs = AwardInputs.model_validate_json(row.inputs)
            except ValidationError:
                yield Finding("AWARD", where, "its inputs cannot be read")
                continue
            yield from self._told(row, inputs, where)
            if (known := self._bundles.get(row.version)) is None or known[0].bundle != row.bundle:
                yield Finding(
                    "AWARD_RULES",
                    where,
                    f"bundle {row.bundle} {row.version} is not here, or not to be believed",
                )
                continue
            yield from self._in_force(row, where)
            earned = award(inputs, known[1])
            yield from self._recomputed(row, inputs, earned, where)
            yield from self._sold(row, inputs, known[1], where)
            yield from self._lot(row, inputs, earned, known[1], where)
            yield from usage.add(row.member, inputs, earned)
        yield from usage.end()
        if self._with_item != self._said.awards:
            detail = f"{self._with_item} of them; HQ was told of {self._said.awards}"
            yield Finding("AWARD_ITEM", "awards whose items are kept", detail)

    def _surroundings(self, row: _Row, where: str) -> Iterator[Finding]:
        """I3, and that the binding and the item are this award's."""
        if row.fact_id is None or row.award_id != _award_id(self._programme, row.fact_id):
            yield Finding("AWARD_ID", where, "it is not the id of the award of its fact")
        if row.bound_member != row.member:
            yield Finding("AWARD_WITHOUT_BINDING", where, "no binding names its member")
        if self._item_is_gone(row):
            return
        self._with_item += 1
        if row.item_kind != "award" or row.item_at_ms != row.settled_at_ms:
            yield Finding("AWARD_ITEM", where, f"ledger {row.stream_seq} is {row.item_kind}")

    def _item_is_gone(self, row: _Row) -> bool:
        """HQ has it, and it was pruned."""
        return 0 < row.stream_seq < self._said.since.get("ledger", 1)

    def _told(self, row: _Row, inputs: AwardInputs, where: str) -> Iterator[Finding]:
        """What HQ was told is this award."""
        if self._item_is_gone(row) or row.item_kind != "award":
            return
        fuel = None
        if row.fact_kind == "fuelling":
            fuel = fuel_line(row.product, row.volume_ml, row.amount_fen)
        lean = LeanInputs.of(inputs, fuel, row.event_time_ms).model_dump_json(exclude_defaults=True)
        head = (
            f'{{"kind":"award","bundle":"{row.bundle}","version":{row.version},"member":"{row.member}",'
            f'"of":{row.fact_seq},"inputs":{lean},"minor":{row.minor}'
        )
        if not row.item.startswith((f"{head},".encode(), f"{head}}}".encode())):
            yield Finding("AWARD_ITEM", where, f"ledger {row.stream_seq} says something else")

    def _in_force(self, row: _Row, where: str) -> Iterator[Finding]:
        """I22: of the bundles that judged when it was settled, the newest in force at the event time."""
        judging = [stored for stored, _ in self._bundles.values() if _may_have_judged(stored, row)]
        mine = self._bundles[row.version][0]
        surely = (stored for stored in judging if _surely_judged(stored, row))
        if mine not in judging or any(stored.version > mine.version for stored in surely):
            yield Finding("AWARD_RULES", where, f"bundle {row.bundle} {row.version} was not in force")

    def _recomputed(self, row: _Row, inputs: AwardInputs, earned: Award, where: str) -> Iterator[Finding]:
        """I4, I6, I8, I30."""
        if inputs.model_dump_json(exclude_defaults=True) != row.inputs:
            yield Finding("AWARD", where, "its inputs were written anew")
        result = earned.model_dump_json(exclude_defaults=True)
        if (earned.minor, earned.reason, result) != (row.minor, row.reason, row.result):
            yield Finding("AWARD", where, f"{row.minor}; its inputs and rules give {earned.minor}")
        if sum(line.minor for line in earned.explanation) != earned.minor:
            yield Finding("EXPLANATION", where, "its lines do not sum to it")
        for line in earned.explanation:
            if line.kind == "cap" and earned.minor > max(0, line.limit_minor - line.used_minor):
                yield Finding("CAP", where, f"exceeds {line.rule}")
        if any(earned.minor < other.minor for other in earned.alternatives):
            yield Finding("PROTECTED", where, "less than under the other rules")

    def _sold(self, row: _Row, inputs: AwardInputs, bundle: Bundle, where: str) -> Iterator[Finding]:
        """I4, I28: the inputs are those of the fact."""
        volume_ml = row.volume_ml if row.fact_kind == "fuelling" else 0
        told = (sum(line.volume_ml for line in inputs.lines), inputs.evidence, inputs.time_quality)
        local = local_time(row.event_time_ms, bundle)
        if told != (volume_ml, row.evidence, row.time_quality) or inputs.local != local:
            yield Finding("AWARD", where, "its inputs are not those of its fact")
        if row.minor and volume_ml and row.evidence == "none":
            yield Finding("NO_EVIDENCE", where, "points for fuel that no meter vouches for")

    def _lot(
        self, row: _Row, inputs: AwardInputs, earned: Award, bundle: Bundle, where: str
    ) -> Iterator[Finding]:
        """The lot's terms follow from the award; its moves are checked elsewhere."""
        if row.lot_member is None:
            if row.minor:
                yield Finding("LOT_TERMS", where, "its points are in no lot")
            return
        delay_s = bundle.activation.after_s if bundle.activation else 0
        ratio = ratio_at(bundle.redemption, inputs.local.day) if bundle.redemption else None
        stored = (row.lot_member, row.lot_minor, row.earned_on, row.term_ends_on)
        spendable = (row.spendable_at_ms, row.ratio_version)
        if stored != (row.member, row.minor, inputs.local.business_date, earned.lapses_on) or spendable != (
            row.settled_at_ms + delay_s * 1000,
            ratio.version if ratio else 0,
        ):
            yield Finding("LOT_TERMS", where, "its lot has other terms")
        days = self._last_days.of(row.earned_on, earned.lapses_on, row.returned_at_ms)
        if row.lapses_on not in days:
            yield Finding("LOT_TERMS", where, f"its lot lapses on {row.lapses_on or 'no day'}")
        said = self._said.honoured.get(row.stream_seq)
        unsaid = row.honoured_until if not self._said.everything("service") else ""
        if row.honoured_until != (said or unsaid):
            yield Finding("LOT_TERMS", where, f"its lot is honoured until {row.honoured_until or 'no day'}")


def _may_have_judged(bundle: StoredBundle, row: _Row) -> bool:
    """It was ACTIVE or RETIRED when the award was settled, perhaps in that very moment."""
    if bundle.in_force_from_ms is None or bundle.activated_at_ms is None:
        return False
    begun = bundle.in_force_from_ms <= row.event_time_ms and bundle.activated_at_ms <= row.settled_at_ms
    return begun and (bundle.state != "REJECTED" or row.settled_at_ms <= bundle.state_at_ms)


def _surely_judged(bundle: StoredBundle, row: _Row) -> bool:
    assert bundle.activated_at_ms is not None
    begun = bundle.activated_at_ms < row.settled_at_ms
    return begun and (bundle.state != "REJECTED" or row.settled_at_ms < bundle.state_at_ms)


def _award_id(programme: str, fact_id: bytes) -> bytes:
    """decisions.md 2: SHA-256 of 0x03 and the length-prefixed fields. Written anew here on purpose."""
    digest = hashlib.sha256(b"\x03")
    for part in (programme.encode(), fact_id.hex().encode(), b"award"):
        digest.update(len(part).to_bytes(2, "big") + part)
    return digest.digest()[:16]


class _Usage:
    """What each member used, summed from awards that come member by member, beside the stored sums."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._stored: Iterator[tuple[Any, ...]] = iter(connection.execute(_USAGE))
        self._row = next(self._stored, None)
        self._member = ""
        self._sums: dict[str, Used] = {}

    def add(self, member: str, inputs: AwardInputs, earned: Award) -> Iterator[Finding]:
        if member != self._member:
            yield from self._compare()
            self._member = member
        used = counted(inputs, earned.minor, earned.reason)
        for period in periods(inputs):
            self._sums[period] = self._sums.get(period, Used()) + used

    def end(self) -> Iterator[Finding]:
        yield from self._compare()
        while self._row is not None:
            yield Finding("USAGE_CACHE", f"member {self._row[0]} {self._row[1]}", "there are no such awards")
            self._row = next(self._stored, None)

    def _compare(self) -> Iterator[Finding]:
        while self._row is not None and self._row[0] <= self._member:
            member, period, *figures = self._row
            self._row = next(self._stored, None)
            ours = self._sums.pop(period, Used()) if member == self._member else Used()
            if Used(*figures) != ours:
                yield Finding("USAGE_CACHE", f"member {member} {period}", f"awards say {ours}")
        for period, used in self._sums.items():
            if used != Used():
                yield Finding("USAGE_CACHE", f"member {self._member} {period}", f"awards say {used}")
        self._sums.clear()
