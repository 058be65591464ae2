"""The device's side of the blueprint protocol, without I/O: keeps sales until told "keep"."""

from collections import deque

from drivers.blueprint import codec
from drivers.events import Monotonic

ROOM = 1_000
"""Sales it can hold; then the dispenser would refuse to start (the simulator asserts)."""


class BlueprintSimulator:
    """Concrete verb: `sell`. Truth: `sold` (all) and `released` (told to us as kept)."""

    def __init__(self, first_number: int = 1) -> None:
        self.sold: list[codec.Sale] = []
        self.released: list[codec.Sale] = []
        self._waiting: deque[codec.Sale] = deque()
        self._reader = codec.Reader()
        self._outgoing = bytearray()
        self._next_number, self._totalizer = first_number, 0

    def sell(self, nozzle: str, volume_cl: int, amount_fen: int, price_fen: int) -> codec.Sale:
        """One finished sale. `volume_cl` in 10 ml, `price_fen` per litre."""
        assert len(self._waiting) < ROOM, "the device's memory is full"
        self._totalizer = (self._totalizer + volume_cl) % 10**10
        sale = codec.Sale(
            sequence_no=f"{self._next_number:04d}",
            nozzle=nozzle,
            volume=f"{volume_cl:06d}",
            amount=f"{amount_fen:06d}",
            unit_price=f"{price_fen:04d}",
            totalizer=f"{self._totalizer:010d}",
        )
        self._next_number = (self._next_number + 1) % 10_000
        self.sold.append(sale)
        self._waiting.append(sale)
        return sale

    def receive(self, data: bytes, now: Monotonic) -> None:
        for body in self._reader.feed(data):
            if body == codec.READ:
                reply = codec.encode_sale(self._waiting[0]) if self._waiting else codec.encode(codec.NOTHING)
                self._outgoing += reply
            elif (kept := codec.parse_kept(body)) is not None:
                self._keep(kept)
                self._outgoing += codec.encode(body)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data, self._outgoing = bytes(self._outgoing), bytearray()
        return data

    def next_timer(self) -> Monotonic | None:
        return None

    def handle_timer(self, now: Monotonic) -> None:
        """This device answers at once and does nothing on its own."""

    def power_cycle(self, now: Monotonic) -> None:
        """Sales are in its permanent memory; half-heard and half-said frames are gone."""
        self._reader.forget()
        self._outgoing.clear()

    def _keep(self, sequence_no: str) -> None:
        if self._waiting and self._waiting[0].sequence_no == sequence_no:
            self.released.append(self._waiting.popleft())
