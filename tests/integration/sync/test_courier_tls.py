"""Integration: TLS, certificates and the broker's access list: who gets through, and what is said?

The broker is mosquitto with `sync/samples/mosquitto.conf` and `sync/samples/acl` as they are shipped.
"""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import topics
from sync.authority_folder import AuthorityFolder
from sync.broker import SAMPLES
from sync.certificates import DAY_MS
from sync.keys import SigningKey
from sync.mqtt import NOT_AUTHORIZED, Arrived, Closed, Link, Opened, Outgoing, Published, Subscribed
from sync.refusal import Refusal
from sync.tls import BrokerAddress, TlsFiles, client_context
from tests.integration.sync.guarded import HOST, Guarded, guarded_broker, issued, next_of, wall_ms
from tests.integration.sync.stage import Station, until
from tests.unit.sync.memory_outbox import MemoryOutbox

FORGOTTEN_SOCKET = pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")
"""paho forgets a socket whose handshake failed; Python closes it a moment later, with this warning."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_broker(tmp_path_factory.mktemp("guarded")) as guarded:
        yield guarded


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> AuthorityFolder:
    made = AuthorityFolder.create(tmp_path_factory.mktemp("stranger"), "somebody else", wall_ms())
    assert isinstance(made, AuthorityFolder)
    return made


def _end(guarded: Guarded, files: TlsFiles, host: str = HOST) -> str:
    """Why a connection ended. A broker's last words may be lost under way, but not again and again."""
    reason = ""
    for _ in range(5):
        context = client_context(files)
        assert not isinstance(context, Refusal)
        link = Link(BrokerAddress(host, guarded.address.port, tls=True), context, "one", 10)
        link.open()
        end = next_of(link)
        link.close(with_will=False)
        assert isinstance(end, Closed), end
        reason = end.reason
        if reason != "CONNECTION_LOST":
            break
    return reason


def test_the_sample_is_used_as_it_is_shipped(guarded: Guarded) -> None:
    """Only the three places that its head names are filled in."""
    shipped = (SAMPLES / "mosquitto.conf").read_text()
    for name, value in (
        ("ADDRESS", HOST),
        ("PORT", str(guarded.address.port)),
        ("FOLDER", str(guarded.folder)),
    ):
        shipped = shipped.replace(f"@{name}@", value)
    assert "@" not in "".join(line for line in shipped.splitlines() if not line.startswith("#"))
    assert (guarded.folder / "guarded" / "mosquitto.conf").read_text() == shipped
    assert (guarded.folder / "acl").read_text() == (SAMPLES / "acl").read_text()


def test_the_list_for_integrators_is_the_shipped_one() -> None:
    shipped = [line for line in (SAMPLES / "acl").read_text().splitlines() if line.startswith("pattern")]
    assert "\n".join(["```", *shipped, "```"]) in (SAMPLES.parent / "README.md").read_text(encoding="utf-8")


def test_own_certificate_opens_and_the_list_allows_own_topics_only(guarded: Guarded) -> None:
    link = guarded.link(guarded.station("cn-0001"))
    assert isinstance(next_of(link), Opened)
    link.subscribe(*topics.station_filters("cn-0001"))
    granted = next_of(link)
    assert isinstance(granted, Subscribed)
    assert granted.codes == (1, 1, 1)
    for topic, code in (
        (topics.up("cn-0001", "ledger"), 0x10),
        (topics.rpc("cn-0001", topics.HELLO), 0x10),
        (topics.state("cn-0001"), 0x10),
        (topics.metrics("cn-0001"), 0x10),
        (topics.up("cn-0002", "ledger"), NOT_AUTHORIZED),
        (topics.state("cn-0002"), NOT_AUTHORIZED),
        (topics.ack("cn-0001"), NOT_AUTHORIZED),
        (topics.down_items("cn-0001"), NOT_AUTHORIZED),
        (topics.bundle("demo-cn"), NOT_AUTHORIZED),
    ):
        mid = link.publish(Outgoing(topic, b"x"))
        assert next_of(link) == Published(mid, code), topic
    link.close()


