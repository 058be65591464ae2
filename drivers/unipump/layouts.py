"""Every DATA of UniPump that is known, both directions: to explain it, and to prove what we never say.

One letter means different things by direction, so a layout is found by its whole form. Layouts:
devices.md 5 and the maker's own library (NOTES.md), [pub].
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.views import Sender

STATES = {
    "0": "offline, or under manual control",
    "1": "idle",
    "3": "nozzle up",
    "4": "ready, display test",
    "5": "working",
    "6": "transaction completed",
    "7": "transaction stopped",
    "8": "error",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """`acts`: it changes something at a pump or in the controller. Fields are the pattern's named groups."""

    title: str
    sender: Sender
    pattern: re.Pattern[bytes]
    acts: bool = False


def _host(title: str, pattern: bytes, *, acts: bool = False) -> Layout:
    return Layout(title, "host", re.compile(pattern, re.DOTALL), acts)


def _device(title: str, pattern: bytes) -> Layout:
    return Layout(title, "device", re.compile(pattern, re.DOTALL))


_PRICES = rb"".join(rb"(?P<price_%d>\d{4})" % nozzle for nozzle in range(1, 7))
_PRICES_EXTENDED = rb"".join(rb"(?P<price_%d>\d*);" % nozzle for nozzle in range(1, 7))
LAYOUTS = (
    _host("ask state", rb"S"),
    _host("close transaction", rb"C(?P<transaction>\d\d)"),
    _host("ask totals", rb"T(?P<nozzle>\d)"),
    _host("ask prices", rb"P"),
    _host("ask version", rb"V"),
    _host("measure tank", rb"X"),
    _host("ask pump configuration", rb"F"),
    _host("ask probe configuration", rb"Y"),
    _host("ask parameter", rb"R(?P<parameter>\d{4})"),
    _host("ask state, extended", rb"ES"),
    _host("ask totals, extended", rb"ET(?P<nozzle>\d)"),
    _host(
        "authorise",
        rb"A(?P<nozzle>\d)(?P<order_kind>[A-Z])(?P<order>\d{8})(?P<unit_price>\d{4})",
        acts=True,
    ),
    _host(
        "authorise, extended",
        rb"EA(?P<nozzle>\d*);(?P<order_kind>[A-Z]);(?P<order>\d*);(?P<unit_price>\d*);",
        acts=True,
    ),
    _host("halt", rb"H", acts=True),
    _host("lock", rb"L", acts=True),
    _host("unlock", rb"U", acts=True),
    _host("set prices", rb"p" + _PRICES, acts=True),
    _host("set prices, extended", rb"Ep" + _PRICES_EXTENDED, acts=True),
    _host("set parameter", rb"W(?P<parameter>\d{4})(?P<value>.{1,8})", acts=True),
    _host("set probe configuration", rb"Z.+", acts=True),
    _device("state, locked to us", rb"S(?P<nozzle>\d)(?P<state>\d)(?P<pending>[ -~])"),
    _device("state, not locked to us", rb"U(?P<nozzle>\d)(?P<state>\d)(?P<pending>[ -~])"),
    _device("fuel flows", rb"A(?P<transaction>\d\d)(?P<nozzle>\d)(?P<volume>\d{8})"),
    _device(
        "finished transaction",
        rb"T(?P<transaction>\d\d)(?P<nozzle>\d)(?P<volume>\d{8})(?P<unit_price>\d{4})(?P<amount>\d{8})",
    ),
    _device(
        "finished transaction, extended",
        rb"ET(?P<transaction>\d*);(?P<nozzle>\d*);(?P<volume>\d*);(?P<unit_price>\d*);(?P<amount>\d*);?",
    ),
    _device(
        "totals",
        rb"C(?P<transaction>\d\d)(?P<nozzle>\d)(?P<total_amount>\d{10})(?P<total_volume>\d{10})",
    ),
    _device(
        "totals, extended",
        rb"EC(?P<transaction>\d*);(?P<nozzle>\d*);(?P<total_amount>\d*);(?P<total_volume>\d*);?",
    ),
    _device("prices", rb"P" + _PRICES),
    _device("prices, extended", rb"EP" + _PRICES_EXTENDED[:-1] + rb";?"),
    _device("parameter", rb"R(?P<parameter>\d{4})(?P<value>.{8})"),
    _device(
        "tank measurement",
        rb"X(?P<present>.)(?P<present_too>.)(?P<product_height>.{6})(?P<water_height>.{5})"
        rb"(?P<temperature>.{4})(?P<product_volume>.{6})(?P<water_volume>.{5})(?P<ullage>.{6})"
        rb"(?P<volume_at_reference>.{6})(?P<density>.{4})(?P<mass>.{7})?",
    ),
)
"""Unknown, and therefore never taken for one of ours: `Q` both ways, `Z` and `V` from the controller."""

TANK_FLAGS = {
    "product_height": ("present", 0x80),
    "water_height": ("present", 0x40),
    "temperature": ("present", 0x20),
    "product_volume": ("present", 0x10),
    "water_volume": ("present", 0x08),
    "ullage": ("present", 0x04),
    "volume_at_reference": ("present", 0x02),
    "density": ("present", 0x01),
    "mass": ("present_too", 0x80),
}
"""Which bit of which flag byte says that the probe measures this."""


def recognise(data: bytes) -> tuple[Layout, Mapping[str, bytes]] | None:
    """The layout of `data` and its fields as bytes, or None if it is none of these."""
    for layout in LAYOUTS:
        if found := layout.pattern.fullmatch(data):
            return layout, {name: part for name, part in found.groupdict().items() if part is not None}
    return None
