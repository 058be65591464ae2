"""Register maps: what one device model keeps where, as data. One TOML file per model.

A map names addresses as its source prints them (`address_base` says what the first one is called),
never a unit: units are the addresses of station.toml. Everything is checked here, so that a
session can trust its map. `map_files.py` finds and reads the files.
"""

import tomllib
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from drivers.events import HandOver
from drivers.modbus.registers import NumberType, WordOrder

Decimals = Annotated[int, Field(ge=0, le=3)]
PollMs = Annotated[int, Field(ge=50, le=60_000)]


class MapRefused(ValueError):
    """The map cannot be used; the text names the file, the key and the reason."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Register(_Part):
    """One number. `address` as printed, or the offset inside a record of the ring.

    `wraps_at` is the raw count at which a totalizer goes back to 0, where that is narrower than its type.
    """

    address: int = Field(ge=0, le=65_536)
    type: Annotated[NumberType, Field(strict=False)]
    decimals: Decimals = 0
    wraps_at: int | None = Field(default=None, gt=1, le=10**12)

    @property
    def modulus(self) -> int:
        return self.wraps_at or self.type.modulus

    @property
    def end(self) -> int:
        return self.address + self.type.words


class Block(_Part):
    """Registers read by one question (a read carries at most 125)."""

    address: int = Field(ge=0, le=65_536)
    count: int = Field(ge=1, le=125)

    def holds(self, register: Register) -> bool:
        return self.address <= register.address and register.end <= self.address + self.count


class _Map(_Part):
    title: str
    source: str
    trust: str
    function: Literal[3, 4]
    address_base: Literal[0, 1]
    word_order: Annotated[WordOrder, Field(strict=False)]
    poll_ms: PollMs = 250
    nozzle: str = Field(default="1", min_length=1, max_length=16)

    def on_wire(self, address: int) -> int:
        """The address as it stands in a request, from the address as printed."""
        return address - self.address_base


class LastSaleRegisters(_Part):
    """`end_of_sale` is not 0 while no fuelling runs. `unit_price` is the price now, not that of the sale."""

    end_of_sale: Register
    volume: Register
    amount: Register
    unit_price: Register
    current_volume: Register
    total_volume: Register
    total_amount: Register | None = None


class LastSaleMap(_Map):
    """Hand-over B: an end-of-sale flag beside the last sale, overwritten by the next.

    `sale` is read before and after `meter`, so that all numbers belong to one sale.
    """

    hand_over: ClassVar[HandOver] = HandOver.LAST_SALE
    kind: Literal["last_sale"]
    sale: Block
    meter: Block
    roles: LastSaleRegisters = Field(alias="register")

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        roles = self.roles
        _inside(self.sale, "sale", roles, ("end_of_sale", "volume", "amount"))
        _inside(self.meter, "meter", roles, ("unit_price", "current_volume", "total_volume", "total_amount"))
        _differ_in_length(("sale", self.sale.count), ("meter", self.meter.count))
        for name, block in (("sale", self.sale), ("meter", self.meter)):
            _on_the_wire(self, name, block.address, block.count)
        return self


class HeaderRegisters(_Part):
    """`newest` and `acknowledged` are sequence numbers of one width; `acknowledged` is written by us."""

    newest: Register
    acknowledged: Register
    current_volume: Register | None = None


class RecordRegisters(_Part):
    """Offsets in one record. `sequence_again` closes it: two different numbers mean a torn record."""

    sequence: Register
    volume: Register
    amount: Register
    unit_price: Register
    total_volume: Register
    status: Register
    sequence_again: Register


class RingMap(_Map):
    """Hand-over A: numbered records in a ring; record n lies in slot n mod `records` until overwritten."""

    hand_over: ClassVar[HandOver] = HandOver.BUFFERED
    kind: Literal["ring"]
    header: Block
    ring_address: int = Field(ge=0, le=65_535)
    records: int = Field(ge=2, le=4096)
    record_count: int = Field(ge=1, le=125)
    roles: HeaderRegisters = Field(alias="register")
    record: RecordRegisters

    @property
    def modulus(self) -> int:
        """Sequence numbers go from this number minus 1 to 0."""
        return self.roles.newest.modulus

    def slot(self, sequence_no: int) -> Block:
        """Where the record with this number lies, if it is still there."""
        place = sequence_no % self.records
        return Block(address=self.ring_address + place * self.record_count, count=self.record_count)

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        _inside(self.header, "header", self.roles, ("newest", "acknowledged", "current_volume"))
        whole = Block(address=0, count=self.record_count)
        _inside(whole, "record", self.record, tuple(type(self.record).model_fields))
        _differ_in_length(("header", self.header.count), ("record", self.record_count))
        _on_the_wire(self, "header", self.header.address, self.header.count)
        _on_the_wire(self, "ring", self.ring_address, self.records * self.record_count)
        header, record = self.roles, self.record
        numbers = (header.newest, header.acknowledged, record.sequence, record.sequence_again)
        if len({number.modulus for number in numbers}) > 1:
            raise ValueError("the four sequence numbers must have one width")
        if any(number.type.is_decimal for number in numbers):
            raise ValueError("sequence numbers are u16 or u32")
        if self.modulus % self.records or self.records > self.modulus // 4:
            raise ValueError("records must divide the sequence's range, or slots collide when it wraps")
        return self


RegisterMap = LastSaleMap | RingMap
_ANY_MAP: TypeAdapter[RegisterMap] = TypeAdapter(Annotated[RegisterMap, Field(discriminator="kind")])


def parse_map(name: str, text: str) -> RegisterMap:
    """The map in `text`; `name` is only for the words of a refusal. Raises MapRefused."""
    try:
        return _ANY_MAP.validate_python(tomllib.loads(text))
    except tomllib.TOMLDecodeError as refusal:
        raise MapRefused(f"{name}: not TOML: {refusal}") from refusal
    except ValidationError as refusal:
        mistakes = (
            f"{'.'.join(str(p) for p in e['loc'][1:]) or 'map'}: {e['msg']}" for e in refusal.errors()
        )
        raise MapRefused(f"{name}: " + "; ".join(mistakes)) from refusal


def with_decimals(
    found: RegisterMap,
    *,
    volume: int | None = None,
    amount: int | None = None,
    unit_price: int | None = None,
    total: int | None = None,
    total_amount: int | None = None,
) -> RegisterMap:
    """The same map with the site's own decimals; None keeps what the map says."""
    chosen = {
        "volume": volume,
        "current_volume": volume,
        "amount": amount,
        "unit_price": unit_price,
        "total_volume": total,
        "total_amount": total_amount,
    }
    if isinstance(found, RingMap):
        return found.model_copy(
            update={"roles": _redotted(found.roles, chosen), "record": _redotted(found.record, chosen)}
        )
    return found.model_copy(update={"roles": _redotted(found.roles, chosen)})


def _redotted(roles: _Part, chosen: dict[str, int | None]) -> _Part:
    changed = {
        role: register.model_copy(update={"decimals": decimals})
        for role, decimals in chosen.items()
        if decimals is not None and isinstance(register := getattr(roles, role, None), Register)
    }
    return roles.model_copy(update=changed)


def _inside(block: Block, name: str, roles: _Part, wanted: tuple[str, ...]) -> None:
    for role in wanted:
        register = getattr(roles, role)
        if register is not None and not block.holds(register):
            raise ValueError(f"{role} lies outside the block {name}")


def _differ_in_length(one: tuple[str, int], other: tuple[str, int]) -> None:
    # On RTU the length is all that tells the answer to one read from the late answer to another.
    if one[1] == other[1]:
        raise ValueError(f"{one[0]} and {other[0]} must differ in length")


def _on_the_wire(found: _Map, name: str, address: int, count: int) -> None:
    first = found.on_wire(address)
    if first < 0 or first + count > 65_536:
        raise ValueError(f"{name} lies outside the addresses 0 to 65535")
