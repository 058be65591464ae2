"""Fifty sales as the till hears them: fuellings, cards, payments, choices, refunds, acks and pruning.

Every step is a verb with the time at which it was said. Steps of one group were waiting in the inbox
together and share a commit. The same script said again must change nothing.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent.clock import Instant
from agent.handlers.adopt import Adoption, adopt_bundle, adopt_members
from agent.handlers.apply_ack import apply_ack, prune
from agent.handlers.dispatch import Report, handle
from agent.handlers.told import Seen, Told
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
    SalePaid,
    SaleRefunded,
)
from tests.world import BASIC, BUNDLE, GOLD, STRANGER, WEDNESDAY_MS, World, paid, site

SITE = site()
SALES = 50
_STEP_MS = 1_000
_LINE = "island-1"

Outcome = Told | Adoption | str | int


@dataclass(frozen=True, slots=True)
class Step:
    """`repeatable`: a device, POS or HQ may say it again though it was answered.

    A card that was answered is not shown again by a POS: a presentation has no id of its own.
    """

    at_ms: int
    verb: Callable[[Transaction, Instant], Outcome]
    event: Report | None = None
    repeatable: bool = True


Group = list[Step]


@dataclass
class Script:
    """Groups of steps in order; `heads` are the stream heads that HQ acknowledges, from an uncut run."""

    groups: list[Group]
    heads: dict[int, bytes]


class _Writer:
    def __init__(self, heads: dict[int, bytes]) -> None:
        self.heads = heads
        self.groups: list[Group] = []
        self.at_ms = WEDNESDAY_MS
        self.world = World.__new__(World)
        self.world.sequence_no, self.world.totalizer_ml = 0, {}

    def say(self, *events: Report) -> None:
        self.groups.append([self._step(event) for event in events])

    def fuelling(self, number: int, nozzle: str = "08", **changes: object) -> Fuelling:
        return self.world.fuelling(20_000 + 10 * number, nozzle, **changes)

    def run(self, verb: Callable[[Transaction, Instant], Outcome]) -> None:
        self.at_ms += _STEP_MS
        self.groups.append([Step(self.at_ms, verb)])

    def acknowledge_and_prune(self) -> None:
        """HQ confirms what it has, three items behind; what is older than that is forgotten."""

        def ack(tx: Transaction, at: Instant) -> str:
            seq = wanted if wanted in heads else tx.outbox.next_seq(LEDGER) - 4
            head = heads.get(seq) or tx.outbox.head_at(LEDGER, seq)
            assert head is not None
            heads[seq] = head
            acked.setdefault(number, seq)
            return apply_ack(LEDGER, seq, head, tx, at)

        heads, acked, number = self.heads, self._acked, len(self.groups)
        wanted = acked.get(number, -1)
        self.run(ack)
        self.run(lambda tx, at: prune(LEDGER, 0, tx, at))

    _acked: dict[int, int] = {}  # noqa: RUF012

    def _step(self, event: Report) -> Step:
        self.at_ms += _STEP_MS
        at_ms = self.at_ms

        def verb(tx: Transaction, at: Instant) -> Told:
            return handle(event, _LINE, Seen(at_ms, at_ms), tx, SITE, at)

        return Step(at_ms, verb, event, repeatable=not isinstance(event, MemberPresented))
