"""A TCP road with a round trip, a rate and losses, between a station and its broker. For tests.

Loss is what TCP makes of it: a lost segment comes again after a retransmission timeout, and everything
behind it waits. The chance is seeded.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from queue import Empty, Full, Queue
from random import Random

SEGMENT = 512
_BUFFERED = 8
"""Segments that the road takes before it makes the sender wait."""
_LOOK_S = 0.05


class RoughRoad:
    """Use as a context manager; `port` is its near end on loopback. `bytes_up` and `lost` count."""

    def __init__(self, port: int, *, round_trip_s: float, loss: float, bytes_per_s: int, seed: int) -> None:
        self._target = port
        self._one_way_s, self._loss, self._bytes_per_s = round_trip_s / 2, loss, bytes_per_s
        self._timeout_s = round_trip_s + 0.2
        self._chance = Random(seed)
        self.bytes_up = self.lost = 0
        self._stop = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(_LOOK_S)
        self.port: int = self._server.getsockname()[1]
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "RoughRoad":
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()
        self._server.close()

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                near, _ = self._server.accept()
                far = socket.create_connection(("127.0.0.1", self._target), timeout=2)
                for one, other, is_up in ((near, far, True), (far, near, False)):
                    under_way: Queue[tuple[float, bytes]] = Queue(_BUFFERED)
                    self._begin(self._take_in, one, under_way, is_up)
                    self._begin(self._let_out, other, under_way)

    def _take_in(self, one: socket.socket, under_way: "Queue[tuple[float, bytes]]", is_up: bool) -> None:
        one.settimeout(_LOOK_S)
        free_at_s = 0.0
        while not self._stop.is_set():
            try:
                data = one.recv(SEGMENT)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            self.bytes_up += len(data) if is_up else 0
            is_lost = self._chance.random() < self._loss
            self.lost += is_lost
            free_at_s = max(free_at_s, time.monotonic()) + len(data) / self._bytes_per_s
            free_at_s += self._timeout_s if is_lost else 0.0
            self._put(under_way, (free_at_s + self._one_way_s, data))
            if not data:
                return

    def _put(self, under_way: "Queue[tuple[float, bytes]]", segment: tuple[float, bytes]) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(Full):
                under_way.put(segment, timeout=_LOOK_S)
                return

    def _let_out(self, other: socket.socket, under_way: "Queue[tuple[float, bytes]]") -> None:
        while not self._stop.is_set():
            with contextlib.suppress(Empty):
                due_s, data = under_way.get(timeout=_LOOK_S)
                self._stop.wait(max(0.0, due_s - time.monotonic()))
                if not data:
                    break
                with contextlib.suppress(OSError):
                    other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)
        other.close()
