"""A till beside a journal feed, for the tests: says lines to the session and notes what it reports."""

from drivers.events import Answer, DriverEvent, Monotonic, Outcome, PosRequest
from drivers.verifone_journal.codec import PREFIX
from drivers.verifone_journal.options import VerifoneJournalOptions
from drivers.verifone_journal.session import VerifoneJournalSession

DONE = Answer(Outcome.DONE, durable=True)
NOT_NOW = Answer(Outcome.UNAVAILABLE, durable=False, reason="DISK_FULL")


def item(description: str, amount: str, quantity: int = 1, register: str = "101") -> str:
    return stamped(f"%% {description:>20}{quantity:>4}{amount:>12} ", register)


def named(name: str, amount: str, register: str = "101") -> str:
    return stamped(f"{name:>27}{amount:>12} ", register)


def number(transaction: int, register: str = "101") -> str:
    return stamped(f"ST#  F0001 TILL XXXX DR# 1 TRAN# {transaction:7d}", register)


def cashier(name: str = "SOMEBODY", register: str = "101") -> str:
    return stamped(f"CSH: {name:<18}08/18/15 22:12:21", register)


def stamped(body: str, register: str = "101") -> str:
    return f"08/18/15 22:12:21 {register} {body}"


class Desk:
    def __init__(self, **options: object) -> None:
        self.session = VerifoneJournalSession("pos", VerifoneJournalOptions.model_validate(options))
        self.now = Monotonic(1_000)
        self.session.handle_timer(self.now)
        self.answer = DONE
        self.reported: list[PosRequest] = []
        self.others: list[DriverEvent] = []

    def say(self, *lines: str) -> None:
        """Lines as on the network."""
        self.feed("".join(f"{line}\n" for line in lines).encode("ascii"))

    def say_serial(self, *lines: str) -> None:
        """Records as on the serial port: the one with the number without a line feed."""
        self.feed(b"".join(PREFIX + line.encode() + (b"" if "TRAN#" in line else b"\n") for line in lines))

    def feed(self, data: bytes) -> None:
        self.session.receive(data, self.now)
        self.collect()
        assert self.session.bytes_to_send(self.now) == b"", "a journal is only heard"

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
