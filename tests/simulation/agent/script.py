"""Fifty sales as the till hears them: fuellings, cards, payments, choices, refunds, acks and pruning.

Verbs of one group waited in the inbox together and share a commit, and a time. The same script said
again must change nothing: that is what the tests of the power cuts do with it.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agent.clock import Instant
from agent.handlers.adopt import Adoption, adopt_bundle, adopt_members
from agent.handlers.apply_ack import apply_ack, prune
from agent.handlers.dispatch import Report, handle
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
from tests.world import BASIC, BUNDLE, GOLD, STRANGER, WEDNESDAY_MS, Dispenser, paid, site

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
    groups = [Group(WEDNESDAY_MS, (Step(_adopt_bundle),)), Group(WEDNESDAY_MS, (Step(_adopt_members),))]
    dispenser, acks = Dispenser(), _Acks()
    at_ms = WEDNESDAY_MS
    for number in range(SALES):
        for events in _sale(number, dispenser):
            at_ms += _STEP_MS
            groups.append(Group(at_ms, tuple(Step(_hear(event, at_ms), event) for event in events)))
        if number % 10 == 9:
            at_ms += _STEP_MS
            groups.append(Group(at_ms, (Step(acks.next()),)))
            groups.append(Group(at_ms, (Step(_prune),)))
    return groups


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


def _adopt_bundle(tx: Transaction, at: Instant) -> Said:
    return adopt_bundle(BUNDLE.read_bytes(), tx, SITE, at)


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
