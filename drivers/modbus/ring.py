"""Hand-over A: numbered records in a ring, kept by the device until `acknowledged` is written.

A cycle reads the header and then, oldest first, the records after the one acknowledged last; each is
acknowledged by writing its number only after the till has it on disk. A record tells its own number
at both ends, so a torn or overwritten one, or the late answer to another read, is not taken for it.
"""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from drivers.events import Fuelling, FuellingStarted, Monotonic, RawDigits
from drivers.modbus import codec
from drivers.modbus.codec import Question, Reply
from drivers.modbus.last_sale import total_ml
from drivers.modbus.map_parts import Register, number_in
from drivers.modbus.maps import RingMap
from drivers.modbus.reader import Owed, ReaderEvent
from drivers.modbus.registers import Reading, natural, step, words_of
from drivers.modbus.sale_watch import FEN_DECIMALS, THOUSANDTHS
from drivers.scales import scaled

TORN_LIMIT = 3
"""How many cycles may find a record torn before the next one is read instead."""


class _Asked(Enum):
    HEADER = auto()
    RECORD = auto()
    ACKNOWLEDGE = auto()


@dataclass(frozen=True, slots=True)
class _Record:
    sequence_no: int
    volume: Reading
    amount: Reading
    unit_price: Reading
    total_volume: Reading
    status: Reading


