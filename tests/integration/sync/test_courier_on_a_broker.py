"""Integration: does the courier lose or double anything on a real broker that dies, hangs and refuses?"""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import topics, wire
from sync.broker import Broker, start_broker
from sync.keys import SigningKey
from sync.mqtt import NO_MATCHING_SUBSCRIBERS, Arrived, Closed, Link, Opened, Outgoing, Published, Subscribed
from sync.outbox import LEDGER, URGENT
from sync.steps import Phase
from sync.tls import TlsFiles
from tests.integration.sync.stage import Cable, HqThread, Station, address_of, until
from tests.simulation.sync.storm import STATION
from tests.unit.sync.memory_outbox import MemoryOutbox

KEY = SigningKey(bytes(range(32)))


@pytest.fixture(params=["mosquitto", "iotcore"])
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    started = start_broker(request.param, tmp_path)
    yield started
    started.stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Broker]:
    started = start_broker("mosquitto", tmp_path)
    yield started
    started.stop()


def _station(broker_url: str, hq: HqThread, outbox: MemoryOutbox | None = None) -> Station:
    return Station([broker_url], KEY, hq.hq.key, outbox or MemoryOutbox(), TlsFiles())


def test_broker_killed_again_and_again_nothing_lost_nothing_twice(broker: Broker) -> None:
    with HqThread(broker.url, KEY) as hq, _station(broker.url, hq) as station:
        for _ in range(6):
            station.sell(LEDGER, 150)
            station.sell(URGENT, 7)
            time.sleep(0.05)
            broker.kill()
            station.sell(LEDGER, 50)
            broker.restart()
        station.sell(LEDGER, 10)
        until(lambda: station.drained)
        assert hq.hq.rows == station.outbox.bodies
        assert len(hq.hq.rows[LEDGER]) == 1_210
        assert hq.connections >= 7
        assert station.most_ms_between_ticks < 2_000


def test_half_open_link_is_noticed_and_left_within_two_keepalives(mosquitto: Broker) -> None:
    with (
        HqThread(mosquitto.url, KEY) as hq,
        Cable(address_of(mosquitto.url).port) as cable,
        _station(f"mqtt://127.0.0.1:{cable.port}", hq) as station,
    ):
        station.sell(LEDGER, 20)
        until(lambda: station.drained)
        cable.black = True
        station.sell(LEDGER, 20)
        went_black = time.monotonic()
        until(lambda: station.loop.status().mode is Phase.OFFLINE)
        assert time.monotonic() - went_black < 4.0, "two keepalives of 2 s"
        assert not station.drained
        cable.black = False
        until(lambda: station.drained)
        assert hq.hq.rows == station.outbox.bodies
        assert station.loop.status().refused["HALF_OPEN"] >= 1


def test_mute_hq_is_seen_although_every_publish_is_confirmed(mosquitto: Broker) -> None:
    """PUBACKs arrive all the time; only HQ's own word counts."""
    with HqThread(mosquitto.url, KEY) as hq, _station(mosquitto.url, hq) as station:
        station.sell(LEDGER, 5)
        until(lambda: station.drained)
        hq.mute = True
        station.sell(LEDGER, 5)
        until(lambda: station.loop.status().mode is Phase.ASKING)
        age = station.loop.status().hq_age_ms
        assert age is not None
        assert not station.drained
        hq.mute = False
        until(lambda: station.drained)
        assert hq.hq.rows == station.outbox.bodies


def test_absent_hq_is_known_from_the_broker_and_nothing_counts_as_delivered(mosquitto: Broker) -> None:
    hq = HqThread(mosquitto.url, KEY)
    with _station(mosquitto.url, hq) as station:
        station.sell(LEDGER, 30)
        until(lambda: station.loop.status().refused.get("NO_SUBSCRIBER", 0) >= 2)
        assert station.outbox.watermark(LEDGER) == 0
        with hq:
            until(lambda: station.drained)
        assert hq.hq.rows == station.outbox.bodies


def test_forged_ack_moves_nothing(mosquitto: Broker) -> None:
    with HqThread(mosquitto.url, KEY) as hq, _station(mosquitto.url, hq) as station:
        station.sell(LEDGER, 5)
        until(lambda: station.drained)
        hq.mute = True
        station.outbox.put_many(LEDGER, 5)
        head = station.outbox.heads[LEDGER][-1]
        forger = Link(address_of(mosquitto.url), None, "forger", 10)
        forger.open()
        assert isinstance(forger.next_event(2), Opened)
        from sync.envelope import encode_head

        ack = wire.Ack(
            station=STATION, epoch=1, stream="ledger", seq=10, head=encode_head(head), hq_time_ms=0
        )
        forger.publish(Outgoing(topics.ack(STATION), wire.sign_ack(ack, SigningKey.generate().sign)))
        forger.publish(Outgoing(topics.ack(STATION), b"\x00garbage\n\xff"))
        until(lambda: {"ACK_BAD_SIGNATURE", "ACK_MALFORMED"} <= set(station.loop.status().refused))
        forger.close()
        assert station.outbox.watermark(LEDGER) == 5


