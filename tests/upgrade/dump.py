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

from agent.handlers.adopt_coupons import adopt_coupons
from agent.handlers.apply_ack import apply_ack, prune
from agent.handlers.cases import note_case
from agent.handlers.obey import obey
from agent.handlers.obey_kinds import BOOKS
from agent.store.bundles import Rollout
from agent.store.outbox import LEDGER
from drivers.events import BasketLine, DeviceTime
from drivers.quality import Usual
from sync.down import Down
from sync.keys import SigningKey
from sync.trust import KeyEntry, KeyList, sign_keys
from tests.world import BASIC, DAY_MS, GOLD, STRANGER, WEDNESDAY_MS, World

HQ = SigningKey(b"h" * 32)
COUPONS = b"""{"schema": "coupons/1", "station": "station-0042", "programme": "demo-cn", "version": 1,
"issued_at_ms": 0, "coupons": [{"serial": "W-1", "member": "m-gold", "kind": "welcome",
"valid_from": "2026-07-01", "valid_until": "2026-07-31"}],
"pool": [{"serial": "P-1", "kind": "wash", "valid_until": "2026-12-31"}]}"""

KEYS = sign_keys(
    KeyList(
        schema="keys/1",
        programme="demo-cn",
        version=2,
        issued_at_ms=0,
        keys=(KeyEntry(key=HQ.public.text, roles=("ack", "down", "documents")),),
    ),
    HQ,
)
TOLD: tuple[tuple[str, dict[str, object]], ...] = (
    ("pause", {"what": "redemptions", "until_ms": 1, "reason": "audit"}),
    ("coffee", {}),
    ("adjust", {"member": "m-gold", "minor": 700, "reason": "goodwill", "lapses_on": "2026-12-31"}),
    ("adjust", {"member": "m-gold", "minor": -300, "reason": "error", "case": "c-1"}),
    ("grant", {"grant": "g-1", "epoch": 1, "member": "m-gold", "minor": 500, "valid_until_ms": 2**43}),
    ("price.table", {"version": 1, "valid_from_ms": 0, "prices": [["petrol-92", 7_830]]}),
    ("revocations", {"version": 1, "credentials": [["k1:" + "A" * 22, 0]]}),
    ("catalogue", {"version": 1, "texts": [["TOO_LATE", "en", "Too late"]]}),
    (
        "notice",
        {
            "notice": "n-1",
            "version": 1,
            "audience": "staff",
            "from_ms": 0,
            "until_ms": 1,
            "zh": "",
            "en": "x",
        },
    ),
    ("case.update", {"case": "c-1", "version": 1, "state": "OPEN", "owner": "hq-1", "at_ms": 1}),
)
ORDERS = tuple(
    Down(
        station="station-0042",
        down_seq=seq,
        id=f"o-{seq}",
        kind=kind,
        issued_at_ms=WEDNESDAY_MS,
        not_after_ms=WEDNESDAY_MS + 9 * DAY_MS,
        body=body,
    )
    for seq, (kind, body) in enumerate(TOLD, start=1)
)


def live(world: World) -> None:
    """Two days in which every table gets a row."""
    world.stock()
    world.run(lambda tx, at: adopt_coupons(COUPONS, tx, world.site, at))
    run_id = world.run(lambda tx, at: tx.runs.begin(at.wall_ms, "boot"))
    world.run(lambda tx, at: tx.darkness.begin(at.wall_ms))
    usage = {"period": "2026-07", "minor": 500, "fills": 1, "volume_ml": 40_000, "amount_fen": 31_400}
    bucket = {"lapses_on": "2026-07-31", "minor": 40_000}
    world.adopt_members(2, gold={"buckets": [bucket], "usage": [usage]})
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
    world.gauge()
    world.pass_days(1)
    world.run(lambda tx, at: tx.darkness.end(at.wall_ms))
    world.run(lambda tx, at: tx.notices.add("m-gold", "POINTS_LAPSED", 100, at.wall_ms))
    world.run(lambda tx, at: tx.notices.remind("m-basic", "2026-07-31", 30, at.wall_ms))
    world.run(lambda tx, at: tx.bundles.add_rollout(Rollout(1, "summer", 43, 5, False, at.wall_ms)))
    world.run(lambda tx, at: tx.bundles.count_shadow(43, more=1, fewer=0, active_minor=1, candidate_minor=2))
    world.run(lambda tx, at: tx.bundles.count_guard(42, sales=1))
    usuals = {"island-1": Usual(9_990, 6, 4, 9_900, 178_000)}
    world.run(lambda tx, at: tx.line_usuals.keep(usuals, at.wall_ms))
    world.run(lambda tx, at: tx.runs.end(run_id, at.wall_ms))
    for order in ORDERS:
        world.run(lambda tx, at, down=order: obey(down, bytes(32), tx, world.site, at.wall_ms, at, BOOKS))
    world.fuel(12_000)
    world.run(lambda tx, at: note_case("c-1", "staff-4", "they wait here", tx, at))
    world.run(lambda tx, at: tx.trust.adopt(2, KEYS, at.wall_ms))
    world.run(lambda tx, at: apply_ack(LEDGER, 3, tx.outbox.head_at(LEDGER, 3) or b"", tx, at))
    world.wait(1)
    world.run(lambda tx, at: prune(LEDGER, 0, tx, at))
    world.run(lambda tx, at: tx.forks.raise_epoch(at.wall_ms))


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
