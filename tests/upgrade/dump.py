"""Writes a small real database of the schema that this version ships, as SQL, for later versions to open.

    python -m tests.upgrade.dump > tests/upgrade/NNNN.sql

once for every released schema, with the number of its newest migration; a file that was released
is never written again. The times are fixed: the same code writes the same bytes.
"""

import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from agent.handlers.apply_ack import apply_ack, prune
from agent.store.outbox import LEDGER
from drivers.events import BasketLine, DeviceTime
from tests.world import BASIC, GOLD, STRANGER, World


def live(world: World) -> None:
    """A day in which every table gets a row."""
    world.stock()
    for number in range(3):
        world.present(GOLD)
        world.lift()
        fuelling = world.fuel(30_000 + 1_000 * number)
        world.pay(f"R-{number}", fuelling.amount_fen)
        world.wait(60)
    world.refund("F-1", "R-1", 5_000)
    world.pay("R-3", world.fuel(20_000).amount_fen, credential=STRANGER)
    world.pay("R-4", 0, point=None, credential=BASIC, lines=(BasketLine("coffee", 1_000, 1_500),))
    world.pay("R-5", 99_900, credential=BASIC)
    world.fuel(10_000, device_time=DeviceTime(2026, 7, 8, 10, 3))
    world.refund("F-9", "R-9", 100)
    for _ in range(3):
        odd = world.fuelling(40_000, "09")
        world.book(replace(odd, volume_ml=4_000, volume_step_ml=1))
    world.fuel(40_000, "09")
    world.run(lambda tx, at: apply_ack(LEDGER, 3, tx.outbox.head_at(LEDGER, 3) or b"", tx, at))
    world.wait(1)
    world.run(lambda tx, at: prune(LEDGER, 0, tx, at))


def dump() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "station.db"
        world = World(path)
        live(world)
        world.store.close()
        with closing(sqlite3.connect(path)) as connection:
            yield from connection.iterdump()


if __name__ == "__main__":
    for line in dump():
        sys.stdout.write(line + "\n")
