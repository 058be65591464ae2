"""A station with two months behind it, in which every promise of `store verify` has something to hold."""

import hashlib
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path

from agent.clock import Instant
from agent.handlers.apply_ack import apply_ack
from agent.handlers.award_inputs import local_time
from agent.handlers.daily_close import close_days
from agent.handlers.passing_days import pass_days
from agent.messages import bodies, ids
from agent.points import ledger
from agent.points.lots import Part, give_back, spend
from agent.points.rules import Bundle, parse_bundle
from agent.store.bundles import State, StoredBundle
from agent.store.database import Transaction
from agent.store.heads import Heads
from agent.store.outbox import LEDGER, SERVICE
from drivers.events import BasketLine
from tests.unit.agent.told_by_hq import adjust, correct, order
from tests.world import BASIC, BUNDLE, DAY_MS, GOLD, World

_VECTORS = """
[[vector]]
id = "plain"
line = [{ product = "petrol-92", volume_ml = 50000, amount_fen = 39250 }]
tier = "basic"
at = 2026-07-08T10:00:00
minor = 10000
"""


def rules(version: int, *, months: int = 1, after: str = "PT0S", year: int = 2026) -> bytes:
    """The demo programme with a short life of points, and maybe points that come later."""
    text = BUNDLE.read_text(encoding="utf-8").split("[[vector]]")[0]
    text = re.sub(r"^version = 42$", f"version = {version}", text, count=1, flags=re.MULTILINE)
    text = text.replace("effective_from = 2026", f"effective_from = {year}")
    text = text.replace("months = 18", f"months = {months}").replace('align = "month_end"', 'align = "none"')
    return (text.replace('after = "PT0S"', f'after = "{after}"') + _VECTORS).encode()


def receive(world: World, payload: bytes, state: State = "SHADOW") -> Bundle:
    """Take a bundle in as the station does: the row, and both items for HQ."""
    parsed = parse_bundle(payload)
    assert isinstance(parsed, Bundle), parsed

    def add(tx: Transaction, at: Instant) -> None:
        sha256 = hashlib.sha256(payload).digest()
        tx.bundles.add(
            StoredBundle(
                *(parsed.bundle, parsed.version, sha256, parsed.effective_from_ms, payload),
                *(at.wall_ms, state, at.wall_ms),
            )
        )
        item = bodies.Adopted(
            kind="adopted",
            what="bundle",
            name=parsed.bundle,
            version=parsed.version,
            sha256=sha256.hex(),
            at_ms=at.wall_ms,
        )
        tx.outbox.put(SERVICE, "adopted", item.encoded(), at.wall_ms)
        _say_state(parsed.version, tx, at)

    world.run(add)
    return parsed


def move(
    world: World, version: int, state: State, reason: str = "", in_force_from_ms: int | None = None
) -> None:
    def moved(tx: Transaction, at: Instant) -> None:
        tx.bundles.move(version, state, at.wall_ms, reason, in_force_from_ms)
        _say_state(version, tx, at)

    world.run(moved)


def _say_state(version: int, tx: Transaction, at: Instant) -> None:
    stored = tx.bundles.get(version)
    assert stored is not None
    item = bodies.RulesState(
        kind="rules.state",
        bundle=stored.bundle,
        version=version,
        state=stored.state,
        reason=stored.reason,
        at_ms=at.wall_ms,
    )
    tx.outbox.put(SERVICE, "rules.state", item.encoded(), at.wall_ms)


def days_pass(world: World, days: int) -> None:
    for _ in range(days):
        world.at_ms += DAY_MS
        world.run(lambda tx, at: pass_days(tx, world.site, at))
        world.run(close_days)


def redeem(world: World, member: str, minor: int) -> tuple[Part, ...]:
    """Spend points that are there; returns from which lots they came."""

    def spent(tx: Transaction, at: Instant) -> tuple[Part, ...]:
        stored = {lot.lot_id.hex(): lot for lot in tx.lots.of_member(member, with_rest=True)}
        spending = spend([lot.as_lot() for lot in stored.values()], minor)
        assert not spending.missing_minor
        first = stored[spending.lots[0].id].lot_id
        seq = tx.ledger.post("redemption", first, ledger.redemption_postings(member, minor), at.wall_ms)
        for part in spending.parts:
            tx.lots.moved(bytes.fromhex(part.lot_id), seq, -part.minor)
        for lot in spending.lots:
            tx.lots.change(stored[lot.id].after(lot))
        return spending.parts

    return world.run(spent)


def bring_back(world: World, member: str, parts: tuple[Part, ...], grace_days: int = 30) -> None:
    """What was bought with points goes back, and they to their lots."""

    def returned(tx: Transaction, at: Instant) -> None:
        bundle = tx.bundles.in_force(at.wall_ms)
        assert bundle is not None
        today = date.fromisoformat(local_time(at.wall_ms, bundle).business_date)
        stored = {lot.lot_id.hex(): lot for lot in tx.lots.of_member(member, with_rest=False)}
        changed = give_back(parts, [lot.as_lot() for lot in stored.values()], today, grace_days)
        minor = sum(part.minor for part in parts)
        postings = ledger.redemption_return_postings(member, minor)
        seq = tx.ledger.post("return", bytes.fromhex(parts[0].lot_id), postings, at.wall_ms)
        for part in parts:
            tx.lots.moved(bytes.fromhex(part.lot_id), seq, part.minor)
        for lot in changed:
            tx.lots.change(stored[lot.id].after(lot))

    world.run(returned)


