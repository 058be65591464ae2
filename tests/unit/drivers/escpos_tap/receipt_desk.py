"""A till beside a tapped printer, for the tests: prints bytes to the session and notes what it reports."""

from drivers.escpos_tap.options import EscposTapOptions
from drivers.escpos_tap.session import EscposTapSession
from drivers.escpos_tap.simulator import CUT, PATTERNS
from drivers.events import Answer, DriverEvent, Monotonic, Outcome, PosRequest

DONE = Answer(Outcome.DONE, durable=True)


class Desk:
    def __init__(self, **options: object) -> None:
        settings = {"register_id": "1", "patterns": PATTERNS} | options
        self.session = EscposTapSession("printer", EscposTapOptions.model_validate(settings))
        self.encoding = str(settings.get("encoding", "gb18030"))
        self.now = Monotonic(1_000)
        self.session.handle_timer(self.now)
        self.answer = DONE
        self.reported: list[PosRequest] = []
        self.others: list[DriverEvent] = []

    def print(self, *lines: str, cut: bytes = CUT) -> None:
        self.feed("".join(f"{line}\n" for line in lines).encode(self.encoding) + cut)

    def feed(self, data: bytes) -> bytes:
        """Returns what the printer (we) answered."""
        self.session.receive(data, self.now)
        self.collect()
        return self.session.bytes_to_send(self.now)

    def collect(self) -> None:
        while (event := self.session.next_event()) is not None:
            if isinstance(event, PosRequest):
                self.reported.append(event)
            else:
                self.others.append(event)
            self.session.confirm(event, self.answer, self.now)

    def pass_time(self, duration_ms: int) -> None:
        self.now = Monotonic(self.now + duration_ms)
        timer = self.session.next_timer()
        if timer is not None and timer <= self.now:
            self.session.handle_timer(self.now)
        self.collect()

    def count(self, code: str) -> int:
        return self.session.counters().get(code, 0)
