"""Hundreds of stations in one thread, each with an MQTT 5 connection of its own.

paho takes a thread for each connection, and most of a processor for some hundred. This speaks as much of
MQTT 5 as the road to HQ needs (standard, chapters 2 and 3): CONNECT, SUBSCRIBE, PUBLISH and PUBACK.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from sync import signed_line, topics, wire
from sync.envelope import CONTENT_TYPE
from sync.keys import PublicKey
from sync.outbox import STREAMS
from tests.bench.load_supply import Sealed, Supply

_KEEPALIVE_S = 600
_NO_PROPERTIES = b"\x00"
_QOS, _RETAIN = 0x06, 0x01
_TYPE, _EXPIRY, _ANSWER_TO, _CORRELATION = 0x03, 0x02, 0x08, 0x09
_STARTED_MS = 1_783_476_000_000


class _Packet(IntEnum):
    """The first byte's upper half."""

    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBACK = 9


@dataclass
class Heard:
    """What all stations of a course were told, in the order in which it came."""

    acked: list[tuple[float, float, int]] = field(default_factory=list)
    """(when, after how many seconds, sales)."""
    answered: list[tuple[float, float, int]] = field(default_factory=list)
    """Hello replies: (when, after how many seconds, 1)."""
    not_taken: int = 0
    """PUBACKs that say no, or that nobody heard it."""
    after_each: Callable[[], None] = lambda: None
    """Called after each envelope that was acknowledged and each reply."""


class Station(asyncio.Protocol):
    """One station. It connects, subscribes, says its state and asks hello; then `ready` is done.

    An ack counts when HQ's signature and the head in it are right.
    """

    def __init__(self, supply: Supply, hq_key: PublicKey, heard: Heard) -> None:
        self._supply, self._hq_key, self._heard = supply, hq_key, heard
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = deque(supply.sealed)
        self._sent: deque[tuple[Sealed, float]] = deque()
        self._asked_s = 0.0
        self._nonces = random.Random(supply.station)
        self._packet_id = 0
        self._unread = b""
        self._transport: asyncio.Transport

    @property
    def is_past_half(self) -> bool:
        return 2 * len(self._left) <= len(self._supply.sealed)

    @property
    def is_dry(self) -> bool:
        """Everything was sent."""
        return not self._left

    @property
    def is_quiet(self) -> bool:
        """Everything that was sent was acknowledged."""
        return not self._sent

    def send(self, due_s: float) -> None:
        """The next envelope now; what it waited since `due_s` counts."""
        sealed = self._left.popleft()
        self._sent.append((sealed, due_s))
        self._publish(self._supply.topic, sealed.payload, _text(_TYPE, CONTENT_TYPE))

    def ask(self) -> None:
        """hello."""
        self._asked_s = time.perf_counter()
        ask = wire.HelloAsk.model_validate(
            {
                "station": self._supply.station,
                "epoch": 1,
                "nonce": f"{self._nonces.getrandbits(128):032x}",
                "agent_version": "0.1.0",
                "streams": tuple(
                    wire.StreamEnd.model_validate({"stream": name, "last_seq": 0, "watermark": 0})
                    for name in STREAMS
                ),
            }
        )
        properties = bytes([_EXPIRY]) + (60).to_bytes(4) + _text(_TYPE, signed_line.CONTENT_TYPE)
        properties += _text(_ANSWER_TO, topics.down_rpc(self._supply.station)) + _text(_CORRELATION, "hello")
        signed = wire.sign_hello_ask(ask, self._supply.key.sign)
        self._publish(topics.rpc(self._supply.station, topics.HELLO), signed, properties)

    def leave(self) -> None:
        self._transport.abort()

    def _say_state(self) -> None:
        said = {"station": self._supply.station, "epoch": 1, "online": True, "since_ms": _STARTED_MS}
        state = wire.State.model_validate(said | {"agent_version": "0.1.0", "clock_quality": "SYNCED"})
        signed = wire.sign_state(state, self._supply.key.sign)
        content_type = _text(_TYPE, signed_line.CONTENT_TYPE)
        self._publish(topics.state(self._supply.station), signed, content_type, _RETAIN)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        head = b"\x00\x04MQTT\x05\x02" + _KEEPALIVE_S.to_bytes(2)
        self._write(0x10, head + _NO_PROPERTIES + _bytes(self._supply.station.encode()))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError(f"{self._supply.station}: the broker hung up"))

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (packet := _first_packet(self._unread)) is not None:
            first, body, size = packet
            self._unread = self._unread[size:]
            self._take(first, body)

    def _take(self, first: int, body: bytes) -> None:
        match first >> 4:
            case _Packet.CONNACK:
                assert body[1] == 0, f"CONNACK 0x{body[1]:02x}"
                filters = topics.station_filters(self._supply.station)
                wishes = b"".join(_bytes(each.encode()) + b"\x01" for each in filters)
                self._write(0x82, b"\x00\x01" + _NO_PROPERTIES + wishes)
            case _Packet.SUBACK:
                assert max(body[-3:]) < 0x80, "SUBACK"
                self._say_state()
                self.ask()
            case _Packet.PUBLISH:
                self._arrived(first, body)
            case _Packet.PUBACK:
                self._heard.not_taken += len(body) > 2 and body[2] != 0

    def _arrived(self, first: int, body: bytes) -> None:
        end = 2 + int.from_bytes(body[:2])
        topic, at = body[2:end].decode(), end
        if first & _QOS:
            self._write(0x40, body[at : at + 2])
            at += 2
        length, at = _number(body, at)
        payload = body[at + length :]
        if topic == topics.ack(self._supply.station):
            self._acked(payload)
        elif topic == topics.down_rpc(self._supply.station):
            self._answered(payload)

    def _acked(self, payload: bytes) -> None:
        ack = wire.open_ack(payload, [self._hq_key.verify])
        assert isinstance(ack, wire.Ack), ack
        now = time.perf_counter()
        while self._sent and self._sent[0][0].last_seq <= ack.seq:
            sealed, since = self._sent.popleft()
            assert sealed.last_seq < ack.seq or sealed.head == ack.head, "HQ holds other rows"
            self._heard.acked.append((now, now - since, sealed.sales))
            self._heard.after_each()

    def _answered(self, payload: bytes) -> None:
        reply = wire.open_hello_reply(payload, [self._hq_key.verify])
        assert isinstance(reply, wire.HelloReply), reply
        assert reply.refused == "", reply
        now = time.perf_counter()
        self._heard.answered.append((now, now - self._asked_s, 1))
        self._heard.after_each()
        if not self.ready.done():
            self.ready.set_result(None)

    def _publish(self, topic: str, payload: bytes, properties: bytes, flags: int = 0) -> None:
        """QoS 1."""
        self._packet_id = self._packet_id % 65_535 + 1
        name = _bytes(topic.encode()) + self._packet_id.to_bytes(2)
        self._write(0x32 | flags, name + _length(len(properties)) + properties + payload)

    def _write(self, first: int, body: bytes) -> None:
        self._transport.write(bytes([first]) + _length(len(body)) + body)


