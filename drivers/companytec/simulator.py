"""The concentrator's side of CBC, without I/O.

It answers late or oddly where a maker's concentrator simulator was seen to (devices.md 2.2, [cap]); those
manners are arguments of `CompanytecSimulator`. Frames are written here by hand, not from the layouts that
the session reads with.
"""

from collections.abc import Iterable
from typing import Literal

from drivers.companytec.codec import Reader, checked
from drivers.companytec.commands import CHANGES_SOMETHING, Command, Kind, parse_command
from drivers.companytec.concentrator import EMPTY_TAG, YEAR, Concentrator, Record
from drivers.companytec.port import Port
from drivers.events import Monotonic

StatesShape = Literal["cbc", "nine_channels", "twelve_channels"]
_STATES: dict[StatesShape, str] = {
    "cbc": "FF006V8.4M1.0G84",
    "nine_channels": "FFFF6V8.4M1.0G84",
    "twelve_channels": "F" * 16,
}


class CompanytecSimulator(Port):
    """One port of a concentrator that speaks CBC.

    `pointer_head` is `TP99` as in the manual or `TG99` as seen; `whole_segments` drops frames that come in
    pieces and answers only the first of several, as seen on TCP; `knows_positions` False is firmware before
    CBC04; `silent_to` are reads that it does not answer (`(&A49B)` was seen so), `knows_nothing_of` those
    that it always answers with "nothing"; `states` is the shape of `(&S)`, with a state D for a side that
    hung up; `clock_frames` is how many frames `(&R)` brings.
    """

    def __init__(
        self,
        concentrator: Concentrator | None = None,
        *,
        answer_ms: int = 0,
        pointer_head: str = "TP99",
        whole_segments: bool = False,
        knows_positions: bool = True,
        silent_to: Iterable[Kind] = (),
        knows_nothing_of: Iterable[Kind] = (),
        states: StatesShape = "cbc",
        clock_frames: int = 1,
    ) -> None:
        super().__init__(concentrator, answer_ms)
        self._pointer_head = pointer_head
        self._whole_segments = whole_segments
        self._knows_positions = knows_positions
        self._silent_to = frozenset(silent_to)
        self._knows_nothing_of = frozenset(knows_nothing_of)
        self._states: StatesShape = states
        self._clock_frames = clock_frames
        self._reader = Reader()

    def handle_timer(self, now: Monotonic) -> None:
        """Late answers go out with `bytes_to_send`; a concentrator never speaks first."""

    def _hear(self, data: bytes) -> None:
        if self._whole_segments:
            self._reader.forget()
        for body in self._reader.feed(data):
            command = parse_command(body)
            if command is not None:
                self._obey(command)
            if self._whole_segments:
                return

    def _forget(self) -> None:
        self._reader.forget()

    def _obey(self, command: Command) -> None:
        if command.kind in CHANGES_SOMETHING:
            self.forbidden_heard.append(command)
        elif command.kind is Kind.STEP:
            self._step()
        elif command.kind is Kind.TAG_STEP:
            self._step_card()
        elif command.kind not in self._silent_to:
            for reply in self._replies_to(command):
                self._reply(reply)

    def _replies_to(self, command: Command) -> Iterable[bytes]:
        cabinet = self.concentrator
        match command.kind:
            case Kind.FLOW:
                parts = [f"{nozzle}{value:06d}" for nozzle, value in sorted(cabinet.flowing.items())]
                yield f"({''.join(parts) or '0'})".encode("ascii")
            case Kind.STATES:
                busy = "A" if cabinet.flowing else "D"
                yield f"(S{busy}L{'F' * 30}{_STATES[self._states]})".encode("ascii")
            case Kind.CLOCK if not command.fields:
                yield from [b"(REL 09:49:06 18/02/26)"] * self._clock_frames
            case Kind.TOTALS:
                yield self._totals(command.fields["nozzle"], command.fields["kind"])
            case Kind.TAG:
                yield self._card()
            case Kind.POINTERS if self._knows_positions:
                yield checked(f"{self._pointer_head}{cabinet.write:04d}{self.read:04d}")
            case Kind.READ_POSITION if self._knows_positions and command.fields["position"].isdigit():
                yield _kept(cabinet.ring.get(int(command.fields["position"])), command.fields["form"])
            case kind if kind in _WRITERS:
                record = None if kind in self._knows_nothing_of else self._waiting()
                yield checked(_WRITERS[kind](record)) if record is not None else b"(0)"

    def _card(self) -> bytes:
        if self.read_card >= len(self.concentrator.cards):
            return b"(0)"
        card = self.concentrator.cards[self.read_card]
        return checked(f"A{card.tag}{card.nozzle}01020304{self.read_card % 10_000:04d}00")

    def _totals(self, nozzle: str, kind: str) -> bytes:
        cabinet = self.concentrator
        if nozzle not in cabinet.totals_ml:
            return b"(T?b)"
        centilitres = cabinet.totals_ml[nozzle] // 10
        digits = {
            "l": f"{centilitres % 10**10:010d}",
            "L": f"{centilitres % 10**8:08d}",
            "$": f"{cabinet.totals_fen[nozzle] % 10**8:08d}",
        }.get(kind)
        return checked(f"T{kind}{nozzle}{digits}") if digits is not None else b"(T?m)"


def _head(record: Record) -> str:
    """Total to nozzle. What has no room in six digits is cut off at the left."""
    return (
        f"{record.amount_fen % 10**6:06d}{record.volume_ml % 10**6:06d}{record.unit_price[2:]}"
        f"{record.decimals}001C{record.nozzle}"
    )


def _short(record: Record) -> str:
    clock = f"{record.day}{record.hour}{record.minute}{record.month}"
    return f"{_head(record)}{clock}{record.number:04d}{record.totalizer_cl:010d}00"


def _paf_tail(record: Record) -> str:
    return (
        f"{record.number:06d}{record.totalizer_cl:010d}{record.before_cl:010d}"
        f"00000000000000{EMPTY_TAG}{record.tag}"
    )


def _identified(record: Record) -> str:
    return f"A{_short(record)}{record.tag}{record.number:04d}00"


def _both_tags(record: Record) -> str:
    return f"@{_short(record)}{EMPTY_TAG}{record.tag}00"


def _paf1(record: Record) -> str:
    clock = f"{record.day}{record.hour}{record.minute}{record.month}{YEAR}"
    return f"a2 00000000{_head(record)}{clock}{_paf_tail(record)}00"


def _paf2(record: Record) -> str:
    clock = f"{YEAR}{record.month}{record.day}{record.hour}{record.minute}17"
    return f"a3 00000000{_head(record)}{clock}{_paf_tail(record)}0000"


def _extended(record: Record) -> str:
    clock = f"{record.day}{record.hour}{record.minute}{record.month}{YEAR}"
    return (
        f"a4 00000000{record.amount_fen:08d}{record.volume_ml:08d}{record.unit_price}{record.decimals}"
        f"001C{record.nozzle}{clock}{_paf_tail(record)}00{'0' * 20}"
    )


_WRITERS = {
    Kind.READ: _short,
    Kind.READ_IDENTIFIED: _identified,
    Kind.READ_BOTH_TAGS: _both_tags,
    Kind.READ_PAF1: _paf1,
    Kind.READ_PAF2: _paf2,
    Kind.READ_EXTENDED: _extended,
}


def _kept(record: Record | None, form: str) -> bytes:
    if form == "&LR":
        if record is None:
            return checked("F" * 68 + "01")
        return checked(f"{_short(record)}{record.tag}{record.number:04d}00")
    return checked(_paf1(record) if record is not None else "a2" + "F" * 115 + "01")