def test_birth_and_will_are_retained_and_signed(mosquitto: Broker) -> None:
    with HqThread(mosquitto.url, KEY) as hq:
        with _station(mosquitto.url, hq) as station:
            station.sell(LEDGER, 1)
            until(lambda: station.drained)
        until(lambda: len(hq.states) >= 2)
        first, last = (
            wire.open_state(each, lambda station: KEY.public.verify) for each in (hq.states[0], hq.states[-1])
        )
    assert isinstance(first, wire.State)
    assert isinstance(last, wire.State)
    assert (first.online, last.online) == (True, False)


def test_down_messages_come_through_and_are_accepted_once_safe(mosquitto: Broker) -> None:
    with HqThread(mosquitto.url, KEY) as hq, _station(mosquitto.url, hq) as station:
        station.sell(LEDGER, 1)
        until(lambda: station.drained)
        sender = Link(address_of(mosquitto.url), None, "sender", 10)
        sender.open()
        assert isinstance(sender.next_event(2), Opened)
        for n in range(100):
            sender.publish(Outgoing(topics.down_items(STATION), b"%d" % n))
        until(lambda: len(station.down) == 100)
        sender.close()
        assert station.down == [(topics.down_items(STATION), b"%d" % n) for n in range(100)]


def test_first_broker_of_the_list_dead_second_serves(mosquitto: Broker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = f"mqtt://127.0.0.1:{taken.getsockname()[1]}"
        with HqThread(mosquitto.url, KEY) as hq:
            outbox = MemoryOutbox()
            with Station([dead, mosquitto.url], KEY, hq.hq.key, outbox, TlsFiles()) as station:
                station.sell(LEDGER, 5)
                until(lambda: station.drained)
                status = station.loop.status()
                assert status.broker == mosquitto.url
                assert status.refused["NO_CONNACK"] == 1, "an open port is not a broker"


def test_boot_without_any_broker_then_stop_is_prompt(tmp_path: Path) -> None:
    hq_key = SigningKey.generate()
    station = Station(["mqtt://127.0.0.1:1"], KEY, hq_key, MemoryOutbox(), TlsFiles())
    with station:
        station.sell(LEDGER, 5)
        until(lambda: station.loop.status().refused.get("CONNECTION_REFUSED", 0) >= 2)
        assert station.loop.status().hq_age_ms is None
        stopping = time.monotonic()
    assert time.monotonic() - stopping < 2.0
    assert not [t for t in threading.enumerate() if t.name.startswith("paho")]


def test_reason_codes_of_the_broker_reach_us(mosquitto: Broker) -> None:
    link = Link(address_of(mosquitto.url), None, "one", 10)
    link.open()
    assert isinstance(link.next_event(2), Opened)
    mid = link.publish(Outgoing("fs/v1/nobody/up/ledger", b"x"))
    assert link.next_event(2) == Published(mid, NO_MATCHING_SUBSCRIBERS)
    link.subscribe("fs/v1/a/#")
    assert isinstance(link.next_event(2), Subscribed)
    link.publish(Outgoing("fs/v1/a/rpc/x", b"q", response_topic="fs/v1/a/down/rpc", correlation=b"\x01\x02"))
    heard = [link.next_event(2), link.next_event(2)]
    arrived = next(each for each in heard if isinstance(each, Arrived))
    assert (arrived.response_topic, arrived.correlation) == ("fs/v1/a/down/rpc", b"\x01\x02")
    mosquitto.kill()
    assert isinstance(link.next_event(2), Closed)
    link.close()
    assert link.ended
    assert isinstance(link.next_event(0), Closed)


def test_callback_that_fails_ends_the_link_visibly(mosquitto: Broker) -> None:
    """paho's thread dies of an exception in a callback and goes on saying that it is connected."""
    link = Link(address_of(mosquitto.url), None, "one", 10, receive_maximum=1)
    link.open()
    assert isinstance(link.next_event(2), Opened)
    link.subscribe("fs/v1/a/#")
    assert isinstance(link.next_event(2), Subscribed)
    for _ in range(600):
        link.publish(Outgoing("fs/v1/a/metrics", b"x", qos=0))
    until(lambda: link.ended)
    ends = []
    while not ends:
        event = link.next_event(1)
        if isinstance(event, Closed):
            ends.append(event.reason)
    assert ends == ["INBOX_FULL"]
    link.close()
