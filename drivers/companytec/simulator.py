"""The concentrator's side of CBC, without I/O: a ring of 10,000 records and a read pointer per port.

It answers late or oddly where real ones were seen to (devices.md 2.2 "Seen on a maker's concentrator
simulator", [cap]); those manners are arguments of `CompanytecSimulator`.
"""

from collections import deque
from dataclasses import dataclass, field

from drivers.companytec.codec import RING, Reader, checked
from drivers.companytec.commands import CHANGES_SOMETHING, Command, Kind, parse_command
from drivers.events import Monotonic

EMPTY_TAG = "F" * 16
TOTALIZER_MODULUS_CL = 10**10


@dataclass(frozen=True, slots=True)
class Record:
    """One sale in the ring: quantities as sold, digits as the concentrator writes them (36-digit head
    from total to totalizer, shared by all forms)."""

    nozzle: str
    volume_ml: int
    amount_fen: int
    price_milli: int
    tag: str
    number: int
    totalizer_cl: int
    head: str
    clock: str


@dataclass
class Concentrator:
    """What the cabinet keeps whatever happens to its power: the ring, the totals, what was sold."""

    ring: dict[int, Record] = field(default_factory=dict)
    write: int = 0
    totals_ml: dict[str, int] = field(default_factory=dict)
    flowing: dict[str, int] = field(default_factory=dict)
    sold: list[Record] = field(default_factory=list)

    def begin(self, nozzle: str) -> None:
        """Fuel starts to flow: the nozzle shows in `(&V)` until it is sold."""
        self.flowing[nozzle] = 0

    def sell(
        self,
        nozzle: str,
        volume_ml: int,
        amount_fen: int,
        price_milli: int,
        tag: str | None = None,
        clock_ms: int = 0,
    ) -> Record:
        """One finished sale. `nozzle` is two hex digits, `tag` sixteen. Volume below 1,000 l, amount
        below 10,000.00 yuan; the price keeps three decimals below 10 yuan a litre, else two."""
        assert volume_ml < 1_000_000, "six digits with three decimals"
        assert amount_fen < 1_000_000, "six digits with two decimals"
        self.flowing.pop(nozzle, None)
        total_ml = self.totals_ml[nozzle] = self.totals_ml.get(nozzle, 0) + volume_ml
        code, price = ("3E", price_milli) if price_milli < 10_000 else ("2E", price_milli // 10)
        minutes = clock_ms // 60_000
        clock = f"{1 + minutes // 1_440 % 28:02d}{minutes // 60 % 24:02d}{minutes % 60:02d}02"
        totalizer_cl = total_ml // 10 % TOTALIZER_MODULUS_CL
        record = Record(
            nozzle=nozzle,
            volume_ml=volume_ml,
            amount_fen=amount_fen,
            price_milli=price_milli,
            tag=tag or EMPTY_TAG,
            number=self.write,
            totalizer_cl=totalizer_cl,
            head=f"{amount_fen:06d}{volume_ml:06d}{price:04d}{code}001C{nozzle}",
            clock=clock,
        )
        self.ring[self.write] = record
        self.write = (self.write + 1) % RING
        self.sold.append(record)
        return record


class CompanytecSimulator:
    """One port of a concentrator, with its own read pointer.

    `answer_ms` is how late it answers; `pointer_head` is `TP99` as in the manual or `TG99` as seen;
    `whole_segments` drops frames that come in pieces and answers only the first of several, as seen on
    TCP; `knows_positions` False is firmware before CBC04.
    """

    def __init__(
        self,
        concentrator: Concentrator | None = None,
        *,
        answer_ms: int = 0,
        pointer_head: str = "TP99",
        whole_segments: bool = False,
        knows_positions: bool = True,
    ) -> None:
        self.concentrator = concentrator or Concentrator()
        self.read = self.concentrator.write
        self.released: list[Record] = []
        self.forbidden_heard: list[Command] = []
        self._answer_ms = answer_ms
        self._pointer_head = pointer_head
        self._whole_segments = whole_segments
        self._knows_positions = knows_positions
        self._reader = Reader()
        self._replies: deque[tuple[Monotonic, bytes]] = deque()
        self._now = Monotonic(0)

    def begin(self, nozzle: str) -> None:
        """Fuel starts to flow at a nozzle."""
        self.concentrator.begin(nozzle)

    def sell(
        self, nozzle: str, volume_ml: int, amount_fen: int, price_milli: int, tag: str | None = None
    ) -> Record:
        """One finished sale; see `Concentrator.sell`."""
        return self.concentrator.sell(nozzle, volume_ml, amount_fen, price_milli, tag, self._now)

    def receive(self, data: bytes, now: Monotonic) -> None:
        self._now = now
        if self._whole_segments:
            self._reader.forget()
        for body in self._reader.feed(data):
            command = parse_command(body)
            if command is not None:
                self._obey(command, now)
            if self._whole_segments:
                return

    def bytes_to_send(self, now: Monotonic) -> bytes:
        self._now = now
        data = b""
        while self._replies and self._replies[0][0] <= now:
            data += self._replies.popleft()[1]
        return data

    def next_timer(self) -> Monotonic | None:
        return self._replies[0][0] if self._replies else None

    def handle_timer(self, now: Monotonic) -> None:
        """Late answers go out with `bytes_to_send`; a concentrator never speaks first."""

    def power_cycle(self, now: Monotonic) -> None:
        """Ring, pointers and totals are permanent; half frames and unsent answers are gone."""
        self._reader.forget()
        self._replies.clear()
        self.concentrator.flowing.clear()

    def step_by_another_program(self) -> None:
        """Somebody else on this port moves the read pointer."""
        self._step()

    def _obey(self, command: Command, now: Monotonic) -> None:
        if command.kind in CHANGES_SOMETHING:
            self.forbidden_heard.append(command)
        elif command.kind is Kind.STEP:
            self._step()
        elif (reply := self._reply_to(command)) is not None:
            self._replies.append((Monotonic(now + self._answer_ms), reply))

    def _reply_to(self, command: Command) -> bytes | None:
        if command.kind is Kind.FLOW:
            parts = [f"{nozzle}{value:06d}" for nozzle, value in sorted(self.concentrator.flowing.items())]
            return f"({''.join(parts) or '0'})".encode("ascii")
        if command.kind in (Kind.READ, Kind.READ_IDENTIFIED, Kind.READ_BOTH_TAGS):
            waiting = self.read != self.concentrator.write
            return _offered(self.concentrator.ring[self.read], command.kind) if waiting else b"(0)"
        if not self._knows_positions:
            return None
        if command.kind is Kind.POINTERS:
            return checked(f"{self._pointer_head}{self.concentrator.write:04d}{self.read:04d}")
        if command.kind is Kind.READ_POSITION and command.fields["position"].isdigit():
            record = self.concentrator.ring.get(int(command.fields["position"]))
            return _kept(record, command.fields["form"])
        return None

    def _step(self) -> None:
        if self.read != self.concentrator.write:
            self.released.append(self.concentrator.ring[self.read])
            self.read = (self.read + 1) % RING


def _offered(record: Record, kind: Kind) -> bytes:
    body = f"{record.head}{record.clock}{record.number:04d}{record.totalizer_cl:010d}00"
    if kind is Kind.READ_IDENTIFIED:
        return checked(f"A{body}{record.tag}{record.number:04d}00")
    if kind is Kind.READ_BOTH_TAGS:
        return checked(f"@{body}{EMPTY_TAG}{record.tag}00")
    return checked(body)


def _kept(record: Record | None, form: str) -> bytes:
    if form == "&LR":
        if record is None:
            return checked("F" * 68 + "01")
        number = f"{record.number:04d}"
        return checked(
            f"{record.head}{record.clock}{number}{record.totalizer_cl:010d}00{record.tag}{number}00"
        )
    if record is None:
        return checked("a2" + "F" * 115 + "01")
    before_cl = (record.totalizer_cl - record.volume_ml // 10) % TOTALIZER_MODULUS_CL
    return checked(
        f"a2 00000000{record.head}{record.clock}20{record.number:06d}{record.totalizer_cl:010d}"
        f"{before_cl:010d}00000000000000{EMPTY_TAG}{record.tag}00"
    )
