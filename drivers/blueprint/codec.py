"""Bytes and frames of the blueprint protocol. Pure: no time, no state of the conversation.

A frame is ASCII: body, `*`, CRC-16/MODBUS of the body as four upper-case hex digits, LF.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.checksums import crc16_modbus

LONGEST_FRAME = 64
READ, NOTHING = "R", "N"
_SALE = re.compile(r"S,(\d{4}),(\d{2}),(\d{6}),(\d{6}),(\d{4}),(\d{10})")
_KEPT = re.compile(r"K,(\d{4})")


@dataclass(frozen=True, slots=True)
class Sale:
    """A finished sale as its digits: volume and totalizer in 10 ml, amount in fen, price in fen a litre."""

    sequence_no: str
    nozzle: str
    volume: str
    amount: str
    unit_price: str
    totalizer: str


def encode(body: str) -> bytes:
    """The frame that carries `body`."""
    return f"{body}*{crc16_modbus(body.encode('ascii')):04X}\n".encode("ascii")


def encode_sale(sale: Sale) -> bytes:
    fields = (sale.sequence_no, sale.nozzle, sale.volume, sale.amount, sale.unit_price, sale.totalizer)
    return encode("S," + ",".join(fields))


def parse_sale(body: str) -> Sale | None:
    """The sale in `body`, or None if the body is something else."""
    found = _SALE.fullmatch(body)
    return Sale(*found.groups()) if found else None


def parse_kept(body: str) -> str | None:
    """The sequence number that `body` says is kept (both directions use the same body)."""
    found = _KEPT.fullmatch(body)
    return found.group(1) if found else None


class Reader:
    """Collects bytes into bodies whose check value holds. Any bytes, any pieces; memory is bounded."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.bad_frames = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """The bodies that `data` completes. Wrong frames are counted in `bad_frames` and dropped."""
        for byte in data:
            if byte != 0x0A:
                self._buffer.append(byte)
                del self._buffer[:-LONGEST_FRAME]
                continue
            line, self._buffer = bytes(self._buffer), bytearray()
            body = line[:-5]
            if line[-5:] == b"*%04X" % crc16_modbus(body) and body.isascii():
                yield body.decode("ascii")
            else:
                self.bad_frames += 1

    def forget(self) -> None:
        """Drop a half-heard frame."""
        self._buffer.clear()
