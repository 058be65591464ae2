"""A broker of a few lines: it announces a Receive Maximum and confirms only what it is told to. For tests."""

import contextlib
import socket
import threading

_CONNACK, _PUBLISH, _PUBACK, _SUBSCRIBE, _SUBACK = 0x20, 3, 0x40, 8, 0x90


class ScriptedBroker:
    """One connection at a time, MQTT 5. `unconfirmed`: packet ids of what it has not confirmed."""

    def __init__(self, receive_maximum: int) -> None:
        self.receive_maximum = receive_maximum
        self.unconfirmed: list[int] = []
        self.most_unconfirmed = 0
        self.topics: list[str] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.05)
        self.url = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"
        self._stop = threading.Event()
        self._wire: socket.socket | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "ScriptedBroker":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        assert not self._thread.is_alive()
        self._server.close()

    def confirm_one(self) -> None:
        assert self._wire is not None
        packet_id = self.unconfirmed.pop(0)
        self._wire.sendall(bytes([_PUBACK, 2]) + packet_id.to_bytes(2, "big"))

    def _run(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError, ConnectionError):
                self._wire, _ = self._server.accept()
                with self._wire:
                    self._wire.settimeout(0.05)
                    self._serve(self._wire)

    def _serve(self, wire: socket.socket) -> None:
        read = b""
        while not self._stop.is_set():
            while packet := _packet(read):
                kind, body, read = packet
                self._answer(wire, kind, body)
            with contextlib.suppress(TimeoutError):
                data = wire.recv(65_536)
                if not data:
                    return
                read += data

    def _answer(self, wire: socket.socket, kind: int, body: bytes) -> None:
        if kind >> 4 == 1:
            properties = bytes([0x21]) + self.receive_maximum.to_bytes(2, "big")
            wire.sendall(bytes([_CONNACK, 3 + len(properties), 0, 0, len(properties)]) + properties)
        elif kind >> 4 == _SUBSCRIBE:
            filters = _filters(body[3 + body[2] :])
            wire.sendall(bytes([_SUBACK, 3 + filters]) + body[:2] + b"\0" + b"\1" * filters)
        elif kind >> 4 == _PUBLISH:
            size = int.from_bytes(body[:2], "big")
            self.topics.append(body[2 : 2 + size].decode())
            self.unconfirmed.append(int.from_bytes(body[2 + size : 4 + size], "big"))
            self.most_unconfirmed = max(self.most_unconfirmed, len(self.unconfirmed))


def _filters(payload: bytes) -> int:
    count = 0
    while payload:
        payload = payload[2 + int.from_bytes(payload[:2], "big") + 1 :]
        count += 1
    return count


def _packet(read: bytes) -> tuple[int, bytes, bytes] | None:
    """The first whole packet: (first byte, body, what comes after it)."""
    length, shift, at = 0, 0, 1
    while True:
        if at >= len(read):
            return None
        length |= (read[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not read[at - 1] & 0x80:
            break
    return (read[0], read[at : at + length], read[at + length :]) if len(read) >= at + length else None
