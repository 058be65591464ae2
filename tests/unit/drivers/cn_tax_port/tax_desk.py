"""A desk for one tax-control port and one session on a perfect wire, with a clock that the test moves."""

from drivers.cn_tax_port.codec import Frame, Reader
from drivers.cn_tax_port.options import TaxPortOptions
from drivers.cn_tax_port.session import TaxPortSession
from drivers.cn_tax_port.simulator import TaxPortSimulator
from drivers.events import Monotonic
from tests.unit.drivers.machinery.session_bench import SessionBench


class TaxDesk(SessionBench):
    """`run` serves both ends."""

    def __init__(self, simulator: TaxPortSimulator | None = None, **options: object) -> None:
        self.simulator = simulator or TaxPortSimulator()
        self.options = TaxPortOptions.model_validate({"poll_ms": 200, "answer_ms": 200, **options})
        super().__init__(TaxPortSession("1", self.options))
        self.is_cut = False

    def restart(self) -> None:
        """The agent dies and comes back: nothing is remembered."""
        self.session = TaxPortSession("1", self.options)

    def run(self, duration_ms: int) -> None:
        for _ in range(0, duration_ms, 10):
            self.now = Monotonic(self.now + 10)
            if data := self.simulator.bytes_to_send(self.now):
                self.session.receive(data, self.now)
            self.turn()
            data = self.session.bytes_to_send(self.now)
            if data and not self.is_cut:
                self.simulator.receive(data, self.now)

    def sell(
        self, volume_cl: int = 3_000, amount_fen: int = 23_310, when: str = "311259", gun: int = 1
    ) -> None:
        self.simulator.sell(gun, volume_cl, amount_fen, 777, self.now, when=when)


def only_frame(data: bytes) -> Frame:
    (frame,) = Reader().feed(data)
    return frame
