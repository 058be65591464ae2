"""What registers mean, in words: each number of a map by name, with its raw digits and its scaled value."""

from collections.abc import Iterator, Sequence

from drivers.modbus.gauge import in_ours
from drivers.modbus.map_parts import Block, Part, Register, number_in
from drivers.modbus.maps import CounterMap, GaugeMap, LastSaleMap, RegisterMap, RingMap
from drivers.modbus.options import ModbusOptions
from drivers.modbus.registers import Reading
from drivers.scales import scaled
from drivers.views import Detail

_OF_A_SALE = {
    **dict.fromkeys(("volume", "current_volume", "total_volume"), (3, "ml")),
    **dict.fromkeys(("amount", "current_amount", "total_amount"), (2, "fen")),
    "unit_price": (3, "milli a litre"),
}
"""Our unit of a role, and its decimals."""
_OF_A_TANK = {
    **dict.fromkeys(("volume", "tc_volume", "ullage"), ("volume_unit", "ml")),
    **dict.fromkeys(("height", "water"), ("height_unit", "um")),
    "temperature": ("temperature_unit", "thousandths of a degree C"),
}


def meanings(
    words: Sequence[int], wire_first: int | None, options: ModbusOptions | None
) -> tuple[Detail, ...]:
    """One detail for every number in `words`, which were read from `wire_first` on (None: nobody said)."""
    found = options.register_map() if options else None
    place = _place(len(words), wire_first, found)
    details, left = [], dict(enumerate(words))
    if options and found and place:
        for name, register in _named(place, found):
            reading = number_in(words, place.address, register, found.word_order)
            details.append(Detail(name, reading.digits, _meaning(name, register, reading, options)))
            at = register.address - place.address
            for used in range(at, at + register.type.words):
                left.pop(used, None)
    start, name = (0, "word") if place is None else (place.address, "register")
    details += (Detail(f"{name} {start + at}", f"{word:04X}", str(word)) for at, word in left.items())
    return tuple(details)


def _place(count: int, wire_first: int | None, found: RegisterMap | None) -> Block | None:
    """Where the words lie, by printed addresses. Unsaid, it is the map's one block of this length."""
    if wire_first is not None:
        first = wire_first + (found.address_base if found else 0)
        # A wire may carry more than a question can ask for.
        return Block.model_construct(address=first, count=count)
    blocks = [block for block in asked_blocks(found) if block.count == count] if found else []
    return blocks[0] if len(blocks) == 1 else None


def asked_blocks(found: RegisterMap) -> tuple[Block, ...]:
    """The blocks that a session reads over and over, by printed addresses."""
    if isinstance(found, LastSaleMap):
        return found.sale, found.meter
    if isinstance(found, RingMap):
        return (found.header,)
    if isinstance(found, CounterMap):
        return (found.counter,)
    return tuple(Block(address=found.first_of(part[0]), count=found.span(part)) for part in found.questions())


def _named(place: Block, found: RegisterMap) -> Iterator[tuple[str, Register]]:
    """The registers of the map that lie in these words, at their printed addresses."""
    for name, register in (*_roles(found), *found.named.items()):
        if place.holds(register):
            yield name, register


def _roles(found: RegisterMap) -> Iterator[tuple[str, Register]]:
    if isinstance(found, GaugeMap):
        for tank in range(1, found.tanks + 1):
            yield from _shifted(f"tank {tank} ", found.roles, found.first_of(tank))
        return
    yield from _shifted("", found.roles, 0)
    if isinstance(found, RingMap):
        for slot in range(found.records):
            yield from _shifted(f"slot {slot} ", found.record, found.slot(slot).address)


def _shifted(prefix: str, roles: Part, by: int) -> Iterator[tuple[str, Register]]:
    for role in type(roles).model_fields:
        register = getattr(roles, role)
        if register is not None:
            yield prefix + role, register.model_copy(update={"address": register.address + by})


def _meaning(name: str, register: Register, reading: Reading, options: ModbusOptions) -> str:
    found, role = options.register_map(), name.rpartition(" ")[2]
    if reading.count is None:
        return "no number"
    if isinstance(found, GaugeMap) and role in _OF_A_TANK:
        key, ours = _OF_A_TANK[role]
        return f"{in_ours(reading.count, register.decimals, getattr(found, key))} {ours}"
    if isinstance(found, CounterMap) and role == "pulses":
        assert options.pulses_per_litre_milli is not None
        return f"{reading.count * 1_000_000 // options.pulses_per_litre_milli} ml"
    if role in _OF_A_SALE:
        unit_decimals, ours = _OF_A_SALE[role]
        return f"{scaled(reading.count, register.decimals, unit_decimals)} {ours}"
    return _decimal(reading.count, register.decimals)


def _decimal(count: int, decimals: int) -> str:
    digits = f"{abs(count):0{decimals + 1}d}"
    whole, part = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    return f"{'-' if count < 0 else ''}{whole}{'.' if part else ''}{part}"
