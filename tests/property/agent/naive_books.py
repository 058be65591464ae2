"""What the station ought to know, kept in plain dictionaries and computed the long way round.

Days are counted one by one, and what a member is shown is put together point by point, from the rows
of lots and from what headquarters last said.
"""

import json
import tomllib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone

from agent.handlers.site import Site
from drivers.events import Fuelling, PosRequest
from tests.property.agent.kept_station import KeptStation

CHINA = timezone(timedelta(hours=8))
GRACE_DAYS = 3
DAY = timedelta(days=1)
Spell = tuple[date, date | None]


def day_of(at_ms: int) -> date:
    """The business date: days begin at midnight in Shanghai."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(CHINA).date()


def last_day(earned_on: date, term_ends_on: date, pauses: Iterable[tuple[date, date]]) -> date:
    """As many days as the term has, those of a pause not counted."""
    paused = {first + DAY * n for first, last in pauses for n in range((last - first).days + 1)}
    day, left = earned_on, (term_ends_on - earned_on).days + 1
    while True:
        left -= day not in paused
        if left == 0:
            return day
        day += DAY


@dataclass
class Word:
    """What HQ's newest snapshot says of one member, and which of our lots it has, on which day."""

    buckets: dict[str, int] = field(default_factory=dict)
    for_ever_minor: int = 0
    included_seq: int = 0
    lots: dict[bytes, str] = field(default_factory=dict)
    usage_elsewhere: dict[str, int] = field(default_factory=dict)


@dataclass
class Knowledge:
    """Everything that goes back in time together with the file."""

    records: set[Fuelling] = field(default_factory=set)
    requests: dict[PosRequest, None] = field(default_factory=dict)
    judging: dict[int, int] = field(default_factory=dict)
    """version → the event time from which on it judges, ms"""
    taken_back: set[int] = field(default_factory=set)
    words: dict[str, Word] = field(default_factory=dict)
    as_of_ms: dict[str, int] = field(default_factory=dict)
    """member → when HQ last told of them"""
    spells: list[tuple[int, int | None]] = field(default_factory=list)
    judged: int = 0
    """Awards that were looked at."""

    def dark_days(self) -> list[Spell]:
        return [(day_of(began), None if ended is None else day_of(ended)) for began, ended in self.spells]

    def honoured(self, lapses_on: str, today: date) -> bool:
        """It lapsed on a dark day, and the road is not back, or not for longer than the grace."""
        lapsed = date.fromisoformat(lapses_on)
        return any(
            began <= lapsed <= (ended or date.max) and today <= (ended or today) + GRACE_DAYS * DAY
            for began, ended in self.dark_days()
        )

    def counts(self, lapses_on: str, today: date) -> bool:
        """Whether points with this last day are worth something today."""
        if not lapses_on or lapses_on >= today.isoformat():
            return True
        return self.honoured(lapses_on, today)

    def version_for(self, event_time_ms: int) -> int:
        """I22: the newest of those that judge and were in force then."""
        return max(version for version, since_ms in self.judging.items() if since_ms <= event_time_ms)

    def shown_minor(self, member: str, world: KeptStation) -> int:
        """I20: each point of a member is in a part of HQ's balance that still counts, less what we took
        from it since, or in a lot that HQ does not know yet; what is owed goes off."""
        word, today = self.words[member], day_of(world.at_ms)
        taken: Counter[str] = Counter()
        for lot_id, kind, minor in world.rows(_MOVES_SINCE, member, word.included_seq):
            if lot_id in word.lots and kind != "expiry":
                taken[word.lots[lot_id]] -= minor
        of_hq = sum(
            minor - taken[lapses_on]
            for lapses_on, minor in word.buckets.items()
            if self.counts(lapses_on, today)
        )
        ours = sum(remaining for lot_id, remaining in world.rows(_RESTS, member) if lot_id not in word.lots)
        [(debt_minor,)] = world.rows(_DEBT, f"member:{member}:debt", 1 << 60)
        return word.for_ever_minor - taken[""] + of_hq + ours + int(debt_minor)


@dataclass(frozen=True)
class Elsewhere:
    """What HQ knows of a member from other stations; days are counted from today, None lapses never."""

    parts: tuple[tuple[int | None, int], ...] = ()
    day_minor: int = 0
    month_minor: int = 0
    frozen: bool = False


def word_of_hq(
    member: str, elsewhere: Elsewhere, seq: int, lapsed_through: str, world: KeptStation
) -> tuple[Word, dict[str, object]]:
    """An honest snapshot of one member with our ledger up to `seq`: for the model, and as HQ writes it."""
    today = day_of(world.at_ms)
    lots = dict(world.rows(_DAYS, member, seq))
    held: Counter[str] = Counter()
    for lot_id, minor in world.rows(_RESTS_AT, member, seq):
        held[lots[lot_id]] += minor
    for in_days, minor in elsewhere.parts:
        held["" if in_days is None else (today + in_days * DAY).isoformat()] += minor
    buckets = {day: minor for day, minor in held.items() if day and day > lapsed_through and minor}
    [(debt_minor,)] = world.rows(_DEBT, f"member:{member}:debt", seq)
    usage = {today.isoformat(): elsewhere.day_minor, today.isoformat()[:7]: elsewhere.month_minor}
    written = {
        "member": member,
        "status": "FROZEN" if elsewhere.frozen else "ACTIVE",
        "balance_minor": held[""] + sum(buckets.values()) + debt_minor,
        "buckets": [{"lapses_on": day, "minor": minor} for day, minor in buckets.items()],
        "usage": [
            {"period": period, "minor": minor + awarded(member, period, world, up_to_seq=seq)}
            for period, minor in usage.items()
        ],
        "included_epoch": world.store.epoch,
        "included_seq": seq,
    }
    return Word(buckets, held[""], seq, lots, usage), written


def awarded(member: str, period: str, world: KeptStation, *, up_to_seq: int) -> int:
    """What we awarded in a business day or month, by entries of the ledger up to a seq, minor units."""
    found = world.rows(_AWARDED, member, up_to_seq)
    return sum(minor for inputs, minor in found if business_date_of(inputs).startswith(period))


def business_date_of(inputs: str) -> str:
    """Of an award, from its inputs as they are stored."""
    return str(json.loads(inputs)["local"]["business_date"])


def pauses_of(body: bytes, site: Site) -> list[tuple[date, date]]:
    """Of this station's region, read from a bundle's text."""
    pauses = tomllib.loads(body.decode()).get("expiry", {}).get("pause", [])
    return [(pause["from"], pause["until"]) for pause in pauses if site.region in pause["region"]]


_MOVES_SINCE = """
SELECT lot_move.lot_id, kind, lot_move.minor FROM lot_move
JOIN ledger_entry USING (seq) JOIN lot USING (lot_id) WHERE member = ? AND seq > ?
"""
_RESTS = "SELECT lot_id, remaining_minor FROM lot WHERE member = ?"
_DAYS = """
SELECT lot_id, lapses_on FROM lot JOIN lot_move USING (lot_id) WHERE member = ?
GROUP BY lot_id HAVING min(seq) <= ?
"""
_RESTS_AT = """
SELECT lot_id, sum(lot_move.minor) FROM lot_move JOIN lot USING (lot_id) WHERE member = ? AND seq <= ?
GROUP BY lot_id
"""
_DEBT = "SELECT coalesce(sum(minor), 0) FROM posting WHERE account = ? AND seq <= ?"
_AWARDED = """
SELECT inputs, award.minor FROM award JOIN ledger_entry ON ref = award_id AND kind = 'award'
WHERE member = ? AND seq <= ?
"""
