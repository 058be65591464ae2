"""Figures of one worker and of HQ's database for Prometheus, on this machine only.

The one door to prometheus-client. Figures of the database are asked when somebody looks, not before.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from sync.hq.store import HqStore
from sync.hq.view import stations_online

LOOPBACK = "127.0.0.1"
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_TOTALS = {"BATCHES": "batches", "ITEMS": "items", "DUPLICATES": "duplicates", "HELLOS": "hellos"}


class HqMetrics:
    """`observe(ms)` is what the server calls for each message; `counters` are the receiver's."""

    def __init__(self, store: HqStore, counters: Callable[[], Mapping[str, int]]) -> None:
        self.registry = CollectorRegistry()
        self._latency = Histogram(
            "forecourt_hq_message_seconds",
            "From the arrival of a message to its replies.",
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self.registry.register(_Figures(store, counters))

    def observe(self, took_ms: int) -> None:
        self._latency.observe(took_ms / 1000)

    def serve(self, port: int) -> Callable[[], None]:
        """Answer `GET /metrics` on this machine; call the result to end it. Raises OSError if it is taken."""
        server, thread = start_http_server(port, addr=LOOPBACK, registry=self.registry)

        def end() -> None:
            server.shutdown()
            server.server_close()
            thread.join(5)

        return end


class _Figures(Collector):
    def __init__(self, store: HqStore, counters: Callable[[], Mapping[str, int]]) -> None:
        self._store = store
        self._counters = counters

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        counters = self._counters()
        for code, name in _TOTALS.items():
            total = CounterMetricFamily(
                f"forecourt_hq_{name}", f"{name.capitalize()} since this worker began."
            )
            total.add_metric([], counters.get(code, 0))
            yield total
        alarms = CounterMetricFamily("forecourt_hq_alarms", "Alarms of all workers, ever.", labels=["code"])
        for code, count in _alarms(self._store).items():
            alarms.add_metric([code], count)
        yield alarms
        with self._store.read() as asked:
            unheard = asked.down.unheard_by_station()
        stations = self._store.stations()
        yield _gauge("waiting_items", "Items that came ahead of their neighbour.", _waiting(self._store))
        yield _gauge("stations", "Stations that are known.", len(stations))
        yield _gauge(
            "stations_online",
            "Stations whose last word is that they are connected.",
            stations_online(stations),
        )
        unapplied = sum(count for count, _ in unheard.values())
        yield _gauge("down_unapplied", "Items for stations of which no verdict came yet.", unapplied)


def _gauge(name: str, text: str, value: int) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"forecourt_hq_{name}", text, value=value)


def _alarms(store: HqStore) -> dict[str, int]:
    sums: dict[str, int] = {}
    for line in store.alarms():
        sums[line.code] = sums.get(line.code, 0) + line.count
    return sums


def _waiting(store: HqStore) -> int:
    return sum(standing.waiting for standing in store.standings())
