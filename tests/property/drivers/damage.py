"""What can be done to bytes: real traffic, mutated, and perhaps sealed again with a right check value."""

import random
from collections.abc import Callable, Sequence

LONGEST_BYTES = 4_096
_TELLING = b"\x00\x02\x03\x04\x05\x06\x10\x15\x1b\x1c\x7f\x80\xf0\xfa\xfb\xfc\xfd\xfe\xff\r\n()*&?>!09AF"
"""Bytes that mean something in one protocol or another."""


def _flip(data: bytearray, rng: random.Random, pool: Sequence[bytes]) -> None:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _replace(data: bytearray, rng: random.Random, pool: Sequence[bytes]) -> None:
    data[rng.randrange(len(data))] = rng.choice(_TELLING)


def _insert(data: bytearray, rng: random.Random, pool: Sequence[bytes]) -> None:
    data.insert(rng.randrange(len(data) + 1), rng.choice(_TELLING))


def _cut_out(data: bytearray, rng: random.Random, pool: Sequence[bytes]) -> None:
    start = rng.randrange(len(data))
    del data[start : start + rng.randint(1, 4)]


def _repeat(data: bytearray, rng: random.Random, pool: Sequence[bytes]) -> None:
    start = rng.randrange(len(data))
    data[start:start] = data[start : start + rng.randint(1, 24)] * rng.choice((1, 1, 1, 2, 30))


def _cut_off(data: bytearray, rng: random.Random, pool: Sequence[bytes]) -> None:
    del data[rng.randrange(len(data)) :]


def _splice(data: bytearray, rng: random.Random, pool: Sequence[bytes]) -> None:
    other = rng.choice(pool)
    data[rng.randrange(len(data)) :] = other[rng.randrange(len(other)) :]


_WAYS = (_flip, _flip, _replace, _replace, _insert, _cut_out, _repeat, _cut_off, _splice)


def damaged(rng: random.Random, pool: Sequence[bytes]) -> bytes:
    """A piece of the pool after one to four mutations."""
    data = bytearray(rng.choice(pool))
    for _ in range(rng.randint(1, 4)):
        if data:
            rng.choice(_WAYS)(data, rng, pool)
    return bytes(data[:LONGEST_BYTES])


def anything(rng: random.Random, pool: Sequence[bytes], seal: Callable[[bytes], bytes]) -> bytes:
    """Damaged, damaged and sealed, untouched at the wrong moment, or random bytes."""
    way = rng.randrange(16)
    if way == 0:
        return rng.randbytes(rng.randint(1, 64))
    if way == 1:
        return rng.choice(pool)
    data = damaged(rng, pool)
    return seal(data) if way < 9 and len(data) > 8 else data
