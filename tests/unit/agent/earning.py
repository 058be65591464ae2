"""A station whose points pass through days: rules made for it, civil times, its books, what HQ is told."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from agent.clock import ClockQuality, Instant
from agent.handlers.adopt_members import adopt_members
from agent.points.ledger import redemption_postings
from agent.points.lots import spend
from agent.store.database import Transaction
from agent.store.integrity import verify
from agent.store.reading import connect
from drivers.events import Answer
from tests.unit.agent.made_rules import DEMO
from tests.world import BASIC, DAY_MS, WEDNESDAY_MS, World, site

ONE_MONTH = (("months = 18", "months = 1"), ('align = "month_end"', 'align = "none"'))
"""What is earned on 8 July lapses after 7 August."""
AFTER_48_H = ('after = "PT0S"', 'after = "PT48H"')
FILL_MINOR = 10_000
"""50 litres of the basic member's."""

Station = Callable[..., World]


def stations(folder: Path) -> Iterator[Station]:
    """For a fixture: makes stocked stations, and at the end checks that all of their books hold."""
    made: list[World] = []

    def station(*replacements: tuple[str, str], **changes: object) -> World:
        """`replacements` are in the demo's rules, `changes` in the site."""
        path = folder / f"{len(made)}" / "station.db"
        path.parent.mkdir()
        world = World(path, site=site(**changes))
        made.append(world)
        adopt(world, 42, *replacements)
        assert not world.adopt_members(1).reason
        return world

    yield station
    for world in made:
        assert findings(world) == []
        world.store.close()


def findings(world: World) -> list[Any]:
    with closing(connect(world.path)) as reader:
        return list(verify(reader))


def rules(version: int, *replacements: tuple[str, str]) -> bytes:
    """The demo bundle with parts of its text replaced, each of which must be there."""
    text = DEMO.replace("version = 42", f"version = {version}", 1)
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text.encode()


def adopt(world: World, version: int, *replacements: tuple[str, str]) -> None:
    adoption = world.adopt_bundle(rules(version, *replacements))
    assert not adoption.reason, adoption


def at(world: World, civil: str) -> None:
    """Turn the clock forward to a civil time in Shanghai; what falls due is done then."""
    until = datetime.fromisoformat(civil).replace(tzinfo=ZoneInfo("Asia/Shanghai"))
    world.at_ms = round(until.timestamp() * 1000)
    world.pass_days()


def fill(world: World, name: str = "R-1", volume_ml: int = 50_000, **changes: object) -> Answer:
    """One paid fuelling, of the basic member unless `credential` says otherwise."""
    return world.pay(name, world.fuel(volume_ml).amount_fen, **({"credential": BASIC} | changes))


def members(world: World, version: int, **basic: object) -> None:
    """A new snapshot in which the basic member has these fields."""
    snapshot: Mapping[str, object] = {
        "schema": "members/1",
        "station": world.site.station,
        "programme": world.site.programme,
        "version": version,
        "issued_at_ms": world.at_ms,
        "lapsed_through": basic.pop("lapsed_through", ""),
        "members": [{"member": "m-basic", "credentials": [world.hash(BASIC)], "tier": "basic"} | basic],
    }
    payload = json.dumps(snapshot).encode()
    adoption = world.run(lambda tx, now: adopt_members(payload, tx, world.site, now))
    assert not adoption.reason, adoption


def redeem(world: World, minor: int, member: str = "m-basic") -> None:
    """What a redemption will do to the member's lots; it is no verb of this station yet."""

    def take(tx: Transaction, now: Instant) -> None:
        stored = {lot.lot_id.hex(): lot for lot in tx.lots.of_member(member, with_rest=True)}
        spending = spend([lot.as_lot() for lot in stored.values()], minor)
        assert spending.missing_minor == 0
        ref = stored[spending.parts[0].lot_id].lot_id
        seq = tx.ledger.post("redemption", ref, redemption_postings(member, minor), now.wall_ms)
        for part in spending.parts:
            tx.lots.moved(stored[part.lot_id].lot_id, seq, -part.minor)
        for lot in spending.lots:
            tx.lots.change(stored[lot.id].after(lot))

    world.run(take)


def go_dark(world: World) -> None:
    world.run(lambda tx, now: tx.darkness.begin(now.wall_ms))


def come_back(world: World) -> None:
    world.run(lambda tx, now: tx.darkness.end(now.wall_ms))


def untrusted(world: World) -> Instant:
    return Instant(world.at_ms, ClockQuality.UNTRUSTED)


def accounts(world: World) -> dict[str, int]:
    """Those that are not zero."""
    return dict(world.rows("SELECT account, minor FROM account WHERE minor <> 0"))


def lots(world: World) -> list[tuple[Any, ...]]:
    """(remaining, lapsed, state, last day), oldest first."""
    return world.rows("SELECT remaining_minor, lapsed_minor, state, lapses_on FROM lot ORDER BY rowid")


def kinds(world: World) -> list[str]:
    """Of the ledger's entries."""
    return [kind for (kind,) in world.rows("SELECT kind FROM ledger_entry ORDER BY seq")]


def items(world: World, kind: str) -> list[dict[str, Any]]:
    """What HQ is told, without its kind."""
    rows = world.rows("SELECT body FROM outbox WHERE kind = ? ORDER BY stream, seq", kind)
    return [{key: value for key, value in json.loads(body).items() if key != "kind"} for (body,) in rows]


def days_after(days: int) -> int:
    """10:00 on that day after 8 July 2026, ms UTC."""
    return WEDNESDAY_MS + days * DAY_MS
