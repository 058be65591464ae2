"""Unit: does every step on the way to a broker name its own failure? Real sockets, a played broker."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.health import broker as probe
from agent.health.certificates import certificates
from agent.health.findings import Finding, Level
from agent.health.remedies import ASK_BROKER
from sync.tls import BrokerAddress, TlsFiles
from tests.integration.hq.scripted_broker import CONNACK, PUBACK, PUBLISH, Connection, ScriptedBroker
from tests.integration.sync.certificates import Authority

NO_FILES = TlsFiles()
Script = Callable[[Connection], None]


def _clock() -> int:
    return time.monotonic_ns() // 1_000_000


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _address(url: str) -> BrokerAddress:
    return BrokerAddress("127.0.0.1", int(url.rpartition(":")[2]), tls=False)


def _ask(address: BrokerAddress, *, publish: bool = True, files: TlsFiles = NO_FILES) -> list[Finding]:
    return probe.broker(address, files, "st-1", _clock, _wall_ms(), publish=publish)


def _said(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


@contextmanager
def _played(script: Script) -> Iterator[ScriptedBroker]:
    """A broker that takes the probe's TCP connection, then plays `script` on the MQTT one."""
    with ScriptedBroker() as broker:
        thread = threading.Thread(target=_play, args=(broker, script))
        thread.start()
        try:
            yield broker
        finally:
            thread.join(10)


def _play(broker: ScriptedBroker, script: Script) -> None:
    listener = broker._listener
    listener.accept()[0].close()  # the TCP step
    wire, _ = listener.accept()
    wire.settimeout(10)
    with wire:
        script(Connection(wire))


def _puback(code: int) -> tuple[Script, list[tuple[int, bytes]]]:
    heard: list[tuple[int, bytes]] = []

    def script(connection: Connection) -> None:
        heard.append(connection.read())
        connection.write(CONNACK, b"\x00\x00\x00")
        kind, rest = connection.read()
        heard.append((kind, rest))
        at = 2 + int.from_bytes(rest[:2])
        connection.write(PUBACK, rest[at : at + 2] + bytes([code]))
        connection.read()

    return script, heard


@pytest.mark.parametrize(("code", "words"), [(0x00, "took it, reason 0x00"), (0x10, "nobody reads it")])
def test_a_broker_that_takes_the_message(code: int, words: str) -> None:
    script, heard = _puback(code)
    with _played(script) as broker:
        findings = _ask(_address(broker.url))
    assert {finding.level for finding in findings} == {Level.OK}
    assert words in findings[-1].evidence
    (_, connect), (kind, published) = heard
    assert b"forecourt-st-1-doctor" in connect, "the agent's own client id would throw the agent off"
    assert kind == PUBLISH
    assert b"fs/v1/st-1/metrics" in published


def test_a_broker_whose_access_list_refuses_the_message() -> None:
    script, _ = _puback(0x87)
    with _played(script) as broker:
        findings = _ask(_address(broker.url))
    assert _said(findings)[-1] == "NOT_AUTHORIZED"
    assert "0x87" in findings[-1].evidence


def test_without_publish_nothing_is_sent() -> None:
    heard: list[int] = []

    def script(connection: Connection) -> None:
        connection.read()
        connection.write(CONNACK, b"\x00\x00\x00")
        heard.append(connection.read()[0])

    with _played(script) as broker:
        findings = _ask(_address(broker.url), publish=False)
    assert [finding.level for finding in findings] == [Level.OK] * 3
    assert heard == [14], "after CONNACK comes DISCONNECT"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (0x85, "CLIENT_IDENTIFIER_NOT_VALID"),
        (0x87, "NOT_AUTHORIZED"),
        (0x8A, "BANNED"),
        (0x89, "SERVER_BUSY"),
    ],
)
def test_a_broker_that_refuses_the_connection(reason: int, code: str) -> None:
    def script(connection: Connection) -> None:
        connection.read()
        connection.write(CONNACK, bytes([0, reason, 0]))

    with _played(script) as broker:
        findings = _ask(_address(broker.url))
    assert _said(findings)[-1] == code
    assert findings[-1].remedy
    assert (findings[-1].remedy == ASK_BROKER) == (code in ("BANNED", "SERVER_BUSY"))


def test_an_open_port_is_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MQTT_WITHIN_MS", 300)
    quiet = threading.Event()

    def script(connection: Connection) -> None:
        connection.read()
        quiet.wait(2)

    with _played(script) as broker:
        findings = _ask(_address(broker.url))
        quiet.set()
    assert _said(findings) == ["", "", "NO_CONNACK"]


def test_a_broker_that_never_confirms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MQTT_WITHIN_MS", 300)
    quiet = threading.Event()

    def script(connection: Connection) -> None:
        connection.read()
        connection.write(CONNACK, b"\x00\x00\x00")
        quiet.wait(2)

    with _played(script) as broker:
        findings = _ask(_address(broker.url))
        quiet.set()
    assert _said(findings)[-1] == "NO_PUBACK"


def test_a_dead_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    findings = _ask(BrokerAddress("127.0.0.1", port, tls=False))
    assert _said(findings) == ["", "CONNECTION_REFUSED"]


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    findings = _ask(BrokerAddress("mqtt.example.org", 8883, tls=True))
    assert _said(findings) == ["NAME_NOT_FOUND"]


def test_a_way_that_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    def blocked(*_: object, **__: object) -> None:
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "create_connection", blocked)
    assert _said(_ask(BrokerAddress("127.0.0.1", 8883, tls=True))) == ["", "CONNECT_TIMEOUT"]


@pytest.mark.parametrize(
    ("days", "code"),
    [(-1, "CERTIFICATE_EXPIRED"), (5, "CERTIFICATE_EXPIRES")],
)
def test_our_own_certificate_by_its_dates(tmp_path: Path, days: int, code: str) -> None:
    ca = Authority(tmp_path, "ca")
    ours = ca.issue("station", days)
    findings = certificates(TlsFiles(ca.cert, ours.cert, ours.key), _wall_ms())
    assert _said(findings) == ["CERTIFICATE_EXPIRES", code]
    assert str(ours.cert) in findings[1].name


def test_a_certificate_is_not_valid_before_its_day(tmp_path: Path) -> None:
    ca = Authority(tmp_path, "ca")
    long_ago_ms = _wall_ms() - 40 * 86_400_000
    assert _said(certificates(TlsFiles(ca.cert), long_ago_ms)) == ["CERTIFICATE_NOT_YET"]


def test_certificate_files_that_do_not_fit(tmp_path: Path) -> None:
    ca = Authority(tmp_path, "ca")
    ours, other = ca.issue("station"), ca.issue("other")
    assert _said(certificates(TlsFiles(ca.cert, ours.cert, other.key), _wall_ms())) == [
        "CERTIFICATE_UNREADABLE"
    ]
    assert _said(certificates(TlsFiles(tmp_path / "none.pem"), _wall_ms())) == ["CA_UNREADABLE"]
    assert _said(certificates(NO_FILES, _wall_ms())) == [""]


def test_an_expired_certificate_ends_the_visit_before_the_handshake(tmp_path: Path) -> None:
    ca = Authority(tmp_path, "ca")
    ours = ca.issue("station", days=-1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = BrokerAddress("127.0.0.1", listener.getsockname()[1], tls=True)
        findings = _ask(address, files=TlsFiles(ca.cert, ours.cert, ours.key))
    assert _said(findings) == ["", "", "CERTIFICATE_EXPIRES", "CERTIFICATE_EXPIRED"]
