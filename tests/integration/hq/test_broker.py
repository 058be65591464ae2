"""Integration: does "start me a broker" give a broker that answers, stops, dies and comes back?"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import broker as module
from sync.broker import PAYLOAD_LIMIT, Broker, BrokerError, Kind, answers_mqtt5, start_broker
from sync.mqtt import Arrived, Link, LinkEvent, Opened, Outgoing, Subscribed
from tests.integration.hq.road import ROOT, address, wait_until


@pytest.fixture(params=["mosquitto", "iotcore"])
def kind(request: pytest.FixtureRequest) -> Kind:
    kind: Kind = request.param
    return kind


@pytest.fixture
def broker(kind: Kind, tmp_path: Path) -> Iterator[Broker]:
    with start_broker(kind, tmp_path) as broker:
        yield broker


def is_up(broker: Broker) -> bool:
    return answers_mqtt5("127.0.0.1", address(broker.url).port)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def next_of(link: Link, wanted: type[LinkEvent]) -> LinkEvent:
    found: list[LinkEvent] = []

    def arrived() -> bool:
        event = link.next_event(0.1)
        if isinstance(event, wanted):
            found.append(event)
        return found != []

    wait_until(arrived)
    return found[0]


def test_it_answers_when_it_is_given_out_and_only_on_loopback(broker: Broker, kind: Kind) -> None:
    assert broker.kind == kind
    assert is_up(broker)
    inodes = {
        os.readlink(link)[8:-1]
        for link in Path(f"/proc/{broker.pid}/fd").iterdir()
        if os.readlink(link).startswith("socket:")
    }
    files = [Path(f"/proc/net/{name}") for name in ("tcp", "tcp6")]
    tables = [line.split() for file in files for line in file.read_text().splitlines()[1:]]
    listening = [row[1].split(":")[0] for row in tables if row[3] == "0A" and row[9] in inodes]
    assert listening == ["0100007F"]


def test_it_stops_is_killed_and_comes_back_on_the_same_port(broker: Broker) -> None:
    url = broker.url
    for end in (broker.kill, broker.stop):
        pid = broker.pid
        assert pid is not None
        end()
        end()
        assert not is_alive(pid)
        assert not is_up(broker)
        assert broker.pid is None
        broker.restart()
        assert (broker.url, is_up(broker)) == (url, True)
    before = broker.pid
    broker.restart()
    assert broker.pid != before
    assert is_up(broker)


def test_it_carries_a_payload_up_to_the_limit_and_forgets_it_when_killed(broker: Broker) -> None:
    payload = os.urandom(PAYLOAD_LIMIT)
    for round_ in ("fresh", "restarted"):
        link = Link(address(broker.url), None, f"tried-{round_}", 5)
        link.open()
        next_of(link, Opened)
        link.subscribe("some/+")
        next_of(link, Subscribed)
        link.publish(Outgoing("some/topic", payload, retain=True))
        message = next_of(link, Arrived)
        assert isinstance(message, Arrived)
        assert message.payload == payload
        assert not message.retain, "a retained message of before the kill would come first"
        link.close(with_will=False)
        broker.kill()
        broker.restart()


def test_an_open_port_is_not_a_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert not answers_mqtt5("127.0.0.1", port, timeout_s=0.1)
    assert not answers_mqtt5("127.0.0.1", port, timeout_s=0.1)


def test_what_cannot_start_says_why(tmp_path: Path, kind: Kind) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerError, match=rf"{kind} on port {port} does not answer"):
            Broker(kind, tmp_path, port)


def test_auto_takes_mosquitto_where_it_is_installed_and_iotcore_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with start_broker("auto", tmp_path) as broker:
        assert broker.kind == "mosquitto"
    monkeypatch.setattr(module, "_mosquitto", lambda: None)
    with start_broker("auto", tmp_path) as broker:
        assert broker.kind == "iotcore"
    with pytest.raises(BrokerError, match="mosquitto is not installed"):
        start_broker("mosquitto", tmp_path)


def test_iotcore_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from sync.broker import start_broker\n"
        "print(start_broker('iotcore', Path(sys.argv[1])).pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
        parent.wait()
        wait_until(lambda: not is_alive(pid))
