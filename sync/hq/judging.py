"""What the receiver asks about every item, and the answer: the judge itself is handed in.

The receiver treats bodies as bytes. The judge knows them: it says which fact an item is about, whose
points it moves and whether HQ comes to the same result (decisions.md 4). An item is judged when
everything before it in its stream is here, whatever order the batches came in.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sync.hq.heard import Heard
from sync.hq.points import Change, Settled, Stated, Waits

OK = "ok"
MISMATCH = "mismatch"
"""HQ computes something else than the station did: an alarm, yet stored and acknowledged."""
UNKNOWN_BUNDLE = "unknown_bundle"
"""The rules the station used are not known here, so nothing could be recomputed."""
MALFORMED = "malformed"
"""Not an item of the contract. Kept as evidence, since the station's chain goes through it."""
DUPLICATE = "duplicate"
"""Another seq of this station already holds this entity with the same bytes. Given by the store."""
CONFLICT = "entity_conflict"
"""Another seq of this station holds this entity with other bytes. Given by the store."""

AWARD = "award"
"""The kind whose mismatches are counted and told to the station with every ack."""

MINOR_LIMIT = 10**12
"""Points of one item, minor units: sums over millions of items stay inside 64 bits."""


@dataclass(frozen=True, slots=True)
class ItemContext:
    """Where an item stands.

    `item_at(stream, seq)` gives (kind, body) of another item of this station and epoch, or of the
    former epochs up to where this one parted from them; None when it is not here. It always finds what
    comes earlier in the item's own stream.
    """

    station: str
    epoch: int
    stream: str
    seq: int
    item_at: Callable[[str, int], tuple[str, bytes] | None]


@dataclass(frozen=True, slots=True)
class Booked:
    """What an item means. `minor` is the change of points in minor units, 0 where it moves none.

    `entity_id` names the fact (unique per station and kind); None if the item is about no fact.
    Any verdict but "ok" raises an alarm of that name; "malformed" items do not count in sums. `heard` is
    what the item tells HQ's own end to act upon; `change` is what it changes beside the balance.
    """

    entity_id: str | None
    member: str | None
    minor: int
    verdict: str
    heard: Heard | None = None
    change: Change | None = None


Judge = Callable[[ItemContext, str, bytes], Booked]
"""(where it stands, kind, bytes) -> what it means: "malformed" where it cannot be read. Never raises."""

NOT_AN_ITEM = Booked(entity_id=None, member=None, minor=0, verdict=MALFORMED)


def checked(booked: Booked) -> Booked:
    """`booked`, or malformed where a column of HQ's database could not hold it."""
    fits = _fits(booked.entity_id, booked.member) and _is_small(booked.minor)
    if booked.change is not None:
        fits = fits and _fits(*_texts(booked.change)) and all(map(_is_small, _minor(booked.change)))
    return booked if fits else NOT_AN_ITEM


def _fits(*texts: str | None) -> bool:
    return all(text is None or (len(text) <= 200 and text.isprintable()) for text in texts)


def _is_small(minor: int) -> bool:
    return abs(minor) <= MINOR_LIMIT


def _texts(change: Change) -> tuple[str, ...]:
    match change:
        case Waits(of):
            return (of,)
        case Settled(redemption):
            return (redemption,)
        case Stated(grant):
            return (grant,)


def _minor(change: Change) -> tuple[int, ...]:
    match change:
        case Waits(_, minor) | Stated(_, _, _, minor):
            return (minor,)
        case _:
            return ()