async def connected(
    supplies: Sequence[Supply], host: str, port: int, hq_key: PublicKey, heard: Heard, at_once: int = 50
) -> list[Station]:
    """All stations, connected and answered by HQ; so many come at the same moment."""
    loop, stations = asyncio.get_running_loop(), []
    for first in range(0, len(supplies), at_once):
        some = []
        for supply in supplies[first : first + at_once]:
            _, station = await loop.create_connection(_maker(supply, hq_key, heard), host, port)
            some.append(station)
        await asyncio.wait_for(asyncio.gather(*(station.ready for station in some)), 60)
        stations += some
    return stations


def _maker(supply: Supply, hq_key: PublicKey, heard: Heard) -> Callable[[], Station]:
    return lambda: Station(supply, hq_key, heard)


def _first_packet(unread: bytes) -> tuple[int, bytes, int] | None:
    """(first byte, what follows the length, size of it all); None while some of it is missing."""
    if all(byte >= 0x80 for byte in unread[1:5]):
        return None
    length, at = _number(unread, 1)
    return (unread[0], unread[at : at + length], at + length) if len(unread) >= at + length else None


def _number(raw: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer (1.5.5) and where it ends."""
    value = shift = 0
    while True:
        byte, at = raw[at], at + 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _length(value: int) -> bytes:
    raw = b""
    while value >= 0x80:
        raw, value = raw + bytes([value & 0x7F | 0x80]), value >> 7
    return raw + bytes([value])


def _bytes(value: bytes) -> bytes:
    return len(value).to_bytes(2) + value


def _text(identifier: int, value: str) -> bytes:
    return bytes([identifier]) + _bytes(value.encode())
