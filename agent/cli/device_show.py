"""How frames, events and the quality of a line look: hex beside meaning for people, values for machines."""

import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import zip_longest
from shutil import get_terminal_size
from typing import Any

from agent.cli.device_frames import Frame, Quality
from agent.cli.render import litres, money
from drivers.events import (
    CredentialShown,
    DeviceBack,
    DeviceSilent,
    DriverEvent,
    Fuelling,
    FuellingStarted,
    TankDelivery,
    TankRead,
)
from drivers.views import NOISE, Check, Detail, View

ROW_BYTES, NARROW_ROW_BYTES = 16, 8
_NARROW_COLUMNS = 100
_MARKS = {Check.OK: "right", Check.WRONG: "WRONG", Check.NONE: "-"}
_CHECKED = {
    Check.OK: "check value right",
    Check.WRONG: "check value WRONG",
    Check.NONE: "without check value",
}
_SAID_BY = {"host": "said by the host", "device": "said by the device", "": "said by either"}


def frame_lines(frame: Frame) -> Iterator[str]:
    """When, who, the check value and the title; below it the bytes beside their fields."""
    seconds = f"{frame.at_ms // 1_000}.{frame.at_ms % 1_000:03d}"
    yield f"{seconds:>9} s  {frame.end:<6}  {_MARKS[frame.view.check]:<5}  {frame.view.title}"
    yield from body_lines(frame.view)


def view_lines(view: View) -> Iterator[str]:
    told = f"{_SAID_BY[view.sender]}, {_CHECKED[view.check]}, " if view.title != NOISE else ""
    yield f"{view.title}  ({told}{len(view.data)} bytes)"
    yield from body_lines(view)


def body_lines(view: View) -> Iterator[str]:
    """ "  52 2A ..   volume  003012  30120 ml"."""
    row_bytes = NARROW_ROW_BYTES if is_narrow() else ROW_BYTES
    rows = [view.data[i : i + row_bytes].hex(" ") for i in range(0, len(view.data), row_bytes)]
    widths = [
        max((len(text) for text in column), default=0)
        for column in zip(*map(_cells, view.details), strict=True)
    ]
    for row, detail in zip_longest(rows, view.details, fillvalue=None):
        cells = _cells(detail) if detail is not None else ()
        meaning = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=False))
        yield f"    {row or '':<{row_bytes * 3 - 1}}  {meaning}".rstrip()


def plain_frame(frame: Frame) -> dict[str, Any]:
    return {"at_ms": frame.at_ms, "from": frame.end, **plain_view(frame.view)}


def plain_view(view: View) -> dict[str, Any]:
    return {
        "hex": view.data.hex(),
        "title": view.title,
        "sender": view.sender,
        "check": view.check.value,
        "details": [asdict(detail) for detail in view.details],
    }


def event_line(event: DriverEvent) -> str:
    """One sentence on what a session reported. Whoever showed a card is not named."""
    return shown(_sentence(event))


def _sentence(event: DriverEvent) -> str:
    match event:
        case Fuelling():
            number = "" if event.sequence_no is None else f" number {event.sequence_no}"
            total = "" if event.totalizer_after_ml is None else f", totalizer {event.totalizer_after_ml} ml"
            flags = f"  {' '.join(event.flags)}" if event.flags else ""
            return (
                f"fuelling{number} of {event.address}, nozzle {event.nozzle}: {litres(event.volume_ml)}, "
                f"{money(event.amount_fen)} at {event.unit_price_milli} milli{total}{flags}"
            )
        case FuellingStarted():
            return f"fuelling began at {event.address}, nozzle {event.nozzle}"
        case CredentialShown():
            return f"a card was shown at {event.address}, nozzle {' or '.join(event.nozzles)}"
        case DeviceSilent():
            return f"device {event.address} is silent for {event.silent_ms} ms"
        case DeviceBack():
            return f"device {event.address} answers"
        case TankRead():
            return f"tank {event.tank} of {event.address} holds {litres(event.volume_ml)} of {event.product}"
        case TankDelivery():
            return f"tank {event.tank} of {event.address} was filled with {event.product}"
    return f"asked by the POS: {type(event).__name__}"


def plain_event(event: DriverEvent) -> dict[str, Any]:
    """Its kind and its plain values; what a member showed stays out."""
    values = asdict(event)
    values.pop("credential", None)
    return {"event": type(event).__name__, **values}


def quality_line(quality: Quality) -> str:
    share = 100 * quality.explained_bytes // max(1, quality.heard_bytes)
    judged = f"{quality.right_frames} right and {quality.wrong_frames} wrong by their check value"
    return (
        f"{quality.frames} frames, {judged}; "
        f"{quality.heard_bytes} bytes ({quality.bytes_per_s} a second), {share} % of them in frames; "
        f"{quality.silences} silences over 1 s, the longest {quality.longest_silence_ms} ms"
    )


def plain_quality(quality: Quality) -> dict[str, int]:
    return {**asdict(quality), "bytes_per_s": quality.bytes_per_s}


def is_narrow() -> bool:
    """Whether people look through a terminal of 80 columns or less; a pipe is as wide as it needs to be."""
    return sys.stdout.isatty() and get_terminal_size((_NARROW_COLUMNS, 0)).columns < _NARROW_COLUMNS


def shown(text: str) -> str:
    """What a device said, without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def _cells(detail: Detail) -> tuple[str, str, str]:
    return detail.name, shown(detail.raw), shown(detail.meaning)
