"""Any bytes into the parsers of one driver, in batches that a seed makes again.

Three questions, asked with the traffic of the driver's own conformance cases, torn and put together anew:

- `explain`: do the views never raise, show every byte, and say OK only where the check value holds?
- `session`: does a session, waiting for an answer or not, never raise and never take long?
- `belief`: is nothing booked that was not so, when damaged bytes come between true ones?
"""

import gc
import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from drivers import catalogue
from drivers.conformance import Case
from drivers.conformance.cases import is_gauge
from drivers.conformance.endurance import soak_judge_of
from drivers.conformance.judges import judge_of
from drivers.conformance.world import World
from drivers.driver import Driver
from drivers.events import Answer, Monotonic, Outcome
from drivers.faults import CLEAN
from drivers.session import Session
from drivers.views import NOISE, Check, View
from tests.conformance.cheats import Cheat
from tests.property.drivers.check_values import CHECK_VALUES
from tests.property.drivers.damage import anything, damaged
from tests.vectors.check_vectors import frame

TARGETS = ("explain", "session", "belief")
LIMIT_MS = 100
"""Of processor time, for one input."""
STEPS_LIMIT = 8
MOST_DAMAGE = 12
"""Damaged pieces in front of one true one."""
MOST_CHANGES = 8
"""A console keeps ten deliveries of a tank."""
VECTORS = Path(__file__).parents[2] / "vectors" / "vectors.json"


@dataclass(frozen=True)
class Tally:
    """What one batch did. `waiting_count`: inputs that came while an answer was expected."""

    inputs: int
    waiting_count: int = 0
    booked_count: int = 0
    excused_count: int = 0


class Overheard(Cheat):
    """Keeps what passed by, in both directions."""

    def __init__(self, honest: Session) -> None:
        super().__init__(honest)
        self.passed: list[bytes] = []

    def receive(self, data: bytes, now: Monotonic) -> None:
        self.passed.append(data)
        super().receive(data, now)

    def bytes_to_send(self, now: Monotonic) -> bytes:
        data = super().bytes_to_send(now)
        self.passed.append(data)
        return data


