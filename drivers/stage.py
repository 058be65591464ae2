"""A stage for simulators: puts one on a real pseudo-terminal or TCP port, in a thread of its own.

For the demo, the bench and tests: the agent's production drivers speak to it through the kernel. The
stage waits at most `WAIT_LIMIT_S` at a time, holds at most one connection, and ends with `close()`.
"""

import os
import select
import socket
import threading
import tty
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

from drivers.events import Monotonic
from drivers.session import Simulator

WAIT_LIMIT_S = 0.5
READ_BYTES = 4_096
S = TypeVar("S", bound=Simulator)
R = TypeVar("R")


class SimulatorStage(ABC, Generic[S]):
    """Pumps bytes between a descriptor and a simulator. Subclasses say where the descriptor is from."""

    def __init__(self, simulator: S, clock: Callable[[], Monotonic]) -> None:
        self._simulator = simulator
        self._clock = clock
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._run, name=f"stage:{type(simulator).__name__}")

    def act(self, verb: Callable[[S], R]) -> R:
        """Call the simulator safely from any thread: `stage.act(lambda device: device.sell(...))`."""
        with self._lock:
            result = verb(self._simulator)
        self._wake()
        return result

    def close(self) -> None:
        """End the thread and give everything back; harmless if done twice."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._wake()
        self._thread.join()
        self.unplug()
        self._release()
        os.close(self._wake_read)
        os.close(self._wake_write)

    @abstractmethod
    def unplug(self) -> None:
        """The cable is pulled: the agent reads end of file or EIO from now on."""

    def _release(self) -> None:
        """Give back what outlives an unplugged cable."""

    @abstractmethod
    def _descriptor(self) -> int | None:
        """Where the agent's bytes arrive now, None while nobody is there."""

    def _doors(self) -> list[int]:
        """Descriptors on which somebody may come in."""
        return []

    def _let_in(self) -> None:
        """Somebody is at a door."""

    def _lost(self) -> None:
        """The descriptor is dead."""

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                descriptor = self._descriptor()
                watched = [self._wake_read, *self._doors()] + ([] if descriptor is None else [descriptor])
                timer = self._simulator.next_timer()
            wait_s = WAIT_LIMIT_S
            if timer is not None:
                wait_s = max(0.0, min(wait_s, (timer - self._clock()) / 1_000))
            try:
                readable, _, _ = select.select(watched, [], [], wait_s)
            except (OSError, ValueError):
                continue  # a descriptor was unplugged between the list and the wait
            if self._wake_read in readable:
                os.read(self._wake_read, READ_BYTES)
            with self._lock:
                if any(door in readable for door in self._doors()):
                    self._let_in()
                self._pump(descriptor if descriptor in readable else None)

    def _pump(self, readable: int | None) -> None:
        now = self._clock()
        if readable is not None and readable == self._descriptor():
            try:
                data = os.read(readable, READ_BYTES)
            except OSError:
                data = b""
            if not data:
                self._lost()
            self._simulator.receive(data, now)
        timer = self._simulator.next_timer()
        if timer is not None and timer <= now:
            self._simulator.handle_timer(now)
        data = self._simulator.bytes_to_send(now)
        descriptor = self._descriptor()
        if data and descriptor is not None:
            try:
                os.write(descriptor, data)
            except OSError:
                self._lost()

    def _wake(self) -> None:
        os.write(self._wake_write, b"\0")


class SimulatorOnPty(SimulatorStage[S]):
    """A simulator behind a pseudo-terminal.

    `path` is what goes into the line's settings (with `pty = true`). With `link` it is a symbolic link
    that survives `unplug()` and `replug()`, as a name under /dev/serial/by-id/ does.
    """

    def __init__(self, simulator: S, clock: Callable[[], Monotonic], link: Path | None = None) -> None:
        super().__init__(simulator, clock)
        self._link = link
        self._master: int | None = None
        self._slave: int | None = None
        self.path = ""
        self.replug()
        self._thread.start()

    def replug(self) -> None:
        """A new pseudo-terminal, under the same link."""
        with self._lock:
            assert self._master is None, "plugged in already"
            self._master, self._slave = os.openpty()
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self.path = os.ttyname(self._slave)
            if self._link is not None:
                self._link.unlink(missing_ok=True)
                self._link.symlink_to(self.path)
                self.path = str(self._link)
        self._wake()

    def unplug(self) -> None:
        with self._lock:
            master, slave, self._master, self._slave = self._master, self._slave, None, None
            if self._link is not None:
                self._link.unlink(missing_ok=True)
            for descriptor in (master, slave):
                if descriptor is not None:
                    os.close(descriptor)
        self._wake()

    def _descriptor(self) -> int | None:
        return self._master


class SimulatorOnTcp(SimulatorStage[S]):
    """A simulator behind a TCP port on 127.0.0.1. A new connection takes the place of the old one."""

    def __init__(self, simulator: S, clock: Callable[[], Monotonic]) -> None:
        super().__init__(simulator, clock)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.device = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._link: socket.socket | None = None
        self._refusing = False
        self._thread.start()

    def unplug(self) -> None:
        with self._lock:
            self._refusing = True
            self._lost()
        self._wake()

    def replug(self) -> None:
        """Take connections again."""
        with self._lock:
            self._refusing = False
        self._wake()

    def _release(self) -> None:
        self._listener.close()

    def _descriptor(self) -> int | None:
        return None if self._link is None else self._link.fileno()

    def _doors(self) -> list[int]:
        return [self._listener.fileno()]

    def _let_in(self) -> None:
        with suppress(BlockingIOError):
            link, _ = self._listener.accept()
            self._lost()
            if self._refusing:
                link.close()
                return
            link.setblocking(False)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._link = link

    def _lost(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
