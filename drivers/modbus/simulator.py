"""The device's side without I/O: a dispenser behind the registers of any shipped map, on TCP or RTU.

Frames are made here by hand, so that a mistake in `codec.py` cannot answer itself. The simulated
dispenser keeps what real ones keep over a power cut (last sale, ring, totals, what was acknowledged)
and ends a fuelling that ran at that moment with what had flowed.
"""

import struct
from collections import deque
from dataclasses import dataclass

from drivers.events import Monotonic
from drivers.modbus.map_parts import Block, Register
from drivers.modbus.maps import CounterMap, GaugeMap, LastSaleMap, RingMap
from drivers.modbus.options import ModbusOptions
from drivers.modbus.registers import WordOrder
from drivers.modbus.simulated_registers import Image, addresses, as_counted, put, put_new, zeros
from drivers.modbus.simulated_wire import WRITE_MANY, SlaveWire

BUSY = 6
_ILLEGAL_FUNCTION, _ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 1, 2, 3
_READS, _WRITE_ONE = (3, 4), 6
_TANK_ML = 20_000_000
_FASTEST_ML_PER_MS = 4
"""240 litres a minute: no hose behind a counter gives more, whatever is asked of it."""


@dataclass(frozen=True, slots=True)
class Sale:
    """The truth about one fuelling. `sequence_no` is None on a map without numbers."""

    sequence_no: int | None
    volume_ml: int
    amount_fen: int
    unit_price_milli: int
    total_after_ml: int


@dataclass(frozen=True, slots=True)
class _Running:
    sale_ml: int
    sale_fen: int
    began: Monotonic
    ends: Monotonic

    def flowed_ml(self, now: Monotonic) -> int:
        if now >= self.ends:
            return self.sale_ml
        return self.sale_ml * (now - self.began) // (self.ends - self.began)


