"""Integration: TLS, client certificates and the broker's access list: who gets through, and what is said?

The access list below is the one that README.md gives to integrators.
"""

import getpass
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sync import topics
from sync.keys import SigningKey
from sync.mqtt import NOT_AUTHORIZED, Closed, Link, LinkEvent, Opened, Outgoing, Published, Subscribed
from sync.refusal import Refusal
from sync.tls import BrokerAddress, TlsFiles, client_context
from tests.integration.sync.certificates import Authority, Issued
from tests.integration.sync.stage import Station, until
from tests.unit.sync.memory_outbox import MemoryOutbox

_CONF = """\
user {user}
listener {port} 127.0.0.1
cafile {ca}
certfile {cert}
keyfile {key}
require_certificate true
use_identity_as_username true
acl_file {acl}
persistence false
"""
_ACL = """\
pattern write fs/v1/%u/up/#
pattern write fs/v1/%u/rpc/#
pattern write fs/v1/%u/state
pattern write fs/v1/%u/metrics
pattern read fs/v1/%u/ack
pattern read fs/v1/%u/down/#
pattern read fs/v1/all/#
"""


_FORGOTTEN_SOCKET = pytest.mark.filterwarnings("ignore:unclosed <ssl:ResourceWarning")
"""paho forgets a socket whose handshake failed; Python closes it a moment later, with this warning."""


@dataclass
class Guarded:
    address: BrokerAddress
    authority: Authority
    folder: Path

    def files(self, client: Issued | None, ca: Path | None = None) -> TlsFiles:
        return TlsFiles(
            ca or self.authority.cert, client.cert if client else None, client.key if client else None
        )

    def link(self, files: TlsFiles) -> Link:
        context = client_context(files)
        assert not isinstance(context, Refusal)
        link = Link(self.address, context, "one", 10)
        link.open()
        return link


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    authority = Authority(folder, "hq-authority")
    server = authority.issue("broker")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    acl = folder / "acl"
    acl.write_text(_ACL)
    conf = folder / "mosquitto.conf"
    conf.write_text(
        _CONF.format(
            user=getpass.getuser(), port=port, ca=authority.cert, cert=server.cert, key=server.key, acl=acl
        )
    )
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    assert program is not None, "apt install mosquitto"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-c", str(conf)], stdout=log, stderr=log)
    try:
        until(lambda: _listens(port))
        yield Guarded(BrokerAddress("127.0.0.1", port, tls=True), authority, folder)
    finally:
        process.terminate()
        process.wait(5)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


def _next(link: Link) -> LinkEvent:
    while (event := link.next_event(3)) is None or not isinstance(
        event, (Opened, Closed, Subscribed, Published)
    ):
        assert event is not None, "nothing happened for 3 s"
    return event


def test_own_certificate_opens_and_the_list_allows_own_topics_only(guarded: Guarded) -> None:
    link = guarded.link(guarded.files(guarded.authority.issue("cn-0001")))
    assert isinstance(_next(link), Opened)
    link.subscribe(*topics.station_filters("cn-0001"))
    granted = _next(link)
    assert isinstance(granted, Subscribed)
    assert granted.codes == (1, 1, 1)
    for topic, code in (
        (topics.up("cn-0001", "ledger"), 0x10),
        (topics.up("cn-0002", "ledger"), NOT_AUTHORIZED),
        (topics.ack("cn-0001"), NOT_AUTHORIZED),
        (topics.down_items("cn-0001"), NOT_AUTHORIZED),
    ):
        mid = link.publish(Outgoing(topic, b"x"))
        assert _next(link) == Published(mid, code), topic
    link.close()


@_FORGOTTEN_SOCKET
def test_broker_of_another_authority_is_refused_by_us(guarded: Guarded, tmp_path: Path) -> None:
    other = Authority(tmp_path, "somebody-else")
    link = guarded.link(guarded.files(guarded.authority.issue("cn-0001"), ca=other.cert))
    end = _next(link)
    assert isinstance(end, Closed)
    assert end.reason == "CERTIFICATE_REFUSED"
    link.close()


@_FORGOTTEN_SOCKET
def test_certificate_for_another_host_is_refused_by_us(guarded: Guarded) -> None:
    context = client_context(guarded.files(guarded.authority.issue("cn-0001")))
    assert not isinstance(context, Refusal)
    link = Link(BrokerAddress("localhost", guarded.address.port, tls=True), context, "one", 10)
    link.open()
    end = _next(link)
    assert isinstance(end, Closed)
    assert end.reason == "CERTIFICATE_REFUSED"
    link.close()


@pytest.mark.parametrize("days", [None, -1])
def test_missing_or_expired_client_certificate_ends_without_opening(
    guarded: Guarded, days: int | None
) -> None:
    """TLS 1.3 lets the client finish first: it can only be seen that nothing opened."""
    client = None if days is None else guarded.authority.issue("cn-0009", days=days)
    link = guarded.link(guarded.files(client))
    assert isinstance(_next(link), Closed)
    link.close()


def test_courier_whose_certificate_names_another_station_says_so(guarded: Guarded) -> None:
    """The list does not let it read its own topics: no HQ word could ever come."""
    key = SigningKey.generate()
    files = guarded.files(guarded.authority.issue("cn-0002"))
    station = Station([guarded.address.url], key, SigningKey.generate(), MemoryOutbox(), files)
    with station:
        until(lambda: _refusals(station) >= 1)
    assert station.outbox.watermark("ledger") == 0


def _refusals(station: Station) -> int:
    refused = station.loop.status().refused
    return refused.get("SUBSCRIPTION_REFUSED", 0) + refused.get("NOT_AUTHORIZED", 0)
