"""What register maps are made of: registers, blocks of them, and what every kind of map has."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from drivers.modbus.registers import NumberType, Reading, WordOrder, read_number

Decimals = Annotated[int, Field(ge=0, le=3)]
PollMs = Annotated[int, Field(ge=50, le=2_000)]
"""Twice within the time after which a device counts as silent, at least."""


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Register(Part):
    """One number. `address` as printed, or the offset inside a record of the ring or a tank's block.

    `wraps_at` is the raw count at which a totalizer goes back to 0, where that is narrower than its type.
    """

    address: int = Field(ge=0, le=65_536)
    type: Annotated[NumberType, Field(strict=False)]
    decimals: Decimals = 0
    wraps_at: int | None = Field(default=None, gt=1, le=10**12)

    @model_validator(mode="after")
    def _holds_what_it_counts(self) -> Self:
        if self.modulus > self.type.modulus:
            raise ValueError(f"wraps_at is more than {self.type} holds")
        return self

    @property
    def modulus(self) -> int:
        return self.wraps_at or self.type.modulus

    @property
    def end(self) -> int:
        return self.address + self.type.words


class Block(Part):
    """Registers read by one question (a read carries at most 125)."""

    address: int = Field(ge=0, le=65_536)
    count: int = Field(ge=1, le=125)

    def holds(self, register: Register) -> bool:
        return self.address <= register.address and register.end <= self.address + self.count


class Map(Part):
    """`address_base` is what the source calls the first register: 0, 1, or 40001 and 30001 where the kind of
    register is put before its number. `named` are registers that only people look at.
    """

    title: str
    source: str
    trust: str
    function: Literal[3, 4]
    address_base: Literal[0, 1, 30_001, 40_001]
    word_order: Annotated[WordOrder, Field(strict=False)]
    poll_ms: PollMs = 250
    nozzle: str = Field(default="1", min_length=1, max_length=16)
    named: dict[str, Register] = Field(default_factory=dict)

    def on_wire(self, address: int) -> int:
        """The address as it stands in a request, from the address as printed."""
        return address - self.address_base


def number_in(words: Sequence[int], first: int, register: Register, order: WordOrder) -> Reading:
    """The number of `register` in `words`, which were read from `first` on (both addresses as printed)."""
    at = register.address - first
    return read_number(words[at : at + register.type.words], register.type, order, register.decimals)


def inside(block: Block, name: str, roles: Part, wanted: tuple[str, ...]) -> None:
    """Raises ValueError if a register that one question is to bring lies outside its block."""
    for role in wanted:
        register = getattr(roles, role)
        if register is not None and not block.holds(register):
            raise ValueError(f"{role} lies outside the block {name}")


def differ_in_length(one: tuple[str, int], other: tuple[str, int]) -> None:
    """Raises ValueError: on RTU the length is all that tells the answer to one read from the late answer to
    another."""
    if one[1] == other[1]:
        raise ValueError(f"{one[0]} and {other[0]} must differ in length")


def on_the_wire(found: Map, name: str, address: int, count: int) -> None:
    """Raises ValueError for addresses that no question can name."""
    first = found.on_wire(address)
    if first < 0 or first + count > 65_536:
        raise ValueError(f"{name} lies outside the addresses 0 to 65535")


def counting(name: str, register: Register | None) -> None:
    """Raises ValueError for a type that no totalizer can have: a float runs out of digits."""
    if register is not None and not register.type.counts:
        raise ValueError(f"{name}: a total is u16, u32, bcd8 or bcd12")