class Bench:
    """One case of one driver, its options and its traffic."""

    def __init__(self, name: str, case_name: str) -> None:
        self.driver: Driver = catalogue.find(name)
        self.check_value = CHECK_VALUES[name]
        self._make_case = catalogue.conformance_cases(name)[case_name]
        self.options = getattr(self.case(), "_options", None) or self.driver.options()
        self.pool = self._traffic()
        self.has_check_value = any(
            view.check is Check.OK for piece in self.pool for view in self.views(piece)
        )
        self.pool += _vectors()

    def case(self) -> Case:
        return self._make_case()

    def views(self, data: bytes) -> tuple[View, ...]:
        return self.driver.explain(data, self.options)

    def warm_world(self, seed: int) -> tuple[World, Overheard]:
        """A session that has found its device, which has just done something."""
        world = World(self.case(), CLEAN, random.Random(seed))
        world.session = overheard = Overheard(world.session)
        judge = judge_of(world)
        for _ in range(3):
            judge.make_one()
            world.pass_time(3_000)
        return world, overheard

    def _traffic(self) -> list[bytes]:
        """Longer pieces more often: they are rarer, and there is more in them."""
        _, overheard = self.warm_world(1)
        return [piece for piece in sorted({*overheard.passed} - {b""}) for _ in range(1 + len(piece) // 16)]


@cache
def bench(name: str, case_name: str) -> Bench:
    """Made once in a process."""
    return Bench(name, case_name)


def run_batch(name: str, case_name: str, target: str, seed: int, inputs: int) -> Tally:
    """So many inputs into one parser. The same arguments give the same; a failure says how to replay it."""
    batch = {"explain": _explain, "session": _hear, "belief": _believe}[target]
    replay = f"python -m tests.property.drivers.fuzz {name}/{case_name} {target} {seed} {inputs}"
    gc.disable()
    try:
        return batch(bench(name, case_name), seed, inputs)
    except Exception as error:
        error.add_note(f"replay: {replay}")
        raise
    finally:
        gc.enable()


def _explain(tried: Bench, seed: int, inputs: int) -> Tally:
    rng = random.Random(seed)
    for _ in range(inputs):
        data = anything(rng, tried.pool, tried.check_value.seal)
        with _watched(data):
            views = tried.views(data)
        with _named(data):
            assert b"".join(view.data for view in views) == data, "the views hide bytes"
            for view in views:
                believed = view.check is not Check.OK or tried.check_value.vouches_for(view.data)
                assert believed, f"OK without a right check value: {view.data.hex(' ')}"
    return Tally(inputs)


def _hear(tried: Bench, seed: int, inputs: int) -> Tally:
    rng = random.Random(seed)
    world, overheard = tried.warm_world(seed)
    ears = _Ears(overheard.honest, world.now, rng)
    for _ in range(inputs):
        data = anything(rng, tried.pool, tried.check_value.seal)
        with _named(data):
            ears.reach(is_waiting=rng.randrange(2) == 0)
        with _watched(data):
            ears.hear(data)
    return Tally(inputs, waiting_count=ears.waiting_count)


class _Ears:
    """A session that is cut off from its device and hears what it is given."""

    def __init__(self, session: Session, now: Monotonic, rng: random.Random) -> None:
        self._session = session
        self._now = now
        self._rng = rng
        self.waiting_count = 0

    def reach(self, *, is_waiting: bool) -> None:
        """Let time pass until the session waits for an answer (or does not), if it does so soon. One whose
        questions all stay unanswered may always wait: a new cable makes it forget them."""
        for _ in range(STEPS_LIMIT):
            if self._session.awaiting() is is_waiting:
                return
            self._session.bytes_to_send(self._now)
            if self._session.awaiting() is is_waiting:
                return
            timer = self._session.next_timer()
            self._now = Monotonic(max(self._now + 1, self._now + 50 if timer is None else timer))
            if timer is not None:
                self._session.handle_timer(self._now)
            self._answer_events()
        if not is_waiting:
            self._session.disconnected(self._now)

    def hear(self, data: bytes) -> None:
        self.waiting_count += self._session.awaiting()
        self._session.receive(data, self._now)
        self._answer_events()

    def _answer_events(self) -> None:
        while (event := self._session.next_event()) is not None:
            is_durable = self._rng.randrange(4) > 0
            outcome = Outcome.DONE if is_durable else Outcome.UNAVAILABLE
            self._session.confirm(event, Answer(outcome, durable=is_durable), self._now)


def _believe(tried: Bench, seed: int, inputs: int) -> Tally:
    """Only on a wire with check values: elsewhere what looks like a record is one."""
    if not tried.has_check_value:
        return Tally(0)
    world = World(tried.case(), CLEAN, random.Random(seed))
    world.was_harmed = world.was_disturbed = True
    world.session = disturbed = _Disturbed(world.session, tried, random.Random(seed))
    judge = soak_judge_of(world)
    made_count = 0
    while disturbed.inputs < inputs:
        if made_count < MOST_CHANGES or not is_gauge(world.case):
            judge.make_one()
            made_count += 1
        world.pass_time(world.rng.randrange(2_000, 6_000))
        world.wait_until(judge.is_ready, look_every_ms=1_000)
    invented = [failure for failure in judge.failures() if failure.startswith("INVENTED")]
    is_excused = bool(invented) and disturbed.heard_something_forged()
    assert not invented or is_excused, "\n".join(invented)
    assert not world.failures, "\n".join(world.failures)
    till = world.till
    booked_count = len(till.durable) + len(till.given) + len(till.read)
    return Tally(disturbed.inputs, booked_count=booked_count, excused_count=is_excused)


class _Disturbed(Cheat):
    """Hears damaged bytes before some of what is true: only such in which nothing passes for a frame, because
    of a frame without a check value nobody can say that it is not true."""

    def __init__(self, honest: Session, tried: Bench, rng: random.Random) -> None:
        super().__init__(honest)
        self._tried = tried
        self._rng = rng
        self._true: set[bytes] = set()
        self._stream = bytearray()
        self.inputs = 0

    def receive(self, data: bytes, now: Monotonic) -> None:
        if self._rng.randrange(3) == 0:
            for _ in range(self._rng.randint(1, MOST_DAMAGE)):
                self._disturb(now)
        self._true.add(data)
        self._stream += data
        super().receive(data, now)

    def heard_something_forged(self) -> bool:
        """True if something that nobody said passes for a frame: right by chance, or joined at a seam."""
        true = {view.data for piece in self._true for view in self._frames(piece)}
        return any(view.data not in true for view in self._frames(bytes(self._stream)))

    def _disturb(self, now: Monotonic) -> None:
        piece = damaged(self._rng, self._tried.pool)
        if self._frames(piece):
            return
        self.inputs += 1
        self._stream += piece
        with _watched(piece):
            super().receive(piece, now)

    def _frames(self, data: bytes) -> Sequence[View]:
        views = self._tried.views(data)
        return [view for view in views if view.title != NOISE and view.check is not Check.WRONG]


def _vectors() -> list[bytes]:
    return [frame(vector) for vector in json.loads(VECTORS.read_text("utf-8"))["vectors"]]


@contextmanager
def _watched(data: bytes) -> Iterator[None]:
    """No exception, and not long."""
    began_ns = time.process_time_ns()
    with _named(data):
        yield
        took_ms = (time.process_time_ns() - began_ns) // 1_000_000
        assert took_ms <= LIMIT_MS, f"took {took_ms} ms of processor time"


@contextmanager
def _named(data: bytes) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"input: {data.hex(' ')}")
        raise
