"""The concentrator's side of the Horustech protocol, without I/O. Frames are written here by hand, not from
the layouts that the session reads with."""

from collections.abc import Iterable

from drivers.companytec.commands import CHANGES_SOMETHING, Command, Kind, parse_question
from drivers.companytec.concentrator import EMPTY_TAG, YEAR, Concentrator, Record
from drivers.companytec.horustech import Reader, framed
from drivers.companytec.port import Port
from drivers.events import Monotonic

_NOTHING = {Kind.READ: "02", Kind.READ_EXTENDED: "02", Kind.READ_POSITION: "08", Kind.TAG: "0C"}
_DECIMALS = {"3E": "233", "2E": "232"}


class HorustechSimulator(Port):
    """One port of a concentrator that speaks Horustech. `silent_to` are questions that it does not answer,
    `refuses` those that it answers with an error."""

    def __init__(
        self,
        concentrator: Concentrator | None = None,
        *,
        answer_ms: int = 0,
        silent_to: Iterable[Kind] = (),
        refuses: Iterable[Kind] = (),
    ) -> None:
        super().__init__(concentrator, answer_ms)
        self._silent_to = frozenset(silent_to)
        self._refuses = frozenset(refuses)
        self._reader = Reader()

    def handle_timer(self, now: Monotonic) -> None:
        """Late answers go out with `bytes_to_send`; a concentrator never speaks first."""

    def _hear(self, data: bytes) -> None:
        for text in self._reader.feed(data):
            command = parse_question(text[1:]) if text.startswith("?") else None
            if command is not None and command.kind not in self._silent_to:
                self._obey(command, text[1:3])

    def _forget(self) -> None:
        self._reader.forget()

    def _obey(self, command: Command, index: str) -> None:
        if command.kind in CHANGES_SOMETHING:
            self.forbidden_heard.append(command)
        elif command.kind in self._refuses:
            self._say(f"{index}E1")
        elif (answer := self._answer(command)) is not None:
            self._say(answer)

    def _say(self, data: str) -> None:
        self._reply(framed(data, kind="!"))

    def _answer(self, command: Command) -> str | None:
        cabinet = self.concentrator
        match command.kind:
            case Kind.STEP_ANSWERED:
                self._step()
                return f"06{self.read:06d}{cabinet.write:06d}"
            case Kind.POINTERS:
                return f"050006{self.read:06d}{cabinet.write:06d}{self.read_card:06d}{len(cabinet.cards):06d}"
            case Kind.FLOW:
                return "03" + "".join(f"{key}{value:06d}" for key, value in sorted(cabinet.flowing.items()))
            case Kind.STATES:
                return f"01{'A' if cabinet.flowing else 'L'}L B"
            case Kind.TOTALS:
                return self._totals(command.fields["nozzle"], command.fields["kind"])
            case Kind.CLOCK:
                return f"0B{YEAR}021805094906"
            case Kind.TAG:
                return self._card()
            case Kind.TAG_STEP:
                self._step_card()
                return f"18{self.read_card:06d}{len(cabinet.cards):06d}"
            case Kind.READ_POSITION:
                record = cabinet.ring.get(int(command.fields["position"]) if _is_number(command) else -1)
                return f"08{_plain(record)}" if record is not None else "08"
        return self._record(command.kind)

    def _record(self, kind: Kind) -> str | None:
        record = self._waiting()
        if kind not in (Kind.READ, Kind.READ_EXTENDED) or record is None:
            return _NOTHING.get(kind)
        return f"02{_plain(record)}" if kind is Kind.READ else f"021{_extended(record)}"

    def _card(self) -> str:
        if self.read_card >= len(self.concentrator.cards):
            return "0C"
        card = self.concentrator.cards[self.read_card]
        return f"0C{self.read_card:06d}{card.nozzle}000000{card.tag}01020304"

    def _totals(self, nozzle: str, kind: str) -> str:
        cabinet = self.concentrator
        volume = f"{cabinet.totals_ml.get(nozzle, 0) // 10 % 10**10:010d}"
        money = f"{cabinet.totals_fen.get(nozzle, 0) % 10**10:010d}"
        digits = {"01": volume, "02": money, "04": f"{volume}{money}0000"}.get(kind)
        return f"05{nozzle}{kind}{digits}" if digits is not None else "05E2"


def _is_number(command: Command) -> bool:
    return command.fields["position"].isdigit()


def _plain(record: Record) -> str:
    """The record from its number on; what has no room in six digits is cut off at the left."""
    return (
        f"{record.number:06d}{record.nozzle}0000{record.amount_fen % 10**6:06d}"
        f"{record.volume_ml % 10**6:06d}{record.unit_price[2:]}{_DECIMALS[record.decimals]}001C"
        f"{record.day}{record.month}{YEAR}{record.hour}{record.minute}{record.before_cl:010d}"
        f"{record.totalizer_cl:010d}{EMPTY_TAG}{record.tag}00000000"
    )


def _extended(record: Record) -> str:
    return (
        f"{record.number:06d}{record.nozzle}0000{record.amount_fen:08d}{record.volume_ml:08d}"
        f"{record.unit_price}{_DECIMALS[record.decimals]}001C{record.day}{record.month}{YEAR}{record.hour}"
        f"{record.minute}17{record.before_cl:010d}{record.totalizer_cl:010d}{EMPTY_TAG}{record.tag}0000000000"
    )
