"""A station in a bottle that can be stopped, crash, lose its clock, and have its file put back."""

import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.app.safekeeping import Safekeeping
from agent.clock import ClockQuality, Instant
from agent.handlers import lifecycle
from agent.handlers.bind_sale import let_lapse
from agent.points import ledger, lots
from agent.store.database import Transaction
from agent.store.heads import Heads
from tests.world import World


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of the database file, and where its chains ended when it was made."""

    path: Path
    heads: Heads


@dataclass
class KeptStation(World):
    """`World` with the heads file beside the database, as the agent keeps it."""

    quality: ClockQuality = ClockQuality.SYNCED

    def __post_init__(self) -> None:
        super().__post_init__()
        self._safe = Safekeeping(self.path.with_name("station.heads"), self.site)
        self._safe.check(self.store, self.now())
        self._reader = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)

    def now(self) -> Instant:
        return Instant(self.at_ms, self.quality)

    def run(self, verb):  # type: ignore[no-untyped-def]  # as in World
        answer = super().run(verb)
        self._safe.keep(self.store)
        return answer

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self._reader.execute(sql, parameters).fetchall()

    def close(self) -> None:
        self._reader.close()
        self.store.close()
        self._safe._file.close()

    def stop(self, *, clean: bool = True) -> None:
        if clean:
            self.run(lambda tx, at: lifecycle.note_end(tx, at))
        self.close()

    def start(self) -> None:
        self.__post_init__()

    def copy(self, name: str) -> Copy:
        """Stop, copy the file, start again."""
        copy = Copy(self.path.with_name(name), self.store.heads())
        self.stop()
        shutil.copyfile(self.path, copy.path)
        self.start()
        return copy

    def put_back(self, copy: Copy) -> None:
        """Stop, put the copy in the place of the file, start again."""
        self.stop()
        shutil.copyfile(copy.path, self.path)
        self.start()

    def chores(self) -> None:
        """What the agent does twice a minute, until nothing is left to do: each time does a bounded part."""
        self.run(lambda tx, at: let_lapse(tx, self.site, at))
        self.pass_days()
        self.pass_days()

    def spend(self, member: str, minor: int) -> None:
        """Take so much, or what there is, from the member's lots in the order of spending."""

        def verb(tx: Transaction, at: Instant) -> None:
            stored = {lot.lot_id.hex(): lot for lot in tx.lots.of_member(member, with_rest=True)}
            spending = lots.spend([lot.as_lot() for lot in stored.values()], minor)
            if not spending.parts:
                return
            first = stored[spending.parts[0].lot_id]
            postings = ledger.redemption_postings(member, spending.minor)
            seq = tx.ledger.post("redemption", first.lot_id, postings, at.wall_ms)
            for part in spending.parts:
                tx.lots.moved(stored[part.lot_id].lot_id, seq, -part.minor)
            for lot in spending.lots:
                tx.lots.change(stored[lot.id].after(lot))

        self.run(verb)
