"""What Modbus frames mean, for people: both directions, RTU and TCP, registers as the site's map has them."""

from collections.abc import Iterator

from drivers.modbus.frames import READS, WRITE_MANY, WRITE_ONE, Frame, cut
from drivers.modbus.meanings import meanings
from drivers.modbus.options import ModbusOptions
from drivers.views import Check, Detail, View, joined, noise

_REFUSALS = {
    1: "function not known",
    2: "no such register",
    3: "value not allowed",
    4: "device failed",
    5: "still working on it",
    6: "busy",
    10: "gateway: no path",
    11: "gateway: the device does not answer",
}


def explain(data: bytes, options: ModbusOptions | None) -> tuple[View, ...]:
    """The frames in `data`, with all that lies between them.

    Without options both RTU and TCP are tried, and registers are shown raw. An answer does not say which
    registers it brings: that is taken from the question before it, else from its length and the map.
    """
    return joined(_views(data, options))


def _views(data: bytes, options: ModbusOptions | None) -> Iterator[View]:
    asked: Frame | None = None
    for piece in cut(data, options.transport if options else ""):
        if isinstance(piece, bytes):
            yield noise(piece)
            continue
        if piece.check is Check.WRONG:
            yield View(piece.data, "damaged frame", piece.sender, Check.WRONG)
            continue
        title, details = _meaning(piece, asked, options)
        yield View(piece.data, title, piece.sender, piece.check, (*_heading(piece), *details))
        if piece.sender == "host":
            asked = piece


def _heading(frame: Frame) -> tuple[Detail, ...]:
    unit = Detail("unit", f"{frame.unit:02X}", str(frame.unit))
    if frame.transaction is None:
        return (unit,)
    return Detail("transaction", f"{frame.transaction:04X}", str(frame.transaction)), unit


def _meaning(
    frame: Frame, asked: Frame | None, options: ModbusOptions | None
) -> tuple[str, tuple[Detail, ...]]:
    function, pdu = frame.function, frame.pdu
    if frame.is_refusal:
        code = Detail("exception", f"{pdu[1]:02X}", _REFUSALS.get(pdu[1], str(pdu[1])))
        return f"refuses function {function}", (code,)
    if function in READS:
        return _read(frame, asked, options)
    if function in WRITE_ONE:
        return f"write one {WRITE_ONE[function]}", _written(frame, pdu[3:5], options)
    if function in WRITE_MANY:
        title = f"write {WRITE_MANY[function]}" if frame.sender == "host" else "written"
        address_and_count = (_number("address", pdu[1:3]), _number("count", pdu[3:5]))
        if frame.sender == "host" and function == 16:
            return title, (*address_and_count, *_written(frame, pdu[6:], options)[1:])
        return title, address_and_count
    return f"function {function}", (Detail("content", pdu[1:].hex(" ").upper()),)


def _read(frame: Frame, asked: Frame | None, options: ModbusOptions | None) -> tuple[str, tuple[Detail, ...]]:
    kind, pdu = READS[frame.function], frame.pdu
    if frame.sender == "host":
        return f"read {kind}", (_number("address", pdu[1:3]), _number("count", pdu[3:5]))
    if frame.sender == "" or frame.function in (1, 2):
        return kind, (Detail("content", pdu[1:].hex(" ").upper()),)
    return kind, meanings(_words(pdu[2:]), _asked_from(frame, asked), options)


def _asked_from(frame: Frame, asked: Frame | None) -> int | None:
    """The address in the question that this answers, if that is the one before it."""
    if asked is None or (asked.unit, asked.pdu[0]) != (frame.unit, frame.pdu[0]):
        return None
    fits = asked.transaction == frame.transaction and _at(asked.pdu, 3) == len(frame.pdu[2:]) // 2
    return _at(asked.pdu, 1) if fits else None


def _written(frame: Frame, content: bytes, options: ModbusOptions | None) -> tuple[Detail, ...]:
    address = _number("address", frame.pdu[1:3])
    if frame.function == 5:
        return address, Detail(
            "value", content.hex().upper(), {b"\xff\0": "on", b"\0\0": "off"}.get(content, "")
        )
    return address, *meanings(_words(content), _at(frame.pdu, 1), options)


def _number(name: str, data: bytes) -> Detail:
    return Detail(name, data.hex().upper(), str(int.from_bytes(data, "big")))


def _at(pdu: bytes, at: int) -> int:
    return int.from_bytes(pdu[at : at + 2], "big")


def _words(data: bytes) -> list[int]:
    return [_at(data, at) for at in range(0, len(data) - 1, 2)]
