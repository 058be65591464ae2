"""What UniPump's frames mean, for people."""

import re
from collections.abc import Iterator, Mapping

from drivers.scales import cut
from drivers.unipump import codec, layouts
from drivers.unipump.options import UnipumpOptions
from drivers.views import Check, Detail, View, joined, noise

_FRAME = re.compile(rb"\x10\x02((?:[^\x10]|\x10\x10)*)\x10\x03", re.DOTALL)
_TANK_UNITS = {
    "product_height": (1, "mm"),
    "water_height": (1, "mm"),
    "temperature": (1, "degrees Celsius"),
    "product_volume": (0, "l"),
    "water_volume": (0, "l"),
    "ullage": (0, "l"),
    "volume_at_reference": (0, "l"),
    "density": (1, "kg a cubic metre"),
    "mass": (1, "kg"),
}
"""Decimals and unit of what a probe measures (the maker's library, NOTES.md)."""


def explain(data: bytes, options: UnipumpOptions) -> tuple[View, ...]:
    """The frames in `data`, with all that lies between them."""
    return joined(_views(data, options))


def _views(data: bytes, options: UnipumpOptions) -> Iterator[View]:
    at = 0
    for found in _FRAME.finditer(data):
        yield noise(data[at : found.start()])
        yield _frame(found[0], found[1].replace(b"\x10\x10", b"\x10"), options)
        at = found.end()
    yield noise(data[at:])


def _frame(whole: bytes, body: bytes, options: UnipumpOptions) -> View:
    frame = codec.opened(body)
    if frame is None:
        return View(whole, "damaged frame", check=Check.WRONG)
    known = layouts.recognise(frame.data)
    if known is None:
        content = Detail("data", frame.data.decode("ascii", "backslashreplace"))
        return View(whole, "unknown", "", Check.OK, (_address(frame), content))
    layout, fields = known
    details = tuple(_detail(name, raw, fields, options) for name, raw in fields.items())
    return View(whole, layout.title, layout.sender, Check.OK, (_address(frame), *details))


def _address(frame: codec.Frame) -> Detail:
    where = "the controller" if frame.address == 0 else "no point"
    return Detail(
        "address", f"{frame.address:02X}", f"point or probe {frame.point}" if frame.point else where
    )


def _detail(name: str, raw: bytes, fields: Mapping[str, bytes], options: UnipumpOptions) -> Detail:
    title = name.replace("_", " ")
    if name in ("present", "present_too"):
        return Detail(title, f"{raw[0]:02X}", _measured(name, raw[0]))
    text = raw.decode("ascii", "backslashreplace")
    if name in _TANK_UNITS:
        return Detail(title, text, _tank_meaning(name, text, fields))
    return Detail(title, text, _meaning(name, text, options))


def _meaning(name: str, text: str, options: UnipumpOptions) -> str:
    scales = {
        "volume": (options.volume_decimals, 3, "ml"),
        "amount": (options.amount_decimals, options.minor_decimals, "fen"),
        "total_volume": (options.totalizer_decimals, 3, "ml"),
        "total_amount": (options.amount_decimals, options.minor_decimals, "fen"),
    }
    if name == "state":
        return layouts.STATES.get(text, "unknown")
    if name == "order_kind":
        return "by volume" if text == "L" else "by amount" if text == "P" else "unknown"
    if name == "unit_price" or name.startswith("price_"):
        scales[name] = (options.price_decimals, 3, "milli a litre")
    if name not in scales or not text:
        return ""
    decimals, wanted_decimals, unit = scales[name]
    return f"{cut(text, decimals, wanted_decimals)[0]} {unit}"


def _measured(name: str, byte: int) -> str:
    names = [what for what, (where, bit) in layouts.TANK_FLAGS.items() if where == name and byte & bit]
    return ", ".join(what.replace("_", " ") for what in names) or "nothing"


def _tank_meaning(name: str, text: str, fields: Mapping[str, bytes]) -> str:
    where, bit = layouts.TANK_FLAGS[name]
    if not fields[where][0] & bit:
        return "not measured"
    decimals, unit = _TANK_UNITS[name]
    sign = "-" if text.startswith("-") else ""
    digits = text.lstrip("+- 0") or "0"
    if not (digits.isascii() and digits.isdigit()):
        return "no number"
    digits = digits.rjust(decimals + 1, "0")
    shown = f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
    return f"{sign}{shown} {unit}"
