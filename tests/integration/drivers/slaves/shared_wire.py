"""An RS-485 wire of pseudo-terminals: what one end says all others hear, and nobody hears itself.

A pseudo-terminal takes no time. With `baud` the time that bytes would take is kept here: who begins while
another end still speaks is heard garbled.
"""

import os
import select
import threading
import time
import tty

READ_BYTES = 4_096
WAIT_LIMIT_S = 0.5
_NS_OF_BITS = 11 * 10**9


class SharedWire:
    """`paths` are the terminals, one for each device on the wire; they outlive whoever has them open.

    `collisions` counts who spoke while another did.
    """

    def __init__(self, ends: int, baud: int | None = None) -> None:
        self._pairs = [os.openpty() for _ in range(ends)]
        for master, slave in self._pairs:
            tty.setraw(slave)
            os.set_blocking(master, False)
        self.paths = [os.ttyname(slave) for _, slave in self._pairs]
        self.collisions = 0
        self._byte_ns = _NS_OF_BITS // baud if baud else 0
        self._speaker, self._busy_until_ns = -1, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._carry, name="shared wire")
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        for pair in self._pairs:
            for descriptor in pair:
                os.close(descriptor)

    def _carry(self) -> None:
        masters = [master for master, _ in self._pairs]
        while not self._stop.is_set():
            speaking, _, _ = select.select(masters, [], [], WAIT_LIMIT_S)
            for master in speaking:
                data = self._as_heard(master, os.read(master, READ_BYTES))
                for other in masters:
                    if other != master:
                        self._deliver(other, data)

    def _as_heard(self, speaker: int, data: bytes) -> bytes:
        now_ns = time.monotonic_ns()
        collides = speaker != self._speaker and now_ns < self._busy_until_ns
        self._speaker, self._busy_until_ns = speaker, now_ns + len(data) * self._byte_ns
        self.collisions += collides
        return bytes(byte ^ 0x55 for byte in data) if collides else data

    @staticmethod
    def _deliver(master: int, data: bytes) -> None:
        """To an end that nobody reads (a dead device) nothing is delivered once its buffer is full."""
        try:
            os.write(master, data)
        except BlockingIOError:
            return
