"""Numbers into a simulated device's registers, made by hand: the opposite of `registers.py`, without it."""

import struct
from collections.abc import Iterable
from fractions import Fraction

from drivers.modbus.map_parts import Block, Register
from drivers.modbus.registers import NumberType, WordOrder

Image = dict[int, int]
"""Register values by their address as printed."""


def zeros(*blocks: Block) -> Image:
    """Registers that exist and hold nothing yet."""
    return {address: 0 for block in blocks for address in addresses(block.address, block.count)}


def put(image: Image, register: Register, address: int, count: int, order: WordOrder) -> None:
    """Write `count` (as the device counts, any decimals implied) to the registers from `address` on."""
    text = _hex_text(count, register)
    words = [int(text[at : at + 4], 16) for at in range(0, len(text), 4)]
    if order is WordOrder.LOW_FIRST:
        words.reverse()
    image.update(zip(range(address, address + len(words)), words, strict=True))


def put_new(image: Image, register: Register, count: int, order: WordOrder) -> None:
    """The same at the register's own address, if nothing else lies there."""
    if register.address not in image:
        put(image, register, register.address, count, order)


def addresses(first: int, count: int) -> Iterable[int]:
    return range(first, first + count)


def as_counted(value: int, unit_decimals: int, register: Register) -> int:
    """A value in our units as the device counts it; what it cannot count is cut off."""
    if register.decimals >= unit_decimals:
        return int(value * 10 ** (register.decimals - unit_decimals))
    return int(value // 10 ** (unit_decimals - register.decimals))


def _hex_text(count: int, register: Register) -> str:
    if register.type is NumberType.F32:
        return struct.pack(">f", Fraction(count, 10**register.decimals)).hex()
    digits = 4 * register.type.words
    return f"{count % register.modulus:0{digits}{'d' if register.type.is_decimal else 'x'}}"
