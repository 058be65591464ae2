"""Fifty sales as the till hears them: fuellings, cards, payments, choices, refunds, acks and pruning.

Between them days pass: new rules come, one of them with points that are spendable two days later, days
are closed, a month's points lapse while the road to headquarters is away, and are honoured until it is back.
Verbs of one group waited in the inbox together and share a commit, and a time. The same script said
again must change nothing: that is what the tests of the power cuts do with it.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agent.clock import Instant
from agent.handlers.adopt_bundle import adopt_bundle
from agent.handlers.adopt_members import adopt_members
from agent.handlers.adoption import Adoption
from agent.handlers.apply_ack import apply_ack, prune
from agent.handlers.daily_close import close_days
from agent.handlers.dispatch import Report, handle
from agent.handlers.lifecycle import advance
from agent.handlers.passing_days import pass_days
from agent.handlers.told import Seen, Told
from agent.messages import ids
from agent.store.database import Transaction
from agent.store.outbox import LEDGER
from drivers.events import (
    BasketLine,
    CandidateChosen,
    Credential,
    Fuelling,
    FuellingStarted,
    MemberIdentified,
    MemberPresented,
    SaleRefunded,
)
from tests.property.agent.story_rules import rules
from tests.world import BASIC, DAY_MS, GOLD, STRANGER, WEDNESDAY_MS, Dispenser, paid, site

SITE = site()
SALES = 50
_STEP_MS = 1_000
_COFFEE = (BasketLine("coffee", 1_000, 1_500),)

Said = Told | Adoption | str | int
Verb = Callable[[Transaction, Instant], Said]


@dataclass(frozen=True, slots=True)
class Step:
    """`repeated`: whoever said it may say it again though it was answered.

    Not so a card or a lifted nozzle: they have no id of their own, and nobody repeats them.
    """

    verb: Verb
    event: Report | None = None

    @property
    def repeated(self) -> bool:
        return not isinstance(self.event, MemberPresented | FuellingStarted)


@dataclass(frozen=True, slots=True)
class Group:
    at_ms: int
    steps: tuple[Step, ...]


def script() -> list[Group]:
    """The groups in order. HQ's acks are learnt in the first run and said again in every other."""
    first_rules = _adopt_bundle(rules(2, WEDNESDAY_MS - 7 * DAY_MS))
    groups = [Group(WEDNESDAY_MS, (Step(first_rules),)), Group(WEDNESDAY_MS, (Step(_adopt_members),))]
    dispenser, acks = Dispenser(), _Acks()
    at_ms = WEDNESDAY_MS
    for number in range(SALES):
        for days, verbs in _between(number, at_ms):
            at_ms += days * DAY_MS + _STEP_MS
            groups.append(Group(at_ms, tuple(map(Step, verbs))))
        for events in _sale(number, dispenser):
            at_ms += _STEP_MS
            groups.append(Group(at_ms, tuple(Step(_hear(event, at_ms), event) for event in events)))
        if number % 10 == 9:
            at_ms += _STEP_MS
            groups.append(Group(at_ms, (Step(acks.next()),)))
            groups.append(Group(at_ms, (Step(_prune),)))
    return groups


def _between(number: int, at_ms: int) -> Iterator[tuple[int, tuple[Verb, ...]]]:
    """What happens before sale `number`: so many days pass, and then this."""
    night: tuple[Verb, ...] = (_advance, _pass_days, _close_days)
    match number:
        case 10 | 48:
            yield 1, night
        case 15:
            yield 0, (_adopt_bundle(rules(3, at_ms + DAY_MS, delay="PT48H")),)
        case 20:
            yield 2, night
        case 30:
            yield 3, night
        case 38:
            yield 0, (_darkness_falls(at_ms),)
        case 40:
            yield 30, night
        case 42:
            yield 0, (_the_road_is_back(at_ms),)
        case 44:
            yield 4, night
        case 46:
            yield 0, (_adopt_bundle(rules(4, at_ms)),)


