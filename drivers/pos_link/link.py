"""Whose turn it is on the POS link, and whether the other end has heard (NOTES.md, "Turns").

One turn: ENQ, ACK, message, ACK. An ACK to a message says that it arrived intact, never that it
was stored; that is what the ANSWER is for. Both ends run this same code; only the POS wins collisions.
"""

from collections import Counter
from enum import Enum, auto

from drivers.events import Monotonic
from drivers.pos_link.codec import BAD_FRAME, Control, Damaged, Framer, Intact, Token

TRIES = 3
GAP_MS = 1000
"""Silence inside a frame after which it is torn."""
LISTEN_MS = 3000
"""How long we keep the line free for a message after we said ACK to an ENQ."""
BYTE_MS = 2
"""Time allowed for one byte on the wire, on top of every wait: twice what 9600 baud needs."""

MOST_UNSENT_BYTES = 256
"""What is kept, and one message more, while nobody takes our bytes (the port is closed). An ENQ or a
message that was not taken in its whole wait is replaced by its repeat."""


class _State(Enum):
    IDLE = auto()
    ENQUIRED = auto()
    TOLD = auto()
    LISTENING = auto()


class Delivery(Enum):
    """What became of the message that was offered."""

    DELIVERED = auto()
    GIVEN_UP = auto()


