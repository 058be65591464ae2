"""What TLS frames mean, for people. No detail shows a security code; `redact` takes it out of the bytes."""

import re
from collections.abc import Iterator

from drivers.veeder_root import codec, printed, reading, reports
from drivers.veeder_root.ieee import Odd
from drivers.veeder_root.ieee import number as float_of
from drivers.veeder_root.options import UnitSystem, VeederRootOptions
from drivers.views import Check, Detail, View, joined, noise

HIDDEN = "******"
TITLES = {
    codec.SYSTEM: "alarms of the console",
    codec.INVENTORY: "how the tanks stand",
    codec.DELIVERIES: "deliveries",
    codec.LAST_DELIVERY: "last deliveries",
    codec.ALARMS: "alarms of the tanks",
    codec.PRINTED_INVENTORY: "how the tanks stand, printed",
}
_FRAME = re.compile(
    rb"\x01[^\x01\x03]*\x03|\x01(?:[ -~]{6})?[IiSs][0-9A-Z@][0-9A-Z]{2}\d\d[ -~]*(?:\r\n|\r|\n)", re.DOTALL
)
_QUESTION = re.compile(r"([ -~]{6})?([IiSs][0-9A-Z@][0-9A-Z]{2})(\d\d)([ -~]*)[\r\n]*")
_CODED = re.compile(rb"\x01([ -~]{6})(?=[IiSs][0-9A-Z@][0-9A-Z]{2}\d\d)")
_CHECKED = re.compile(rb"\x01(.*&&)[0-9A-Fa-f]{4}\x03", re.DOTALL)
_LOOKS_CHECKED = re.compile(r".*&&.{4}|9999.{4}", re.DOTALL)
_DELIVERY_NAMES = (
    "volume before",
    "compensated volume before",
    "water before",
    "temperature before",
    "volume after",
    "compensated volume after",
    "water after",
    "temperature after",
    "height before",
    "height after",
)
_TANK_NAMES = ("volume", "compensated volume", "ullage", "height", "water", "temperature", "water volume")


def explain(data: bytes, options: VeederRootOptions) -> tuple[View, ...]:
    """The frames in `data`, with all that lies between them."""
    return joined(_views(data, options.units))


def redact(data: bytes, options: VeederRootOptions) -> bytes:
    """Stars instead of the security code; where a reply repeats it, its check value is made right again."""

    def without_code(found: re.Match[bytes]) -> bytes:
        frame = _CODED.sub(b"\x01" + HIDDEN.encode("ascii"), found[0], count=1)
        checked = _CHECKED.fullmatch(frame)
        if frame == found[0] or checked is None or not frame.isascii():
            return frame
        text = checked[1].decode("ascii")
        return f"\x01{text}{codec.check_value(text)}\x03".encode("ascii")

    return _FRAME.sub(without_code, data)


def _views(data: bytes, units: UnitSystem) -> Iterator[View]:
    at = 0
    for found in _FRAME.finditer(data):
        yield noise(data[at : found.start()])
        yield _frame(found[0], units)
        at = found.end()
    yield noise(data[at:])


def _frame(frame: bytes, units: UnitSystem) -> View:
    if not frame.isascii():
        return View(frame, "damaged frame", check=Check.WRONG)
    body = frame[1:].removesuffix(b"\x03").decode("ascii")
    heard = codec.parse(body)
    if isinstance(heard, codec.NotUnderstood):
        return View(frame, "not understood", "device", Check.OK)
    if isinstance(heard, codec.Reply):
        details = (_time(heard.time), *_details(heard, units))
        return View(frame, TITLES.get(heard.function, heard.function), "device", Check.OK, details)
    if _LOOKS_CHECKED.fullmatch(body):
        return View(frame, "damaged frame", "device", Check.WRONG)
    if isinstance(heard, codec.Printed):
        return View(frame, TITLES.get(heard.function, heard.function), "device", details=_rows(heard, units))
    if question := _QUESTION.fullmatch(body):
        return _asked(frame, question)
    return View(frame, "unknown frame")