def _heard(guarded: Guarded, reader: TlsFiles, wish: str, writer: TlsFiles, written: list[str]) -> set[str]:
    """Which of the written topics arrive at a reader who subscribed to `wish`, granted or not."""
    listening, speaking = guarded.link(reader, "reader"), guarded.link(writer, "writer")
    assert isinstance(next_of(listening), Opened)
    assert isinstance(next_of(speaking), Opened)
    listening.subscribe(wish)
    assert isinstance(next_of(listening), Subscribed)
    for topic in written:
        speaking.publish(Outgoing(topic, b"x"))
        assert isinstance(next_of(speaking), Published)
    heard = set()
    while event := listening.next_event(0.5):
        if isinstance(event, Arrived):
            heard.add(event.topic)
            listening.accept(event)
    listening.close()
    speaking.close()
    return heard


def test_a_station_hears_its_own_topics_only_whatever_it_asks_for(guarded: Guarded) -> None:
    """mosquitto grants `fs/v1/+/down/#` and filters what it delivers: so what arrives is what counts."""
    said = [topics.down_items("cn-0001"), topics.down_items("cn-0002"), topics.ack("cn-0002")]
    station = guarded.station("cn-0001")
    assert _heard(guarded, station, "fs/v1/+/down/#", guarded.hq, said) == {topics.down_items("cn-0001")}
    assert _heard(guarded, station, "#", guarded.hq, said) <= {topics.down_items("cn-0001")}
    everyone = [topics.bundle("demo-cn")]
    assert _heard(guarded, station, "fs/v1/all/#", guarded.hq, everyone) == set(everyone)


@pytest.mark.parametrize("wish", [topics.HQ_UP, topics.HQ_UP_SHARED])
def test_headquarters_hears_all_stations_and_says_nothing_for_them(guarded: Guarded, wish: str) -> None:
    written = [topics.up("cn-0001", "ledger"), topics.down_items("cn-0001")]
    heard = _heard(guarded, guarded.hq, wish, guarded.station("cn-0001"), written)
    assert heard == {topics.up("cn-0001", "ledger")}
    link = guarded.link(guarded.hq)
    assert isinstance(next_of(link), Opened)
    mid = link.publish(Outgoing(topics.up("cn-0001", "ledger"), b"x"))
    assert next_of(link) == Published(mid, NOT_AUTHORIZED)
    link.close()


@FORGOTTEN_SOCKET
def test_a_broker_of_another_authority_or_name_is_refused_by_us(
    guarded: Guarded, stranger: AuthorityFolder, tmp_path: Path
) -> None:
    own = guarded.station("cn-0001")
    other = AuthorityFolder.create(tmp_path / "other", "another", wall_ms())
    assert isinstance(other, AuthorityFolder)
    assert _end(guarded, TlsFiles(tmp_path / "other" / "ca.pem", own.cert)) == "BROKER_UNTRUSTED"
    assert _end(guarded, own, host="localhost") == "BROKER_OTHER_NAME"


@pytest.mark.parametrize(
    ("begins_days", "days", "reason"),
    [(-400, 365, "CERTIFICATE_EXPIRED"), (2, 365, "CERTIFICATE_UNWANTED")],
)
@FORGOTTEN_SOCKET
def test_a_certificate_outside_its_time_is_refused_by_the_broker(
    guarded: Guarded, begins_days: int, days: int, reason: str
) -> None:
    assert _end(guarded, guarded.station("cn-0001", begins_days, days)) == reason


