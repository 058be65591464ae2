"""Orders from HQ for a station in a bottle: each that is carried out leaves a mark that can be counted."""

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from agent.clock import ClockQuality, Instant
from agent.handlers.obey import Obeyed, attested, obey
from agent.handlers.obey_kinds import Obey
from agent.handlers.site import Site
from agent.handlers.verdict import DONE, Verdict
from agent.messages.down import KINDS
from agent.store.database import Transaction
from sync.down import Down
from tests.world import WEDNESDAY_MS, World

T = TypeVar("T")
HOUR_MS = 3_600_000
RECALL: dict[str, object] = {"grant": "g-1", "epoch": 1}


def order(seq: int, **changes: Any) -> Down:
    """The order of this number, "o-1" and so on, issued on Wednesday for an hour."""
    parts: dict[str, Any] = {
        "station": "station-0042",
        "down_seq": seq,
        "id": f"o-{seq}",
        "kind": "grant.recall",
        "issued_at_ms": WEDNESDAY_MS,
        "not_after_ms": WEDNESDAY_MS + HOUR_MS,
        "body": RECALL,
    }
    return Down(**(parts | changes))


def mark(body: Any, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """Leave a row that says which order this was."""
    tx.notices.add("nobody", down.id, 0, at.wall_ms)
    return DONE


class Orders:
    """A station that hears orders; of each kind it does nothing but `mark`, unless a test says otherwise."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.handlers: dict[str, Obey] = dict.fromkeys(KINDS, mark)
        self.quality = ClockQuality.SYNCED
        self.hq_ms: int | None = None

    def give(self, down: Down) -> Obeyed:
        return self.run(self.verb(down))

    def verb(self, down: Down) -> Callable[[Transaction, Instant], Obeyed]:
        """What the till does with it."""
        sha256 = hashlib.sha256(down.model_dump_json().encode()).digest()

        def obeyed(tx: Transaction, at: Instant) -> Obeyed:
            attested_ms = attested(at, self.hq_ms)
            return obey(down, sha256, tx, self.world.site, attested_ms, at, self.handlers)

        return obeyed

    def run(self, verb: Callable[[Transaction, Instant], T]) -> T:
        """In one transaction, by a clock of this quality."""
        with self.world.store.transaction() as tx:
            return verb(tx, Instant(self.world.at_ms, self.quality))

    @property
    def last_seq(self) -> int:
        return self.run(lambda tx, at: tx.down.last_seq())

    def verdicts(self) -> dict[int, str]:
        return dict(self.world.rows("SELECT down_seq, verdict FROM down_item ORDER BY down_seq"))  # type: ignore[arg-type]  # two columns

    def carried_out(self) -> dict[str, int]:
        """The id of each order that left its mark, and how often."""
        return dict(self.world.rows("SELECT code, count(*) FROM notice GROUP BY code"))  # type: ignore[arg-type]  # two columns

    def told(self) -> list[str]:
        """What HQ hears of orders, in their order."""
        rows = self.world.rows("SELECT body FROM outbox WHERE kind = 'applied' ORDER BY seq")
        return [bytes(body).decode() for (body,) in rows]
