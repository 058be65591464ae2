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
from sync.authority import found_authority, sign_request
from sync.certificates import DAY_MS, make_key, make_request
from sync.tls import BrokerAddress, TlsFiles
from tests.integration.hq.scripted_broker import (
    CONNACK,
    PUBACK,
    PUBLISH,
    SUBACK,
    Connection,
    ScriptedBroker,
)

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


def _puback(code: int, *subacks: int) -> tuple[Script, list[tuple[int, bytes]]]:
    heard: list[tuple[int, bytes]] = []

    def script(connection: Connection) -> None:
        heard.append(connection.read())
        connection.write(CONNACK, b"\x00\x00\x00")
        kind, rest = connection.read()
        heard.append((kind, rest))
        at = 2 + int.from_bytes(rest[:2])
        connection.write(PUBACK, rest[at : at + 2] + bytes([code]))
        if subacks:
            _, wish = connection.read()
            connection.write(SUBACK, wish[:2] + b"\x00" + bytes(subacks))
        connection.read()

    return script, heard


@pytest.mark.parametrize(("code", "words"), [(0x00, "took it, reason 0x00"), (0x10, "nobody reads it")])
def test_a_broker_that_takes_the_message(code: int, words: str) -> None:
    script, heard = _puback(code, 1, 1, 1)
    with _played(script) as broker:
        findings = _ask(_address(broker.url))
    assert {finding.level for finding in findings} == {Level.OK}
    assert words in findings[-2].evidence
    assert "lets us read" in findings[-1].evidence
    (_, connect), (kind, published) = heard
    assert b"forecourt-st-1-doctor" in connect, "the agent's own client id would throw the agent off"
    assert kind == PUBLISH
    assert b"fs/v1/st-1/metrics" in published


@pytest.mark.parametrize(
    ("reason", "code"), [(0x87, "NOT_AUTHORIZED"), (0x97, "QUOTA_EXCEEDED"), (0x80, "PUBLISH_REFUSED")]
)
def test_a_broker_that_refuses_the_message(reason: int, code: str) -> None:
    script, _ = _puback(reason)
    with _played(script) as broker:
        findings = _ask(_address(broker.url))
    assert _said(findings)[-1] == code
    assert f"0x{reason:02x}" in findings[-1].evidence


def test_a_broker_whose_access_list_does_not_let_us_read() -> None:
    script, _ = _puback(0, 1, 0x87, 1)
    with _played(script) as broker:
        findings = _ask(_address(broker.url))
    assert _said(findings)[-1] == "SUBSCRIPTION_REFUSED"
    assert "fs/v1/st-1/down/# 0x87" in findings[-1].evidence
    assert "fs/v1/all" not in findings[-1].evidence


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
    assert (findings[-1].remedy == ASK_BROKER) == (code == "BANNED")


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


class Files:
    """What a station has: an authority that began at `at_ms`, and a certificate of its."""

    def __init__(self, folder: Path, at_ms: int) -> None:
        self.root = found_authority("a test", at_ms)
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.root.certificate)
        self._folder = folder

    def issue(self, station: str, at_ms: int, days: int = 365) -> TlsFiles:
        key = make_key()
        request = make_request(key, station)
        assert isinstance(request, bytes)
        chain = sign_request(self.root, request, lambda name: True, at_ms, days)
        assert isinstance(chain, bytes)
        cert, key_file = self._folder / f"{station}.pem", self._folder / f"{station}.key"
        cert.write_bytes(chain)
        key_file.write_bytes(key)
        return TlsFiles(self.ca, cert, key_file)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path, _wall_ms() - 500 * DAY_MS)


def _certificates(files: TlsFiles, wall_ms: int, *, sure: bool = True) -> list[str]:
    return _said(certificates(files, "st-1", wall_ms, clock_is_sure=sure))


@pytest.mark.parametrize(
    ("station", "began_days_ago", "days", "sure", "code"),
    [
        ("st-1", 0, 365, True, ""),
        ("st-1", 340, 365, True, "CERTIFICATE_EXPIRES"),
        ("st-1", 370, 365, True, "CERTIFICATE_EXPIRED"),
        ("st-1", -2, 365, True, "CERTIFICATE_NOT_YET_VALID"),
        ("st-1", -2, 365, False, "CLOCK_BEHIND_CERTIFICATE"),
        ("st-2", 0, 365, True, "CERTIFICATE_OTHER_STATION"),
    ],
)
def test_our_own_certificate(
    files: Files, station: str, began_days_ago: int, days: int, sure: bool, code: str
) -> None:
    now_ms = _wall_ms()
    ours = files.issue(station, now_ms - began_days_ago * DAY_MS, days)
    found = certificates(ours, "st-1", now_ms, clock_is_sure=sure)
    assert _said(found) == ["", code]
    assert str(ours.cert) in found[1].name
    assert bool(found[1].remedy) == bool(code)
    if code == "CERTIFICATE_EXPIRES":
        assert "24 days left" in found[1].evidence


def test_an_authority_by_its_dates(files: Files) -> None:
    only = TlsFiles(files.ca)
    began_ms = _wall_ms() - 500 * DAY_MS
    assert _certificates(only, began_ms - DAY_MS) == ["CLOCK_BEHIND_CERTIFICATE"]
    assert _certificates(only, began_ms + 3630 * DAY_MS) == ["AUTHORITY_EXPIRES"]
    assert _certificates(only, began_ms + 3651 * DAY_MS) == ["AUTHORITY_EXPIRED"]


def test_a_certificate_of_another_authority_is_worth_a_word(files: Files, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    ours, other = files.issue("st-1", _wall_ms()), Files(tmp_path / "other", _wall_ms() - DAY_MS)
    mixed = TlsFiles(other.ca, ours.cert, ours.key)
    assert _certificates(mixed, _wall_ms()) == ["", "", "CERTIFICATE_OTHER_AUTHORITY"]


def test_certificate_files_that_do_not_fit(files: Files, tmp_path: Path) -> None:
    ours, other = files.issue("st-1", _wall_ms()), files.issue("st-2", _wall_ms())
    assert _certificates(TlsFiles(files.ca, ours.cert, other.key), _wall_ms()) == ["KEY_MISMATCH"]
    assert _certificates(TlsFiles(files.ca, files.ca, tmp_path / "none"), _wall_ms()) == [
        "CERTIFICATE_UNREADABLE"
    ]
    assert _certificates(TlsFiles(tmp_path / "none.pem"), _wall_ms()) == ["CA_UNREADABLE"]
    assert _certificates(NO_FILES, _wall_ms()) == [""]


def test_an_expired_certificate_ends_the_visit_before_the_handshake(files: Files) -> None:
    ours = files.issue("st-1", _wall_ms() - 400 * DAY_MS)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = BrokerAddress("127.0.0.1", listener.getsockname()[1], tls=True)
        findings = _ask(address, files=ours)
    assert _said(findings) == ["", "", "", "CERTIFICATE_EXPIRED"]
