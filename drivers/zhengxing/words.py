"""What the bytes of a reply say (devices.md 4.1, [one]). Positions are counted from FC.

Where the published driver uses a byte its meaning is known; the others are kept as they are. A sale's other
bytes hold, as that driver's author remarks, a totalizer too: where, is not known.
"""

from dataclasses import dataclass, replace

from drivers.zhengxing.codec import STATE_AT, Frame

STATES = {
    1: "inoperative",
    2: "closed",
    3: "idle",
    4: "calling",
    5: "authorised",
    6: "started",
    7: "start suspended",
    8: "fuelling",
    9: "fuelling suspended",
}
CALLING, FLOWING = 4, frozenset((6, 7, 8, 9))
SALE_WAITS, NOZZLE_LIFTED = 0x10, 0x80
TOTAL_MODULUS = 2**32
"""Four bytes, binary."""

_OTHER = ((4, 6), (11, 19), (21, 35))
"""The bytes of a sale that are neither frame, state, quantities nor price; the chain number is among them."""


@dataclass(frozen=True, slots=True)
class Sale:
    """A sale as the dispenser keeps it. Counts are the raw 20-bit numbers; `price` are four hex digits,
    decimal unless the record is odd; `chain` is given back in the acknowledgement; `other` holds the chain
    number and all bytes whose meaning is not known."""

    amount_count: int
    volume_count: int
    price: str
    chain: bytes
    other: bytes


@dataclass(frozen=True, slots=True)
class Totals:
    """The two totalizers of a fuelling point, raw."""

    amount_count: int
    volume_count: int


def state(frame: Frame) -> int:
    """The state byte of a five-byte reply."""
    return frame.data[STATE_AT]


def sale(frame: Frame, unsteady: tuple[int, ...] = ()) -> Sale:
    """The sale in a reply to SALE or HISTORIC. In `other`, bytes at the positions `unsteady` are 0."""
    data = frame.data
    steady = bytes(0 if at in unsteady else byte for at, byte in enumerate(data))
    return Sale(
        amount_count=int.from_bytes(data[6:9]) >> 4,
        volume_count=int.from_bytes(data[8:11]) & 0xF_FFFF,
        price=data[19:21].hex(),
        chain=data[23:25],
        other=b"".join(steady[begin:end] for begin, end in _OTHER),
    )


def named_by_totals(sale: Sale, totals: Totals) -> Sale:
    """The sale with its chain number and the totals command in the place of its own other bytes."""
    stand_in = sale.chain + totals.amount_count.to_bytes(4) + totals.volume_count.to_bytes(4)
    return replace(sale, other=stand_in)


def totals(frame: Frame) -> Totals:
    return Totals(int.from_bytes(frame.data[4:8]), int.from_bytes(frame.data[8:12]))


def running(frame: Frame) -> tuple[str, str]:
    """Volume and amount so far, six hex digits each."""
    return frame.data[4:7].hex(), frame.data[7:10].hex()


def price(frame: Frame) -> str:
    """Four hex digits."""
    return frame.data[4:6].hex()
