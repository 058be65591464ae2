"""Register maps: what one device model keeps where, as data. One TOML file per model.

A map names addresses as its source prints them (`address_base` says what the first one is called),
never a unit: units are the addresses of station.toml. Everything is checked here, so that a
session can trust its map. `map_files.py` finds and reads the files.
"""

import tomllib
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from drivers.events import HandOver
from drivers.modbus.map_parts import (
    Block,
    Map,
    Part,
    Register,
    counting,
    differ_in_length,
    inside,
    on_the_wire,
)

FlowStoppedMs = Annotated[int, Field(ge=1_000, le=120_000)]


class MapRefused(ValueError):
    """The map cannot be used; the text names the file, the key and the reason."""


class LastSaleRegisters(Part):
    """`end_of_sale` is not 0 while no fuelling runs. `unit_price` is the price now, not that of the sale."""

    end_of_sale: Register
    volume: Register
    amount: Register
    unit_price: Register
    current_volume: Register
    total_volume: Register
    total_amount: Register | None = None


class LastSaleMap(Map):
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
        inside(self.sale, "sale", roles, ("end_of_sale", "volume", "amount"))
        inside(self.meter, "meter", roles, ("unit_price", "current_volume", "total_volume", "total_amount"))
        differ_in_length(("sale", self.sale.count), ("meter", self.meter.count))
        counting("total_volume", roles.total_volume)
        counting("total_amount", roles.total_amount)
        for name, block in (("sale", self.sale), ("meter", self.meter)):
            on_the_wire(self, name, block.address, block.count)
        return self


class HeaderRegisters(Part):
    """`newest` and `acknowledged` are sequence numbers of one width; `acknowledged` is written by us."""

    newest: Register
    acknowledged: Register
    current_volume: Register | None = None


class RecordRegisters(Part):
    """Offsets in one record. `sequence_again` closes it: two different numbers mean a torn record."""

    sequence: Register
    volume: Register
    amount: Register
    unit_price: Register
    total_volume: Register
    status: Register
    sequence_again: Register


class RingMap(Map):
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
        inside(self.header, "header", self.roles, ("newest", "acknowledged", "current_volume"))
        whole = Block(address=0, count=self.record_count)
        inside(whole, "record", self.record, tuple(type(self.record).model_fields))
        differ_in_length(("header", self.header.count), ("record", self.record_count))
        on_the_wire(self, "header", self.header.address, self.header.count)
        on_the_wire(self, "ring", self.ring_address, self.records * self.record_count)
        header, record = self.roles, self.record
        numbers = (header.newest, header.acknowledged, record.sequence, record.sequence_again)
        if len({number.modulus for number in numbers}) > 1:
            raise ValueError("the four sequence numbers must have one width")
        counting("total_volume", record.total_volume)
        if any(number.type.is_decimal or not number.type.counts for number in numbers):
            raise ValueError("sequence numbers are u16 or u32")
        if self.modulus % self.records or self.records > self.modulus // 4:
            raise ValueError("records must divide the sequence's range, or slots collide when it wraps")
        return self


class CounterRegisters(Part):
    """`pulses` only grows, until it wraps."""

    pulses: Register


class CounterMap(Map):
    """Hand-over C: a counter of pulses and nothing else. A fuelling is over when it has stood still for
    `flow_stopped_ms`; litres, money and price are the site's settings (`options.py`)."""

    hand_over: ClassVar[HandOver] = HandOver.COUNTER
    kind: Literal["counter"]
    counter: Block
    flow_stopped_ms: FlowStoppedMs
    roles: CounterRegisters = Field(alias="register")

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        inside(self.counter, "counter", self.roles, ("pulses",))
        on_the_wire(self, "counter", self.counter.address, self.counter.count)
        counting("pulses", self.roles.pulses)
        if self.roles.pulses.decimals:
            raise ValueError("pulses: whole ones are counted; what one is worth is pulses_per_litre_milli")
        return self


