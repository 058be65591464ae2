"""Integration: the station's courier and the reference HQ on a real broker: do they end with the same rows?

HQ is a process of its own over an SQLite file, and it is killed, and so is the broker, while rows flow.
"""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from sync.broker import Broker, Kind, start_broker
from sync.hq.store import HqStore
from sync.keys import SigningKey
from sync.outbox import LEDGER
from sync.tls import TlsFiles
from tests.integration.hq.road import Worker
from tests.integration.sync.stage import Station, until
from tests.simulation.sync.storm import STATION
from tests.unit.hq.stand import HQ_KEY, fuelling
from tests.unit.sync.memory_outbox import MemoryOutbox

KEY = SigningKey(bytes(range(32)))


@pytest.fixture(params=get_args(Kind))
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    started = start_broker(request.param, tmp_path)
    yield started
    started.stop()


def test_hq_and_broker_killed_while_the_station_sells(broker: Broker, tmp_path: Path) -> None:
    database = tmp_path / "hq.sqlite"
    store = HqStore(f"sqlite:///{database}")
    store.add_station(STATION, KEY.public.raw, 0)
    outbox = MemoryOutbox()
    station = Station([broker.url], KEY, HQ_KEY, outbox, TlsFiles())
    selling = threading.Event()
    clerk = threading.Thread(target=_sell, args=(station, selling))
    worker = Worker(database, broker.url)
    try:
        with station:
            clerk.start()
            for round_no in range(5):
                _until_more_is_acknowledged(outbox)
                worker.kill()
                if round_no % 2:
                    broker.kill()
                    broker.restart()
                worker = Worker(database, broker.url)
            selling.set()
            clerk.join()
            until(lambda: station.drained)
    finally:
        selling.set()
        worker.stop()
    held = store.bodies(STATION, "fuelling")
    marks = store.chains(STATION).marks(1)
    store.close()
    assert list(held) == outbox.bodies[LEDGER]
    assert len(held) > 500
    assert marks[LEDGER].seq == outbox.last_seq(LEDGER)
    assert marks[LEDGER].head == outbox.heads[LEDGER][-1]


def _until_more_is_acknowledged(outbox: MemoryOutbox) -> None:
    before = outbox.watermark(LEDGER)
    until(lambda: outbox.watermark(LEDGER) > before)


def _sell(station: Station, stop: threading.Event) -> None:
    """About a thousand sales a second, until told to close."""
    sold = 0
    while not stop.is_set() and sold < 20_000:
        for _ in range(5):
            sold += 1
            station.outbox.put(LEDGER, fuelling(f"f-{sold}"))
        station.loop.wake()
        time.sleep(0.005)
