"""How the simulated dispenser writes: by itself, so that no mistake of the codec answers itself."""

from collections.abc import Iterable

from drivers.events import Monotonic


def bcd(value: int, size_bytes: int) -> bytes:
    digits = str(value).rjust(2 * size_bytes, "0")
    assert len(digits) == 2 * size_bytes, f"{value} does not fit"
    return bytes(16 * int(digits[at]) + int(digits[at + 1]) for at in range(0, len(digits), 2))


def total(total_cl: int) -> bytes:
    return b"\x0a" + bcd(total_cl, 6)


def fields(values: dict[int, bytes], ids: Iterable[int]) -> bytes:
    """What is not known comes back with length 0."""
    parts = [(id_, values.get(id_, b"")) for id_ in ids]
    return b"".join(bytes((id_, len(value))) + value for id_, value in parts)


def clock_of(now: Monotonic) -> bytes:
    """A date and a time of day that move with `now`: year month day, hour minute second, BCD."""
    seconds = now // 1_000
    day, hour, minute = 1 + seconds // 86_400 % 28, seconds // 3_600 % 24, seconds // 60 % 60
    return bcd(2_026, 2) + b"\x05" + b"".join(bcd(part, 1) for part in (day, hour, minute, seconds % 60))
