"""Integration: does the courier get through where roads fail over, are narrow, slow or dead, and say so?"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random

import pytest

from agent.app.disk import Disk, free_mib
from agent.store import reading
from agent.store.outbox import OutboxReader, Watermark
from agent.till import TillUnavailable
from sync import wire
from sync.broker import Broker, start_broker
from sync.connection import Breaker, FiguresNow, LinkPace
from sync.keys import SigningKey
from sync.mqtt import Arrived, Link, Opened, Subscribed
from sync.outbox import LEDGER, URGENT
from sync.steps import Pace, Phase
from sync.tls import TlsFiles
from tests.integration.agent.tills import RunningTill, running
from tests.integration.sync.scripted_broker import ScriptedBroker
from tests.integration.sync.stage import QUICK, Cable, HqThread, Station, address_of, until
from tests.unit.sync.memory_outbox import MemoryOutbox

KEY = SigningKey(bytes(range(32)))
SLOW_BYTES_PER_S = 2_000
LARGE = b'"%s"' % (b"x" * 3_000)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Broker]:
    with start_broker("mosquitto", tmp_path / "first") as started:
        yield started


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Broker]:
    with start_broker("mosquitto", tmp_path / "second") as started:
        yield started


def test_the_first_broker_dies_the_second_takes_over_and_the_first_comes_back(
    mosquitto: Broker, second: Broker
) -> None:
    with (
        HqThread(mosquitto.url, KEY) as hq,
        HqThread(second.url, KEY, hq=hq.hq),
        Station([mosquitto.url, second.url], KEY, hq.hq.key, MemoryOutbox(), TlsFiles()) as station,
    ):
        station.sell(LEDGER, 300)
        until(lambda: station.drained)
        assert station.loop.status().broker == mosquitto.url
        station.sell(LEDGER, 2_000)
        mosquitto.kill()
        station.sell(URGENT, 20)
        until(lambda: station.drained)
        assert station.loop.status().broker == second.url
        mosquitto.restart()
        station.sell(LEDGER, 100)
        until(lambda: station.drained)
        assert station.loop.status().broker == second.url, "a road that works is not left"
        second.kill()
        station.sell(LEDGER, 100)
        until(lambda: station.drained)
        assert station.loop.status().broker == mosquitto.url
        assert hq.hq.rows == station.outbox.bodies  # type: ignore[attr-defined]
        assert len(hq.hq.rows[LEDGER]) == 2_500


def test_a_receive_maximum_of_three_is_never_passed() -> None:
    """A broker that confirms nothing: state, hello and nothing else before it has; later three at most."""
    with ScriptedBroker(3) as broker:
        outbox = MemoryOutbox()
        outbox.put_many(LEDGER, 5_000)
        hq_key = SigningKey.generate()
        with Station([broker.url], KEY, hq_key, outbox, TlsFiles(), QUICK) as station:
            until(lambda: len(broker.topics) == 2)
            for _ in range(6):
                broker.confirm_one()
                until(lambda: bool(broker.unconfirmed))
            assert station.loop.status().mode is Phase.ASKING
    assert broker.most_unconfirmed <= 3


def test_mosquitto_announces_three_and_a_backlog_drains_within_it(tmp_path: Path) -> None:
    broker = start_broker("mosquitto", tmp_path)
    config = tmp_path / "mosquitto.conf"
    config.write_text(config.read_text() + "max_inflight_messages 3\n")
    broker.restart()
    outbox = MemoryOutbox()
    outbox.put_many(LEDGER, 3_000)
    most = 0
    with broker, HqThread(broker.url, KEY) as hq:
        with Station([broker.url], KEY, hq.hq.key, outbox, TlsFiles()) as station:
            while not station.drained:
                most = max(most, station.loop.status().outstanding)
                time.sleep(0.001)
        assert hq.hq.rows == outbox.bodies
        assert len(hq.hq.batches) >= 30
    assert 1 <= most <= 3
    assert "RECEIVE_MAXIMUM_EXCEEDED" not in station.loop.status().refused


def test_rows_are_sent_again_on_demand_and_those_that_are_gone_refused(mosquitto: Broker) -> None:
    with (
        HqThread(mosquitto.url, KEY) as hq,
        Station([mosquitto.url], KEY, hq.hq.key, MemoryOutbox(), TlsFiles()) as station,
    ):
        station.sell(LEDGER, 900)
        until(lambda: station.drained)
        station.loop.resend(LEDGER, 201)
        until(lambda: {seq for _, seq in hq.hq.again} == set(range(201, 901)))
        until(lambda: not station.loop.status().repeating)
        station.outbox.prune(LEDGER)  # type: ignore[attr-defined]
        station.sell(LEDGER, 10)
        station.loop.resend(LEDGER, 5)
        until(lambda: station.loop.status().refused.get("RESEND_PRUNED", 0) == 1)
        assert "901" in station.loop.status().trouble, "the first that can go"
        until(lambda: station.drained)
        assert len(hq.hq.rows[LEDGER]) == 910


def test_figures_come_with_qos_0_signed_and_never_in_the_way(mosquitto: Broker) -> None:
    pace = Pace(quiet_ms=1_000, metrics_every_ms=200)
    listener = Link(address_of(mosquitto.url), None, "figures", 10)
    listener.open()
    assert isinstance(listener.next_event(2), Opened)
    listener.subscribe("fs/v1/+/metrics")
    assert isinstance(listener.next_event(2), Subscribed)
    with (
        HqThread(mosquitto.url, KEY) as hq,
        Station(
            [mosquitto.url],
            KEY,
            hq.hq.key,
            MemoryOutbox(),
            TlsFiles(),
            pace,
            figures=lambda: FiguresNow("ONLINE", {"till.commits": 7}, {"breaker.hq": 0}),
        ) as station,
    ):
        station.sell(LEDGER, 1_000)
        until(lambda: station.drained)
        assert station.loop.status().breaker is Breaker.CLOSED
        heard = [listener.next_event(2) for _ in range(3)]
    listener.close()
    for message in heard:
        assert isinstance(message, Arrived)
        read = wire.open_metrics(message.payload, lambda station: KEY.public.verify)
        assert isinstance(read, wire.Metrics)
        assert (read.counters, message.qos, message.retain) == ({"till.commits": 7}, 0, False)


def test_the_breaker_names_where_the_road_stands() -> None:
    with Station(["mqtt://127.0.0.1:1"], KEY, SigningKey.generate(), MemoryOutbox(), TlsFiles()) as station:
        seen = set()

        def has_seen_both() -> bool:
            status = station.loop.status()
            seen.add((status.breaker, status.next_try_ms is not None))
            return {(Breaker.OPEN, True)} <= seen

        until(has_seen_both)
        assert station.loop.status().clears_in_ms in (None, 0)
    assert all(tries == (breaker is Breaker.OPEN) for breaker, tries in seen)


def _sale(rng: Random, n: int) -> tuple[bytes, bytes]:
    """Two items as long as a station's are."""
    volume_ml = rng.randrange(5_000, 60_000)
    fact = b'{"kind":"fuelling","id":"%022x","device":"cbc-1","nozzle":"08","volume_ml":%d,"amount_fen":%d}'
    award = b'{"kind":"award","of":%d,"member":"m-%08d","bundle":"demo-cn","version":42,"minor":%d}'
    return (
        fact % (rng.getrandbits(88), volume_ml, volume_ml * 785 // 1_000),
        award % (2 * n + 1, rng.randrange(10**8), volume_ml * 2),
    )


def test_two_kilobytes_a_second_are_enough_and_what_is_urgent_passes(mosquitto: Broker) -> None:
    """A real broker behind 2 kB/s: within the budget the backlog drains, and nothing is taken for dead."""
    rng, outbox, sales = Random(5), MemoryOutbox(), 400
    for n in range(sales):
        for body in _sale(rng, n):
            outbox.put(LEDGER, body)
    with (
        HqThread(mosquitto.url, KEY) as hq,
        Cable(address_of(mosquitto.url).port, SLOW_BYTES_PER_S) as cable,
        Station(
            [f"mqtt://127.0.0.1:{cable.port}"],
            KEY,
            hq.hq.key,
            outbox,
            TlsFiles(),
            Pace(),
            LinkPace(keepalive_s=5),
            budget_bytes_per_s=SLOW_BYTES_PER_S,
        ) as station,
    ):
        until(lambda: len(hq.hq.rows[LEDGER]) > 100)
        began = time.monotonic()
        station.sell(URGENT, 1)
        until(lambda: len(hq.hq.rows[URGENT]) == 1)
        urgent_s = time.monotonic() - began
        assert not station.drained
        until(lambda: station.drained, within_s=60)
        status = station.loop.status()
        assert hq.hq.rows == outbox.bodies
    assert urgent_s < 3
    assert set(status.refused) <= {"NO_SUBSCRIBER"}
    assert cable.up_bytes // sales < 150, "with MQTT's overhead, and the smaller batches of this budget"
    print(f"2 kB/s: {cable.up_bytes // sales} bytes a sale, urgent after {urgent_s:.1f} s")  # noqa: T201


class TillOutbox(OutboxReader):
    """The rows of a real store, written through its till."""

    def __init__(self, found: RunningTill, path: Path) -> None:
        super().__init__(reading.connect(path))
        self._found = found

    def close(self) -> None:
        self._connection.close()

    def put(self, stream: str, body: bytes) -> int:
        return self._found.till.submit(lambda tx, at: tx.outbox.put(stream, "adopted", body, at.wall_ms))

    def raise_watermark(self, stream: str, seq: int, head: bytes) -> None:
        mark = Watermark(seq, head, 0)
        self._found.till.submit(lambda tx, at: tx.outbox.raise_watermark(stream, mark))


def test_a_half_open_link_is_noticed_in_time_and_no_sale_waits_for_it(
    mosquitto: Broker, tmp_path: Path
) -> None:
    """R7: noticed within two keepalives; a sale at the till takes no longer than 50 ms meanwhile (p99)."""
    keepalive_s = 2
    path = tmp_path / "station.db"
    with (
        running(path) as found,
        closing(TillOutbox(found, path)) as outbox,
        HqThread(mosquitto.url, KEY) as hq,
        Cable(address_of(mosquitto.url).port) as cable,
        Station(
            [f"mqtt://127.0.0.1:{cable.port}"],
            KEY,
            hq.hq.key,
            outbox,
            TlsFiles(),
            Pace(puback_ms=keepalive_s * 1_500, quiet_ms=1_000),
            LinkPace(backoff_ms=50, backoff_max_ms=400, keepalive_s=keepalive_s),
        ) as station,
    ):
        station.sell(LEDGER, 50)
        until(lambda: len(hq.hq.rows[LEDGER]) == 50)
        cable.black = True
        black_at = time.monotonic()
        took_ms: list[float] = []
        while station.loop.status().mode is not Phase.OFFLINE:
            assert time.monotonic() - black_at < 2 * keepalive_s
            began = time.monotonic()
            station.sell(LEDGER, 1)
            took_ms.append((time.monotonic() - began) * 1_000)
            time.sleep(0.01)
        assert len(took_ms) > 50
        p99_ms = sorted(took_ms)[len(took_ms) * 99 // 100]
        assert p99_ms < 50
        cable.black = False
        until(lambda: len(hq.hq.rows[LEDGER]) == 50 + len(took_ms))
        print(f"noticed after {time.monotonic() - black_at:.1f} s; p99 {p99_ms:.1f} ms")  # noqa: T201


def test_a_full_disk_refuses_then_the_ballast_lets_the_road_go_on(tmp_path: Path) -> None:
    """A real file system of 40 MiB, filled to the last byte by somebody else."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        _fill_and_recover(small)
    finally:
        subprocess.run(["umount", str(small)], check=True)


def _fill_and_recover(small: Path) -> None:
    disk = Disk(small / "station.db", 4, lambda: free_mib(small))
    disk.reserve()
    assert disk.has_ballast
    hog = small / "somebody-elses"
    with running(small / "station.db") as found, closing(TillOutbox(found, small / "station.db")) as outbox:
        outbox.put(LEDGER, b"{}")
        _fill(hog)
        with pytest.raises(TillUnavailable) as refused:
            _put_without_end(outbox)
        assert refused.value.reason == "DISK_FULL"
        booked = outbox.last_seq(LEDGER)
        disk.look()
        assert (disk.level.name, disk.refuses_redemptions) == ("NO_BALLAST", True)
        for _ in range(500):
            outbox.put(LEDGER, LARGE)
        head = outbox.head_at(LEDGER, booked + 500)
        assert head is not None
        outbox.raise_watermark(LEDGER, booked + 500, head)
        hog.unlink()
        disk.look()
        assert (disk.level.name, disk.has_ballast) == ("FINE", True)
        assert outbox.backlog(LEDGER).items == 0


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as hog, suppress(OSError):
        while hog.write(bytes(1 << 16)):
            continue


def _put_without_end(outbox: TillOutbox) -> None:
    while outbox.put(LEDGER, LARGE):
        continue
