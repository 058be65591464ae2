"""Taking one verified batch into the database: idempotent, in whatever order batches come.

A batch whose left neighbour is here is linked, judged and kept, together with everything that was
waiting behind it; one that came too early waits. The watermark is the end of what is linked, so it
never covers a gap, a broken link or an item that nobody judged. Runs inside one transaction.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic_core import from_json

from sync import envelope
from sync.chain import next_head_of_leaf
from sync.envelope import Envelope
from sync.hq.heard import Heard
from sync.hq.judging import (
    AWARD,
    CONFLICT,
    DUPLICATE,
    MALFORMED,
    MISMATCH,
    NOT_AN_ITEM,
    OK,
    Booked,
    ItemContext,
    Judge,
    checked,
)
from sync.hq.points import Settled, Stated
from sync.hq.store import LANDMARK_EVERY, Arrival, Chain, ItemRow, Mark, Moved, StreamKey, Writing
from sync.refusal import Refusal

MAX_AHEAD = 5_000
"""Items a station may be ahead of its watermark; bounds what waits for a neighbour that never comes."""

_START = Mark(0, envelope.GENESIS)
_KIND = re.compile(r"[a-z][a-z0-9_.]{0,39}")
_NO_KIND = "?"


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of a batch.

    `mark` is what HQ now holds of the stream: true also after a refusal, so it may be acknowledged;
    None for an epoch that is over or has not begun, of which nothing is said. `refusal` means that
    nothing of this batch was stored. `broken` says that a waiting batch behind it does not join on.
    """

    mark: Mark | None
    mismatched: int = 0
    """How many awards of this epoch were computed otherwise here, this batch included."""
    linked: int = 0
    waiting: int = 0
    duplicates: int = 0
    refusal: Refusal | None = None
    broken: Refusal | None = None
    verdicts: tuple[tuple[str, str, int], ...] = ()
    """(verdict, where last seen, how often), all but "ok" and "duplicate"."""
    heard: tuple[Heard, ...] = ()
    """What the linked items tell HQ to act upon, in their order."""


def take_in(tx: Writing, batch: Envelope, judge: Judge, at_ms: int) -> Intake:
    """Store, link and judge a batch whose signature was verified.

    Refusals: EPOCH_OLD (a newer incarnation of the station's database was seen), EPOCH_NOT_BEGUN (no
    hello has said where this incarnation parts from the former one), TOO_FAR_AHEAD, FORKED (other
    bytes are held under these sequence numbers), BROKEN_LINK (it does not continue the chain that is
    held).
    """
    header = batch.header
    key = StreamKey(header.station, header.epoch, header.stream)
    tx.lock(key.station)
    known = tx.chains(key.station)
    newest = known.newest_epoch
    if key.epoch < newest:
        return Intake(None, refusal=Refusal("EPOCH_OLD", f"epoch {key.epoch}, the newest seen is {newest}"))
    if key.epoch > max(newest, 1):
        return Intake(None, refusal=Refusal("EPOCH_NOT_BEGUN", f"epoch {key.epoch}, here it is {newest}"))
    chain = known.get(key.epoch, key.stream) or Chain(key.epoch, key.stream, _START)
    mark, mismatched = chain.mark, known.mismatched(key.epoch)
    arrivals = _arrivals(batch)
    may_be_held = chain.waits or header.first_seq <= mark.seq
    held = tx.leaves(key, header.first_seq, batch.last_seq) if may_be_held else {}
    refusal = _objection(batch, arrivals, held, mark)
    if refusal:
        return Intake(mark, mismatched, refusal=refusal)
    new = [one for one in arrivals if one.seq > mark.seq]
    if new and new[0].seq > mark.seq + 1:
        tx.hold(key, new)
        tx.set_mark(key, mark, at_ms)
        return Intake(mark, mismatched, waiting=len(new), duplicates=len(held))
    behind = tx.waiting(key, max(mark.seq, batch.last_seq)) if chain.waits else ()
    run, broken = _joined(mark, new, behind)
    linked = _Linked(tx, key, judge, run, at_ms) if run else None
    if linked:
        some_waited = len(run) > len(new) or any(seq > mark.seq for seq in held)
        mark = linked.keep()
        mismatched += linked.mismatched
        if some_waited:
            tx.forget_waiting(key, run[0].seq, run[-1].seq)
    return Intake(
        mark,
        mismatched,
        linked=len(run),
        duplicates=len(held),
        broken=broken,
        verdicts=linked.remarks() if linked else (),
        heard=linked.heard() if linked else (),
    )


def _arrivals(batch: Envelope) -> list[Arrival]:
    head = envelope.decode_head(batch.header.head_before)
    arrivals = []
    for seq, body in enumerate(batch.bodies, batch.header.first_seq):
        arrivals.append(Arrival(seq, body, envelope.leaf(body), head_before=head))
        head = next_head_of_leaf(head, arrivals[-1].leaf)
    return arrivals


def _objection(
    batch: Envelope, arrivals: Sequence[Arrival], held: dict[int, bytes], mark: Mark
) -> Refusal | None:
    """Why nothing of this batch may be stored."""
    if batch.last_seq > mark.seq + MAX_AHEAD:
        return Refusal("TOO_FAR_AHEAD", f"seq {batch.last_seq}, the watermark is {mark.seq}")
    forked = [one.seq for one in arrivals if held.get(one.seq, one.leaf) != one.leaf]
    if forked:
        return Refusal("FORKED", _where(batch, forked[0]), "was the station restored without a new epoch?")
    if batch.header.first_seq <= mark.seq + 1 <= batch.last_seq + 1:
        held_here = mark.seq + 1 - batch.header.first_seq
        head = arrivals[held_here].head_before if held_here < len(arrivals) else batch.head_after
        if head != mark.head:
            return Refusal("BROKEN_LINK", _where(batch, mark.seq + 1), "the station must start a new epoch")
    return None