class ModbusSimulator:
    """A `Simulator`. `truth` holds every finished sale, oldest first.

    `answer_after_ms` is its thinking time. `totals_live`: totals count while fuel flows, else at the
    end; `totals_lag_ms`: they follow the end-of-sale flag that much later.
    """

    def __init__(
        self,
        address: str,
        options: ModbusOptions,
        *,
        answer_after_ms: int = 5,
        totals_live: bool = False,
        totals_lag_ms: int = 0,
    ) -> None:
        self.truth: list[Sale] = []
        self.acknowledged = 0
        self.writes: list[tuple[int, tuple[int, ...]]] = []
        """Every write that was accepted: address on the wire and words."""
        self.status = 0
        """What the status register of a record that is written now holds."""
        self.tanks: dict[int, dict[str, int]] = {}
        """What a gauge counts of a tank, by the map's name for it. What is sold is taken from tank 1."""
        self.alarms: set[int] = set()
        """Alarm registers of a gauge that are not 0, by their printed address."""
        self.forgets_count = False
        """A counter that begins at 0 again when its power fails."""
        self._unit = int(address)
        self._map = options.register_map()
        self._wire = SlaveWire(is_rtu=options.transport == "rtu")
        self._pulses_per_litre_milli = options.pulses_per_litre_milli or 0
        self._answer_after_ms = answer_after_ms
        self._totals_live = totals_live
        self._totals_lag_ms = totals_lag_ms
        self._answers: deque[tuple[Monotonic, bytes]] = deque()
        self._running: _Running | None = None
        self._price_milli = 0
        self._total_ml = self._total_fen = 0
        self._totals_follow_at = Monotonic(0)
        self._totals_before = (0, 0)
        self._newest = 0
        self._statuses: dict[int, int] = {}
        self._busy = self._late = self._mute = 0
        self._late_by_ms = 0

    # Verbs of the stage.

    def sell(
        self, volume_ml: int, amount_fen: int, price_milli: int, now: Monotonic, lasts_ms: int = 0
    ) -> None:
        """One fuelling that takes `lasts_ms` (behind a counter at least as long as a hose needs for it); one
        that still ran is ended with what had flowed."""
        self._end_early(now)
        self._price_milli = price_milli
        if isinstance(self._map, CounterMap):
            lasts_ms = max(lasts_ms, volume_ml // _FASTEST_ML_PER_MS)
        self._running = _Running(volume_ml, amount_fen, now, Monotonic(now + lasts_ms))
        self.handle_timer(now)

    def start_totals_at(self, volume_ml: int, amount_fen: int) -> None:
        """Totals of a dispenser that has sold before, for example just before they wrap."""
        self._total_ml, self._total_fen = volume_ml, amount_fen

    def start_numbers_at(self, sequence_no: int) -> None:
        """The last number that was given and acknowledged before."""
        self._newest = self.acknowledged = sequence_no

    def answer_busy(self, times: int) -> None:
        """Answer the next questions with exception 06."""
        self._busy = times

    def answer_late(self, times: int, by_ms: int) -> None:
        """Answer the next questions so much later than usual."""
        self._late, self._late_by_ms = times, by_ms

    def keep_quiet(self, times: int) -> None:
        """Do not answer the next questions at all."""
        self._mute = times

    def expected(self) -> list[Sale]:
        """`truth`, and the fuelling that runs as if it had ended."""
        run = self._running
        return [*self.truth] if run is None else [*self.truth, self._sale(run.sale_ml, run.sale_fen)]

    def released(self) -> list[Sale]:
        """Sales that are not offered again because they were acknowledged (ring only)."""
        if not isinstance(self._map, RingMap):
            return []
        waiting = (self._newest - self.acknowledged) % self._map.modulus
        return self.truth[: max(0, len(self.truth) - waiting)]

    # The `Simulator` contract.

    def receive(self, data: bytes, now: Monotonic) -> None:
        for request in self._wire.hear(data, now):
            if request.unit == self._unit:
                self._answer(request.transaction, request.pdu, now)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        due = bytearray()
        while self._answers and self._answers[0][0] <= now:
            due += self._answers.popleft()[1]
        return bytes(due)

    def next_timer(self) -> Monotonic | None:
        moments = [self._answers[0][0]] if self._answers else []
        if self._running is not None:
            moments.append(self._running.ends)
        return min(moments, default=None)

    def handle_timer(self, now: Monotonic) -> None:
        if self._running is not None and now >= self._running.ends:
            self._end(self._running.sale_ml, self._running.sale_fen, now)

    def power_cycle(self, now: Monotonic) -> None:
        self._wire.forget()
        self._answers.clear()
        self._end_early(now)
        if self.forgets_count:
            self._total_ml = 0

    # The dispenser.

    def _sale(self, volume_ml: int, amount_fen: int) -> Sale:
        number = (self._newest + 1) % self._map.modulus if isinstance(self._map, RingMap) else None
        modulus_ml = self._total_modulus_ml()
        return Sale(
            number, volume_ml, amount_fen, self._price_milli, (self._total_ml + volume_ml) % modulus_ml
        )

    def _total_modulus_ml(self) -> int:
        found = self._map
        if isinstance(found, GaugeMap):
            return _TANK_ML
        if isinstance(found, CounterMap):
            return found.roles.pulses.modulus * 1_000_000 // self._pulses_per_litre_milli
        total = found.record if isinstance(found, RingMap) else found.roles
        return int(total.total_volume.modulus * 10 ** (3 - total.total_volume.decimals))

    def _end_early(self, now: Monotonic) -> None:
        if self._running is not None:
            flowed_ml = self._running.flowed_ml(now)
            self._end(flowed_ml, self._running.sale_fen * flowed_ml // max(1, self._running.sale_ml), now)

    def _end(self, volume_ml: int, amount_fen: int, now: Monotonic) -> None:
        sale = self._sale(volume_ml, amount_fen)
        self._running = None
        self._totals_before = (self._total_ml, self._total_fen)
        self._totals_follow_at = Monotonic(now + self._totals_lag_ms)
        self._total_ml = sale.total_after_ml
        self._total_fen += amount_fen
        if sale.sequence_no is not None:
            self._newest = sale.sequence_no
            self._statuses[sale.sequence_no] = self.status
        self.truth.append(sale)

    # The registers.

    def _image(self, now: Monotonic) -> Image:
        """Every register that exists, by its address on the wire."""
        self.handle_timer(now)
        found = self._map
        if isinstance(found, RingMap):
            image = self._ring_image(found, now)
        elif isinstance(found, CounterMap):
            image = self._counter_image(found, now)
        elif isinstance(found, GaugeMap):
            image = self._gauge_image(found)
        else:
            image = self._last_sale_image(found, now)
        for register in found.named.values():
            put_new(image, register, 0, found.word_order)
        return {found.on_wire(address): word for address, word in image.items()}

    def _counter_image(self, found: CounterMap, now: Monotonic) -> Image:
        image, pulses = zeros(found.counter), found.roles.pulses
        total_ml = self._total_ml + (self._running.flowed_ml(now) if self._running else 0)
        self._put(image, pulses, pulses.address, total_ml * self._pulses_per_litre_milli // 1_000_000)
        return image

    def _gauge_image(self, found: GaugeMap) -> Image:
        spans = (Block(address=found.first_of(part[0]), count=found.span(part)) for part in found.questions())
        image = zeros(*spans)
        for tank in range(1, found.tanks + 1):
            sold_ml = self._total_ml if tank == 1 else 0
            volume = as_counted(_TANK_ML - sold_ml, 3, found.roles.volume)
            counts = {"volume": volume, **self.tanks.get(tank, {})}
            for role, count in counts.items():
                register: Register = getattr(found.roles, role)
                self._put(image, register, found.first_of(tank) + register.address, count)
        for address in self.alarms:
            image[address] = 1
        return image

    def _last_sale_image(self, found: LastSaleMap, now: Monotonic) -> Image:
        roles, last = found.roles, self.truth[-1] if self.truth else None
        flowed_ml = self._running.flowed_ml(now) if self._running else 0
        total_ml, total_fen = self._totals_shown(flowed_ml, now)
        image = zeros(found.sale, found.meter)
        shown = last.volume_ml if last and not self._running else flowed_ml
        numbers = [
            (roles.end_of_sale, int(self._running is None and last is not None)),
            (roles.volume, as_counted(last.volume_ml if last else 0, 3, roles.volume)),
            (roles.amount, as_counted(last.amount_fen if last else 0, 2, roles.amount)),
            (roles.unit_price, as_counted(self._price_milli, 3, roles.unit_price)),
            (roles.current_volume, as_counted(shown, 3, roles.current_volume)),
            (roles.total_volume, as_counted(total_ml, 3, roles.total_volume)),
        ]
        if roles.total_amount is not None:
            numbers.append((roles.total_amount, as_counted(total_fen, 2, roles.total_amount)))
        for register, count in numbers:
            self._put(image, register, register.address, count)
        return image

    def _totals_shown(self, flowed_ml: int, now: Monotonic) -> tuple[int, int]:
        if self._running is None and now < self._totals_follow_at:
            return self._totals_before
        return self._total_ml + (flowed_ml if self._totals_live else 0), self._total_fen

    def _ring_image(self, found: RingMap, now: Monotonic) -> Image:
        roles = found.roles
        image = zeros(found.header, *map(found.slot, range(found.records)))
        self._put(image, roles.newest, roles.newest.address, self._newest)
        self._put(image, roles.acknowledged, roles.acknowledged.address, self.acknowledged)
        if roles.current_volume is not None:
            flowed_ml = self._running.flowed_ml(now) if self._running else 0
            count = as_counted(flowed_ml, 3, roles.current_volume)
            self._put(image, roles.current_volume, roles.current_volume.address, count)
        for sale in self.truth[-found.records :]:
            self._put_record(image, found, sale)
        return image

    def _put_record(self, image: Image, found: RingMap, sale: Sale) -> None:
        assert sale.sequence_no is not None
        first, roles = found.slot(sale.sequence_no).address, found.record
        for register, count in (
            (roles.sequence, sale.sequence_no),
            (roles.volume, as_counted(sale.volume_ml, 3, roles.volume)),
            (roles.amount, as_counted(sale.amount_fen, 2, roles.amount)),
            (roles.unit_price, as_counted(sale.unit_price_milli, 3, roles.unit_price)),
            (roles.total_volume, as_counted(sale.total_after_ml, 3, roles.total_volume)),
            (roles.status, self._statuses.get(sale.sequence_no, 0)),
            (roles.sequence_again, sale.sequence_no),
        ):
            self._put(image, register, first + register.address, count)

    def _put(self, image: Image, register: Register, address: int, count: int) -> None:
        put(image, register, address, count, self._map.word_order)

    # The wire.

    def _answer(self, transaction: int, pdu: bytes, now: Monotonic) -> None:
        if self._mute > 0:
            self._mute -= 1
            return
        if self._busy > 0:
            self._busy -= 1
            answer = bytes((pdu[0] | 0x80, BUSY))
        else:
            answer = self._served(pdu, now)
        due = now + self._answer_after_ms
        if self._late > 0:
            self._late -= 1
            due += self._late_by_ms
        self._answers.append((Monotonic(due), self._wire.framed(self._unit, transaction, answer)))

    def _served(self, pdu: bytes, now: Monotonic) -> bytes:
        function = pdu[0]
        if function == self._map.function and function in _READS and len(pdu) == 5:
            first, count = struct.unpack(">HH", pdu[1:])
            image = self._image(now)
            if not all(address in image for address in addresses(first, count)):
                return bytes((function | 0x80, _ILLEGAL_ADDRESS))
            words = [image[address] for address in addresses(first, count)]
            return struct.pack(f">BB{count}H", function, 2 * count, *words)
        if function == _WRITE_ONE and len(pdu) == 5:
            address, word = struct.unpack(">HH", pdu[1:])
            return self._written(pdu, address, (word,))
        if function == WRITE_MANY and len(pdu) >= 6 and len(pdu) == 6 + pdu[5]:
            address, count = struct.unpack(">HH", pdu[1:5])
            return self._written(pdu, address, struct.unpack(f">{pdu[5] // 2}H", pdu[6:]))
        return bytes((function | 0x80, _ILLEGAL_FUNCTION))

    def _written(self, pdu: bytes, address: int, words: tuple[int, ...]) -> bytes:
        found = self._map
        if not isinstance(found, RingMap) or address != found.on_wire(found.roles.acknowledged.address):
            return bytes((pdu[0] | 0x80, _ILLEGAL_ADDRESS))
        if len(words) != found.roles.acknowledged.type.words:
            return bytes((pdu[0] | 0x80, _ILLEGAL_VALUE))
        ordered = words if found.word_order is WordOrder.HIGH_FIRST else tuple(reversed(words))
        self.acknowledged = int("".join(f"{word:04x}" for word in ordered), 16)
        self.writes.append((address, words))
        return pdu[:5]
