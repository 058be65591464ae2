"""A console's side, without I/O: tanks, their deliveries and alarms. It speaks by its own code, so that a
mistake of the codec cannot answer itself; its numbers are thousandths of litres, millimetres and degrees.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from drivers.events import Monotonic

KEPT_DELIVERIES = 10
EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


@dataclass
class SimulatedTank:
    """What a probe measures, and what the console keeps of it."""

    label: str
    product: str
    capacity_ml: int
    volume_ml: int
    temperature_mc: int = 12_500
    water_um: int = 0
    delivery_from_ml: int | None = None
    deliveries: list["SimulatedDelivery"] = field(default_factory=list)
    alarms: list[str] = field(default_factory=list)

    @property
    def height_um(self) -> int:
        """A tank with upright walls: 125 thousandths of a millimetre for every 2 litres."""
        return height_um(self.volume_ml)


@dataclass(frozen=True, slots=True)
class SimulatedDelivery:
    began: str
    over: str
    start_volume_ml: int
    end_volume_ml: int


def height_um(volume_ml: int) -> int:
    return volume_ml // 2_000 * 125


class VeederRootSimulator:
    """Verbs: `draw`, `begin_delivery`, `end_delivery`, `deliver`. Truth: `tanks`.

    `prints_only`: an old console that refuses the computer form. `answer_ms`: how late it answers.
    `security_code`: questions without it stay unanswered (NOTES.md, "Unknown").
    """

    def __init__(
        self,
        tanks: Mapping[int, SimulatedTank] | None = None,
        *,
        prints_only: bool = False,
        answer_ms: int = 0,
        security_code: str = "",
    ) -> None:
        self.tanks = dict(tanks) if tanks is not None else default_tanks()
        self.asked: list[str] = []
        self._prints_only = prints_only
        self._answer_ms = answer_ms
        self._security_code = security_code
        self._incoming = ""
        self._replies: deque[tuple[Monotonic, bytes]] = deque()
        self._now = Monotonic(0)

    def draw(self, tank: int, volume_ml: int) -> None:
        """Fuel goes out: through a pump, or through a hole."""
        assert 0 <= volume_ml <= self.tanks[tank].volume_ml, "a tank cannot give what it has not"
        self.tanks[tank].volume_ml -= volume_ml

    def begin_delivery(self, tank: int) -> None:
        self.tanks[tank].delivery_from_ml = self.tanks[tank].volume_ml

    def end_delivery(self, tank: int, volume_ml: int, now: Monotonic) -> None:
        """So much came in since `begin_delivery`."""
        filled = self.tanks[tank]
        assert filled.delivery_from_ml is not None, "no delivery is in progress"
        filled.volume_ml += volume_ml
        stamp = _stamp(now)
        record = SimulatedDelivery(stamp, stamp, filled.delivery_from_ml, filled.volume_ml)
        filled.delivery_from_ml = None
        filled.deliveries.insert(0, record)
        del filled.deliveries[KEPT_DELIVERIES:]

    def deliver(self, tank: int, volume_ml: int, now: Monotonic) -> None:
        """A whole delivery at once."""
        self.begin_delivery(tank)
        self.end_delivery(tank, volume_ml, now)

    def receive(self, data: bytes, now: Monotonic) -> None:
        self._now = now
        for character in data.decode("latin-1"):
            if character == "\x01":
                self._incoming = character
            elif character in "\x03\r\n":
                self._answer(self._incoming[1:], now)
                self._incoming = ""
            elif self._incoming:
                self._incoming = (self._incoming + character)[:64]

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data = b""
        while self._replies and self._replies[0][0] <= now:
            data += self._replies.popleft()[1]
        return data

    def next_timer(self) -> Monotonic | None:
        return self._replies[0][0] if self._replies else None

    def handle_timer(self, now: Monotonic) -> None:
        """Late answers go out with `bytes_to_send`; a console never speaks first."""

    def power_cycle(self, now: Monotonic) -> None:
        """Tanks and records are in permanent memory; half questions and unsent answers are gone."""
        self._incoming = ""
        self._replies.clear()

    def _answer(self, question: str, now: Monotonic) -> None:
        if not question.startswith(self._security_code) or not question:
            return
        question = question[len(self._security_code) :]
        self.asked.append(question)
        self._replies.append((Monotonic(now + self._answer_ms), self._reply(question)))

    def _reply(self, question: str) -> bytes:
        function, which = question[:4], question[4:6]
        numbers = (
            list(self.tanks) if which == "00" else [int(which)] if which.isascii() and which.isdigit() else []
        )
        if function == "I201":
            return self._print(numbers)
        parts = {
            "i101": self._system,
            "i201": self._inventory,
            "i202": lambda number: self._delivered(number, KEPT_DELIVERIES),
            "i20C": lambda number: self._delivered(number, 1),
            "i205": self._alarms,
        }
        if self._prints_only or function not in parts or len(question) != 6 or not numbers:
            return b"\x019999FF1B\x03"
        known = [number for number in numbers if number in self.tanks]
        text = function + which + _stamp(self._now) + "".join(map(parts[function], known)) + "&&"
        total = sum(("\x01" + text).encode("ascii"))
        return f"\x01{text}{65_536 - total % 65_536:04X}\x03".encode("ascii")

    def _system(self, number: int) -> str:
        return "".join(f"02{alarm}{number:02d}" for alarm in self.tanks[number].alarms)

    def _inventory(self, number: int) -> str:
        tank = self.tanks[number]
        status = 1 if tank.delivery_from_ml is not None else 0
        ullage_ml = tank.capacity_ml - tank.volume_ml
        values = (
            tank.volume_ml,
            tank.volume_ml,
            ullage_ml,
            tank.height_um,
            tank.water_um,
            tank.temperature_mc,
            0,
        )
        return f"{number:02d}{tank.product}{status:04X}07" + "".join(map(float_digits, values))

    def _delivered(self, number: int, most: int) -> str:
        tank = self.tanks[number]
        records = tank.deliveries[:most]
        return f"{number:02d}{tank.product}{len(records):02d}" + "".join(map(self._delivery, records))

    def _delivery(self, record: SimulatedDelivery) -> str:
        start_ml, end_ml = record.start_volume_ml, record.end_volume_ml
        values = (
            start_ml,
            start_ml,
            0,
            12_500,
            end_ml,
            end_ml,
            0,
            12_500,
            height_um(start_ml),
            height_um(end_ml),
        )
        return f"{record.began}{record.over}0A" + "".join(map(float_digits, values))

    def _alarms(self, number: int) -> str:
        alarms = self.tanks[number].alarms
        return f"{number:02d}{len(alarms):02X}" + "".join(alarms)

    def _print(self, numbers: list[int]) -> bytes:
        lines = ["", "I20100", (EPOCH + timedelta(milliseconds=self._now)).strftime("%m-%d-%y %H:%M"), ""]
        if numbers:
            lines += ["IN-TANK INVENTORY", ""]
            lines.append("TANK PRODUCT             VOLUME TC VOLUME   ULLAGE   HEIGHT    WATER     TEMP")
        lines += [_row(number, self.tanks[number]) for number in numbers if number in self.tanks]
        return ("\x01" + "\r\n".join([*lines, "", ""]) + "\x03").encode("ascii")


def default_tanks() -> dict[int, SimulatedTank]:
    return {
        1: SimulatedTank("PETROL 92", "1", 30_000_000, 20_000_000),
        2: SimulatedTank("PETROL 95", "2", 30_000_000, 15_000_000),
        3: SimulatedTank("DIESEL 0", "3", 50_000_000, 22_000_125),
    }


def float_digits(thousandths: int) -> str:
    """`thousandths` divided by 1000 as IEEE-754 single precision, by integer arithmetic."""
    if thousandths == 0:
        return "00000000"
    size, shift = abs(thousandths), 0
    assert size < 1_000 << 23, "eight million litres"
    while (size << shift) // 1_000 < 1 << 23:
        shift += 1
    mantissa = (2 * (size << shift) + 1_000) // 2_000
    return f"{(thousandths < 0) << 31 | (150 - shift << 23) + mantissa - (1 << 23):08X}"


def _row(number: int, tank: SimulatedTank) -> str:
    ullage_ml = tank.capacity_ml - tank.volume_ml
    whole = (tank.volume_ml // 1_000, tank.volume_ml // 1_000, ullage_ml // 1_000)
    parts = (tank.height_um, tank.water_um, tank.temperature_mc)
    return f"{number:3d}  {tank.label:<16.16s}{whole[0]:10d}{whole[1]:10d}{whole[2]:9d}" + "".join(
        f"{part // 1_000:6d}.{part // 10 % 100:02d}" for part in parts
    )


def _stamp(now: Monotonic) -> str:
    return (EPOCH + timedelta(milliseconds=now)).strftime("%y%m%d%H%M")
