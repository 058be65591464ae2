"""Bad wires on simulated time: what lies between a session and a simulator in the conformance tests.

A `Wire` is one direction. It keeps the order of bytes, as wires do, and is bounded, as buffers are.
All chance comes from the `random.Random` passed in: the same seed gives the same trouble.
"""

import random
from collections import deque
from dataclasses import dataclass

from drivers.events import Monotonic

IN_TRANSIT_LIMIT_BYTES = 65_536
"""More than this on the way at once is lost, as in a full UART buffer."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What one kind of wire does. Chances are basis points (1 of 10,000), per byte or per write.

    `pace_ms` above 0 delivers every byte alone, that far apart. `late_ms` is the longest delay of a
    late write.
    """

    name: str
    pace_ms: int = 0
    lose_byte_bp: int = 0
    lose_write_bp: int = 0
    flip_bit_bp: int = 0
    repeat_write_bp: int = 0
    late_write_bp: int = 0
    late_ms: int = 0
    noise_bp: int = 0
    noise_bytes: int = 0

    def invents_nothing(self) -> bool:
        """True if the device hears only what we wrote, in time, or less: then what the device believes
        is our doing alone."""
        return not (self.flip_bit_bp or self.repeat_write_bp or self.late_write_bp or self.noise_bp)


CLEAN = Faults("clean")
WIRES: dict[str, Faults] = {
    wire.name: wire
    for wire in (
        CLEAN,
        Faults("one_byte", pace_ms=1),
        Faults("loses_bytes", lose_byte_bp=60),
        Faults("loses_writes", lose_write_bp=1_200),
        Faults("flips", flip_bit_bp=80),
        Faults("repeats", repeat_write_bp=1_500),
        Faults("late", late_write_bp=1_500, late_ms=900),
        Faults("noise", noise_bp=1_500, noise_bytes=40),
        Faults(
            "all_at_once",
            pace_ms=1,
            lose_byte_bp=15,
            lose_write_bp=300,
            flip_bit_bp=20,
            repeat_write_bp=300,
            late_write_bp=300,
            late_ms=700,
            noise_bp=300,
            noise_bytes=20,
        ),
    )
}


class Wire:
    """One direction of a wire. `carry` puts a write on it, `take` gives the pieces that are due."""

    def __init__(self, faults: Faults, rng: random.Random) -> None:
        self.faults = faults
        self._rng = rng
        self._pieces: deque[tuple[Monotonic, bytes]] = deque()
        self._in_transit_bytes = 0
        self._last_due = Monotonic(0)
        self.is_cut = False

    def carry(self, data: bytes, now: Monotonic) -> None:
        """Put one write on the wire; what the faults make of it arrives from `now` on."""
        faults = self.faults
        if self.is_cut or self._happens(faults.lose_write_bp):
            return
        late_ms = self._rng.randint(1, faults.late_ms) if self._happens(faults.late_write_bp) else 0
        copies = 2 if self._happens(faults.repeat_write_bp) else 1
        for _ in range(copies):
            damaged = self._damage(data)
            if self._happens(faults.noise_bp):
                damaged = self._rng.randbytes(self._rng.randint(1, faults.noise_bytes)) + damaged
            self._put(damaged, Monotonic(now + late_ms))

    def take(self, now: Monotonic) -> list[bytes]:
        """The pieces that have arrived by `now`, in order."""
        arrived = []
        while self._pieces and self._pieces[0][0] <= now:
            _, piece = self._pieces.popleft()
            self._in_transit_bytes -= len(piece)
            arrived.append(piece)
        return arrived

    def next_due(self) -> Monotonic | None:
        """When the next piece arrives, or None when nothing is on the way."""
        return self._pieces[0][0] if self._pieces else None

    def lose_all(self) -> None:
        """What is on the way never arrives (somebody lost power or the plug was pulled)."""
        self._pieces.clear()
        self._in_transit_bytes = 0

    def _happens(self, chance_bp: int) -> bool:
        return chance_bp > 0 and self._rng.randrange(10_000) < chance_bp

    def _damage(self, data: bytes) -> bytes:
        faults = self.faults
        if not (faults.lose_byte_bp or faults.flip_bit_bp):
            return data
        damaged = bytearray()
        for byte in data:
            if self._happens(faults.lose_byte_bp):
                continue
            flipped = byte ^ (1 << self._rng.randrange(8)) if self._happens(faults.flip_bit_bp) else byte
            damaged.append(flipped)
        return bytes(damaged)

    def _put(self, data: bytes, at: Monotonic) -> None:
        room = IN_TRANSIT_LIMIT_BYTES - self._in_transit_bytes
        data = data[:room]
        pieces = [data[i : i + 1] for i in range(len(data))] if self.faults.pace_ms else [data]
        due = max(at, self._last_due)
        for piece in pieces:
            due = Monotonic(due + self.faults.pace_ms)
            if piece:
                self._pieces.append((due, piece))
                self._in_transit_bytes += len(piece)
        self._last_due = due
