"""How the station stands: what `forecourt status` shows, and what HQ is told at every connection."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path

from agent.clock import Clock
from agent.store import reading
from agent.store.condition import condition
from agent.store.down import DownItems
from drivers.line import LineStatus
from drivers.quality import Quality
from sync.connection import CourierStatus, Vitals
from sync.envelope import encode_head

DISTRIBUTION = "forecourt-agent"
STALE_MS = 90_000
"""HQ is asked twice a minute: who has not answered for longer may have said something new."""


def lines_standing(lines: list[LineStatus], qualities: Mapping[str, Quality], now: int) -> dict[str, object]:
    """`ok`: every port is open and nobody behind it is silent. A line that becomes worse still works."""
    return {
        "ok": all(line.port_open and not line.silent_addresses for line in lines),
        "lines": [{**_line(line, now), "quality": _quality(qualities.get(line.name))} for line in lines],
    }


def mode(lines_are_well: bool, road: CourierStatus | None) -> str:
    """DEGRADED: something of the station's own is not well. OFFLINE: only the road to HQ is not there."""
    if not lines_are_well or (road is not None and road.halted):
        return "DEGRADED"
    return "ONLINE" if road is not None and road.mode == "online" else "OFFLINE"


def road_standing(road: CourierStatus | None) -> dict[str, object] | None:
    if road is None:
        return None
    plain = {field.name: getattr(road, field.name) for field in fields(road)}
    return {name: dict(value) if isinstance(value, Mapping) else value for name, value in plain.items()}


def books_standing(database: Path, wall_ms: int) -> dict[str, object]:
    with closing(reading.connect(database)) as connection:
        return {**reading.summary(connection, wall_ms), **condition(connection)}


def orders_standing(database: Path, keys_version: int, road: CourierStatus | None) -> dict[str, object]:
    """What HQ told us by numbers. `stale`: what is in force here may not be its newest word."""
    age_ms = road.hq_answer_age_ms if road else None
    newest = road.down_seq if road else 0  # by its last answer: what came since is newer
    with closing(reading.connect(database)) as connection:
        seq = DownItems(connection).last_seq()
    return {
        "seq": seq,
        "hq_seq": max(seq, newest),
        "behind": max(0, newest - seq),
        "answer_age_ms": age_ms,
        "stale": age_ms is None or age_ms > STALE_MS,
        "keys_version": keys_version,
    }


def vitals(database: Path, clock: Clock, keys_version: int) -> Vitals:
    """The station's birth message, from committed rows."""
    with closing(reading.connect(database)) as connection:
        seq, head = reading.ledger_tip(connection)
        bundle = reading.bundle_in_force(connection, clock.wall_ms())
        down_seq = DownItems(connection).last_seq()
    return Vitals(
        agent_version=version(DISTRIBUTION),
        clock_quality=clock.quality(0).value,
        bundle=bundle,
        ledger_seq=seq,
        ledger_head=encode_head(head) if head else "",
        down_seq=down_seq,
        keys_version=keys_version,
    )


def _line(line: LineStatus, now: int) -> dict[str, object]:
    heard = line.last_valid_heard_ms
    return {
        "name": line.name,
        "port_open": line.port_open,
        "trouble": line.trouble,
        "heard_ago_ms": None if heard is None else now - heard,
        "silent_addresses": list(line.silent_addresses),
        "counters": dict(line.counters),
    }


def _quality(quality: Quality | None) -> dict[str, object] | None:
    """None in the first minute."""
    if quality is None:
        return None
    return {**asdict(quality), "is_worse": quality.is_worse, "told": quality.told()}