def _where(batch: Envelope, seq: int) -> str:
    return f"epoch {batch.header.epoch}, {batch.header.stream} {seq}"


def _joined(
    mark: Mark, new: Sequence[Arrival], behind: Iterable[Arrival]
) -> tuple[list[Arrival], Refusal | None]:
    """`new`, which continues the chain from `mark`, with what waited behind it; the link that is broken."""
    run = list(new)
    head = next_head_of_leaf(run[-1].head_before, run[-1].leaf) if run else mark.head
    for seq, one in enumerate(behind, mark.seq + len(run) + 1):
        if one.seq != seq:
            break
        if one.head_before != head:
            return run, Refusal("BROKEN_LINK", f"a batch that waited does not join on at seq {one.seq}")
        run.append(one)
        head = next_head_of_leaf(head, one.leaf)
    return run, None


class _Linked:
    """A run of items that continues the chain: judged in order, then kept in one go."""

    def __init__(self, tx: Writing, key: StreamKey, judge: Judge, run: Sequence[Arrival], at_ms: int) -> None:
        self._tx, self._key, self._judge, self._run, self._at_ms = tx, key, judge, run, at_ms
        self._kinds = {one.seq: _kind_of(one.body) for one in run}
        self._bodies = {one.seq: one.body for one in run}
        self.mismatched = 0
        self._counts: Counter[str] = Counter()
        self._last_seen: dict[str, str] = {}
        self._heard: list[Heard] = []

    def keep(self) -> Mark:
        """Judge, store and move the watermark; the new one."""
        booked = [(one, self._booked(one)) for one in self._run]
        rows = list(self._rows(booked))
        self._tx.add_items(self._key, rows, self._at_ms)
        self._move_points(rows, [result for _, result in booked])
        first, last = self._run[0], self._run[-1]
        mark = Mark(last.seq, next_head_of_leaf(last.head_before, last.leaf))
        self._tx.set_mark(self._key, mark, self._at_ms, self.mismatched)
        if last.seq // LANDMARK_EVERY > (first.seq - 1) // LANDMARK_EVERY:
            self._tx.add_landmark(self._key, mark)
        return mark

    def remarks(self) -> tuple[tuple[str, str, int], ...]:
        return tuple((verdict, self._last_seen[verdict], n) for verdict, n in self._counts.items())

    def heard(self) -> tuple[Heard, ...]:
        return tuple(self._heard)

    def _booked(self, one: Arrival) -> Booked:
        kind = self._kinds[one.seq]
        if kind is None:
            return NOT_AN_ITEM
        key = self._key
        context = ItemContext(key.station, key.epoch, key.stream, one.seq, self._item_at)
        return checked(self._judge(context, kind, one.body))

    def _item_at(self, stream: str, seq: int) -> tuple[str, bytes] | None:
        if stream == self._key.stream and seq in self._bodies:
            return self._kinds[seq] or _NO_KIND, self._bodies[seq]
        return self._tx.item(StreamKey(self._key.station, self._key.epoch, stream), seq)

    def _rows(self, booked: Sequence[tuple[Arrival, Booked]]) -> Iterator[ItemRow]:
        holders = self._tx.entity_leaves(self._key.station, self._entities(booked))
        for one, result in booked:
            kind = self._kinds[one.seq] or _NO_KIND
            verdict = result.verdict
            if result.entity_id is not None and verdict != MALFORMED:
                holder = holders.get((kind, result.entity_id))
                if holder is not None:
                    verdict = DUPLICATE if holder == one.leaf else CONFLICT
                holders.setdefault((kind, result.entity_id), one.leaf)
            self.mismatched += verdict == MISMATCH and kind == AWARD
            self._remark(verdict, one.seq)
            if result.heard is not None and verdict == OK:
                self._heard.append(result.heard)
            yield ItemRow(
                seq=one.seq,
                kind=kind,
                entity_id=result.entity_id,
                member=result.member,
                minor=result.minor,
                verdict=verdict,
                counted=int(verdict not in (MALFORMED, DUPLICATE, CONFLICT)),
                body=one.body,
                leaf=one.leaf,
            )

    def _entities(self, booked: Sequence[tuple[Arrival, Booked]]) -> set[tuple[str, str]]:
        return {
            (self._kinds[one.seq] or _NO_KIND, result.entity_id)
            for one, result in booked
            if result.entity_id is not None
        }

    def _move_points(self, rows: Sequence[ItemRow], booked: Sequence[Booked]) -> None:
        """The members' accounts, by what counts; then the promises that came to their end."""
        counted = [
            Moved(row.member, row.minor, one.change)
            for row, one in zip(rows, booked, strict=True)
            if row.counted and row.member is not None
        ]
        self._tx.members.book(self._key.station, counted, self._at_ms)
        ends = [(one.member, one.change) for one in counted if isinstance(one.change, Settled | Stated)]
        self._tx.rights.settle(self._key.station, ends, self._at_ms)

    def _remark(self, verdict: str, seq: int) -> None:
        if verdict not in (OK, DUPLICATE):
            self._counts[verdict] += 1
            self._last_seen[verdict] = f"epoch {self._key.epoch}, {self._key.stream} {seq}"


def _kind_of(body: bytes) -> str | None:
    """What the item says it is; None if it is not an object of JSON with a kind."""
    try:
        item = from_json(body)
    except ValueError:
        return None
    kind = item.get("kind") if isinstance(item, dict) else None
    return kind if isinstance(kind, str) and _KIND.fullmatch(kind) else None
