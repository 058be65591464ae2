"""Finds out who speaks on a port: it listens, and asks only where nobody else does.

Whoever is heard is master there, and a second master breaks a station. So from the first byte on that nobody
was asked for, nothing is said any more; the other wirings are then tried by listening alone.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from agent.cli.device_candidates import PROVEN_FRAMES, Candidate, Found, Sureness, ranked, rated, together
from agent.cli.device_choice import Chosen, is_pty, is_tcp
from agent.cli.device_kernel import line_errors
from agent.cli.device_places import Place
from agent.cli.device_wire import Clock, ask, hear, without_echo
from agent.cli.progress import Step
from drivers.driver import Ask
from drivers.ports import Port, PortGone, PortRefused, PortSpec, open_port

ANSWER_MS = 400
QUIET_MS = 20
"""Before each question. Bytes in it are somebody else's."""
AFTER_STRANGE_MS = 1_000
"""After an answer that nobody explains; bytes in it are somebody else's."""
FURTHER_QUESTIONS = 12
ENOUGH_BYTES = 4_096

_First = tuple[Chosen, str, Ask]
"""Whom to ask, at which address, and what first."""


class _SomebodySpeaks(Exception):
    def __init__(self, place: Place, data: bytes) -> None:
        super().__init__(f"{len(data)} bytes at {place.shown}")
        self.place, self.data = place, data


class Search:
    """One look at a port. `address` narrows to one; `step` is told how far it is."""

    def __init__(
        self, ways: Sequence[Place], address: str, clock: Clock, listen_ms: int, step: Step | None
    ) -> None:
        self._ways = ways
        self._address = address
        self._clock = clock
        self._listen_ms = listen_ms
        self._step = step or (lambda stage, done, total: None)
        self._total = sum(len(list(self._questions(place))) for place in ways)
        self._asked = 0
        self._answered: list[Candidate] = []
        self._strange = b""

    def run(self) -> Found:
        """Raises `PortRefused` if the port opens in no way, and `PortGone`."""
        try:
            self._ask_around()
        except _SomebodySpeaks as heard:
            return Found(ranked([*self._answered, *self._overhear(heard)]), self._asked, heard.data)
        return Found(ranked(self._answered), self._asked, b"", self._strange)

    def _ask_around(self) -> None:
        is_open = False
        trouble: PortRefused | PortGone | None = None
        for place in self._ways:
            try:
                port = self._open(place, listen_only=False)
            except PortRefused as refusal:
                trouble = trouble or refusal  # one wiring may be beyond this converter, or one port closed
                continue
            is_new_wire = not is_open or is_tcp(place.device)
            gone = self._visit(port, place, self._listen_ms if is_new_wire else QUIET_MS)
            if self._answered:
                return
            is_open = is_open or gone is None
            trouble = trouble or gone
        if trouble is not None and not (is_open or self._asked):
            raise trouble

    def _visit(self, port: Port, place: Place, listen_ms: int) -> PortGone | None:
        """A serial port that goes away ends the search. A TCP peer may hang up at a question that it does
        not know: it is asked the next one on a new connection. Returns how it went if that fails."""
        waiting = deque(self._questions(place))
        while True:
            asked_before = self._asked
            with closing(port):
                try:
                    self._step("listening", 0, 1)
                    self._be_sure_of_quiet(port, place, listen_ms)
                    self._ask_at(port, place, waiting)
                    return None
                except PortGone as error:
                    if not is_tcp(place.device):
                        raise
                    gone = error
            if self._asked == asked_before or self._answered:
                return gone
            try:
                port, listen_ms = self._open(place, listen_only=False), QUIET_MS
            except PortRefused:
                return gone

    def _ask_at(self, port: Port, place: Place, waiting: deque[_First]) -> None:
        while waiting:
            tenant, address, question = waiting.popleft()
            if self._answered and self._answered[0].chosen is not tenant:
                return
            self._step("asking", self._asked, self._total)
            self._try(port, place, tenant, address, question)

    def _questions(self, place: Place) -> Iterator[_First]:
        for tenant in place.tenants:
            for address in (self._address,) if self._address else tenant.driver.addresses:
                for question in tenant.driver.asks(address, tenant.options)[:1]:
                    yield tenant, address, question

    def _try(self, port: Port, place: Place, tenant: Chosen, address: str, question: Ask) -> None:
        """Whoever answers is asked on, the driver's questions in turn: some answers have no check value."""
        candidate = self._ask_once(port, place, tenant, address, question)
        if candidate is None:
            return
        self._answered.append(candidate)
        questions = tenant.driver.asks(address, tenant.options)
        for number in range(1, FURTHER_QUESTIONS + 1):
            if self._answered[-1].right_frames >= PROVEN_FRAMES:
                return
            further = questions[number % len(questions)]
            if again := self._ask_once(port, place, tenant, address, further):
                self._answered[-1] = together(self._answered[-1], again)

    def _ask_once(
        self, port: Port, place: Place, tenant: Chosen, address: str, question: Ask
    ) -> Candidate | None:
        self._be_sure_of_quiet(port, place, QUIET_MS)
        self._asked += 1
        answer, has_echo = without_echo(question.data, ask(port, self._clock, question.data, ANSWER_MS))
        if not answer:
            return None
        candidate = replace(
            rated(tenant, place, answer, device_only=True),
            address=address,
            question=question.title,
            has_echo=has_echo,
        )
        if candidate.explained_bytes:
            return candidate
        self._strange = self._strange or answer
        self._be_sure_of_quiet(port, place, AFTER_STRANGE_MS)
        return None

    def _be_sure_of_quiet(self, port: Port, place: Place, for_ms: int) -> None:
        if heard := hear(port, self._clock, for_ms, 1):
            raise _SomebodySpeaks(place, heard + self._more(port))

    def _more(self, port: Port) -> bytes:
        """What follows the first bytes, up to where the other side hangs up."""
        try:
            return hear(port, self._clock, self._listen_ms, ENOUGH_BYTES)
        except PortGone:
            return b""

    def _overhear(self, first: _SomebodySpeaks) -> list[Candidate]:
        """Every wiring in turn, by ears alone, until one makes sense beyond doubt."""
        tenants = list({id(each): each for place in self._ways for each in place.tenants}.values())
        found: list[Candidate] = []
        ways = [first.place, *(place for place in self._ways if place is not first.place)]
        for number, place in enumerate(ways):
            self._step("listening", number, len(ways))
            data, errors = (first.data, None) if place is first.place else self._listen_at(place)
            heard = (rated(tenant, place, data, device_only=False) for tenant in tenants)
            found += [replace(each, line_errors=errors) for each in heard if each.explained_bytes]
            if any(each.sureness is Sureness.SURE and each.is_usual for each in found):
                break
        return found

    def _listen_at(self, place: Place) -> tuple[bytes, int | None]:
        try:
            port = self._open(place, listen_only=True)
        except PortRefused:
            return b"", None
        with closing(port):
            before = line_errors(port.fileno())
            try:
                data = hear(port, self._clock, self._listen_ms, ENOUGH_BYTES)
            except PortGone:
                return b"", None
            after = line_errors(port.fileno())
        return data, None if before is None or after is None else after - before

    def _open(self, place: Place, *, listen_only: bool) -> Port:
        wiring = place.wiring
        return open_port(
            PortSpec(
                place.device,
                wiring.baud,
                wiring.bytesize,
                wiring.parity,
                wiring.stopbits,
                pty=is_pty(place.device),
                listen_only=listen_only,
            )
        )