class RingReader:
    """A `Reader` for a `RingMap`. Numbers are compared modulo their range: they wrap."""

    def __init__(self, address: str, unit: int, found: RingMap) -> None:
        self.events: deque[ReaderEvent] = deque()
        self.counts: Counter[str] = Counter()
        self._address = address
        self._unit = unit
        self._map = found
        self._owed = Owed()
        self._newest: int | None = None
        """As the device said last; None after a break."""
        self._passed: int | None = None
        """The last number that needs no reading: acknowledged, on disk, or given up."""
        self._on_disk: int | None = None
        """The last number that the till has, to be acknowledged."""
        self._last_read: _Record | None = None
        self._ended: dict[int, Monotonic] = {}
        self._torn = 0
        self._lost_records = False
        self._flows = False
        self._asked: tuple[_Asked, int] | None = None
        """What the question that is out is about, and which number."""
        self._is_finished = False
        self._acknowledged: int | None = None
        """As the device said in this cycle; None before its header is read."""
        self._ack_failed = False

    def next_question(self) -> Question | None:
        if self._acknowledged is None:
            self._asked = (_Asked.HEADER, 0)
            return self._read(self._map.header.address, self._map.header.count)
        if self._on_disk is not None and self._is_to_be_told(self._on_disk, self._acknowledged):
            self._asked = (_Asked.ACKNOWLEDGE, self._on_disk)
            return self._acknowledge(self._on_disk)
        number = self._wanted()
        if self._is_finished or self._owed.fuelling is not None or number is None:
            self._begin_cycle()
            self._ack_failed = False
            return None
        self._asked = (_Asked.RECORD, number)
        slot = self._map.slot(number)
        return self._read(slot.address, slot.count)

    def answered(self, reply: Reply, now: Monotonic) -> None:
        asked, self._asked = self._asked, None
        match asked:
            case (_Asked.HEADER, _):
                self._hear_header(reply.registers, now)
            case (_Asked.ACKNOWLEDGE, number):
                self._acknowledged = number
                self.counts["ACKNOWLEDGED"] += 1
            case (_Asked.RECORD, number):
                self._hear_record(reply.registers, number)
            case None:
                self.counts["ANSWER_NOT_NEEDED"] += 1

    def not_answered(self) -> None:
        # A device that refuses the acknowledgement still has its records read: the next cycle goes without.
        self._ack_failed = self._asked is not None and self._asked[0] is _Asked.ACKNOWLEDGE
        self._begin_cycle()

    def sight_lost(self) -> None:
        # A device that was away may have been reset or replaced: only its own word counts for where to read.
        self._begin_cycle()
        self._newest = self._passed = self._on_disk = None
        self._ended.clear()

    def confirmed(self, fuelling: Fuelling, *, durable: bool, now: Monotonic) -> None:
        if self._owed.settle(fuelling, durable=durable, now=now):
            self._pass(fuelling.sequence_no)

    def owed_at(self) -> Monotonic | None:
        return self._owed.again_at

    def repeat_owed(self, now: Monotonic) -> None:
        self._owed.repeat(now, self.events)

    def _begin_cycle(self) -> None:
        self._asked = self._acknowledged = None
        self._is_finished = False

    def _read(self, address: int, count: int) -> Question:
        return codec.read(self._unit, self._map.function, self._map.on_wire(address), count)

    # Numbers.

    def _ahead(self, number: int, of: int) -> int:
        return (number - of) % self._map.modulus

    def _wanted(self) -> int | None:
        """The number of the next record to read, None if there is none."""
        if self._newest is None or self._passed is None or self._newest == self._passed:
            return None
        return (self._passed + 1) % self._map.modulus

    def _pass(self, number: int | None) -> None:
        self._passed = self._on_disk = number
        self._torn = 0
        self._lost_records = False
        if number is not None:
            self._ended.pop(number, None)

    def _is_to_be_told(self, on_disk: int, acknowledged: int) -> bool:
        """The device's acknowledged number is behind our disk."""
        if self._newest is None or self._ack_failed:
            return False
        return self._ahead(self._newest, on_disk) < self._ahead(self._newest, acknowledged)

    def _acknowledge(self, number: int) -> Question:
        register = self._map.roles.acknowledged
        words = words_of(number, register.type, self._map.word_order)
        return codec.write(self._unit, self._map.on_wire(register.address), words)

    # What was read.

    def _hear_header(self, words: Sequence[int], now: Monotonic) -> None:
        roles = self._map.roles
        newest = self._number(words, roles.newest, self._map.header.address).count
        acknowledged = self._number(words, roles.acknowledged, self._map.header.address).count
        assert newest is not None
        assert acknowledged is not None
        self._note_flow(words)
        self._note_ends(newest, now)
        self._newest, self._acknowledged = newest, acknowledged
        if self._owed.fuelling is None:
            self._find_place(newest, acknowledged)

    def _find_place(self, newest: int, acknowledged: int) -> None:
        """Read on after what is passed, if that lies in the ring, else after what is acknowledged."""
        reach = self._map.records
        if self._passed is None or self._ahead(newest, self._passed) > reach:
            self._passed = acknowledged
        if self._ahead(newest, self._passed) > reach:
            self.counts["RECORDS_LOST"] += 1
            self._lost_records = True
            self._passed = (newest - reach) % self._map.modulus

    def _note_ends(self, newest: int, now: Monotonic) -> None:
        added = 0 if self._newest is None else self._ahead(newest, self._newest)
        for ahead in range(added if added <= self._map.records else 0):
            self._ended[(newest - ahead) % self._map.modulus] = now
        while len(self._ended) > self._map.records:
            del self._ended[next(iter(self._ended))]

    def _note_flow(self, words: Sequence[int]) -> None:
        current = self._map.roles.current_volume
        if current is None:
            return
        flows = bool(self._number(words, current, self._map.header.address).count)
        if flows and not self._flows:
            self.events.append(FuellingStarted(self._address, self._map.nozzle))
        self._flows = flows

    def _hear_record(self, words: Sequence[int], number: int) -> None:
        record = self._record_in(words, number)
        if record is None:
            self._is_finished = True
            self._give_up_if_torn(number)
        elif record.volume.count == 0:
            self.counts["ZERO_VOLUME"] += 1
            self._last_read = record
            self._pass(number)
        else:
            self._owed.report(self._fuelling(record), self.events)
            self._last_read = record

    def _give_up_if_torn(self, number: int) -> None:
        self.counts["RECORD_TORN"] += 1
        self._torn += 1
        if self._torn >= TORN_LIMIT:
            self.counts["RECORD_UNREADABLE"] += 1
            self._torn = 0
            self._passed = number

    def _record_in(self, words: Sequence[int], number: int) -> _Record | None:
        """The record with this number, None if it is another, torn, or holds no digits."""
        roles = self._map.record
        record = _Record(
            sequence_no=number,
            volume=self._number(words, roles.volume),
            amount=self._number(words, roles.amount),
            unit_price=self._number(words, roles.unit_price),
            total_volume=self._number(words, roles.total_volume),
            status=self._number(words, roles.status),
        )
        ends = {self._number(words, role).count for role in (roles.sequence, roles.sequence_again)}
        if ends != {number} or record.volume.count is None or record.amount.count is None:
            return None
        return record

    def _number(self, words: Sequence[int], register: Register, first_address: int = 0) -> Reading:
        return natural(number_in(words, first_address, register, self._map.word_order))

    def _fuelling(self, record: _Record) -> Fuelling:
        roles, total = self._map.record, self._map.record.total_volume
        assert record.volume.count is not None
        assert record.amount.count is not None
        raw = RawDigits(
            record.volume.digits, record.amount.digits, record.unit_price.digits, record.total_volume.digits
        )
        return Fuelling(
            address=self._address,
            nozzle=self._map.nozzle,
            hand_over=self._map.hand_over,
            sequence_no=record.sequence_no,
            raw=raw,
            volume_ml=scaled(record.volume.count, roles.volume.decimals, THOUSANDTHS),
            amount_fen=scaled(record.amount.count, roles.amount.decimals, FEN_DECIMALS),
            unit_price_milli=scaled(record.unit_price.count or 0, roles.unit_price.decimals, THOUSANDTHS),
            volume_step_ml=step(roles.volume.decimals, THOUSANDTHS),
            amount_step_fen=step(roles.amount.decimals, FEN_DECIMALS),
            totalizer_after_ml=total_ml(total, record.total_volume),
            totalizer_before_ml=self._total_before(record),
            totalizer_modulus_ml=scaled(total.modulus, total.decimals, THOUSANDTHS),
            totalizer_step_ml=step(total.decimals, THOUSANDTHS),
            ended=self._ended.get(record.sequence_no),
            flags=self._flags(record),
        )

    def _total_before(self, record: _Record) -> int | None:
        before = self._last_read
        if before is None or self._ahead(record.sequence_no, before.sequence_no) != 1:
            return None
        return total_ml(self._map.record.total_volume, before.total_volume)

    def _flags(self, record: _Record) -> tuple[str, ...]:
        oddities = {
            "RECORDS_LOST": self._lost_records,
            "RECORD_STATUS": record.status.count != 0,
            "PRICE_UNREADABLE": record.unit_price.count is None,
            "TOTAL_UNREADABLE": record.total_volume.count is None,
        }
        return tuple(flag for flag, is_set in oddities.items() if is_set)
