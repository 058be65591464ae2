"""A POS counter for the tests of the POS link: session, simulated POS and till on simulated time."""

from collections.abc import Callable

from drivers.events import Answer, Credential, CredentialKind, DriverEvent, Monotonic, Outcome, PosRequest
from drivers.pos_link.fields import PROFILE_VERSION
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.session import PosLinkSession
from drivers.pos_link.simulator import PosSimulator

OPTIONS = PosLinkOptions(register_id="1")
MEMBER = Credential(CredentialKind.CARD, "8801")
SLIP = ("本次积分 2.34", "", "7K3Q9-ZDM2P-C")
DONE = Answer(Outcome.DONE, durable=True, points_minor=234, balance_minor=1734, text="积分已到账", slip=SLIP)

Spoil = Callable[[bytes], bytes]


class Counter:
    """`to_agent` and `to_pos` may spoil what travels; `answer` plays the till."""

    def __init__(self, answer: Answer = DONE, pos_version: int = PROFILE_VERSION) -> None:
        self.now = Monotonic(1_000_000)
        self.pos = PosSimulator(OPTIONS, pos_version)
        self.session = PosLinkSession("pos-1", OPTIONS)
        self.answer = answer
        self.events: list[DriverEvent] = []
        self.to_agent: Spoil = bytes
        self.to_pos: Spoil = bytes

    @property
    def requests(self) -> list[PosRequest]:
        return [event for event in self.events if isinstance(event, PosRequest)]

    def run(self, duration_ms: int) -> None:
        """Let this much time pass, from one due moment to the next."""
        until = self.now + duration_ms
        while True:
            self._settle()
            timers = (self.session.next_timer(), self.pos.next_timer())
            due = min((timer for timer in timers if timer is not None), default=until)
            if due > until:
                break
            self.now = Monotonic(max(due, self.now))
            if timers[0] is not None and timers[0] <= self.now:
                self.session.handle_timer(self.now)
            if timers[1] is not None and timers[1] <= self.now:
                self.pos.handle_timer(self.now)
        self.now = Monotonic(until)

    def _settle(self) -> None:
        while True:
            to_pos = self.session.bytes_to_send(self.now)
            to_agent = self.pos.bytes_to_send(self.now)
            if not to_pos and not to_agent:
                return
            self.session.receive(self.to_agent(to_agent), self.now)
            self.pos.receive(self.to_pos(to_pos), self.now)
            while (event := self.session.next_event()) is not None:
                self.events.append(event)
                self.session.confirm(event, self.answer, self.now)


def once(spoiled: Callable[[bytes], bool], instead: bytes = b"") -> Spoil:
    """Replace the first piece for which `spoiled` holds."""
    left = [True]

    def spoil(data: bytes) -> bytes:
        if left and spoiled(data):
            left.clear()
            return instead
        return data

    return spoil
