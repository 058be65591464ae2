"""A tank gauge behind registers: every tank as it stands, now and then. Nothing is asked but reads.

Units are the map's, because the gauge does not say in which it is set to count.
"""

from collections import Counter, deque
from collections.abc import Sequence

from drivers.events import Fuelling, Monotonic, TankRead
from drivers.modbus import codec
from drivers.modbus.codec import Question, Reply
from drivers.modbus.map_parts import Register, number_in
from drivers.modbus.maps import GaugeMap
from drivers.modbus.reader import ReaderEvent
from drivers.modbus.registers import Reading, natural, step

_UNITS = {
    "l": (1_000, 1),
    "us_gal": (3_785_411_784, 1_000_000),
    "mm": (1_000, 1),
    "in": (25_400, 1),
    "c": (1_000, 1),
    "f": (5_000, 9),
}
"""Millilitres, thousandths of a millimetre, thousandths of a degree in one of them, as a fraction."""
_FREEZING_F = 32


class GaugeReader:
    """A `Reader` for a `GaugeMap`: a tank is told of at its first reading, then every `report_every_ms`, and
    at once when an alarm of it comes or goes."""

    def __init__(self, address: str, unit: int, found: GaugeMap) -> None:
        self.events: deque[ReaderEvent] = deque()
        self.counts: Counter[str] = Counter()
        self._address = address
        self._unit = unit
        self._map = found
        self._questions = found.questions()
        self._next = 0
        self._told: dict[str, tuple[Monotonic, tuple[str, ...]]] = {}

    def next_question(self) -> Question | None:
        if self._next == len(self._questions):
            self._next = 0
            return None
        tanks, found = self._questions[self._next], self._map
        first = found.on_wire(found.first_of(tanks[0]))
        return codec.read(self._unit, found.function, first, found.span(tanks))

    def answered(self, reply: Reply, now: Monotonic) -> None:
        tanks = self._questions[self._next]
        self._next += 1
        for place, tank in enumerate(tanks):
            words = reply.registers[place * self._map.tank_stride :][: self._map.tank_count]
            read = tank_read(self._address, tank, words, self._map)
            if read is None:
                self.counts["TANK_UNREADABLE"] += 1
            elif self._is_due(read, now):
                self._told[read.tank] = (now, read.alarms)
                self.events.append(read)

    def not_answered(self) -> None:
        self._next = 0

    def sight_lost(self) -> None:
        self._told.clear()

    def confirmed(self, fuelling: Fuelling, *, durable: bool, now: Monotonic) -> None:
        """A gauge reports no fuelling."""

    def owed_at(self) -> Monotonic | None:
        return None

    def repeat_owed(self, now: Monotonic) -> None:
        """A reading is not repeated: the next one takes its place."""

    def _is_due(self, read: TankRead, now: Monotonic) -> bool:
        told = self._told.get(read.tank)
        return told is None or read.alarms != told[1] or now - told[0] >= self._map.report_every_ms


def tank_read(address: str, tank: int, words: Sequence[int], found: GaugeMap) -> TankRead | None:
    """What the registers of one tank say; None if its volume is no number."""
    roles = found.roles
    volume = natural(number_in(words, 0, roles.volume, found.word_order))
    if volume.count is None:
        return None
    product = _reading(words, roles.product, found)

    def value(role: Register | None, unit: str) -> int | None:
        reading = _reading(words, role, found)
        return (
            in_ours(reading.count, role.decimals, unit)
            if role and reading and reading.count is not None
            else None
        )

    volume_ml = in_ours(volume.count, roles.volume.decimals, found.volume_unit)
    return TankRead(
        address=address,
        tank=str(tank),
        product=product.digits if product else "",
        raw_volume=volume.digits,
        volume_ml=volume_ml,
        tc_volume_ml=value(roles.tc_volume, found.volume_unit),
        ullage_ml=value(roles.ullage, found.volume_unit),
        height_um=value(roles.height, found.height_unit),
        water_um=value(roles.water, found.height_unit),
        temperature_mc=value(roles.temperature, found.temperature_unit),
        alarms=_alarms(words, found),
    )


def in_ours(count: int, decimals: int, unit: str) -> int:
    """A gauge's count as millilitres, thousandths of a millimetre or of a degree Celsius, rounded half up."""
    times, over = _UNITS[unit]
    divisor = over * step(0, decimals)
    shifted = count - _FREEZING_F * step(0, decimals) if unit == "f" else count
    return (2 * shifted * times + divisor) // (2 * divisor)


def _reading(words: Sequence[int], role: Register | None, found: GaugeMap) -> Reading | None:
    return number_in(words, 0, role, found.word_order) if role else None


def _alarms(words: Sequence[int], found: GaugeMap) -> tuple[str, ...]:
    block = found.alarms
    if block is None:
        return ()
    active = words[block.address : block.address + block.count]
    return tuple(f"ALARM_{number}" for number, word in enumerate(active, 1) if word)