class Link:
    """One end of the link. Holds one outgoing frame; intact messages are returned by `receive`.

    `wins`: in a collision this end goes on and the other yields (the POS). `wait_ms`: how long an ENQ
    or a message waits for its ACK; the two ends use different times so that they do not collide again.
    """

    def __init__(self, *, wins: bool, wait_ms: int) -> None:
        self.counters: Counter[str] = Counter()
        """By code; HEARD are intact messages and the acknowledgements that we waited for, NO_ANSWER the waits
        for one that ended without, LATE_ANSWER an ACK or NAK for which nobody waited any more."""
        self.heard_at: Monotonic | None = None
        self._wins = wins
        self._wait_ms = wait_ms
        self._framer = Framer()
        self._state = _State.IDLE
        self._deadline: Monotonic | None = None
        self._gap_deadline: Monotonic | None = None
        self._out = bytearray()
        self._said_is_untaken = False
        self._frame: bytes | None = None
        self._probing = False
        self._tries = 0
        self._delivery: Delivery | None = None

    @property
    def waiting(self) -> bool:
        """True while the other end owes us an ACK or the message it announced."""
        return self._state is not _State.IDLE

    def offer(self, frame: bytes, now: Monotonic) -> None:
        """Send this frame as soon as the line allows. `delivery` says how it ended."""
        assert self._frame is None, "one frame at a time"
        self._frame = frame
        self.take_turn(now)

    def withdraw(self) -> None:
        """Do not send the offered frame (again); there will be no `delivery`."""
        self._frame = self._delivery = None
        if self._state in (_State.ENQUIRED, _State.TOLD):
            self._rest()

    def probe(self, now: Monotonic) -> None:
        """Ask with ENQ whether the other end is there, with nothing to say (ENQ, ACK, EOT)."""
        self._probing = True
        self.take_turn(now)

    def take_turn(self, now: Monotonic) -> None:
        """Say ENQ if there is something to say and nobody is speaking. To be called after every input:
        a frame may still be withdrawn because of a message that just arrived."""
        if self._state is _State.IDLE and (self._frame is not None or self._probing):
            self._tries = 0
            self._enquire(now)

    def delivery(self) -> Delivery | None:
        """How the last offer ended, told once."""
        ended, self._delivery = self._delivery, None
        return ended

    def receive(self, data: bytes, now: Monotonic) -> list[tuple[bytes, ...]]:
        """Take bytes; return the fields of the messages that arrived intact (each was answered ACK)."""
        noise_before = self._framer.noise_bytes
        messages = []
        for token in self._framer.feed(data):
            self._react(token, now)
            if isinstance(token, Intact):
                messages.append(token.fields)
        self._gap_deadline = Monotonic(now + GAP_MS) if self._framer.inside_frame else None
        if noise := self._framer.noise_bytes - noise_before:
            self.counters["NOISE_BYTES"] += noise
        return messages

    def bytes_to_send(self) -> bytes:
        data = bytes(self._out)
        self._out.clear()
        self._said_is_untaken = False
        return data

    def next_timer(self) -> Monotonic | None:
        return min((t for t in (self._deadline, self._gap_deadline) if t is not None), default=None)

    def handle_timer(self, now: Monotonic) -> None:
        if self._gap_deadline is not None and now >= self._gap_deadline:
            self._gap_deadline = None
            self._framer.abandon()
            self._refuse(BAD_FRAME)
        if self._deadline is not None and now >= self._deadline:
            if self._said_is_untaken:
                self._out.clear()
            elif self._state is not _State.LISTENING:
                self.counters["NO_ANSWER"] += 1
            self._overdue(now)

    def reset(self) -> None:
        """The wire is gone: forget the half-heard frame, the turn and the offered frame."""
        self._framer.abandon()
        self._out.clear()
        self._frame = self._delivery = self._gap_deadline = None
        self._probing = False
        self._rest()

    def _react(self, token: Token, now: Monotonic) -> None:
        match token:
            case Intact():
                self._accept(now)
            case Damaged(code=code):
                self._refuse(code)
            case Control.ENQ:
                self._invited(now)
            case Control.ACK:
                self._acknowledged(now)
            case Control.NAK:
                self._denied(now)
            case Control.EOT:
                self._turn_ended()

    def _heard(self, now: Monotonic) -> None:
        self.heard_at = now
        self.counters["HEARD"] += 1

    def _accept(self, now: Monotonic) -> None:
        self._heard(now)
        self._reply(Control.ACK)
        if self._state is _State.LISTENING or not self._wins:
            self._rest()

    def _say(self, data: bytes) -> None:
        if len(self._out) > MOST_UNSENT_BYTES:
            self._out.clear()
        self._out += data
        self._said_is_untaken = True

    def _reply(self, control: Control) -> None:
        if len(self._out) < MOST_UNSENT_BYTES:
            self._out.append(control)

    def _refuse(self, code: str) -> None:
        self.counters[code] += 1
        self._reply(Control.NAK)

    def _invited(self, now: Monotonic) -> None:
        if self._state in (_State.ENQUIRED, _State.TOLD):
            self.counters["COLLISION"] += 1
            if self._wins:
                return
        self._reply(Control.ACK)
        self._wait(_State.LISTENING, LISTEN_MS, now)

    def _acknowledged(self, now: Monotonic) -> None:
        if self._state is _State.ENQUIRED:
            self._heard(now)
            self._answered_enquiry(now)
        elif self._state is _State.TOLD:
            self._heard(now)
            self._finish(Delivery.DELIVERED)
        else:
            self.counters["LATE_ANSWER"] += 1

    def _answered_enquiry(self, now: Monotonic) -> None:
        self._probing = False
        if self._frame is None:
            self._reply(Control.EOT)
            self._rest()
        else:
            self._tries = 0
            self._say_frame(self._frame, now)

    def _denied(self, now: Monotonic) -> None:
        """A NAK to a message asks for it again at once; a NAK to an ENQ means "not yet"."""
        if self._state is _State.TOLD:
            self._heard(now)
            self._overdue(now)
        elif self._state is not _State.ENQUIRED:
            self.counters["LATE_ANSWER"] += 1

    def _turn_ended(self) -> None:
        if self._state is _State.LISTENING:
            self._rest()
        else:
            self.counters["STRAY_CONTROL"] += 1

    def _overdue(self, now: Monotonic) -> None:
        if self._state is _State.LISTENING:
            self._rest()
        elif self._tries >= TRIES:
            self.counters["GIVEN_UP"] += 1
            self._reply(Control.EOT)
            self._finish(Delivery.GIVEN_UP)
        elif self._state is _State.TOLD and self._frame is not None:
            self.counters["RESENT"] += 1
            self._say_frame(self._frame, now)
        else:
            self.counters["RESENT"] += 1
            self._enquire(now)

    def _enquire(self, now: Monotonic) -> None:
        self._tries += 1
        self._say(bytes([Control.ENQ]))
        self._wait(_State.ENQUIRED, self._wait_ms, now)

    def _say_frame(self, frame: bytes, now: Monotonic) -> None:
        self._tries += 1
        self._say(frame)
        self._wait(_State.TOLD, self._wait_ms + BYTE_MS * len(frame), now)

    def _wait(self, state: _State, wait_ms: int, now: Monotonic) -> None:
        self._state = state
        self._deadline = Monotonic(now + wait_ms)

    def _rest(self) -> None:
        self._state = _State.IDLE
        self._deadline = None

    def _finish(self, delivery: Delivery) -> None:
        if self._frame is not None:
            self._delivery = delivery
        self._frame = None
        self._probing = False
        self._rest()
