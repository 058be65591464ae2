"""Hand-over B: an end-of-sale flag and the last sale, unnumbered, until the next one overwrites it.

A cycle reads the block `sale`, the block `meter` and, when a sale may be there to report, `sale` once
more: if that moved meanwhile, the totals are read again. `sale_watch.py` judges what was read.

The price is a register of now, not of the sale, so it is no part of the sale's raw digits: a price
change before a second reading would else make a second sale of it.
"""

from collections import Counter, deque
from collections.abc import Sequence

from drivers.events import Fuelling, FuellingStarted, Monotonic, RawDigits
from drivers.modbus import codec
from drivers.modbus.codec import Question, Reply
from drivers.modbus.map_parts import Block, Register, number_in
from drivers.modbus.maps import LastSaleMap
from drivers.modbus.reader import Owed, ReaderEvent
from drivers.modbus.registers import Reading, natural, step
from drivers.modbus.sale_watch import FEN_DECIMALS, THOUSANDTHS, NewSale, SaleWatch, Seen
from drivers.scales import scaled

MOVED_LIMIT = 3
"""How often a moving trigger is followed within one cycle."""


class LastSaleReader:
    """A `Reader` for a `LastSaleMap`."""

    def __init__(self, address: str, unit: int, found: LastSaleMap) -> None:
        self.events: deque[ReaderEvent] = deque()
        self.counts: Counter[str] = Counter()
        self._address = address
        self._unit = unit
        self._map = found
        self._watch = SaleWatch(found)
        self._owed = Owed()
        self._flows = False
        self._sale: tuple[int, ...] | None = None
        self._meter: tuple[int, ...] | None = None
        self._is_finished = False
        self._moves = 0

    def next_question(self) -> Question | None:
        if self._is_finished:
            self._begin_cycle()
            return None
        block = self._map.meter if self._wants_meter() else self._map.sale
        return codec.read(self._unit, self._map.function, self._map.on_wire(block.address), block.count)

    def answered(self, reply: Reply, now: Monotonic) -> None:
        if self._wants_meter():
            self._meter = reply.registers
            seen = self._seen()
            if not (_is_readable(seen) and self._watch.wants_certainty(seen)):
                self._finish(seen, now)
        elif self._sale is None:
            self._sale = reply.registers
        elif self._sale == reply.registers:
            self._finish(self._seen(), now)
        else:
            self._follow(reply.registers)

    def not_answered(self) -> None:
        self._begin_cycle()

    def sight_lost(self) -> None:
        self._watch.sight_lost()

    def confirmed(self, fuelling: Fuelling, *, durable: bool, now: Monotonic) -> None:
        self._owed.settle(fuelling, durable=durable, now=now)

    def owed_at(self) -> Monotonic | None:
        return self._owed.again_at

    def repeat_owed(self, now: Monotonic) -> None:
        self._owed.repeat(now, self.events)

    def _begin_cycle(self) -> None:
        self._sale = self._meter = None
        self._is_finished = False
        self._moves = 0

    def _wants_meter(self) -> bool:
        return self._sale is not None and self._meter is None

    def _follow(self, sale: tuple[int, ...]) -> None:
        self.counts["TRIGGER_MOVED"] += 1
        self._moves += 1
        self._sale, self._meter = sale, None
        self._is_finished = self._moves >= MOVED_LIMIT

    def _finish(self, seen: Seen, now: Monotonic) -> None:
        self._is_finished = True
        if not _is_readable(seen):
            self.counts["SALE_UNREADABLE"] += 1
            return
        if seen.flows and not self._flows:
            self.events.append(FuellingStarted(self._address, self._map.nozzle))
        self._flows = seen.flows
        new_sale = self._watch.see(seen, now, may_report=self._owed.fuelling is None)
        if new_sale is None:
            return
        if new_sale.seen.volume.count == 0:
            self.counts["ZERO_VOLUME"] += 1
            return
        self._owed.report(self._fuelling(new_sale), self.events)

    def _seen(self) -> Seen:
        roles = self._map.roles
        return Seen(
            is_ended=self._in_sale(roles.end_of_sale).count != 0,
            volume=self._in_sale(roles.volume),
            amount=self._in_sale(roles.amount),
            unit_price=self._in_meter(roles.unit_price),
            current=self._in_meter(roles.current_volume),
            total_volume=self._in_meter(roles.total_volume),
            total_amount=self._in_meter(roles.total_amount) if roles.total_amount else None,
        )

    def _in_sale(self, register: Register) -> Reading:
        assert self._sale is not None
        return self._number(self._map.sale, self._sale, register)

    def _in_meter(self, register: Register) -> Reading:
        assert self._meter is not None
        return self._number(self._map.meter, self._meter, register)

    def _number(self, block: Block, words: Sequence[int], register: Register) -> Reading:
        return natural(number_in(words, block.address, register, self._map.word_order))

    def _fuelling(self, new_sale: NewSale) -> Fuelling:
        roles, seen, before = self._map.roles, new_sale.seen, new_sale.before
        assert seen.volume.count is not None
        assert seen.amount.count is not None
        flags = new_sale.flags if seen.unit_price.count is not None else (*new_sale.flags, "PRICE_UNREADABLE")
        return Fuelling(
            address=self._address,
            nozzle=self._map.nozzle,
            hand_over=self._map.hand_over,
            sequence_no=None,
            raw=RawDigits(seen.volume.digits, seen.amount.digits, "", seen.total_volume.digits),
            volume_ml=scaled(seen.volume.count, roles.volume.decimals, THOUSANDTHS),
            amount_fen=scaled(seen.amount.count, roles.amount.decimals, FEN_DECIMALS),
            unit_price_milli=scaled(seen.unit_price.count or 0, roles.unit_price.decimals, THOUSANDTHS),
            volume_step_ml=step(roles.volume.decimals, THOUSANDTHS),
            amount_step_fen=step(roles.amount.decimals, FEN_DECIMALS),
            totalizer_after_ml=total_ml(roles.total_volume, seen.total_volume),
            totalizer_before_ml=total_ml(roles.total_volume, before.total_volume) if before else None,
            totalizer_modulus_ml=scaled(roles.total_volume.modulus, roles.total_volume.decimals, THOUSANDTHS),
            totalizer_step_ml=step(roles.total_volume.decimals, THOUSANDTHS),
            ended=new_sale.ended,
            flags=flags,
        )


def total_ml(register: Register, reading: Reading) -> int | None:
    """A totalizer in millilitres, None if its registers held no digits."""
    return None if reading.count is None else scaled(reading.count, register.decimals, THOUSANDTHS)


def _is_readable(seen: Seen) -> bool:
    return seen.volume.count is not None and seen.amount.count is not None
