"""Bytes and frames of the Horustech protocol. Pure: no time, no state of the conversation.

A frame is ASCII: `>`, `?` (host) or `!` (device), the length of the data as four hex digits, the data, KK.
The data begin with an index of two hex digits; KK is the sum of all codes after `>` modulo 256. Every
frame has its check value. All layouts: devices.md 2.2, DT214, [pub].
"""

from collections.abc import Iterator, Mapping

from drivers.checksums import sum_mod_256
from drivers.companytec.codec import Pointers, is_digits, is_hex
from drivers.companytec.layouts import HORUSTECH, repeated

LONGEST_DATA = 1_024
"""99 nozzles in progress make 794 characters."""
HEAD = 5
"""Type and length, before the data."""


def framed(data: str, *, kind: str = "?") -> bytes:
    """The frame that carries `data`; `kind` is `?` for a question and `!` for an answer."""
    text = f"{kind}{len(data):04X}{data}"
    return f">{text}{sum_mod_256(text.encode('ascii')):02X}".encode("ascii")


READS: Mapping[str, bytes] = {"plain": framed("02"), "extended": framed("02A1")}
STEP = framed("06")
FLOW = framed("03")
POINTERS = framed("050006")
STATES = framed("01")
CLOCK = framed("0B")
READ_TAG = framed("0C")
STEP_TAG = framed("18")


def record_at(number: int) -> bytes:
    """Ask for the record of a number, whatever the read pointer."""
    return framed(f"08{number:06d}")


def long_total(nozzle: str) -> bytes:
    """Ask for the volume totalizer of a nozzle."""
    return framed(f"05{nozzle}01")


def parse_fields(data: str, kind: str) -> dict[str, str] | None:
    """The fields of `data` as digits, if it has the layout `kind`."""
    return HORUSTECH[kind].fields(data)


def parse_record(data: str) -> dict[str, str] | None:
    """The record in `data`, of six or of eight digits: the answer tells its own form."""
    return parse_fields(data, "plain") or parse_fields(data, "extended")


def is_nothing(data: str, index: str) -> bool:
    """True for the answer that has only the index of the question: there is nothing."""
    return data == index


def parse_pointers(data: str) -> Pointers | None:
    """Both answers that say where the read pointer is: to the question and to the step."""
    fields = parse_fields(data, "pointers") or parse_fields(data, "stepped")
    if fields is None or not is_digits(fields["read"] + fields["write"]):
        return None
    return Pointers(int(fields["write"]), int(fields["read"]))


def parse_flow(data: str) -> frozenset[str] | None:
    """The nozzles that are fuelling now: per nozzle 2 decimal digits and 6 digits of money."""
    if is_nothing(data, "03"):
        return frozenset()
    parts = repeated(data[2:], 2, 6) if data.startswith("03") else None
    if parts is None or not all(is_digits(nozzle + value) for nozzle, value in parts):
        return None
    return frozenset(nozzle for nozzle, _ in parts)


def parse_error(data: str) -> str | None:
    """The code of an answer `index E code`: the question was understood and refused."""
    return data[3] if len(data) == 4 and data[2] == "E" and is_hex(data[3]) else None


class Reader:
    """Collects bytes into frames whose check value holds. Any bytes, any pieces; memory is bounded.

    `bad_frames` counts frames that are torn or whose check value is wrong, `noise_bytes` what lay outside
    of frames.
    """

    def __init__(self) -> None:
        self._text: bytearray | None = None
        self.bad_frames = 0
        self.noise_bytes = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """The frames that `data` completes, each as its type and its data: `!0600..`."""
        for byte in data:
            if byte == 0x3E:
                self.bad_frames += self._text is not None
                self._text = bytearray()
            elif self._text is None:
                self.noise_bytes += 1
            elif not 0x20 <= byte < 0x7F:
                self._drop()
            else:
                self._text.append(byte)
                yield from self._completed(self._text)

    def forget(self) -> None:
        """Drop a half-heard frame."""
        self._text = None

    def _completed(self, text: bytearray) -> Iterator[str]:
        length = _length(text)
        if length is None:
            self._drop()
        elif len(text) == HEAD + length + 2:
            self._text = None
            if text[-2:] == b"%02X" % sum_mod_256(bytes(text[:-2])):
                yield text[:1].decode("ascii") + text[HEAD:-2].decode("ascii")
            else:
                self.bad_frames += 1

    def _drop(self) -> None:
        self.bad_frames += 1
        self._text = None


def _length(text: bytearray) -> int | None:
    """Characters of data that this frame announces; None if it cannot be a frame. A head that is not
    complete announces the most."""
    if text[0] not in b"?!":
        return None
    digits = bytes(text[1:HEAD])
    if not set(digits) <= set(b"0123456789ABCDEF"):
        return None
    if len(digits) < HEAD - 1:
        return LONGEST_DATA
    length = int(digits, 16)
    return length if 2 <= length <= LONGEST_DATA else None
