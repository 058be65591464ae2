"""Finds out who speaks on a port: it listens, and asks only where nobody else does.

Whoever is heard is master there, and a second master breaks a station. So from the first byte on that nobody
was asked for, nothing is said any more; the other wirings are then tried by listening alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from enum import IntEnum

from agent.cli.device_choice import Chosen, character_of, chosen, is_pty, is_tcp
from agent.cli.device_kernel import line_errors
from agent.cli.device_wire import Clock, ask, hear, without_echo
from agent.cli.progress import Step
from agent.cli.typed import Mistyped
from drivers import catalogue
from drivers.driver import Ask, Wiring
from drivers.ports import Port, PortGone, PortRefused, PortSpec, open_port
from drivers.views import NOISE, Check

ANSWER_MS = 400
QUIET_MS = 20
"""Before each question. Bytes in it are somebody else's."""
AFTER_STRANGE_MS = 1_000
"""After an answer that nobody explains; bytes in it are somebody else's."""
PROVEN_FRAMES = 3
"""Right frames of an answering device with which we stop asking it."""
FURTHER_QUESTIONS = 12
ENOUGH_BYTES = 4_096


class Sureness(IntEnum):
    GUESS = 0
    LIKELY = 1
    SURE = 2


@dataclass(frozen=True, slots=True)
class Place:
    """One way to open the port, and who could live there."""

    device: str
    wiring: Wiring
    tenants: tuple[Chosen, ...]

    @property
    def shown(self) -> str:
        if is_tcp(self.device):
            return self.device
        return f"{self.wiring.baud} {character_of(self.wiring)}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who it may be and what speaks for it. `address` and `question` are "" if it was only heard.

    `line_errors` are the framing and parity errors that the kernel counted meanwhile, None if it does not.
    """

    chosen: Chosen
    place: Place
    right_frames: int
    wrong_frames: int
    explained_bytes: int
    heard_bytes: int
    address: str = ""
    question: str = ""
    has_echo: bool = False
    line_errors: int | None = None

    @property
    def sureness(self) -> Sureness:
        """A check value of 8 bits or less lets damaged frames pass: one frame proves little, and what
        was only heard proves less than the answer to a question."""
        mostly = 10 * self.explained_bytes >= 9 * self.heard_bytes
        if self.right_frames >= (PROVEN_FRAMES if self.question else 5) and mostly and not self.wrong_frames:
            return Sureness.SURE
        if self.right_frames > self.wrong_frames and 2 * self.explained_bytes >= self.heard_bytes:
            return Sureness.LIKELY
        return Sureness.GUESS

    @property
    def is_usual(self) -> bool:
        """True if the driver's own makers wire it like this."""
        return is_tcp(self.place.device) or self.place.wiring in self.chosen.driver.wirings


@dataclass(frozen=True, slots=True)
class Found:
    """`overheard` are bytes that nobody was asked for; `strange` is an answer that nobody explains."""

    candidates: tuple[Candidate, ...]
    asked_count: int
    overheard: bytes = b""
    strange: bytes = b""


class _SomebodySpeaks(Exception):
    def __init__(self, place: Place, data: bytes) -> None:
        super().__init__(f"{len(data)} bytes at {place.shown}")
        self.place, self.data = place, data


def usable() -> list[Chosen]:
    """Every listed driver that can be opened without being told options."""
    found = []
    for name in catalogue.names():
        try:
            found.append(chosen(name, {}))
        except Mistyped:
            continue
    return found


