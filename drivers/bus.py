"""Several sessions on one wire (half-duplex RS-485): whose turn it is, and who hears what.

Both are themselves sessions, so the line serves them like any other. On a `Bus` one question is out at a
time; the answer goes to the session that asked. A session keeps the wire while it is `awaiting()`, and the
turn then goes round, so a silent device costs the others one answer time a round and never more. An
`Audience` is for a wire with a master of its own: everybody hears everything, and nobody speaks.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from drivers.events import Answer, DriverEvent, Monotonic, Notice
from drivers.session import Session


class _Together:
    """What several sessions have in common with one."""

    def __init__(self, sessions: Sequence[Session]) -> None:
        assert sessions, "a wire needs at least one device"
        self._sessions = tuple(sessions)
        self._reported: list[tuple[DriverEvent, Session]] = []
        self._own: Counter[str] = Counter()

    def next_event(self) -> DriverEvent | None:
        for session in self._sessions:
            if (event := session.next_event()) is not None:
                self._reported.append((event, session))
                return event
        return None

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        for index, (reported, session) in enumerate(self._reported):
            if reported is event:
                del self._reported[index]
                session.confirm(event, answer, now)
                return

    def tell(self, notice: Notice, now: Monotonic) -> None:
        for session in self._sessions:
            session.tell(notice, now)

    def disconnected(self, now: Monotonic) -> None:
        for session in self._sessions:
            session.disconnected(now)

    def counters(self) -> Mapping[str, int]:
        total = Counter(self._own)
        for session in self._sessions:
            total.update(session.counters())
        return total

    def _timers(self) -> list[Monotonic]:
        return [timer for session in self._sessions if (timer := session.next_timer()) is not None]


class Audience(_Together):
    """Several sessions that only listen, each with its own devices on the same wire."""

    def receive(self, data: bytes, now: Monotonic) -> None:
        for session in self._sessions:
            session.receive(data, now)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        said = b"".join(session.bytes_to_send(now) for session in self._sessions)
        assert not said, "a listener spoke"
        return b""

    def next_timer(self) -> Monotonic | None:
        return min(self._timers(), default=None)

    def handle_timer(self, now: Monotonic) -> None:
        for session in self._sessions:
            timer = session.next_timer()
            if timer is not None and timer <= now:
                session.handle_timer(now)

    def awaiting(self) -> bool:
        return False


class Bus(_Together):
    """Several sessions on one wire. `gap_ms` of quiet part a question nobody answers, or the last byte
    heard, from the next question: a session knows only its own bytes (Modbus RTU wants 3.5 characters)."""

    def __init__(self, sessions: Sequence[Session], gap_ms: int = 10) -> None:
        super().__init__(sessions)
        self._gap_ms = gap_ms
        self._asker: Session | None = None
        self._turn = 0
        self._quiet_until = Monotonic(0)
        self._somebody_may_wait = True

    def receive(self, data: bytes, now: Monotonic) -> None:
        self._quiet_until = Monotonic(now + self._gap_ms)
        if self._asker is None:
            self._own["UNASKED_BYTES"] += len(data)
            return
        self._asker.receive(data, now)

    def confirm(self, event: DriverEvent, answer: Answer, now: Monotonic) -> None:
        self._somebody_may_wait = True
        super().confirm(event, answer, now)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        if self._asker is not None and self._asker.awaiting():
            return self._asker.bytes_to_send(now)
        if now < self._quiet_until:
            return b""
        for step in range(len(self._sessions)):
            index = (self._turn + step) % len(self._sessions)
            session = self._sessions[index]
            if data := session.bytes_to_send(now):
                self._asker, self._turn = session, index + 1
                self._quiet_until = Monotonic(now + self._gap_ms)
                self._somebody_may_wait = True
                return data
        self._somebody_may_wait = False
        return b""

    def next_timer(self) -> Monotonic | None:
        if self._asker is not None and self._asker.awaiting():
            return self._asker.next_timer()
        timers = self._timers()
        if self._somebody_may_wait:
            timers.append(self._quiet_until)
        return max(self._quiet_until, min(timers)) if timers else None

    def handle_timer(self, now: Monotonic) -> None:
        asking = self._asker if self._asker is not None and self._asker.awaiting() else None
        for session in self._sessions if asking is None else (asking,):
            timer = session.next_timer()
            if timer is not None and timer <= now:
                session.handle_timer(now)
                self._somebody_may_wait = True

    def awaiting(self) -> bool:
        return self._asker is not None and self._asker.awaiting()

    def disconnected(self, now: Monotonic) -> None:
        self._asker = None
        super().disconnected(now)
