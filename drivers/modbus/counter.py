"""Hand-over C: a counter of pulses. The device knows neither sale nor money; a pause in the flow ends a
fuelling (`flow_watch.py`), and what it is worth is the site's word.

Volume is the difference of the two totals, so no litre falls between two fuellings by rounding. The amount
is volume × the configured price; both are empty in the raw digits, which are the device's alone: a new
price does not make another fuelling of the same counts.
"""

from collections import Counter, deque
from dataclasses import dataclass

from drivers.events import Fuelling, FuellingStarted, Monotonic, RawDigits
from drivers.modbus import codec
from drivers.modbus.codec import Question, Reply
from drivers.modbus.flow_watch import Flow, FlowWatch
from drivers.modbus.map_parts import number_in
from drivers.modbus.maps import CounterMap
from drivers.modbus.reader import Owed, ReaderEvent

WAITING_LIMIT = 32
"""Fuellings kept while the till cannot take any; of more the till sees only the litres."""
_FEN = 10_000
"""Millilitres times thousandths a litre, in one fen."""


@dataclass(frozen=True, slots=True)
class Gearing:
    """What the site says of the meter behind the counter. `unit_price_milli` None: nobody said."""

    pulses_per_litre_milli: int
    unit_price_milli: int | None

    def ml(self, count: int) -> int:
        """Millilitres of so many pulses, cut off."""
        return count * 1_000_000 // self.pulses_per_litre_milli

    @property
    def step_ml(self) -> int:
        """What one pulse is worth, rounded up."""
        return -(-1_000_000 // self.pulses_per_litre_milli)


class CounterReader:
    """A `Reader` for a `CounterMap`."""

    def __init__(self, address: str, unit: int, found: CounterMap, gearing: Gearing) -> None:
        self.events: deque[ReaderEvent] = deque()
        self.counts: Counter[str] = Counter()
        self._address = address
        self._map = found
        self._gearing = gearing
        block = found.counter
        self._question = codec.read(unit, found.function, found.on_wire(block.address), block.count)
        pulses = found.roles.pulses
        self._watch = FlowWatch(pulses.modulus, found.flow_stopped_ms, gearing.pulses_per_litre_milli)
        self._owed = Owed()
        self._waiting: deque[Fuelling] = deque()
        self._is_finished = False

    def next_question(self) -> Question | None:
        self._is_finished = not self._is_finished
        return self._question if self._is_finished else None

    def answered(self, reply: Reply, now: Monotonic) -> None:
        block = self._map.counter
        reading = number_in(reply.registers, block.address, self._map.roles.pulses, self._map.word_order)
        if reading.count is None:
            self.counts["COUNTER_UNREADABLE"] += 1
            return
        did_flow = self._watch.flows
        flow = self._watch.see(reading.count, now)
        self.counts["COUNTER_JUMPED"] = self._watch.jumps
        if flow is not None:
            self._keep(self._fuelling(flow))
        if self._watch.flows and (flow is not None or not did_flow):
            self.events.append(FuellingStarted(self._address, self._map.nozzle))
        self._report_next()

    def not_answered(self) -> None:
        self._is_finished = False

    def sight_lost(self) -> None:
        """The watch sees by itself how long it could not look."""

    def confirmed(self, fuelling: Fuelling, *, durable: bool, now: Monotonic) -> None:
        if self._owed.settle(fuelling, durable=durable, now=now):
            self._report_next()

    def owed_at(self) -> Monotonic | None:
        return self._owed.again_at

    def repeat_owed(self, now: Monotonic) -> None:
        self._owed.repeat(now, self.events)

    def _keep(self, fuelling: Fuelling) -> None:
        if not fuelling.volume_ml:
            self.counts["ZERO_VOLUME"] += 1
        elif len(self._waiting) >= WAITING_LIMIT:
            self.counts["FUELLING_DROPPED"] += 1
        else:
            self._waiting.append(fuelling)

    def _report_next(self) -> None:
        if self._waiting and self._owed.fuelling is None:
            self._owed.report(self._waiting.popleft(), self.events)

    def _fuelling(self, flow: Flow) -> Fuelling:
        gearing, modulus = self._gearing, self._map.roles.pulses.modulus
        before_ml, after_ml = gearing.ml(flow.before_count), gearing.ml(flow.after_count)
        volume_ml = (after_ml - before_ml) % gearing.ml(modulus)
        price_milli = gearing.unit_price_milli or 0
        pulses = (flow.after_count - flow.before_count) % modulus
        return Fuelling(
            address=self._address,
            nozzle=self._map.nozzle,
            hand_over=self._map.hand_over,
            sequence_no=None,
            raw=RawDigits(str(pulses), "", "", str(flow.after_count)),
            volume_ml=volume_ml,
            amount_fen=(volume_ml * price_milli + _FEN // 2) // _FEN,
            unit_price_milli=price_milli,
            volume_step_ml=gearing.step_ml,
            amount_step_fen=1,
            totalizer_after_ml=after_ml,
            totalizer_before_ml=before_ml,
            totalizer_modulus_ml=gearing.ml(modulus),
            totalizer_step_ml=gearing.step_ml,
            duration_s=(flow.ended - flow.began) // 1_000,
            ended=None if "END_UNSEEN" in flow.flags else flow.ended,
            flags=flow.flags if gearing.unit_price_milli else (*flow.flags, "PRICE_UNKNOWN"),
        )