def sell(world: World, sale: str, litres: int = 30, *, gold: bool = True, nozzle: str = "08") -> int:
    """A fuelling and its payment; returns the amount in fen."""
    fuelling = world.fuel(litres * 1000, nozzle)
    answer = world.pay(sale, fuelling.amount_fen, credential=GOLD if gold else BASIC)
    assert answer.points_minor, answer
    world.wait(60)
    return fuelling.amount_fen


def sold(world: World, sale: str) -> str:
    """The id of the sale's fact."""
    [(fact_id,)] = world.rows("SELECT fact_id FROM pos_sale WHERE pos_sale_id = ?", sale)
    return ids.text(bytes(fact_id))


def live(world: World, noted: Callable[[], None] = lambda: None) -> None:
    """Two months of a small station; `noted` is called at moments of which an old copy may be left."""
    first = receive(world, rules(42), "VERIFIED")
    move(world, 42, "ACTIVE", in_force_from_ms=first.effective_from_ms)
    assert world.adopt_members(1).reason == ""
    for number in range(4):
        sell(world, f"A-{number}", 30 + number, gold=number % 2 == 0)
    world.refund("F-1", "A-0", 5_000)
    world.pay("A-9", 0, point=None, credential=BASIC, lines=(BasketLine("coffee", 1_000, 1_500),))
    sell(world, "A-10", 20, nozzle="09")
    noted()
    parts = redeem(world, "m-basic", 9_000)
    world.refund("F-2", "A-1", 24_335)  # spent already: other lots, then debt
    bring_back(world, "m-basic", parts[:1])
    adjust(world, -2_000, "m-gold")
    adjust(world, 3_000, "m-gold", lapses_on="2026-08-01", case="case-1")
    days_pass(world, 1)
    noted()
    fen = sell(world, "B-0", 40, gold=False)  # repays
    world.wait(60)
    for minor, payer in ((-400, "programme"), (-300, "member"), (200, "programme")):
        assert correct(world, minor, sold(world, "B-0"), borne_by=payer) == ""
        world.wait(60)
    grant = {"grant": "g-1", "epoch": 1, "member": "m-gold", "minor": 500, "valid_until_ms": 1 << 43}
    assert order(world, "grant", grant) == order(world, "grant.recall", {"grant": "g-1", "epoch": 1}) == ""
    sell(world, "B-1", 25)
    world.refund("F-3", "B-0", fen // 3)
    receive(world, rules(43, months=2, after="PT48H"))
    days_pass(world, 1)
    move(world, 42, "RETIRED")
    move(world, 43, "ACTIVE", in_force_from_ms=world.at_ms)
    sell(world, "C-0", 35)
    sell(world, "C-1", 45, gold=False)
    noted()
    days_pass(world, 3)
    receive(world, rules(44))
    move(world, 43, "RETIRED")
    move(world, 44, "ACTIVE", in_force_from_ms=world.at_ms)
    sell(world, "D-0", 15)
    world.wait(60)
    move(world, 44, "REJECTED", "DECLINE_RATE")
    move(world, 43, "ACTIVE")
    world.wait(60)
    sell(world, "D-1", 18)
    noted()
    tip = world.run(lambda tx, at: tx.outbox.next_seq(LEDGER) - 1)
    world.run(lambda tx, at: apply_ack(LEDGER, tip, tx.outbox.head_at(LEDGER, tip) or b"", tx, at))
    included = world.run(lambda tx, at: tx.ledger.tip()[0])
    assert world.adopt_members(2, gold={"included_seq": included, "balance_minor": 150_000}).reason == ""
    days_pass(world, 23)
    world.run(lambda tx, at: tx.darkness.begin(at.wall_ms))  # lots of the second day lapse in the dark
    days_pass(world, 3)
    world.run(lambda tx, at: tx.darkness.end(at.wall_ms))
    days_pass(world, 6)
    world.refund("F-4", "A-2", 10_000)  # lapsed already
    world.run(lambda tx, at: tx.forks.raise_epoch(at.wall_ms))
    sell(world, "E-0", 50)
    receive(world, rules(45, year=2027), "VERIFIED")
    world.refund("F-5", "E-0", 1_000)
    noted()
    world.refund("F-6", "E-1", sell(world, "E-1", 10, gold=False))
    sell(world, "E-2", 12)


class Station:
    """The history as it stands at its end, and as it stood at moments before, each in memory."""

    def __init__(self, folder: Path) -> None:
        self.old: list[bytes] = []
        world = World(folder / "station.db")
        with closing(world.store):
            live(world, lambda: self.old.append(_image(world)))
            self.image = _image(world)
            self.heads: Heads = world.store.heads()

    def copy(self) -> sqlite3.Connection:
        return opened(self.image)


def opened(image: bytes) -> sqlite3.Connection:
    """A database in memory that anybody may write to in any way."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(image)
    connection.execute("PRAGMA ignore_check_constraints=ON")
    return connection


def _image(world: World) -> bytes:
    """The file's bytes as one database without a WAL."""
    with closing(sqlite3.connect(":memory:")) as copy, closing(sqlite3.connect(world.path)) as source:
        source.backup(copy)
        return without_wal(copy.serialize())


def without_wal(image: bytes) -> bytes:
    """The header's two version bytes say WAL, which a database in memory cannot have."""
    return image[:18] + b"\x01\x01" + image[20:]
