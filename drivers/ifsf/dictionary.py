"""Names of databases, fields and states, for people. Sources of each are in NOTES.md.

Nothing here decides what the session does; an id without a name is shown by its number.
"""

from drivers.ifsf.figures import parse_figure
from drivers.ifsf.options import IfsfOptions
from drivers.ifsf.questions import ALL_SALES, FIRST_POINT, SALES, SLOTS

POINT_FIELDS = {
    0x02: "unpaid sales allowed",
    0x03: "cleared sales kept",
    0x04: "nozzles",
    0x14: "state",
    0x15: "lifted nozzles",
    0x16: "assigned controller",
    0x18: "zero sale mode",
    0x19: "nozzle mask",
    0x1B: "prepay amount",
    0x1C: "preset volume",
    0x1D: "running sale",
    0x22: "current amount",
    0x23: "current volume",
    0x24: "current price",
    0x25: "current nozzle",
    0x26: "current product",
    0x29: "sale number",
    0x3C: "open",
    0x3D: "close",
    0x3E: "release",
    0x3F: "terminate",
    0x40: "suspend",
    0x41: "resume",
    0x64: "state message",
    0x66: "running sale message",
}
NOZZLE_FIELDS = {0x14: "volume total", 0x15: "amount total", 0x16: "sales total"}
SALE_FIELDS = {
    0x01: "number",
    0x02: "controller",
    0x05: "amount",
    0x06: "volume",
    0x07: "price",
    0x08: "nozzle",
    0x0A: "product",
    0x0C: "error code",
    0x14: "paying controller",
    0x15: "state",
    0x1E: "clear",
    0x1F: "lock",
    0x20: "unlock",
    0x64: "sale message",
    0xC8: "offline sale",
    0xC9: "remove offline sale",
    0xCA: "date",
    0xCB: "time",
    0xCC: "total before",
    0xCD: "total after",
    0xEA: "pressure before",
    0xEB: "pressure after",
}
POINT_STATES = {
    1: "inoperative",
    2: "closed",
    3: "idle",
    4: "calling",
    5: "authorised",
    6: "started",
    7: "suspended, started",
    8: "fuelling",
    9: "suspended, fuelling",
}
SALE_STATES = {1: "cleared", 2: "payable", 3: "locked"}
REFUSALS = {
    0: "accepted",
    1: "node not reachable",
    2: "application not there",
    3: "part of the message missing",
    5: "not acceptable",
    6: "unknown database address",
    7: "busy",
    8: "unexpected",
    9: "locked already",
}
FIELD_REFUSALS = {
    0: "accepted",
    1: "invalid value",
    2: "not writable",
    3: "refused in this state",
    4: "does not exist",
    5: "not understood",
    6: "not accepted",
}

_VOLUMES = {"current volume", "preset volume", "volume", "volume total", "total before", "total after"}
_AMOUNTS = {"current amount", "prepay amount", "amount", "amount total"}
_PRICES = {"current price", "price"}
_NUMBERS = {"sales total"}


def place_name(place: bytes) -> str:
    """A database address in words."""
    first, rest = place[0], place[1:]
    if first == FIRST_POINT or FIRST_POINT < first <= FIRST_POINT + 4:
        return _point_place(first - FIRST_POINT, rest)
    single = {0x00: "communication service", 0x01: "calculator"}
    if len(place) == 1 and first in single:
        return single[first]
    if len(place) == 1 and 0x41 <= first <= 0x48:
        return f"product {first - 0x40}"
    if len(place) == 1 and 0x81 <= first <= 0x90:
        return f"meter {first - 0x80}"
    return f"database {place.hex(' ').upper()}"


def _point_place(point_no: int, rest: bytes) -> str:
    point = f"point {point_no}" if point_no else "all points"
    if not rest:
        return point
    if len(rest) == 1 and 0x11 <= rest[0] <= 0x18:
        return f"{point} nozzle {rest[0] - 0x10}"
    if len(rest) == 3 and rest[0] == SALES:
        return f"{point} sale {rest[1:].hex().upper()}"
    if len(rest) == 3 and rest[0] == ALL_SALES:
        return f"{point} unpaid sales"
    if len(rest) == 3 and rest[0] in SLOTS:
        return f"{point} sale buffer {rest[0] - SALES}"
    return f"{point} database {rest.hex(' ').upper()}"


def field_name(place: bytes, id_no: int) -> str:
    """The name of a field of the database at `place`, "" if it has none here."""
    if not FIRST_POINT <= place[0] <= FIRST_POINT + 4:
        return ""
    if len(place) == 1:
        return POINT_FIELDS.get(id_no, "")
    return (SALE_FIELDS if len(place) == 4 else NOZZLE_FIELDS).get(id_no, "")


def meaning(place: bytes, name: str, value: bytes, options: IfsfOptions) -> str:
    """What the bytes of a named field say, with unit and scale; "" if only its digits can be shown."""
    if name == "state" and len(value) == 1:
        return (POINT_STATES if len(place) == 1 else SALE_STATES).get(value[0], "unknown state")
    if name == "lifted nozzles" and len(value) == 1:
        lifted = [str(bit + 1) for bit in range(8) if value[0] >> bit & 1]
        return "nozzle " + ", ".join(lifted) if lifted else "none"
    figure = parse_figure(value) if name in _VOLUMES | _AMOUNTS | _PRICES | _NUMBERS else None
    if figure is None:
        return ""
    if name in _VOLUMES:
        return f"{figure.scaled(3)[0]} ml"
    if name in _AMOUNTS:
        return f"{figure.scaled(options.minor_decimals)[0]} fen"
    return f"{figure.scaled(3)[0]} milli a litre" if name in _PRICES else f"{figure.scaled(0)[0]}"
