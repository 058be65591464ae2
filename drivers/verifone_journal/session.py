"""Our side of a journal feed: it listens, puts tickets together, reports what adds up, and says nothing."""

from collections.abc import Mapping

from drivers.events import Answer, DriverEvent, Monotonic, Notice, SaleRefunded
from drivers.feed import FeedDesk
from drivers.verifone_journal.codec import Cashier, End, Reader, Record, Remark, Voided, read_line
from drivers.verifone_journal.options import VerifoneJournalOptions
from drivers.verifone_journal.ruby import RubyText
from drivers.verifone_journal.ticket import Dropped, Rest, Settled, Ticket, settle, ticket_id

PAUSE_MS = 1_000
"""A line that stands unfinished for so long ends there: the record with the number has no line feed."""
MOST_REGISTERS = 16
MOST_PREPAID = 99


class VerifoneJournalSession:
    """See `drivers/session.py` for what every method promises; `address` names the feed."""

    def __init__(self, address: str, options: VerifoneJournalOptions) -> None:
        self._options = options
        self._desk = FeedDesk(address)
        self._counters = self._desk.counters
        self._reader = Reader()
        self._ruby = RubyText(options.decimals) if options.dialect == "ruby" else None
        self._tickets: dict[str, Ticket] = {}
        self._prepaid: dict[str, tuple[str, str]] = {}
        self._pause_at: Monotonic | None = None

    def receive(self, data: bytes, now: Monotonic) -> None:
        too_long = self._reader.too_long
        for line in self._reader.feed(data):
            self._hear(line, now)
        for _ in range(self._reader.too_long - too_long):
            self._damaged()
        self._pause_at = Monotonic(now + PAUSE_MS) if self._reader.inside_line else None

    def next_event(self) -> DriverEvent | None:
        return self._desk.next_event()

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        self._desk.confirm(event, answer, now)

    def tell(self, notice: Notice, now: Monotonic) -> None:
        """A journal shows nothing."""

    def bytes_to_send(self, now: Monotonic) -> bytes:
        return b""

    def next_timer(self) -> Monotonic | None:
        timers = (self._desk.next_timer(), self._pause_at)
        return min((timer for timer in timers if timer is not None), default=None)

    def handle_timer(self, now: Monotonic) -> None:
        self._desk.handle_timer(now)
        if self._pause_at is not None and now >= self._pause_at:
            self._pause_at = None
            for line in self._reader.flush():
                self._hear(line, now)

    def awaiting(self) -> bool:
        return False

    def disconnected(self, now: Monotonic) -> None:
        self._reader.forget()
        self._pause_at = None
        self._damaged()

    def counters(self) -> Mapping[str, int]:
        return self._counters

    def _hear(self, line: bytes, now: Monotonic) -> None:
        record = self._ruby.read(line) if self._ruby else read_line(line, self._options.decimals)
        if record is None:
            self._damaged()
            return
        self._desk.heard(now)
        if self._options.registers and record.register and record.register not in self._options.registers:
            self._counters["OTHER_REGISTER"] += 1
            self._tickets.pop("", None)
        else:
            self._take(record)

    def _take(self, record: Record) -> None:
        place = "" if self._ruby else record.register
        match record.meaning:
            case Remark():
                return
            case End() as end:
                self._finish(record.register, self._tickets.pop(place, None), end)
                self._tickets[place] = Ticket(sound=True)
            case Cashier():
                self._tickets[place] = Ticket(sound=True)
            case Voided():
                self._ticket(place).voided = True
            case line:
                self._ticket(place).take(line)

    def _ticket(self, place: str) -> Ticket:
        if place not in self._tickets and len(self._tickets) >= MOST_REGISTERS:
            self._counters["OTHER_REGISTER"] += 1
            self._tickets.clear()
        return self._tickets.setdefault(place, self._fresh())

    def _fresh(self) -> Ticket:
        """A ticket whose beginning was perhaps not heard is believed only if its lines make its total."""
        return Ticket(sound=self._options.total == "items")

    def _damaged(self) -> None:
        """A line was not understood: whoever's it was, no ticket that is open now is whole."""
        self._counters["BAD_FRAME"] += 1
        if self._ruby:
            self._ruby.forget()
        for ticket in self._tickets.values():
            ticket.sound &= self._options.total == "items" and not ticket.is_begun

    def _finish(self, register: str, ticket: Ticket | None, end: End) -> None:
        settled = settle(ticket, register, end, self._options) if ticket else Dropped("NOT_A_SALE")
        if isinstance(settled, Dropped):
            self._counters[settled.code] += 1
            return
        for sale in settled.sales:
            self._desk.put(sale)
            if sale.point:
                self._prepaid.pop(sale.point, None)
        for rest in settled.rests:
            self._give_back(ticket_id(register, end), rest)
        self._remember(register, settled)

    def _remember(self, register: str, settled: Settled) -> None:
        for pump, sale in settled.prepaid.items():
            self._prepaid[pump] = (register, sale)
        assert len(self._prepaid) <= MOST_PREPAID + 1, "pumps have two digits"

    def _give_back(self, name: str, rest: Rest) -> None:
        """The rest belongs to the last prepayment at that pump: nothing else in the journal says so.

        Any register may give it back; the sale is known under the one that took the money.
        """
        prepaid = self._prepaid.pop(rest.pump, None)
        if prepaid is None:
            self._counters["REST_WITHOUT_PREPAY"] += 1
            return
        register, sale = prepaid
        self._desk.put(SaleRefunded(register, f"{name}P{rest.pump}", sale, rest.amount_fen))
