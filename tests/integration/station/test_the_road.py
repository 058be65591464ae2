"""Integration: does a backlog come through 200 ms, 5 % loss and 2 kB/s, and what does a sale cost there?

What else the road to HQ has to show is listed in tests/README.md, each thing with its tests.
"""

from pathlib import Path

from sync.broker import start_broker
from sync.connection import LinkPace
from sync.keys import SigningKey
from sync.outbox import LEDGER, URGENT
from sync.steps import Pace
from sync.tls import TlsFiles
from tests.integration.hq.storm_rows import rows
from tests.integration.station.rough_road import RoughRoad
from tests.integration.sync.stage import HqThread, Station, address_of, clock, until
from tests.simulation.sync.storm import STATION
from tests.unit.sync.memory_outbox import MemoryOutbox

KEY = SigningKey(bytes(range(32)))
SALES = 250
BYTES_PER_S = 2_000
MOST_BYTES_A_SALE = 220


def test_a_slow_lossy_road_with_a_long_round_trip(tmp_path: Path) -> None:
    """With MQTT's overhead, acks and questions beside the sales. What is urgent passes the backlog."""
    outbox = MemoryOutbox()
    for row in rows(STATION, LEDGER, 2 * SALES):
        outbox.put(LEDGER, row.body)
    with (
        start_broker("mosquitto", tmp_path) as broker,
        HqThread(broker.url, KEY) as hq,
        RoughRoad(
            address_of(broker.url).port, round_trip_s=0.2, loss=0.05, bytes_per_s=BYTES_PER_S, seed=1
        ) as road,
        Station(
            [f"mqtt://127.0.0.1:{road.port}"],
            KEY,
            hq.hq.key,
            outbox,
            TlsFiles(),
            Pace(),
            LinkPace(keepalive_s=5),
            budget_bytes_per_s=BYTES_PER_S,
        ) as station,
    ):
        until(lambda: len(hq.hq.rows[LEDGER]) > 100, within_s=30)
        began_ms = clock()
        station.sell(URGENT, 1)
        until(lambda: len(hq.hq.rows[URGENT]) == 1)
        urgent_ms = clock() - began_ms
        assert not station.drained
        until(lambda: station.drained, within_s=90)
        assert hq.hq.rows == outbox.bodies
        refused = station.loop.status().refused
    print(  # noqa: T201  for the reader of a run
        f"{road.bytes_up / SALES:.0f} bytes a sale, {road.lost} segments lost, "
        f"urgent after {urgent_ms} ms, twice {hq.hq.duplicates}; {dict(refused)}"
    )
    assert road.lost > 3
    assert urgent_ms < 6_000
    assert road.bytes_up / SALES < MOST_BYTES_A_SALE
    assert not {"HALF_OPEN", "HQ_SILENT", "CONNECTION_LOST"} & refused.keys(), "it was slow, not gone"
