"""A small HQ on a real SQLite file, and a station that writes chained, signed batches for it."""

import json
from collections.abc import Sequence
from pathlib import Path

from sync import envelope, topics, wire
from sync.envelope import GENESIS, Header, encode_head, next_head
from sync.hq.judging import MALFORMED, MISMATCH, OK, Booked, ItemContext, Judge
from sync.hq.receiver import Receiver
from sync.hq.store import HqStore
from sync.keys import PublicKey, SigningKey

HQ_KEY = SigningKey(b"H" * 32)
NOW_MS = 1_800_000_000_000


def judge(context: ItemContext, kind: str, body: bytes) -> Booked:
    """An award must give a tenth of the money of the fuelling that it names by its ledger seq."""
    item = json.loads(body)
    if kind == "fuelling":
        return Booked(item["id"], None, 0, OK)
    if kind != "award":
        return Booked(None, None, 0, MALFORMED)
    fuelling = context.item_at("ledger", item["of"])
    is_right = fuelling is not None and item["minor"] == json.loads(fuelling[1])["amount_fen"] // 10
    return Booked(item["id"], item["member"], item["minor"], OK if is_right else MISMATCH)


def fuelling(name: str, amount_fen: int = 10_000) -> bytes:
    return json.dumps({"kind": "fuelling", "id": name, "amount_fen": amount_fen}).encode()


def award(name: str, of: int, minor: int = 1_000) -> bytes:
    return json.dumps({"kind": "award", "id": name, "of": of, "member": "m1", "minor": minor}).encode()


class Station:
    """Writes rows of one stream and seals any slice of them. `fork` is (seq, head) of a later epoch."""

    def __init__(self, name: str = "cn-0001", seed: bytes = b"S", epoch: int = 1) -> None:
        self.name, self.epoch = name, epoch
        self.key = SigningKey(seed * 32)
        self.bodies: list[bytes] = []
        self.heads = [GENESIS]
        self.fork = (0, GENESIS)

    def restored(self, epoch: int, *, kept: int, watermark: int) -> "Station":
        """This station from a copy with `kept` rows, of which HQ had acknowledged `watermark`."""
        copy = Station(self.name, epoch=epoch)
        copy.key = self.key
        copy.write(*self.bodies[:kept])
        copy.fork = (watermark, copy.heads[watermark])
        return copy

    def write(self, *bodies: bytes) -> None:
        for body in bodies:
            self.bodies.append(body)
            self.heads.append(next_head(self.heads[-1], body))

    def seal(
        self, first: int, last: int, *, head_before: bytes | None = None, stream: str = "ledger"
    ) -> bytes:
        """Rows first … last, both included, as one payload."""
        before = self.heads[first - 1] if head_before is None else head_before
        return seal(self, first, self.bodies[first - 1 : last], before, stream)


def seal(
    station: Station, first: int, bodies: Sequence[bytes], head_before: bytes, stream: str = "ledger"
) -> bytes:
    header = Header.model_validate(
        {
            "station": station.name,
            "epoch": station.epoch,
            "stream": stream,
            "first_seq": first,
            "count": len(bodies),
            "head_before": encode_head(head_before),
        }
    )
    return envelope.seal(header, bodies, station.key.sign)


class Hq:
    """The receiver on a database, with a clock that stands still."""

    def __init__(self, where: Path | str, *stations: Station, judge: Judge = judge) -> None:
        """`where`: an SQLite file, or the URL of a database."""
        self.store = HqStore(where if isinstance(where, str) else f"sqlite:///{where}")
        for station in stations:
            assert self.store.add_station(station.name, station.key.public.raw, NOW_MS)
        self.receiver = Receiver(
            self.store, judge, HQ_KEY.sign, lambda raw: PublicKey(raw).verify, lambda: NOW_MS
        )

    def take(self, station: Station, payload: bytes, stream: str = "ledger") -> wire.Ack | None:
        """Hand over one batch; the ack, verified, or None."""
        replies = self.receiver.handle(topics.up(station.name, stream), payload)
        if not replies:
            return None
        [reply] = replies
        assert reply.topic == topics.ack(station.name)
        ack = wire.open_ack(reply.payload, [HQ_KEY.public.verify])
        assert isinstance(ack, wire.Ack)
        assert (ack.station, ack.stream, ack.hq_time_ms) == (station.name, stream, NOW_MS)
        return ack

    def hello(self, station: Station, key_of: Station | None = None) -> wire.HelloReply | None:
        """Ask as the station does, or as `key_of` would in its name; the answer, verified, or None."""
        seq, head = station.fork
        last_seq = len(station.bodies)
        end = {"stream": "ledger", "last_seq": last_seq, "watermark": 0}
        fork = {"fork_seq": seq, "fork_head": encode_head(head) if seq else ""}
        ask = wire.HelloAsk(
            station=station.name,
            epoch=station.epoch,
            nonce="0" * 32,
            agent_version="1",
            streams=(wire.StreamEnd.model_validate(end | fork),),
        )
        payload = wire.sign_hello_ask(ask, (key_of or station).key.sign)
        replies = self.receiver.handle(topics.rpc(station.name, topics.HELLO), payload)
        if not replies:
            return None
        [reply] = replies
        assert reply.is_answer
        assert reply.topic == topics.down_rpc(station.name)
        answer = wire.open_hello_reply(reply.payload, [HQ_KEY.public.verify])
        assert isinstance(answer, wire.HelloReply)
        return answer

    def totals(self, station: Station) -> dict[str, int]:
        """How many items per "kind verdict"."""
        report = self.store.reconcile(station.name)
        assert report is not None
        return {f"{total.kind} {total.verdict}": total.items for total in report.totals}

    def alarms(self, station: Station | None = None) -> dict[str, int]:
        """How often each alarm was raised."""
        return {line.code: line.count for line in self.store.alarms(station.name if station else "")}
