"""Who knows, for each kind of case, what is owed: how to make one more, when all has arrived, what is wrong.

There is one judge per kind: `judge_of(world)`.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from drivers.conformance.cases import (
    FeedCase,
    GaugeCase,
    PosCase,
    PumpCase,
    is_counter,
    is_feed,
    is_gauge,
    is_pos,
    is_pump,
    is_tap,
)
from drivers.conformance.counters import CounterJudge
from drivers.conformance.losses import LossJudge
from drivers.conformance.truths import as_delivered, as_sold
from drivers.conformance.world import World
from drivers.events import Answer, HandOver, PosRequest

SALES = 7
MOST_WAITING = 5
"""Sales that may wait in a device, and requests in a POS, before the next one is made."""


class Judge(Protocol):
    """What `trial.py` asks of every kind of case."""

    @property
    def minds_silence(self) -> bool:
        """True if a device that says nothing any more must be noticed."""

    def make_one(self) -> None:
        """One more sale, request or change, when the case is ready for it."""

    def is_ready(self) -> bool:
        """False while too much of what was made before waits in the device."""

    def settle(self) -> None:
        """After the trouble, on a clean wire: what is needed before everything can have arrived."""

    def make_after_noise(self) -> None:
        """One more that must arrive, whatever bytes came before it."""

    def true_count(self) -> int:
        """How many were made."""

    def all_arrived(self) -> bool:
        """True if there is nothing left to wait for."""

    def failures(self) -> Iterator[str]:
        """What is wrong now, when everything had its time to arrive."""

    def lost(self) -> tuple[int, int]:
        """How many are lost, and their millilitres, of what this kind of device may lose."""


def judge_of(world: World) -> Judge:
    case = world.case
    if is_feed(case):
        return FeedJudge(world, case)
    if is_gauge(case):
        return GaugeJudge(world, case)
    if is_tap(case):
        return LossJudge(world, case)
    if is_counter(case):
        return CounterJudge(world, case)
    if is_pump(case):
        return PumpJudge(world, case)
    assert is_pos(case)
    return PosJudge(world, case)


class PumpJudge:
    """Nothing is lost of a pump that can be asked: it keeps a sale, or sells again only when it is safe."""

    minds_silence = True

    def __init__(self, world: World, case: PumpCase) -> None:
        self._world = world
        self._case = case

    def make_one(self) -> None:
        if self._case.hand_over is not HandOver.BUFFERED:
            self._world.wait_until(self.all_arrived)
        self._case.sell(self._world.rng, self._world.now)

    def is_ready(self) -> bool:
        return len(self._case.sold()) - len(self._world.till.durable) <= MOST_WAITING

    def settle(self) -> None:
        """What a pump has kept comes by itself."""

    def make_after_noise(self) -> None:
        self.make_one()

    def true_count(self) -> int:
        return len(self._case.sold())

    def all_arrived(self) -> bool:
        return len(self._world.till.durable) >= len(self._case.sold())

    def failures(self) -> Iterator[str]:
        self._world.watch_releases()
        truth = Counter(self._case.sold())
        booked = Counter(as_sold(fuelling) for fuelling in self._world.till.durable.values())
        yield from (f"LOST {sold}" for sold in truth - booked)
        yield from (f"INVENTED {sold}" for sold in booked - truth)

    def lost(self) -> tuple[int, int]:
        return 0, 0


class GaugeJudge:
    """A gauge is read again and again: only how the tanks stand now must have arrived, and every delivery."""

    minds_silence = True

    def __init__(self, world: World, case: GaugeCase) -> None:
        self._world = world
        self._case = case

    def make_one(self) -> None:
        self._case.change(self._world.rng, self._world.now)

    def is_ready(self) -> bool:
        return True

    def settle(self) -> None:
        """The next reading tells."""

    def make_after_noise(self) -> None:
        self.make_one()

    def true_count(self) -> int:
        return len(self._case.stood())

    def all_arrived(self) -> bool:
        till = self._world.till
        are_read = all(till.newest.get(stands.tank) == stands for stands in self._case.stands())
        return are_read and len(till.deliveries) >= len(self._case.delivered())

    def failures(self) -> Iterator[str]:
        till = self._world.till
        truth = Counter(self._case.delivered())
        booked = Counter(as_delivered(delivery) for delivery in till.deliveries.values())
        yield from (f"LOST {delivered}" for delivered in truth - booked)
        yield from (f"INVENTED {delivered}" for delivered in booked - truth)
        yield from (f"TWICE {delivery}" for delivery in till.twice)
        yield from (f"INVENTED {stood}" for stood in till.read.difference(self._case.stood()))
        unread = [stands for stands in self._case.stands() if till.newest.get(stands.tank) != stands]
        yield from (f"LOST {stands}" for stands in unread)

    def lost(self) -> tuple[int, int]:
        return 0, 0


class FeedJudge:
    """A feed tells once: what it told to a session that was there, on a clean wire, is owed."""

    minds_silence = False
    """A shop may rest for longer than anybody would wait here."""

    def __init__(self, world: World, case: FeedCase) -> None:
        self._world = world
        self._case = case
        self._owed_from = 0

    def make_one(self) -> None:
        self._case.sell(self._world.rng, self._world.now)

    def is_ready(self) -> bool:
        return not self._case.telling()

    def settle(self) -> None:
        """After one sale by which everybody finds the place: each of the next must arrive."""
        for number in range(1 + SALES):
            if number == 1:
                self._owed_from = len(self._case.told())
                self._world.till.unavailable_bp = 5_000
            self._tell_one()
        self._world.till.unavailable_bp = 0

    def make_after_noise(self) -> None:
        self._tell_one()
        self._owed_from = len(self._case.told())
        self._tell_one()

    def true_count(self) -> int:
        return len(self._case.told())

    def all_arrived(self) -> bool:
        return self._world.till.durable_requests().issuperset(self._case.told()[self._owed_from :])

    def failures(self) -> Iterator[str]:
        told, durable = self._case.told(), self._world.till.durable_requests()
        yield from (f"LOST {request}" for request in told[self._owed_from :] if request not in durable)
        vouched = {self._case.vouched(request) for request in told}
        for request in durable.difference(told):
            if not self._world.was_harmed or self._case.vouched(request) not in vouched:
                yield f"INVENTED {request}"

    def lost(self) -> tuple[int, int]:
        return len(set(self._case.told()) - self._world.till.durable_requests()), 0

    def _tell_one(self) -> None:
        self._world.wait_until(lambda: not self._case.telling())
        self._world.pass_time(2_500)
        self.make_one()
        self._world.wait_until(lambda: not self._case.telling())


class PosJudge:
    """A POS asks until it is answered, and is answered what the till said to that very request."""

    minds_silence = True

    def __init__(self, world: World, case: PosCase) -> None:
        self._world = world
        self._case = case
        self._asked_ever: set[PosRequest] = set()

    def make_one(self) -> None:
        self._case.ask(self._world.rng, self._world.now)
        self._asked_ever.update(self._case.asked())

    def is_ready(self) -> bool:
        return sum(answer is None for answer in self._case.answers()) <= MOST_WAITING

    def settle(self) -> None:
        """The POS asks again by itself."""

    def make_after_noise(self) -> None:
        self.make_one()

    def true_count(self) -> int:
        return len(self._case.asked())

    def all_arrived(self) -> bool:
        return all(answer is not None for answer in self._case.answers())

    def failures(self) -> Iterator[str]:
        given = self._world.till.given
        yield from (f"INVENTED {invented}" for invented in given.keys() - self._asked_ever)
        for request, heard in zip(self._case.asked(), self._case.answers(), strict=True):
            if heard is None:
                yield f"UNANSWERED {request}"
            elif not any(_says_the_same(heard, answer) for answer in given.get(request, ())):
                yield f"WRONG_ANSWER to {request}: {heard}"

    def lost(self) -> tuple[int, int]:
        return 0, 0


def _says_the_same(heard: Answer, given: Answer) -> bool:
    """Compare what a POS can show; `durable` is between us and the disk, `text` may be shortened."""
    return (heard.outcome, heard.reason, heard.points_minor, heard.balance_minor, heard.candidates) == (
        given.outcome,
        given.reason,
        given.points_minor,
        given.balance_minor,
        given.candidates,
    )