def _asked(frame: bytes, question: re.Match[str]) -> View:
    code, function, tank, rest = question.groups()
    verb = "set" if function[0] in "Ss" else "ask"
    details = [Detail("function", function, TITLES.get(function, "")), Detail("tank", tank, _which(tank))]
    if code:
        details.insert(0, Detail("security code", HIDDEN))
    if rest:
        details.append(Detail("parameters", rest))
    return View(frame, f"{verb}: {TITLES.get(function, function)}", "host", details=tuple(details))


def _which(tank: str) -> str:
    return "all" if tank == codec.ALL_TANKS else str(int(tank))


def _time(digits: str) -> Detail:
    time = reading.device_time(digits)
    shown = (
        "no date"
        if time is None
        else f"{time.year}-{time.month:02}-{time.day:02} {time.hour:02}:{time.minute:02}"
    )
    return Detail("time", digits, shown)


def _details(reply: codec.Reply, units: UnitSystem) -> Iterator[Detail]:
    blocks = reports.parse(reply.function, reply.text)
    if blocks is None:
        yield Detail("text", reply.text, "another layout" if reply.function in TITLES else "")
    for block in blocks or ():
        yield from _block(block, units)


def _block(block: reports.Block, units: UnitSystem) -> Iterator[Detail]:
    match block:
        case reports.Tank():
            yield Detail("tank", block.tank, f"{int(block.tank)}, product {block.product}")
            yield Detail("status", block.status, _status(int(block.status, 16)))
            yield from _values(_TANK_NAMES, block.values, units)
        case reports.Delivery():
            yield Detail("tank", block.tank, f"{int(block.tank)}, product {block.product}")
            yield _time(block.began)
            yield _time(block.over)
            yield from _values(_DELIVERY_NAMES, block.values, units)
        case reports.TankAlarms():
            names = ", ".join(map(reading.alarm_name, block.alarms))
            yield Detail("tank", block.tank, f"{int(block.tank)}: {names or 'no alarm'}")
        case reports.SystemAlarm():
            is_of_tank = block.category == "02"
            name = reading.alarm_name(block.alarm) if is_of_tank else f"category {block.category}"
            digits = block.category + block.alarm + block.number
            yield Detail("alarm", digits, f"{name}, {int(block.number)}")


def _status(status: int) -> str:
    bits = ((1, "delivery in progress"), (2, "leak test in progress"), (4, "height invalid"))
    return ", ".join(name for bit, name in bits if status & bit) or "quiet"


def _values(names: tuple[str, ...], values: tuple[str, ...], units: UnitSystem) -> Iterator[Detail]:
    for index, digits in enumerate(values):
        name = names[index] if index < len(names) else "value"
        yield Detail(name, digits, _meaning(name, digits, units))


def _meaning(name: str, digits: str, units: UnitSystem) -> str:
    value = float_of(digits)
    if isinstance(value, Odd):
        return value.value
    if name.startswith("temperature"):
        return f"{reading.temperature_mc(value, units)} thousandths of a degree Celsius"
    if name.startswith(("height", "water")) and name != "water volume":
        return f"{reading.height_um(value, units)} thousandths of a millimetre"
    return f"{reading.volume_ml(value, units)} ml"


def _rows(heard: codec.Printed, units: UnitSystem) -> tuple[Detail, ...]:
    if heard.function != codec.PRINTED_INVENTORY:
        return tuple(Detail("line", line) for line in heard.lines if line)
    return tuple(
        Detail(f"tank {int(row.tank)}", " ".join(row.words), _row(row, units))
        for row in printed.parse_inventory(heard.lines) or ()
    )


def _row(row: printed.PrintedTank, units: UnitSystem) -> str:
    read = reading.tank_read(row, "", units)
    return read.value if isinstance(read, Odd) else f"{row.product}: {read.volume_ml} ml, {read.height_um} µm"
