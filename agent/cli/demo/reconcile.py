"""The last page of the demo: what the devices sold, what the station booked, what HQ holds."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from agent.cli.demo.forecourt import Sold
from agent.store import reading
from sync.hq.judging import MISMATCH
from sync.hq.store import HqStore


@dataclass(frozen=True, slots=True)
class StationBooks:
    """`bound`: facts that a payment bound to a known member. Points after refunds."""

    facts: int
    awards: int
    bound: int
    unbound: int
    unknown_member: int
    points_minor: int


@dataclass(frozen=True, slots=True)
class HqBooks:
    facts: int
    awards: int
    points_minor: int
    mismatches: int
    fuellings: tuple[Sold, ...]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The figures of `forecourt demo --json`; `problems` is empty when everything holds."""

    sales: int
    facts: int
    hq_facts: int
    awards: int
    hq_awards: int
    unbound: int
    unknown_member: int
    points_station_minor: int
    points_hq_minor: int
    lost: int
    twice: int
    mismatches: int
    kills: int
    offline_s: int
    latency_ms: dict[str, int]
    bytes_per_sale: int
    broker: str
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.problems

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


def books_of_station(connection: reading.Connection) -> StationBooks:
    return StationBooks(**reading.books(connection))


def books_of_hq(url: str, station: str) -> HqBooks:
    store = HqStore(url, create=False)
    try:
        held = store.reconcile(station)
        assert held is not None
        fuellings = tuple(map(_sold, store.bodies(station, "fuelling")))
    finally:
        store.close()
    return HqBooks(
        facts=held.items("fuelling", "basket"),
        awards=held.items("award"),
        points_minor=held.minor("award", "refund"),
        mismatches=held.verdicts(MISMATCH),
        fuellings=fuellings,
    )


def reconcile(
    sold: Sequence[Sold],
    baskets: int,
    station: StationBooks,
    hq: HqBooks,
    *,
    waits_ms: Sequence[int],
    kills: int,
    offline_s: int,
    bytes_up: int,
    broker: str,
    drained: bool,
) -> Reconciliation:
    """Compare the three; `problems` says in words what does not hold."""
    at_devices, at_hq = Counter(sold), Counter(hq.fuellings)
    sales = len(sold) + baskets
    lost = sum((at_devices - at_hq).values())
    twice = sum((at_hq - at_devices).values())
    checks = {
        "not everything was acknowledged in time": drained,
        f"{sales} sales, {station.facts} facts at the station": sales == station.facts,
        f"{station.facts} facts at the station, {hq.facts} at HQ": station.facts == hq.facts,
        f"{station.awards} awards at the station, {hq.awards} at HQ": station.awards == hq.awards,
        f"{station.bound} facts of known members, {station.awards} awards": station.bound == station.awards,
        "points differ between station and HQ": station.points_minor == hq.points_minor,
        f"{lost} sales lost": lost == 0,
        f"{twice} sales counted twice": twice == 0,
        f"{hq.mismatches} awards that HQ computes otherwise": hq.mismatches == 0,
    }
    return Reconciliation(
        sales=sales,
        facts=station.facts,
        hq_facts=hq.facts,
        awards=station.awards,
        hq_awards=hq.awards,
        unbound=station.unbound,
        unknown_member=station.unknown_member,
        points_station_minor=station.points_minor,
        points_hq_minor=hq.points_minor,
        lost=lost,
        twice=twice,
        mismatches=hq.mismatches,
        kills=kills,
        offline_s=offline_s,
        latency_ms={"p50": _percentile(waits_ms, 50), "p99": _percentile(waits_ms, 99)},
        bytes_per_sale=bytes_up // max(1, sales),
        broker=broker,
        problems=[text for text, fine in checks.items() if not fine],
    )


def _sold(body: bytes) -> Sold:
    item = json.loads(body)
    return Sold(item["device"], item["volume_ml"], item["amount_fen"])


def _percentile(values: Iterable[int], percent: int) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0
