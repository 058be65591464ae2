"""The display's side of the tallyline protocol, without I/O: one sale on show, and totalizers that wrap.

It builds its bytes from the page of facts by itself: a mistake in codec.py cannot answer itself.
"""

from dataclasses import dataclass

from drivers.events import Monotonic

WRAPS_AT = 1_000_000
_QUESTION_BYTES = 4


@dataclass(frozen=True, slots=True)
class Sale:
    """What the display knows of one sale: volume and totalizer in 10 ml, price in fen a litre."""

    nozzle_no: int
    volume_cl: int
    amount_fen: int
    price_fen: int
    totalizer_cl: int


class TallylineSimulator:
    """Concrete verbs: `sell`, or `lift` and `hang_up`. Truth: `sold`, every sale oldest first."""

    def __init__(self, address: int = 1, totalizer_cl: int = 0) -> None:
        self.sold: list[Sale] = []
        self._address = address
        self._totalizers_cl = dict.fromkeys(range(1, 100), totalizer_cl)
        self._shown = Sale(1, 0, 0, 0, totalizer_cl)
        self._is_lifted = False
        self._heard = b""
        self._outgoing = bytearray()

    def sell(self, nozzle_no: int, volume_cl: int, amount_fen: int, price_fen: int) -> None:
        """One whole fuelling."""
        self.lift(nozzle_no, price_fen)
        self.hang_up(volume_cl, amount_fen)

    def lift(self, nozzle_no: int, price_fen: int) -> None:
        """The nozzle is taken: volume and amount are cleared."""
        self._is_lifted = True
        self._shown = Sale(nozzle_no, 0, 0, price_fen, self._totalizers_cl[nozzle_no])

    def hang_up(self, volume_cl: int, amount_fen: int) -> None:
        """The nozzle is back; its totalizer moves by what flowed."""
        assert self._is_lifted, "only what was lifted can be hung up"
        self._is_lifted = False
        before = self._shown
        total_cl = (before.totalizer_cl + volume_cl) % WRAPS_AT
        self._totalizers_cl[before.nozzle_no] = total_cl
        self._shown = Sale(before.nozzle_no, volume_cl, amount_fen, before.price_fen, total_cl)
        self.sold.append(self._shown)

    def receive(self, data: bytes, now: Monotonic) -> None:
        for byte in data:
            self._heard = (self._heard + bytes((byte,)))[-_QUESTION_BYTES:]
            if self._heard == self._said(0x11, ""):
                self._outgoing += self._said(0x91, self._display())
            elif self._heard == self._said(0x12, ""):
                self._outgoing += self._said(0x92, self._totalizer())

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data, self._outgoing = bytes(self._outgoing), bytearray()
        return data

    def next_timer(self) -> Monotonic | None:
        return None

    def handle_timer(self, now: Monotonic) -> None:
        """A display answers at once and does nothing on its own."""

    def power_cycle(self, now: Monotonic) -> None:
        """Display and totalizer are kept, and nothing tells that the sale on show is an old one. A sale that
        runs ends here."""
        if self._is_lifted:
            self.hang_up(self._shown.volume_cl, self._shown.amount_fen)
        self._heard = b""
        self._outgoing.clear()

    def _display(self) -> str:
        shown = self._shown
        digits = f"{shown.nozzle_no:02d}{shown.volume_cl:06d}{shown.amount_fen:06d}{shown.price_fen:04d}"
        return f"{int(self._is_lifted):02d}{digits}"

    def _totalizer(self) -> str:
        return f"{self._shown.nozzle_no:02d}{self._shown.totalizer_cl:06d}"

    def _said(self, function: int, digits: str) -> bytes:
        body = bytes((0xA5, self._address, function)) + bytes.fromhex(digits)
        return body + bytes((sum(body) % 256,))
