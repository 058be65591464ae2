"""A broker with the shipped sample configuration, its authority, and clients of every kind. For tests."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sync.authority_folder import AuthorityFolder
from sync.broker import Broker, start_guarded_broker
from sync.certificates import DAY_MS, make_key, make_request
from sync.mqtt import Closed, Link, LinkEvent, Opened, Published, Subscribed
from sync.tls import BrokerAddress, TlsFiles, client_context
from tests.integration.sync.stage import address_of

HOST = "127.0.0.1"


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Guarded:
    """`broker` runs on the files in `folder`, which `authority` wrote."""

    def __init__(self, folder: Path, broker: Broker, authority: AuthorityFolder) -> None:
        self.folder = folder
        self.broker = broker
        self.authority = authority

    @property
    def address(self) -> BrokerAddress:
        return address_of(self.broker.url)

    @property
    def hq(self) -> TlsFiles:
        return TlsFiles(self.folder / "ca.pem", self.folder / "hq.pem", self.folder / "hq.key")

    def station(self, name: str, begins_days: int = 0, days: int = 365) -> TlsFiles:
        """Key and certificate in one file, as a station keeps them; it begins `begins_days` from now."""
        path = self.folder / f"{name}-{begins_days}-{days}.pem"
        path.write_bytes(issued(self.authority, name, begins_days, days))
        return TlsFiles(self.folder / "ca.pem", path)

    def link(self, files: TlsFiles, name: str = "one") -> Link:
        context = client_context(files)
        assert not hasattr(context, "reason"), context
        link = Link(self.address, context, name, 10)
        link.open()
        return link


def issued(authority: AuthorityFolder, name: str, begins_days: int = 0, days: int = 365) -> bytes:
    key = make_key()
    request = make_request(key, name)
    assert isinstance(request, bytes)
    chain = authority.sign(request, lambda station: True, wall_ms() + begins_days * DAY_MS, days)
    assert isinstance(chain, bytes)
    return key + chain


@contextmanager
def guarded_broker(folder: Path, more: str = "") -> Iterator[Guarded]:
    authority = AuthorityFolder.create(folder, "stations of a test", wall_ms())
    assert isinstance(authority, AuthorityFolder)
    authority.issue_broker([HOST], wall_ms())
    authority.issue_hq(wall_ms())
    with start_guarded_broker(folder, more) as broker:
        yield Guarded(folder, broker, authority)


def next_of(link: Link) -> LinkEvent:
    """The next event that says something; the test fails when nothing happens for 5 s."""
    for _ in range(50):
        event = link.next_event(5)
        assert event is not None, "nothing happened for 5 s"
        if isinstance(event, Opened | Closed | Subscribed | Published):
            return event
    raise AssertionError("nothing but messages")
