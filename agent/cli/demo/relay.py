"""A cable between agent and broker that can be cut, silenced and mended, and counts what passes."""

import select
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

_CHUNK = 65536
_LOOK_EVERY_S = 0.1


@dataclass(eq=False)
class _Pair:
    near: socket.socket
    far: socket.socket


class Relay:
    """Listens on a loopback port and passes everything on to `target_url`'s host and port."""

    def __init__(self, target_url: str) -> None:
        parts = urlsplit(target_url)
        self._target = (parts.hostname or "", parts.port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        self.bytes_up = 0
        self.bytes_down = 0
        self._pairs: list[_Pair] = []
        self._lock = threading.Lock()
        self._passing = True
        self._listening = True
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """The cable is pulled: connections end, new ones are refused at once."""
        with self._lock:
            self._listening = False
            self._drop_all()

    def silence(self) -> None:
        """A modem that lost its bearer: connections stay up and nothing passes."""
        self._passing = False

    def reset(self) -> None:
        """Every connection ends; new ones go through again."""
        with self._lock:
            self._drop_all()
            self._passing = self._listening = True

    mend = reset

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        with self._lock:
            self._drop_all()
        self._listener.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                sockets = {end: pair for pair in self._pairs for end in (pair.near, pair.far)}
            watched = [self._listener, *(sockets if self._passing else ())]
            try:
                readable, _, _ = select.select(watched, [], [], _LOOK_EVERY_S)
            except (OSError, ValueError):
                continue  # a socket was dropped meanwhile
            for end in readable:
                if end is self._listener:
                    self._let_in()
                else:
                    self._pass_on(sockets[end], end)

    def _let_in(self) -> None:
        near, _ = self._listener.accept()
        with self._lock:
            if not self._listening:
                near.close()
                return
            try:
                far = socket.create_connection(self._target, timeout=1)
            except OSError:
                near.close()
                return
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs.append(_Pair(near, far))

    def _pass_on(self, pair: _Pair, end: socket.socket) -> None:
        other = pair.far if end is pair.near else pair.near
        try:
            data = end.recv(_CHUNK)
            if data:
                other.sendall(data)
        except OSError:
            data = b""
        if end is pair.near:
            self.bytes_up += len(data)
        else:
            self.bytes_down += len(data)
        if not data:
            with self._lock:
                self._drop(pair)

    def _drop_all(self) -> None:
        for pair in [*self._pairs]:
            self._drop(pair)

    def _drop(self, pair: _Pair) -> None:
        if pair in self._pairs:
            self._pairs.remove(pair)
        for end in (pair.near, pair.far):
            with suppress(OSError):
                end.close()