def _sale(number: int, dispenser: Dispenser) -> Iterator[tuple[Report, ...]]:
    """What is said for one sale, by groups; no two sales cost the same but where they must."""
    record = dispenser.fuelling(20_000 + 10 * number)
    fen, sale = record.amount_fen, f"R-{number}"
    match number % 10:
        case 0:
            yield (MemberPresented("till-1", "1", GOLD),)
            yield (FuellingStarted("0", "08"),)
            yield (record,)
            yield (paid(sale, fen),)
        case 1:
            yield (record,)
            yield (paid(sale, fen),)
            yield (MemberIdentified("till-1", sale, BASIC),)
        case 2:
            yield (paid(sale, fen, credential=BASIC, lines=_COFFEE),)
            yield (record,)
        case 3:
            yield (record, paid(sale, fen, credential=STRANGER))
            yield (MemberIdentified("till-1", sale, GOLD),)
        case 4:
            alike = dispenser.fuelling(20_000 + 10 * number)
            yield (record, alike)
            yield (paid(sale, fen, credential=GOLD),)
            yield (CandidateChosen("till-1", sale, _fact_id(alike)),)
            yield (paid(f"{sale}b", fen, credential=BASIC),)
        case 5:
            yield (paid(sale, 0, point=None, credential=GOLD, lines=_COFFEE * 3),)
        case 6:
            yield (record, paid(sale, fen, credential=BASIC))
            yield (SaleRefunded("till-1", f"F-{number}a", sale, fen // 3),)
            yield (SaleRefunded("till-1", f"F-{number}b", sale, fen - fen // 3),)
        case 7:
            tagged = dispenser.fuelling(30_000 + 10 * number, credential=GOLD)
            yield (record, tagged)
            yield (paid(sale, tagged.amount_fen),)
        case 8:
            yield (record,)
            yield (SaleRefunded("till-1", f"F-{number}", "never sold", 100),)
        case 9:
            yield (record,)
            yield (record, paid(sale, fen, credential=GOLD), paid(sale, fen, credential=GOLD))
            yield (SaleRefunded("till-1", f"F-{number}", sale, 100),)


def _fact_id(record: Fuelling) -> str:
    raw = record.raw
    return ids.text(
        ids.fuelling_id(
            SITE.station,
            "cbc",
            record.nozzle,
            1,
            record.sequence_no,
            totalizer_after=raw.totalizer_after,
            volume=raw.volume,
            amount=raw.amount,
            unit_price=raw.unit_price,
        )
    )


def _hear(event: Report, at_ms: int) -> Verb:
    return lambda tx, at: handle(event, "island-1", Seen(at_ms, at_ms), tx, SITE, at)


def _adopt_bundle(payload: bytes) -> Verb:
    """Without reminders: who hears one first depends on what is said again."""
    quiet = payload.replace(b"[reminder]\ndays = [30, 15, 3]\n", b"")
    assert quiet != payload
    return lambda tx, at: adopt_bundle(quiet, tx, SITE, at)


def _advance(tx: Transaction, at: Instant) -> Said:
    advance(tx, SITE, at)
    return ""


def _pass_days(tx: Transaction, at: Instant) -> Said:
    pass_days(tx, SITE, at)
    return ""


def _close_days(tx: Transaction, at: Instant) -> Said:
    return close_days(tx, at)


def _darkness_falls(at_ms: int) -> Verb:
    return lambda tx, at: str(tx.darkness.begin(at_ms) or "")


def _the_road_is_back(at_ms: int) -> Verb:
    return lambda tx, at: tx.darkness.end(at_ms) or ""


def _adopt_members(tx: Transaction, at: Instant) -> Said:
    snapshot = {
        "schema": "members/1",
        "station": SITE.station,
        "programme": SITE.programme,
        "version": 1,
        "issued_at_ms": WEDNESDAY_MS,
        "members": [_member("m-gold", "gold", GOLD), _member("m-basic", "basic", BASIC)],
    }
    return adopt_members(json.dumps(snapshot).encode(), tx, SITE, at)


def _member(member: str, tier: str, card: Credential) -> dict[str, object]:
    return {"member": member, "tier": tier, "credentials": [SITE.credential_key.hash(card)]}


def _prune(tx: Transaction, at: Instant) -> int:
    return prune(LEDGER, 0, tx, at)


class _Acks:
    """HQ is always three items behind; once said, an ack names the same row and head for ever."""

    def __init__(self) -> None:
        self._said: dict[int, tuple[int, bytes]] = {}
        self._planned = 0

    def next(self) -> Verb:
        number = self._planned
        self._planned += 1

        def ack(tx: Transaction, at: Instant) -> str:
            if number not in self._said:
                seq = tx.outbox.next_seq(LEDGER) - 4
                head = tx.outbox.head_at(LEDGER, seq)
                assert head is not None
                self._said[number] = (seq, head)
            return apply_ack(LEDGER, *self._said[number], tx, at)

        return ack
