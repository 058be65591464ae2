"""How stations stand, for people: who is connected, how far each has followed, how long a word takes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from sync import wire
from sync.hq.report import StationLine
from sync.hq.store import HqStore
from sync.hq.store.down import DownLine

STALE_MS = 90_000
"""A word of HQ's reaches a connected station in this time (S-016, S-054)."""

LAST_ITEMS = 200
"""How many of the last items the percentiles of a station are of."""


@dataclass(frozen=True, slots=True)
class Lag:
    """The road down to one station. Times of `p50_ms` and `p95_ms` are from issuing to HQ's knowing.

    `waiting` items have no verdict yet; `oldest_ms` is the age of the oldest, None if there is none.
    Percentiles are None before the first item came through.
    """

    station: str
    issued_seq: int
    obeyed_seq: int
    waiting: int
    refused: int
    oldest_ms: int | None
    p50_ms: int | None
    p95_ms: int | None

    @property
    def is_stale(self) -> bool:
        return self.oldest_ms is not None and self.oldest_ms > STALE_MS


def lags(store: HqStore, now_ms: int) -> tuple[Lag, ...]:
    """Every station, by name."""
    names = [line.station for line in store.stations()]
    with store.read() as asked:
        unheard = asked.down.unheard_by_station()
        found = []
        for name in names:
            standing = asked.down.standing(name)
            lines = asked.down.lines(name, LAST_ITEMS)
            count, oldest = unheard.get(name, (0, now_ms))
            p50_ms, p95_ms = _percentiles(lines)
            found.append(
                Lag(
                    station=name,
                    issued_seq=standing.issued_seq,
                    obeyed_seq=standing.obeyed_seq,
                    waiting=count,
                    refused=sum(bool(line.verdict) for line in lines),
                    oldest_ms=now_ms - oldest if count else None,
                    p50_ms=p50_ms,
                    p95_ms=p95_ms,
                )
            )
    return tuple(found)


def _percentiles(lines: Sequence[DownLine]) -> tuple[int | None, int | None]:
    took = sorted(line.applied_at_ms - line.issued_at_ms for line in lines if line.applied_at_ms is not None)
    return nearest_rank(took, 50), nearest_rank(took, 95)


def nearest_rank(ordered: Sequence[int], percent: int) -> int | None:
    """The smallest value that so many of a hundred do not exceed."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None


@dataclass(frozen=True, slots=True)
class StationView:
    """A station as it said last itself, and what HQ has of its newest epoch.

    `items` are judged, `waiting` came ahead of a gap.
    """

    station: str
    online: bool
    agent_version: str
    clock_quality: str
    bundle: str
    said_at_ms: int | None
    items: int
    waiting: int


def station_views(store: HqStore) -> tuple[StationView, ...]:
    """Every station, by name."""
    newest: dict[str, int] = {}
    items: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    for standing in store.standings():
        if standing.epoch > newest.get(standing.station, 0):
            newest[standing.station] = standing.epoch
            items[standing.station] = 0
        items[standing.station] += standing.watermark
        waiting[standing.station] += standing.waiting
    return tuple(_view(line, items[line.station], waiting[line.station]) for line in store.stations())


def _view(line: StationLine, items: int, waiting: int) -> StationView:
    state = state_of(line)
    return StationView(
        station=line.station,
        online=state is not None and state.online,
        agent_version=state.agent_version if state else "",
        clock_quality=state.clock_quality if state else "",
        bundle=state.bundle if state else "",
        said_at_ms=line.state_at_ms,
        items=items,
        waiting=waiting,
    )


def is_online(line: StationLine) -> bool:
    """Whether the station's last word, its birth or its will, says that it is connected."""
    state = state_of(line)
    return state is not None and state.online


def state_of(line: StationLine) -> wire.State | None:
    """The last state of a station as it was kept; None before the first."""
    if line.state is None:
        return None
    try:
        return wire.State.model_validate_json(line.state)
    except ValidationError:
        return None


def stations_online(stations: Iterable[StationLine]) -> int:
    return sum(map(is_online, stations))