def places(port: str, tenants: Sequence[Chosen]) -> list[Place]:
    """Every way to open `port`, the likeliest first; for `socket://host` every port that drivers know."""
    if not is_tcp(port):
        depth = max((len(each.driver.wirings) for each in tenants), default=0)
        ranked = [
            each.driver.wirings[rank]
            for rank in range(depth)
            for each in tenants
            if rank < len(each.driver.wirings)
        ]
        return [
            Place(port, wiring, tuple(each for each in tenants if wiring in each.driver.wirings))
            for wiring in dict.fromkeys(ranked)
        ]
    if port.removeprefix("socket://").rpartition(":")[2].isdigit():
        return [Place(port, Wiring(), tuple(tenants))]
    numbers = dict.fromkeys(number for each in tenants for number in each.driver.tcp_ports)
    return [
        Place(
            f"{port}:{number}", Wiring(), tuple(each for each in tenants if number in each.driver.tcp_ports)
        )
        for number in numbers
    ]


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
        self._asked = 0
        self._answered: list[Candidate] = []
        self._strange = b""

    def run(self) -> Found:
        """Raises `PortRefused` if the port opens in no way, and `PortGone`."""
        try:
            self._ask_around()
        except _SomebodySpeaks as heard:
            return Found(_ranked([*self._answered, *self._overhear(heard)]), self._asked, heard.data)
        return Found(_ranked(self._answered), self._asked, b"", self._strange)

    def _ask_around(self) -> None:
        opened, refusal = 0, None
        total = sum(len(list(self._questions(place))) for place in self._ways)
        for place in self._ways:
            try:
                port = self._open(place, listen_only=False)
            except PortRefused as error:
                refusal = refusal or error  # one wiring may be beyond this converter, or one TCP port closed
                continue
            is_new_wire = opened == 0 or is_tcp(place.device)
            opened += 1
            self._visit(port, place, total, self._listen_ms if is_new_wire else QUIET_MS)
            if self._answered:
                return
        if refusal is not None and not opened:
            raise refusal

    def _visit(self, port: Port, place: Place, total: int, listen_ms: int) -> None:
        """A TCP peer that hangs up lives elsewhere; a serial port that goes away ends the search."""
        with closing(port):
            try:
                self._step("listening", 0, 1)
                self._be_sure_of_quiet(port, place, listen_ms)
                self._ask_at(port, place, total)
            except PortGone:
                if not is_tcp(place.device):
                    raise

    def _ask_at(self, port: Port, place: Place, total: int) -> None:
        for tenant, address, question in self._questions(place):
            if self._answered and self._answered[0].chosen is not tenant:
                return
            self._step("asking", self._asked, total)
            self._try(port, place, tenant, address, question)

    def _questions(self, place: Place) -> Iterator[tuple[Chosen, str, Ask]]:
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
                self._answered[-1] = _together(self._answered[-1], again)

    def _ask_once(
        self, port: Port, place: Place, tenant: Chosen, address: str, question: Ask
    ) -> Candidate | None:
        self._be_sure_of_quiet(port, place, QUIET_MS)
        self._asked += 1
        answer, has_echo = without_echo(question.data, ask(port, self._clock, question.data, ANSWER_MS))
        if not answer:
            return None
        candidate = replace(
            _rated(tenant, place, answer, device_only=True),
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
            raise _SomebodySpeaks(place, heard + hear(port, self._clock, self._listen_ms, ENOUGH_BYTES))

    def _overhear(self, first: _SomebodySpeaks) -> list[Candidate]:
        """Every wiring in turn, by ears alone, until one makes sense beyond doubt."""
        tenants = list({id(each): each for place in self._ways for each in place.tenants}.values())
        found: list[Candidate] = []
        ways = [first.place, *(place for place in self._ways if place is not first.place)]
        for number, place in enumerate(ways):
            self._step("listening", number, len(ways))
            data, errors = (first.data, None) if place is first.place else self._listen_at(place)
            rated = (_rated(tenant, place, data, device_only=False) for tenant in tenants)
            found += [replace(each, line_errors=errors) for each in rated if each.explained_bytes]
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


def _rated(tenant: Chosen, place: Place, data: bytes, *, device_only: bool) -> Candidate:
    """`device_only`: an answer; what a host would say in it is no sign of a device."""
    views = tenant.driver.explain(data, tenant.options)
    frames = [v for v in views if v.title != NOISE and not (device_only and v.sender == "host")]
    right = sum(view.check is Check.OK for view in frames)
    wrong = sum(view.check is Check.WRONG for view in frames)
    explained = sum(len(view.data) for view in frames if view.check is not Check.WRONG)
    return Candidate(tenant, place, right, wrong, explained, len(data))


def _together(one: Candidate, other: Candidate) -> Candidate:
    return replace(
        one,
        right_frames=one.right_frames + other.right_frames,
        wrong_frames=one.wrong_frames + other.wrong_frames,
        explained_bytes=one.explained_bytes + other.explained_bytes,
        heard_bytes=one.heard_bytes + other.heard_bytes,
        has_echo=one.has_echo or other.has_echo,
    )


def _ranked(candidates: list[Candidate]) -> tuple[Candidate, ...]:
    """The surest first; among equals the usual wiring, more frames, fewer errors of the wire."""

    def weight(each: Candidate) -> tuple[int, bool, int, int, int]:
        share = 100 * each.explained_bytes // max(1, each.heard_bytes)
        return each.sureness, each.is_usual, each.right_frames, -(each.line_errors or 0), share

    return tuple(sorted(candidates, key=weight, reverse=True))
