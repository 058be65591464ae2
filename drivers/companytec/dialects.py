"""The two languages of a concentrator behind one vocabulary: the session knows questions, not frames."""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Protocol, TypeVar

from drivers.companytec import codec, horustech
from drivers.companytec.codec import Pointers
from drivers.companytec.options import CompanytecOptions


class Ask(Enum):
    """The only questions there are. The two steps are questions where the device answers them."""

    RECORD = "record"
    WIDE = "wide"
    MISSED = "missed"
    POINTERS = "pointers"
    FLOW = "flow"
    TAG = "tag"
    STEP = "step"
    TAG_STEP = "tag step"


Fields = Mapping[str, str]
T = TypeVar("T")


class Reader(Protocol):
    """Bytes to bodies; see the two of them."""

    bad_frames: int
    noise_bytes: int

    def feed(self, data: bytes) -> Iterator[str]: ...
    def forget(self) -> None: ...


class Dialect(Protocol):
    """What the session says and what it understands. Every `parse` gives None for anything else."""

    @property
    def step_is_answered(self) -> bool:
        """True if the acknowledgement has a reply, which says where the read pointer is now."""

    @property
    def chain(self) -> tuple[str, ...]:
        """The forms of the record, the first to try first."""

    @property
    def asks_wide(self) -> bool:
        """True if the digits that six are too few for may be asked for."""

    def reader(self) -> Reader: ...
    def question(self, ask: Ask, form: str, position: int) -> bytes: ...
    def is_nothing(self, body: str, ask: Ask) -> bool: ...
    def is_empty(self, body: str) -> bool:
        """True for the answer to MISSED at a position that holds no record."""

    def record(self, body: str) -> Fields | None: ...
    def record_at(self, body: str) -> Fields | None: ...
    def is_form(self, body: str, form: str) -> bool:
        """True for a record in that form: firmware may answer in another than it was asked for."""

    def wide(self, body: str) -> Fields | None: ...
    def pointers(self, body: str) -> Pointers | None: ...
    def flow(self, body: str) -> frozenset[str] | None: ...
    def tag(self, body: str) -> Fields | None: ...
    def tag_stepped(self, body: str) -> bool: ...
    def error(self, body: str) -> str | None: ...
    def is_sound(self, body: str) -> bool:
        """True if this is a whole frame of the device, asked for or not."""


_CBC_CHAINS: Mapping[str, tuple[str, ...]] = {
    "auto": ("paf1", "identified"),
    "paf_extended": ("paf1",),
}


_CBC_QUESTIONS: Mapping[Ask, bytes] = {
    Ask.WIDE: codec.READS["paf_extended"],
    Ask.POINTERS: codec.POINTERS,
    Ask.FLOW: codec.FLOW,
    Ask.TAG: codec.READ_TAG,
    Ask.STEP: codec.STEP,
    Ask.TAG_STEP: codec.STEP_TAG,
}


class Cbc:
    """Frames in parentheses."""

    step_is_answered = False

    def __init__(self, form: str) -> None:
        self.chain = _CBC_CHAINS.get(form, (form,))
        self.asks_wide = form in _CBC_CHAINS

    def reader(self) -> codec.Reader:
        return codec.Reader()

    def question(self, ask: Ask, form: str, position: int) -> bytes:
        if ask is Ask.RECORD:
            return codec.READS[form]
        if ask is Ask.MISSED:
            return codec.record_at(position, long=form not in ("short", "identified"))
        return _CBC_QUESTIONS[ask]

    def is_nothing(self, body: str, ask: Ask) -> bool:
        return body == codec.NOTHING

    def is_empty(self, body: str) -> bool:
        fields = self.record_at(body)
        return fields is not None and codec.is_empty(fields)

    def record(self, body: str) -> Fields | None:
        return codec.parse_record(body)

    def record_at(self, body: str) -> Fields | None:
        return codec.parse_record_at(body)

    def is_form(self, body: str, form: str) -> bool:
        return codec.parse_fields(body, form) is not None

    def wide(self, body: str) -> Fields | None:
        return codec.parse_fields(body, "paf_extended")

    def pointers(self, body: str) -> Pointers | None:
        return codec.parse_pointers(body)

    def flow(self, body: str) -> frozenset[str] | None:
        return codec.parse_flow(body)

    def tag(self, body: str) -> Fields | None:
        return codec.parse_fields(body, "unknown_tag")

    def tag_stepped(self, body: str) -> bool:
        return False

    def error(self, body: str) -> str | None:
        return codec.parse_error(body)

    def is_sound(self, body: str) -> bool:
        return codec.is_sound(body)


_HORUSTECH_CHAINS: Mapping[str, tuple[str, ...]] = {"auto": ("extended", "plain")}


_HORUSTECH_QUESTIONS: Mapping[Ask, bytes] = {
    Ask.POINTERS: horustech.POINTERS,
    Ask.FLOW: horustech.FLOW,
    Ask.TAG: horustech.READ_TAG,
    Ask.STEP: horustech.STEP,
    Ask.TAG_STEP: horustech.STEP_TAG,
}


class Horustech:
    """Frames that begin with `>`. A body is the frame's type and its data; ours are heard with `?`."""

    step_is_answered = True
    asks_wide = False

    def __init__(self, form: str) -> None:
        self.chain = _HORUSTECH_CHAINS.get(form, (form,))

    def reader(self) -> horustech.Reader:
        return horustech.Reader()

    def question(self, ask: Ask, form: str, position: int) -> bytes:
        if ask is Ask.RECORD:
            return horustech.READS[form]
        return horustech.record_at(position) if ask is Ask.MISSED else _HORUSTECH_QUESTIONS[ask]

    def is_nothing(self, body: str, ask: Ask) -> bool:
        index = {Ask.RECORD: "02", Ask.MISSED: "08", Ask.TAG: "0C"}.get(ask, "")
        return bool(index) and body == f"!{index}"

    def is_empty(self, body: str) -> bool:
        return self.is_nothing(body, Ask.MISSED)

    def record(self, body: str) -> Fields | None:
        return _answer(body, horustech.parse_record)

    def record_at(self, body: str) -> Fields | None:
        return _answer(body, lambda data: horustech.parse_fields(data, "position"))

    def is_form(self, body: str, form: str) -> bool:
        return _answer(body, lambda data: horustech.parse_fields(data, form)) is not None

    def wide(self, body: str) -> Fields | None:
        return None

    def pointers(self, body: str) -> Pointers | None:
        return _answer(body, horustech.parse_pointers)

    def flow(self, body: str) -> frozenset[str] | None:
        return _answer(body, horustech.parse_flow)

    def tag(self, body: str) -> Fields | None:
        return _answer(body, lambda data: horustech.parse_fields(data, "unknown_tag"))

    def tag_stepped(self, body: str) -> bool:
        return _answer(body, lambda data: horustech.parse_fields(data, "tag_stepped")) is not None

    def error(self, body: str) -> str | None:
        return _answer(body, horustech.parse_error)

    def is_sound(self, body: str) -> bool:
        return True


def _answer(body: str, parse: Callable[[str], T | None]) -> T | None:
    return parse(body[1:]) if body.startswith("!") else None


def dialect_of(options: CompanytecOptions) -> Dialect:
    """The language that these options choose."""
    return Cbc(options.form) if options.protocol == "cbc" else Horustech(options.form)
