"""A broker's end of one MQTT 5 connection, played by a test: it says what no real broker here would say."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, DISCONNECT = 1, 2, 3, 4, 8, 9, 14


class ScriptedBroker:
    """Listens on loopback; `next_connection` takes one client, reads its CONNECT and answers it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(10)
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    @contextmanager
    def next_connection(self, connack_properties: bytes = b"") -> Iterator["Connection"]:
        wire, _ = self._listener.accept()
        wire.settimeout(10)
        connection = Connection(wire)
        kind, _ = connection.read()
        assert kind == CONNECT
        connection.write(CONNACK, b"\x00\x00" + bytes([len(connack_properties)]) + connack_properties)
        try:
            yield connection
        finally:
            wire.close()


class Connection:
    def __init__(self, wire: socket.socket) -> None:
        self._wire = wire

    def read(self, seconds: float = 10.0) -> tuple[int, bytes]:
        """(packet type, the packet after its length). Raises `TimeoutError`."""
        self._wire.settimeout(seconds)
        first = self._exactly(1)[0]
        length, shift = 0, 0
        while True:
            byte = self._exactly(1)[0]
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return first >> 4, self._exactly(length)

    def read_until_silent(self, seconds: float) -> list[tuple[int, bytes]]:
        """Every packet until none comes for so long."""
        packets = []
        try:
            while True:
                packets.append(self.read(seconds))
        except TimeoutError:
            return packets

    def write(self, kind: int, rest: bytes, flags: int = 0) -> None:
        length, size = bytearray(), len(rest)
        while size > 0x7F:
            length.append(size & 0x7F | 0x80)
            size >>= 7
        length.append(size)
        self._wire.sendall(bytes([kind << 4 | flags]) + length + rest)

    def read_subscription(self) -> tuple[bytes, list[str]]:
        """(packet id, filters) of the SUBSCRIBE that comes next."""
        kind, rest = self.read()
        assert kind == SUBSCRIBE
        filters, at = [], 3 + rest[2]
        while at < len(rest):
            size = int.from_bytes(rest[at : at + 2])
            filters.append(rest[at + 2 : at + 2 + size].decode())
            at += 3 + size
        return rest[:2], filters

    def grant(self, packet_id: bytes, codes: bytes) -> None:
        self.write(SUBACK, packet_id + b"\x00" + codes)

    def publish(self, packet_id: int, topic: str, payload: bytes) -> None:
        name = topic.encode()
        rest = len(name).to_bytes(2) + name + packet_id.to_bytes(2) + b"\x00" + payload
        self.write(PUBLISH, rest, flags=0b0010)

    def acknowledge(self, published: bytes) -> None:
        """PUBACK for a PUBLISH that was read."""
        at = 2 + int.from_bytes(published[:2])
        self.write(PUBACK, published[at : at + 2])

    def _exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            piece = self._wire.recv(size - len(got))
            if not piece:
                raise ConnectionError("the client closed the connection")
            got += piece
        return got
