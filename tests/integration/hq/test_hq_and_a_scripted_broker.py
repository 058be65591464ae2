"""Integration: what does HQ's worker do with a broker that lacks, limits or refuses something?"""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import topics
from sync.hq.server import PLAIN, SHARED, HqServer
from tests.integration.hq import worker
from tests.integration.hq.road import address, wait_until
from tests.integration.hq.scripted_broker import PUBACK, PUBLISH, ScriptedBroker
from tests.unit.hq.stand import Hq, Station, fuelling

NO_SHARED_SUBSCRIPTIONS = b"\x2a\x00"
RECEIVE_MAXIMUM_2 = b"\x21\x00\x02"


@pytest.fixture
def station() -> Station:
    station = Station()
    station.write(*(fuelling(f"f{n}") for n in range(1, 9)))
    return station


@pytest.fixture
def hq(tmp_path: Path, station: Station) -> Iterator[Hq]:
    hq = Hq(tmp_path / "hq.db", station)
    yield hq
    hq.store.close()


class Running:
    """The worker's loop in a thread of the test."""

    def __init__(self, server: HqServer) -> None:
        self.server = server
        self._thread = threading.Thread(target=server.serve)
        self._thread.start()

    def close(self) -> None:
        self.server.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def broker(tmp_path: Path, hq: Hq, lines: list[str]) -> Iterator[ScriptedBroker]:
    with ScriptedBroker() as broker:
        running = Running(worker.server(hq.receiver, address(broker.url), lines.append))
        yield broker
        running.close()


@pytest.fixture
def lines() -> list[str]:
    return []


def test_without_shared_subscriptions_it_subscribes_plainly_and_says_so(
    broker: ScriptedBroker, lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with broker.next_connection(NO_SHARED_SUBSCRIPTIONS) as wire:
        packet_id, filters = wire.read_subscription()
        assert filters == list(PLAIN)
        wire.grant(packet_id, b"\x01\x01\x01")
        wait_until(lambda: lines != [])
    assert [line for line in lines if "plain, run one worker only" in line] == lines != []
    assert "hq_without_shared_subscriptions" in caplog.text


def test_a_refused_shared_subscription_makes_it_come_back_with_plain_ones(broker: ScriptedBroker) -> None:
    with broker.next_connection() as wire:
        packet_id, filters = wire.read_subscription()
        assert filters == list(SHARED)
        wire.grant(packet_id, b"\x9e\x9e\x01")
    with broker.next_connection() as wire:
        _, filters = wire.read_subscription()
        assert filters == list(PLAIN)


def test_a_subscription_refused_by_the_access_list_is_tried_again_and_not_called_ready(
    broker: ScriptedBroker, lines: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with broker.next_connection() as wire:
            packet_id, filters = wire.read_subscription()
            assert filters == list(SHARED)
            wire.grant(packet_id, b"\x87\x01\x01")
    assert lines == []
    assert "SUBSCRIPTION_REFUSED" in caplog.text


def test_the_puback_comes_after_the_commit_and_after_the_ack(
    broker: ScriptedBroker, hq: Hq, station: Station
) -> None:
    with broker.next_connection() as wire:
        packet_id, _ = wire.read_subscription()
        wire.grant(packet_id, b"\x01\x01\x01")
        wire.publish(77, topics.up(station.name, "ledger"), station.seal(1, 8))
        kind, rest = wire.read()
        assert kind == PUBLISH
        assert topics.ack(station.name).encode() in rest
        assert hq.totals(station) == {"fuelling ok": 8}
        kind, rest = wire.read()
        assert (kind, rest[:2]) == (PUBACK, (77).to_bytes(2))


def test_it_keeps_within_the_brokers_receive_maximum(
    broker: ScriptedBroker, hq: Hq, station: Station
) -> None:
    with broker.next_connection(RECEIVE_MAXIMUM_2) as wire:
        packet_id, _ = wire.read_subscription()
        wire.grant(packet_id, b"\x01\x01\x01")
        for n in range(1, 9):
            wire.publish(n, topics.up(station.name, "ledger"), station.seal(n, n))
        packets = wire.read_until_silent(1.0)
        unanswered = [rest for kind, rest in packets if kind == PUBLISH]
        accepted = {int.from_bytes(rest[:2]) for kind, rest in packets if kind == PUBACK}
        assert len(unanswered) == 2
        assert accepted == {1, 2}, "the rest stays the broker's until its reply could go out"
        assert hq.totals(station) == {"fuelling ok": 8}
        while accepted != set(range(1, 9)):
            if unanswered:
                wire.acknowledge(unanswered.pop(0))
            kind, rest = wire.read()
            if kind == PUBLISH:
                unanswered.append(rest)
            else:
                accepted.add(int.from_bytes(rest[:2]))
