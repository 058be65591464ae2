"""What sessions of a one-way POS feed have in common: sales that nobody will tell again wait here.

A journal or a printer tells of a sale once, asks nothing and cannot be told to wait. So a sale is kept, in
order, until the till has it for good; "not now" makes it wait `AGAIN_MS`. The queue is bounded: what does not
fit is counted `SALE_DROPPED`. It does not survive a power cut: what no disk has heard of is lost with it.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import replace

from drivers.events import (
    Answer,
    BasketLine,
    DeviceBack,
    DeviceSilent,
    DriverEvent,
    Monotonic,
    Outcome,
    PosRequest,
    SalePaid,
    SaleRefunded,
)

AGAIN_MS = 2_000
MOST_WAITING = 256
REMEMBERED_IDS = 256
SILENT_AFTER_MS = 12 * 3_600_000
"""A shop may rest for a night: longer than this without one readable line is worth a look."""


def netted(goods: Sequence[BasketLine]) -> tuple[BasketLine, ...] | None:
    """Goods without what was taken back: a negative line cancels its twin, else it makes the line before it
    cheaper. None if it fits none: goods of another sale came back."""
    kept: list[BasketLine] = []
    for line in goods:
        if line.amount_fen >= 0:
            kept.append(line)
            continue
        twin = replace(line, amount_fen=-line.amount_fen)
        if twin in kept:
            kept.remove(twin)
        elif kept and kept[-1].amount_fen + line.amount_fen >= 0:
            kept[-1] = replace(kept[-1], amount_fen=kept[-1].amount_fen + line.amount_fen)
        else:
            return None
    return tuple(kept)


def part_id(name: str, place: int) -> str:
    """The id of the first, second, ... fuelling that one receipt paid for."""
    return f"{name}F{place + 1}" if place else name


def sales_of(
    register: str, name: str, fuel: Sequence[tuple[str, int]], goods: tuple[BasketLine, ...], tender: str
) -> tuple[SalePaid, ...]:
    """One sale for each fuelling (point, amount in fen), the goods with the first: a sale has one point."""
    if fuel:
        return tuple(
            SalePaid(register, part_id(name, place), point, amount_fen, tender, () if place else goods)
            for place, (point, amount_fen) in enumerate(fuel)
        )
    worth_fen = sum(line.amount_fen for line in goods)
    return (SalePaid(register, name, None, 0, tender, goods),) if worth_fen else ()


class FeedDesk:
    """The till's side of a feed: `put` what was read, and hand the rest of the session's contract through.

    Counters: HEARD, DUPLICATE (the same sale was told again), ID_CONFLICT (its id came with other content),
    SALE_DROPPED, NOT_DURABLE (the till said "not now"), REFUSED (the till will never take it: its alarm says
    why), SILENT.
    """

    def __init__(self, address: str) -> None:
        self.counters: Counter[str] = Counter()
        self._address = address
        self._waiting: deque[SalePaid | SaleRefunded] = deque()
        self._with_till: PosRequest | None = None
        self._again_at: Monotonic | None = None
        self._known: OrderedDict[tuple[type, str, str], int] = OrderedDict()
        self._presence: DeviceBack | DeviceSilent | None = None
        self._is_present: bool | None = None
        self._quiet_since: Monotonic | None = None

    def put(self, request: SalePaid | SaleRefunded) -> None:
        """Report this as soon as it is its turn; the very same again is not reported.

        The same id with other content is reported: the till refuses one of the two, and says so.
        """
        name = request.pos_sale_id if isinstance(request, SalePaid) else request.refund_id
        identity = (type(request), request.register, name)
        if self._known.get(identity) == hash(request):
            self.counters["DUPLICATE"] += 1
        elif len(self._waiting) >= MOST_WAITING:
            self.counters["SALE_DROPPED"] += 1
        else:
            self._waiting.append(request)
            self.counters["ID_CONFLICT"] += identity in self._known
            self._known[identity] = hash(request)
            if len(self._known) > REMEMBERED_IDS:
                self._known.popitem(last=False)

    def heard(self, now: Monotonic) -> None:
        """Something readable came."""
        self.counters["HEARD"] += 1
        self._quiet_since = now
        if not self._is_present:
            self._is_present, self._presence = True, DeviceBack(self._address)

    def next_event(self) -> DriverEvent | None:
        if presence := self._presence:
            self._presence = None
            return presence
        if self._with_till is not None or self._again_at is not None or not self._waiting:
            return None
        self._with_till = self._waiting[0]
        return self._with_till

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        if event is not self._with_till:
            return
        self._with_till = None
        if answer.durable or answer.outcome is Outcome.REFUSED:
            self._waiting.popleft()
            self.counters["REFUSED"] += answer.outcome is Outcome.REFUSED
        else:
            self.counters["NOT_DURABLE"] += 1
            self._again_at = Monotonic(now + AGAIN_MS)

    def next_timer(self) -> Monotonic | None:
        return min(
            (timer for timer in (self._again_at, self._silent_at()) if timer is not None), default=None
        )

    def handle_timer(self, now: Monotonic) -> None:
        if self._quiet_since is None:
            self._quiet_since = now
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
        silent_at = self._silent_at()
        if silent_at is not None and now >= silent_at:
            self._is_present = False
            self._presence = DeviceSilent(self._address, now - self._quiet_since)
            self.counters["SILENT"] += 1

    def _silent_at(self) -> Monotonic | None:
        """The first moment we are told of is where quiet begins; it is asked for at once."""
        if self._quiet_since is None:
            return Monotonic(0)
        return None if self._is_present is False else Monotonic(self._quiet_since + SILENT_AFTER_MS)
