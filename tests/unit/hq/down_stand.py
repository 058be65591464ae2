"""An HQ that issues, and a station that obeys in order and says so, as far as the road down needs."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path

from sync import topics, wire
from sync.down import Down, open_down
from sync.hq.acting import Certify
from sync.hq.heard import Adopted, Applied, CertificateAsked, NextKey
from sync.hq.judging import MALFORMED, OK, Booked, ItemContext
from sync.hq.publisher import Issued, Order, Publisher
from sync.hq.receiver import Receiver, Reply
from sync.hq.store import HqStore
from sync.keys import PublicKey, SigningKey
from sync.refusal import Refusal
from tests.unit.hq.stand import HQ_KEY, NOW_MS, Station

DOWN_KEY = SigningKey(b"D" * 32)
HOUR_MS = 3_600_000


def judge(context: ItemContext, kind: str, body: bytes) -> Booked:
    """What the items about the road tell HQ; anything else is a fact without points."""
    said = json.loads(body)
    match kind:
        case "applied":
            return Booked(None, None, 0, OK, Applied(said["seq"], said["id"], said.get("verdict", "")))
        case "station.key":
            return Booked(None, None, 0, OK, NextKey(base64.b64decode(said["key"])))
        case "certificate.request":
            return Booked(None, None, 0, OK, CertificateAsked(said["id"], said["csr"].encode()))
        case "adopted":
            of = (said["what"], said["name"], said["version"], said["sha256"])
            return Booked(None, None, 0, OK, Adopted(*of, for_all=said["what"] == "bundle"))
        case "fuelling":
            return Booked(said["id"], None, 0, OK)
        case _:
            return Booked(None, None, 0, MALFORMED)


def item(kind: str, **said: object) -> bytes:
    return json.dumps({"kind": kind, **said}).encode()


class Clock:
    """HQ's wall clock, moved by the test."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


class Headquarters:
    """A receiver and a publisher on one database; several may share it."""

    def __init__(
        self,
        where: Path | str,
        *stations: Station,
        down_keys: Sequence[SigningKey] = (DOWN_KEY,),
        certify: Certify | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock or Clock()
        self.store = HqStore(where if isinstance(where, str) else f"sqlite:///{where}")
        for station in stations:
            assert self.store.add_station(station.name, station.key.public.raw, NOW_MS)
        self.publisher = Publisher(self.store, down_keys, self.clock)
        self.receiver = Receiver(
            self.store, judge, HQ_KEY.sign, lambda raw: PublicKey(raw).verify, self.clock, certify
        )

    def issue(self, *stations: Station, id: str = "", **body: object) -> list[Issued]:
        order = Order("freeze", {"member": "m-1", "reason": "asked", **body}, NOW_MS + HOUR_MS, id)
        issued = self.publisher.issue([station.name for station in stations], order)
        assert not isinstance(issued, Refusal), issued
        return issued

    def hello(self, station: Station, down_seq: int = 0, keys_version: int = 1) -> list[Reply]:
        ask = wire.HelloAsk(
            station=station.name,
            epoch=station.epoch,
            nonce="0" * 32,
            agent_version="1",
            streams=(),
            down_seq=down_seq,
            keys_version=keys_version,
        )
        payload = wire.sign_hello_ask(ask, station.key.sign)
        return self.receiver.handle(topics.rpc(station.name, topics.HELLO), payload)

    def take(self, station: Station, *bodies: bytes, signed_by: SigningKey | None = None) -> list[Reply]:
        """The next rows of the station's urgent stream, in one batch."""
        first = len(station.bodies) + 1
        station.write(*bodies)
        own, station.key = station.key, signed_by or station.key
        payload = station.seal(first, len(station.bodies), stream="urgent")
        station.key = own
        return self.receiver.handle(topics.up(station.name, "urgent"), payload)

    def apply(self, station: Station, *downs: Down, verdict: str = "") -> list[Reply]:
        rows = [item("applied", seq=down.down_seq, id=down.id, verdict=verdict) for down in downs]
        return self.take(station, *rows)

    def alarms(self, station: Station) -> dict[str, int]:
        return {line.code: line.count for line in self.store.alarms(station.name)}


def items_of(replies: Sequence[Reply], station: Station, keys: Sequence[PublicKey] = ()) -> list[Down]:
    """The items for a station among the replies, verified."""
    downs = []
    for reply in replies:
        if reply.topic == topics.down_items(station.name):
            down = open_down(reply.payload, keys or [DOWN_KEY.public], 1)
            assert isinstance(down, Down), down
            assert down.station == station.name
            downs.append(down)
    return downs


def numbers(replies: Sequence[Reply], station: Station) -> list[int]:
    return [down.down_seq for down in items_of(replies, station)]
