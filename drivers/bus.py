"""Whose turn it is on a wire that several devices share (half-duplex RS-485).

A `Bus` is itself a session, so the line serves it like any other. One question is out at a time; the
answer goes to the session that asked. A session keeps the wire while it is `awaiting()`, and the turn
then goes round, so a silent device costs the others one answer time a round and never more.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from drivers.events import Answer, DriverEvent, Monotonic, Notice
from drivers.session import Session


class Bus:
    """Several sessions on one wire. `gap_ms` of quiet part a question nobody answers, or the last byte
    heard, from the next question: a session knows only its own bytes (Modbus RTU wants 3.5 characters)."""

    def __init__(self, sessions: Sequence[Session], gap_ms: int = 10) -> None:
        assert sessions, "a bus needs at least one device"
        self._sessions = tuple(sessions)
        self._gap_ms = gap_ms
        self._asker: Session | None = None
        self._turn = 0
        self._quiet_until = Monotonic(0)
        self._somebody_may_wait = True
        self._reported: list[tuple[DriverEvent, Session]] = []
        self._own: Counter[str] = Counter()

    def receive(self, data: bytes, now: Monotonic) -> None:
        self._quiet_until = Monotonic(now + self._gap_ms)
        if self._asker is None:
            self._own["UNASKED_BYTES"] += len(data)
            return
        self._asker.receive(data, now)

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
                self._somebody_may_wait = True
                session.confirm(event, answer, now)
                return

    def tell(self, notice: Notice, now: Monotonic) -> None:
        for session in self._sessions:
            session.tell(notice, now)

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
        timers = [timer for session in self._sessions if (timer := session.next_timer()) is not None]
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
        for session in self._sessions:
            session.disconnected(now)

    def counters(self) -> Mapping[str, int]:
        total = Counter(self._own)
        for session in self._sessions:
            total.update(session.counters())
        return total