@FORGOTTEN_SOCKET
def test_no_certificate_and_one_of_another_authority(
    guarded: Guarded, stranger: AuthorityFolder, tmp_path: Path
) -> None:
    assert _end(guarded, TlsFiles(guarded.folder / "ca.pem")) == "CERTIFICATE_MISSING"
    foreign = tmp_path / "foreign.pem"
    foreign.write_bytes(issued(stranger, "cn-0001"))
    assert _end(guarded, TlsFiles(guarded.folder / "ca.pem", foreign)) == "CERTIFICATE_UNTRUSTED"


@FORGOTTEN_SOCKET
def test_a_certificate_that_was_taken_back(tmp_path: Path) -> None:
    with guarded_broker(tmp_path) as guarded:
        lost, kept = guarded.station("cn-0009"), guarded.station("cn-0001")
        assert guarded.authority.revoke("cn-0009", wall_ms()) == 1
        guarded.broker.restart()
        assert _end(guarded, lost) == "CERTIFICATE_REVOKED"
        link = guarded.link(kept)
        assert isinstance(next_of(link), Opened)
        link.close()


@pytest.mark.parametrize(
    ("begins_ms", "reason"),
    [(2 * DAY_MS, "CLOCK_BEHIND_CERTIFICATE"), (-400 * DAY_MS, "BROKER_CERTIFICATE_EXPIRED")],
)
@FORGOTTEN_SOCKET
def test_a_brokers_certificate_outside_its_time_as_our_clock_sees_it(
    tmp_path: Path, begins_ms: int, reason: str
) -> None:
    """A clock behind the certificate has a name of its own: it is no fault of the network."""
    with guarded_broker(tmp_path) as guarded:
        guarded.authority.issue_broker([HOST], wall_ms() + begins_ms)
        guarded.broker.restart()
        assert _end(guarded, guarded.station("cn-0001")) == reason


def test_the_broker_refuses_what_is_older_than_tls_1_3(guarded: Guarded) -> None:
    context = client_context(guarded.station("cn-0001"))
    assert not isinstance(context, Refusal)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection((HOST, guarded.address.port), 5) as wire,
        pytest.raises(ssl.SSLError, match="TLSV1_ALERT_PROTOCOL_VERSION"),
    ):
        context.wrap_socket(wire, server_hostname=HOST)


@FORGOTTEN_SOCKET
def test_we_refuse_a_broker_that_is_older_than_tls_1_3(guarded: Guarded) -> None:
    old = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    old.load_cert_chain(guarded.folder / "broker.pem", guarded.folder / "broker.key")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_server((HOST, 0)) as listener:
        refused: list[str] = []
        thread = threading.Thread(target=_greet, args=(listener, old, refused))
        thread.start()
        context = client_context(guarded.station("cn-0001"))
        assert not isinstance(context, Refusal)
        link = Link(BrokerAddress(HOST, listener.getsockname()[1], tls=True), context, "one", 10)
        link.open()
        end = next_of(link)
        link.close(with_will=False)
        thread.join(5)
    assert isinstance(end, Closed)
    assert end.reason == "TLS_TOO_OLD"
    assert refused == ["UNSUPPORTED_PROTOCOL"]


def _greet(listener: socket.socket, context: ssl.SSLContext, refused: list[str]) -> None:
    wire, _ = listener.accept()
    with wire:
        wire.settimeout(5)
        try:
            context.wrap_socket(wire, server_side=True).close()
        except ssl.SSLError as error:
            refused.append(error.reason)


def test_a_courier_whose_certificate_names_another_station_says_so(guarded: Guarded) -> None:
    """The list does not let it read its own topics: no HQ word could ever come."""
    files = guarded.station("cn-0002")
    station = Station(
        [guarded.address.url], SigningKey.generate(), SigningKey.generate(), MemoryOutbox(), files
    )
    with station:
        until(lambda: _refusals(station) >= 1)
    assert station.outbox.watermark("ledger") == 0


def _refusals(station: Station) -> int:
    refused = station.loop.status().refused
    return refused.get("SUBSCRIPTION_REFUSED", 0) + refused.get("NOT_AUTHORIZED", 0)
