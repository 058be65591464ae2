"""What may lie over an open port: only ears, a second ear, and ears that do not hear the own voice."""

import select

from drivers.ports import READ_BYTES, Port


class ListenPort:
    """A port that only hears."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self.fileno, self.read, self.close = port.fileno, port.read, port.close

    def write(self, data: bytes) -> int:
        raise AssertionError(f"{len(data)} bytes were to be said where we may only listen")


class TapPort:
    """Both directions of a tapped pair as one stream, in the order in which they were heard.

    One descriptor stands for both (epoll(7): an epoll descriptor is itself readable when one of its own is).
    What is said goes to the first.
    """

    def __init__(self, port: Port, other: Port) -> None:
        self._ports = {port.fileno(): port, other.fileno(): other}
        self._ready = select.epoll(2)
        for descriptor in self._ports:
            self._ready.register(descriptor, select.EPOLLIN)
        self.write = port.write

    def fileno(self) -> int:
        return self._ready.fileno()

    def read(self) -> bytes:
        return b"".join(self._ports[descriptor].read() for descriptor, _ in self._ready.poll(0))

    def close(self) -> None:
        self._ready.close()
        for port in self._ports.values():
            port.close()


class EchoPort:
    """Takes out of what is read what was just written. What differs from it is kept, from its first byte on:
    somebody else spoke, or this converter does not hear itself and an answer began like its question."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._expected = self._taken = b""
        self.fileno, self.close = port.fileno, port.close

    def read(self) -> bytes:
        data = self._taken + self._port.read()
        echo, self._taken = self._expected, b""
        if data.startswith(echo):
            self._expected = b""
            return data[len(echo) :]
        if echo.startswith(data):
            self._taken = data
            return b""
        self._expected = b""
        return data

    def write(self, data: bytes) -> int:
        written = self._port.write(data)
        self._expected = (self._expected + data[:written])[-READ_BYTES:]
        return written