class TankRegisters(Part):
    """Offsets in one tank's registers. No status is among them: of no gauge here is it known what it says."""

    volume: Register
    product: Register | None = None
    tc_volume: Register | None = None
    ullage: Register | None = None
    height: Register | None = None
    water: Register | None = None
    temperature: Register | None = None


class GaugeMap(Map):
    """A tank gauge: it sells nothing. Tank n's registers begin at `tank_address` + (n - 1) x `tank_stride`.

    `alarms` (an offset and a count): a register there that is not 0 is an alarm that is active.
    """

    hand_over: ClassVar[None] = None
    kind: Literal["gauge"]
    tank_address: int = Field(ge=0, le=65_535)
    tank_stride: int = Field(ge=1, le=125)
    tank_count: int = Field(ge=1, le=125)
    tanks: Annotated[int, Field(ge=1, le=64)]
    volume_unit: Literal["l", "us_gal"]
    height_unit: Literal["mm", "in"]
    temperature_unit: Literal["c", "f"]
    report_every_ms: Annotated[int, Field(ge=1_000, le=600_000)] = 30_000
    roles: TankRegisters = Field(alias="register")
    alarms: Block | None = None

    def first_of(self, tank: int) -> int:
        """The address, as printed, of the first register of tank 1, 2, ..."""
        return self.tank_address + (tank - 1) * self.tank_stride

    def questions(self) -> tuple[range, ...]:
        """Which tanks are read at once: all if they fit, else two questions of different length."""
        most = (125 - self.tank_count) // self.tank_stride + 1
        parts = (range(1, min(self.tanks, most) + 1), range(most + 1, self.tanks + 1))
        return tuple(part for part in parts if part)

    def span(self, tanks: range) -> int:
        """How many registers a question about these tanks brings."""
        return (len(tanks) - 1) * self.tank_stride + self.tank_count

    @model_validator(mode="after")
    def _is_coherent(self) -> Self:
        whole = Block(address=0, count=self.tank_count)
        inside(whole, "tank", self.roles, tuple(TankRegisters.model_fields))
        if self.alarms is not None and self.alarms.address + self.alarms.count > self.tank_count:
            raise ValueError("alarms lie outside the block tank")
        if self.tanks > 1 and self.tank_stride < self.tank_count:
            raise ValueError("tank_stride is less than tank_count: the tanks would overlap")
        if len(self.questions()) == 2:
            one, other = map(self.span, self.questions())
            if other > 125:
                raise ValueError("so many tanks do not fit into two questions")
            differ_in_length(("the first tanks", one), ("the last tanks", other))
        on_the_wire(self, "tanks", self.tank_address, (self.tanks - 1) * self.tank_stride + self.tank_count)
        return self


RegisterMap = LastSaleMap | RingMap | CounterMap | GaugeMap
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


def with_decimals(found: RegisterMap, chosen: Mapping[str, int]) -> RegisterMap:
    """The same map with the site's own decimals, by role.

    Raises ValueError where they would change nothing, or half of what a gauge counts alike.
    """
    if not chosen:
        return found
    if not isinstance(found, LastSaleMap | RingMap):
        raise ValueError("decimals of a counter or a gauge stand in its map: copy it")
    sale = found.record if isinstance(found, RingMap) else found.roles
    if absent := sorted(role for role in chosen if getattr(sale, role, None) is None):
        raise ValueError(f"the map has no {' and no '.join(absent)}: its decimals mean nothing")
    if "volume" in chosen:
        chosen = {**chosen, "current_volume": chosen["volume"]}
    changed = {"roles": _redotted(found.roles, chosen)}
    if isinstance(found, RingMap):
        changed["record"] = _redotted(found.record, chosen)
    return found.model_copy(update=changed)


def _redotted(roles: Part, chosen: Mapping[str, int]) -> Part:
    changed = {
        role: register.model_copy(update={"decimals": decimals})
        for role, decimals in chosen.items()
        if isinstance(register := getattr(roles, role, None), Register)
    }
    return roles.model_copy(update=changed)
