"""Integration: does `doctor` name cause and remedy when certificates, access list or broker refuse a station?

sync.md section 6, item 5, on a real broker with the shipped sample configuration.
"""

import socket
import ssl
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agent.health import broker as probe
from agent.health.findings import Finding, Level
from agent.health.remedies import REMEDIES
from sync.authority_folder import AuthorityFolder
from sync.certificates import DAY_MS
from sync.mqtt import Closed, Link, Opened
from sync.tls import BrokerAddress, TlsFiles, client_context
from tests.integration.sync.guarded import HOST, Guarded, guarded_broker, issued, next_of, wall_ms
from tests.integration.sync.stage import clock

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")
"""paho forgets a socket whose handshake failed."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_broker(tmp_path_factory.mktemp("guarded")) as guarded:
        yield guarded


def _visit(
    address: BrokerAddress, files: TlsFiles, station: str = "cn-0001", at_ms: int | None = None
) -> list[Finding]:
    now_ms = wall_ms() if at_ms is None else at_ms
    return probe.broker(address, files, station, clock, now_ms, publish=True, clock_is_sure=at_ms is None)


def _failure(findings: list[Finding]) -> str:
    failed = [finding for finding in findings if finding.level is Level.FAIL]
    assert len(failed) == 1, findings
    assert failed[0].remedy
    return failed[0].code


def test_a_station_that_is_well(guarded: Guarded) -> None:
    findings = _visit(guarded.address, guarded.station("cn-0001"))
    assert {finding.level for finding in findings} == {Level.OK}, findings
    assert any("for cn-0001, until" in finding.evidence for finding in findings)


def test_a_certificate_for_another_station(guarded: Guarded) -> None:
    assert _failure(_visit(guarded.address, guarded.station("cn-0002"))) == "CERTIFICATE_OTHER_STATION"


def test_an_expired_certificate(guarded: Guarded) -> None:
    assert _failure(_visit(guarded.address, guarded.station("cn-0001", -400))) == "CERTIFICATE_EXPIRED"


def test_no_certificate(guarded: Guarded) -> None:
    assert _failure(_visit(guarded.address, TlsFiles(guarded.folder / "ca.pem"))) == "CERTIFICATE_MISSING"


def test_a_certificate_of_an_authority_that_the_broker_does_not_know(
    guarded: Guarded, tmp_path: Path
) -> None:
    stranger = AuthorityFolder.create(tmp_path, "somebody else", wall_ms())
    assert isinstance(stranger, AuthorityFolder)
    foreign = tmp_path / "foreign.pem"
    foreign.write_bytes(issued(stranger, "cn-0001"))
    findings = _visit(guarded.address, TlsFiles(guarded.folder / "ca.pem", foreign))
    assert _failure(findings) == "CERTIFICATE_UNTRUSTED"
    assert "CERTIFICATE_OTHER_AUTHORITY" in {finding.code for finding in findings}


def test_a_clock_behind_the_certificate(guarded: Guarded) -> None:
    """The station's clock is passed in: last year's, without a time service. No network is blamed."""
    last_year_ms = wall_ms() - 300 * DAY_MS
    findings = _visit(guarded.address, TlsFiles(None, guarded.station("cn-0001").cert), at_ms=last_year_ms)
    assert _failure(findings) == "CLOCK_BEHIND_CERTIFICATE"
    assert "timedatectl" in findings[-1].remedy


def test_a_clock_behind_the_brokers_certificate(tmp_path: Path) -> None:
    with guarded_broker(tmp_path) as guarded:
        guarded.authority.issue_broker([HOST], wall_ms() + 2 * DAY_MS)
        guarded.broker.restart()
        findings = _visit(guarded.address, guarded.station("cn-0001"))
    assert _failure(findings) == "CLOCK_BEHIND_CERTIFICATE"
    assert findings[-1].name.startswith("MQTT"), "our own files are fine"


def test_a_certificate_that_was_taken_back(tmp_path: Path) -> None:
    with guarded_broker(tmp_path) as guarded:
        files = guarded.station("cn-0001")
        guarded.authority.revoke("cn-0001", wall_ms())
        guarded.broker.restart()
        assert _failure(_visit(guarded.address, files)) == "CERTIFICATE_REVOKED"


def test_a_broker_that_is_full(tmp_path: Path) -> None:
    with guarded_broker(tmp_path, "max_connections 1\n") as guarded:
        held = guarded.link(guarded.station("cn-0002"))
        assert isinstance(next_of(held), Opened)
        findings = _visit(guarded.address, guarded.station("cn-0001"))
        held.close()
        assert _failure(findings) == "BROKER_HUNG_UP"
        assert "max_connections" in findings[-1].remedy
        assert {f.level for f in _visit(guarded.address, guarded.station("cn-0001"))} == {Level.OK}


@pytest.mark.parametrize("linger_s", [None, 0], ids=["with a goodbye of TCP's", "with a reset"])
def test_a_broker_that_hangs_up_while_we_connect(guarded: Guarded, linger_s: int | None) -> None:
    """Found on a busy machine: what lies unread at a broker that closes turns its goodbye into a reset."""
    with socket.create_server((HOST, 0)) as server, ThreadPoolExecutor(1) as pool:
        served = pool.submit(_hang_up, server, linger_s)
        files = guarded.station("cn-0001")
        link = Link(BrokerAddress(HOST, server.getsockname()[1], tls=True), _context(files), "anybody", 10)
        link.open()
        ended = next_of(link)
        served.result(5)
    assert isinstance(ended, Closed)
    assert ended.reason == "BROKER_HUNG_UP"


def _hang_up(server: socket.socket, linger_s: int | None) -> None:
    wire, _ = server.accept()
    with wire:
        assert wire.recv(1), "the first byte of a handshake"
        if linger_s is None:
            assert wire.recv(65_536), "nothing is left unread"
        else:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, linger_s))


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = client_context(files)
    assert isinstance(context, ssl.SSLContext)
    return context


def test_an_access_list_that_forgets_a_line(tmp_path: Path) -> None:
    """A forgotten line for reading is not refused by mosquitto, only never delivered: `HQ_SILENT` says so."""
    with guarded_broker(tmp_path) as guarded:
        acl, forgotten = guarded.folder / "acl", "pattern write fs/v1/%u/metrics"
        assert forgotten in acl.read_text()
        acl.write_text(acl.read_text().replace(forgotten, ""))
        guarded.broker.restart()
        findings = _visit(guarded.address, guarded.station("cn-0001"))
    assert _failure(findings) == "NOT_AUTHORIZED"
    assert findings[-1].name == "publish to fs/v1/cn-0001/metrics"
    assert "0x87" in findings[-1].evidence
    assert "sync/samples/acl" in findings[-1].remedy
    assert "access list lets it read" in REMEDIES["HQ_SILENT"]
