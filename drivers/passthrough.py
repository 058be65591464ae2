"""In the middle of a printer's cable: everything goes through at once, and what the POS says is also heard.

Two ports behind one descriptor, so that the line's loop is the only one (epoll(7): an epoll descriptor is
itself readable when one of its own is). `read` moves bytes both ways and returns a copy of what the POS said.
What a side does not take yet is kept, at most `KEPT_BYTES`; after that what comes is dropped, as any printer
drops what does not fit. A printer that is gone stops nobody: it is tried again whenever the POS speaks. A POS
port that is gone is `PortGone`, because then there is nothing to hear.
"""

import select
from collections import Counter
from collections.abc import Callable

from drivers.ports import Port, PortGone, PortRefused

KEPT_BYTES = 65_536
"""More than a minute of a busy printer at 9600 baud."""


class PassThroughPort:
    """`pos` is open; `open_printer` must not wait (a device file), and may raise `PortRefused`."""

    def __init__(self, pos: Port, open_printer: Callable[[], Port]) -> None:
        self.counters: Counter[str] = Counter()
        """Bytes that were dropped by side, and how often the printer was lost: for tests and the curious."""
        self._pos = pos
        self._open_printer = open_printer
        self._printer: Port | None = None
        self._to_pos, self._to_printer = bytearray(), bytearray()
        self._ready = select.epoll()
        self._ready.register(pos.fileno(), select.EPOLLIN)
        self._find_printer()

    def fileno(self) -> int:
        return self._ready.fileno()

    def read(self) -> bytes:
        """Move what can be moved; what the POS said, b"" if nothing. Raises `PortGone` for the POS's side."""
        heard = b""
        for descriptor, _ in self._ready.poll(0):
            if descriptor == self._pos.fileno():
                heard += self._hear_pos()
            else:
                self._hear_printer()
        self._flush()
        return heard

    def write(self, data: bytes) -> int:
        raise AssertionError(f"{len(data)} bytes were to be said between a POS and its printer")

    def close(self) -> None:
        self._lose_printer()
        self._ready.close()
        self._pos.close()

    def _hear_pos(self) -> bytes:
        data = self._pos.read()
        if data and self._printer is None:
            self._find_printer()
        if self._printer is not None:
            self._keep(self._to_printer, data, "TO_PRINTER_DROPPED")
        return data

    def _hear_printer(self) -> None:
        if self._printer is None:
            return
        try:
            self._keep(self._to_pos, self._printer.read(), "TO_POS_DROPPED")
        except PortGone:
            self._lose_printer()

    def _keep(self, kept: bytearray, data: bytes, code: str) -> None:
        room = KEPT_BYTES - len(kept)
        kept += data[:room]
        if len(data) > room:
            self.counters[code] += len(data) - room

    def _flush(self) -> None:
        if self._to_pos:
            del self._to_pos[: self._pos.write(bytes(self._to_pos))]
        if self._printer is not None and self._to_printer:
            try:
                del self._to_printer[: self._printer.write(bytes(self._to_printer))]
            except PortGone:
                self._lose_printer()
        self._watch(self._pos, self._to_pos)
        if self._printer is not None:
            self._watch(self._printer, self._to_printer)

    def _watch(self, port: Port, kept: bytearray) -> None:
        self._ready.modify(port.fileno(), select.EPOLLIN | (select.EPOLLOUT if kept else 0))

    def _find_printer(self) -> None:
        try:
            self._printer = self._open_printer()
        except PortRefused as refusal:
            self.counters[refusal.code] += 1
            return
        self._ready.register(self._printer.fileno(), select.EPOLLIN)

    def _lose_printer(self) -> None:
        """Half a receipt is of no use to the printer that comes back."""
        printer, self._printer = self._printer, None
        self._to_printer.clear()
        if printer is not None:
            self.counters["PRINTER_GONE"] += 1
            self._ready.unregister(printer.fileno())
            printer.close()
