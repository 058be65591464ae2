"""From the fields of a sale to a `Fuelling`: scales, nozzles, oddities. Integers only; nothing is refused
that has a volume and an amount, because a readable record is always booked (decisions.md 2)."""

from calendar import monthrange
from dataclasses import dataclass, field

from drivers.events import DeviceTime, Fuelling, HandOver, Monotonic, RawDigits
from drivers.ifsf.codec import Message, field_map, is_bcd
from drivers.ifsf.figures import Figure, parse_figure
from drivers.ifsf.options import IfsfOptions
from drivers.ifsf.questions import FIRST_POINT, SALES

CLEARED, PAYABLE, LOCKED = 1, 2, 3

DEVICE_TIME_ODD = "DEVICE_TIME_ODD"
TOTALIZER_ODD = "TOTALIZER_ODD"
SEQUENCE_ODD = "SEQUENCE_ODD"
NOZZLE_ODD = "NOZZLE_ODD"
PRICE_ODD = "PRICE_ODD"
AMOUNT_BELOW_MINOR = "AMOUNT_BELOW_MINOR"
DEVICE_ERROR = "DEVICE_ERROR"
"""The device's own error code for this sale is not 0."""


@dataclass(frozen=True, slots=True)
class Record:
    """One sale as its bytes. `place` is its database address: point, 21, sequence number. The state is not
    part of what must be the same twice, because another controller may lock it meanwhile."""

    place: bytes
    amount: bytes
    volume: bytes
    unit_price: bytes
    nozzle: bytes
    error: bytes
    date: bytes
    time: bytes
    totalizer_before: bytes
    totalizer_after: bytes
    state: bytes = field(compare=False)

    @property
    def point_no(self) -> int:
        return self.place[0] - FIRST_POINT

    @property
    def sequence_no(self) -> int | None:
        """1 to 9999, wraps; None if it is no number."""
        return int(self.place[2:].hex()) if is_bcd(self.place[2:]) else None

    def is_in(self, state: int) -> bool:
        return self.state == bytes((state,))

    def is_readable(self) -> bool:
        return parse_figure(self.volume) is not None and parse_figure(self.amount) is not None

    def has_volume(self) -> bool:
        volume = parse_figure(self.volume)
        return volume is not None and volume.scaled(3)[0] > 0


def is_sale_place(place: bytes) -> bool:
    return len(place) == 4 and FIRST_POINT < place[0] <= FIRST_POINT + 4 and place[1] == SALES


def record_of(answer: Message) -> Record | None:
    """The sale in an answer or push; None if it is not one, or its number differs from its address."""
    found = field_map(answer)
    number = found.get(0x01) or answer.place[2:]
    if not is_sale_place(answer.place) or number != answer.place[2:]:
        return None
    return Record(
        place=answer.place,
        amount=found.get(0x05, b""),
        volume=found.get(0x06, b""),
        unit_price=found.get(0x07, b""),
        nozzle=found.get(0x08, b""),
        error=found.get(0x0C, b""),
        date=found.get(0xCA, b""),
        time=found.get(0xCB, b""),
        totalizer_before=found.get(0xCC, b""),
        totalizer_after=found.get(0xCD, b""),
        state=found.get(0x15, b""),
    )


def nozzle_name(point_no: int, nozzle_no: int) -> str:
    """Point and nozzle in one: "12" is nozzle 2 of fuelling point 1."""
    return f"{point_no}{nozzle_no}"


def as_fuelling(record: Record, address: str, options: IfsfOptions, ended: Monotonic | None) -> Fuelling:
    """The fuelling that a readable record with volume describes. Raw digits are the bytes as sent, with the
    byte that places the point, in hex; a totalizer that the device does not give is ""."""
    volume, amount = parse_figure(record.volume), parse_figure(record.amount)
    assert volume is not None
    assert amount is not None
    price, after = parse_figure(record.unit_price), parse_figure(record.totalizer_after)
    before = parse_figure(record.totalizer_before)
    amount_fen, amount_exact = amount.scaled(options.minor_decimals)
    nozzle_no = int.from_bytes(record.nozzle, "big")
    device_time = _device_time(record)
    flags = (
        (SEQUENCE_ODD, record.sequence_no is None),
        (NOZZLE_ODD, not 1 <= nozzle_no <= 8),
        (PRICE_ODD, price is None),
        (AMOUNT_BELOW_MINOR, not amount_exact),
        (DEVICE_ERROR, any(record.error)),
        (DEVICE_TIME_ODD, device_time is None and bool(record.date + record.time)),
        (TOTALIZER_ODD, after is None and bool(record.totalizer_after)),
    )
    return Fuelling(
        address=address,
        nozzle=nozzle_name(record.point_no, nozzle_no),
        hand_over=HandOver.BUFFERED,
        sequence_no=record.sequence_no,
        raw=RawDigits(
            record.volume.hex(), record.amount.hex(), record.unit_price.hex(), record.totalizer_after.hex()
        ),
        volume_ml=volume.scaled(3)[0],
        amount_fen=amount_fen,
        unit_price_milli=price.scaled(3)[0] if price else 0,
        volume_step_ml=_step(volume, options.volume_decimals, 3),
        amount_step_fen=_step(amount, options.amount_decimals, options.minor_decimals),
        totalizer_after_ml=after.scaled(3)[0] if after else None,
        totalizer_before_ml=before.scaled(3)[0] if before else None,
        totalizer_modulus_ml=10 ** (len(after.digits) - after.decimals_count + 3) if after else None,
        totalizer_step_ml=_step(after, 3, 3) if after else 10,
        device_time=device_time,
        ended=ended,
        flags=tuple(flag for flag, holds in flags if holds),
    )


def _step(figure: Figure, counted_decimals: int, unit_decimals: int) -> int:
    """The smallest step, in the unit of `unit_decimals`: the scale has more digits than the meter counts."""
    return int(10 ** max(0, unit_decimals - min(figure.decimals_count, counted_decimals)))


def _device_time(record: Record) -> DeviceTime | None:
    """CA is year(4) month day, CB hour minute second, all BCD [cap]."""
    if len(record.date) != 4 or len(record.time) != 3 or not is_bcd(record.date + record.time):
        return None
    date, time = record.date.hex(), record.time.hex()
    year, month, day = int(date[:4]), int(date[4:6]), int(date[6:])
    hour, minute, second = int(time[:2]), int(time[2:4]), int(time[4:])
    if not (year >= 1 and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]):
        return None
    if not (hour <= 23 and minute <= 59 and second <= 59):
        return None
    return DeviceTime(year, month, day, hour, minute, second)
