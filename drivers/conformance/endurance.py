"""Long runs: `soak`, sale after sale on a wire that never gets better, and `odd`, record after record that no
device should give.

Both are done in rounds, each with a device of its own: a failing round is short, and is replayed alone.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from drivers.conformance.cases import Case, OddPumpCase, is_pump
from drivers.conformance.judges import MOST_WAITING, Judge, PumpJudge, judge_of
from drivers.conformance.losses import LossJudge
from drivers.conformance.trial import noted, replay_of, unknown_flags
from drivers.conformance.truths import Sold, as_reported, as_sold, paired
from drivers.conformance.world import World
from drivers.driver import Driver
from drivers.events import HandOver
from drivers.faults import CLEAN, Faults

SOAK = Faults("soak", lose_byte_bp=50, flip_bit_bp=100, noise_bp=200, noise_bytes=60)
"""One byte of a hundred has a flipped bit, one of two hundred is lost, and before one write of fifty there is
a burst of up to sixty bytes."""
ODD = "odd"
RETRY_CODES = ("BAD_FRAME", "NO_ANSWER", "LATE_ANSWER", "RESENT")
"""The quality of the line under its standard names, and what a POS link says again."""


@dataclass(frozen=True, slots=True)
class Endured:
    """What one round saw. What was lost is no failure where the class cannot keep it and the totalizers tell
    of it (`lost_ml`). `retries` are frames that were torn, questions without an answer, answers too late, and
    what the till heard again."""

    replay: str
    made_count: int
    lost_count: int
    lost_ml: int
    retries: int
    simulated_ms: int
    failures: tuple[str, ...]

    def explain(self) -> str:
        """The failures and the command that replays them, for an assertion message."""
        return "\n".join((*self.failures, f"replay: {self.replay}"))


def soak(driver: Driver, case_name: str, case: Case, made_count: int, seed: int) -> Endured:
    """So many sales (requests, changes) one after the other on the wire `SOAK`, judged when it is calm again.

    No device is waited for: who may lose a sale that the next one overwrites is allowed to.
    """
    replay = f"{replay_of(driver, case_name, SOAK.name, seed)} {made_count}"
    with noted(replay):
        world = World(case, CLEAN, random.Random(f"{driver.name}/{case_name}/{SOAK.name}/{seed}"))
        judge = soak_judge_of(world)
        world.till.unavailable_bp = 500
        judge.settle()
        world.use_wires(SOAK)
        world.was_disturbed = world.was_harmed = True
        for _ in range(made_count):
            judge.make_one()
            _let_customers_go(world, judge)
        world.use_wires(CLEAN)
        world.till.unavailable_bp = 0
        judge.settle()
        world.wait_until(judge.all_arrived)
        world.failures.update(judge.failures())
    return _endured(replay, world, judge.true_count(), *judge.lost())


def soak_judge_of(world: World) -> Judge:
    """A pump that keeps only its last sale is judged like a listener: it may lose, but not in silence."""
    case = world.case
    if not is_pump(case):
        return judge_of(world)
    return _BusyJudge(world, case) if case.hand_over is HandOver.BUFFERED else LossJudge(world, case)


class _BusyJudge(PumpJudge):
    """No customer waits until the last sale was read: it may be told of without its totalizer."""

    def failures(self) -> Iterator[str]:
        pairs, invented = paired(self._case.sold(), self._world.till.durable.values())
        yield from (f"LOST {sold}" for sold, heard in pairs if heard is None)
        yield from (f"INVENTED {as_sold(fuelling)}" for fuelling in invented)


def _let_customers_go(world: World, judge: Judge) -> None:
    can_lose = isinstance(judge, LossJudge)
    world.pass_time(world.rng.randrange(3_000, 9_000) if can_lose else world.rng.randrange(300, 2_500))
    world.wait_until(judge.is_ready, look_every_ms=1_000)


def odd(driver: Driver, case_name: str, case: OddPumpCase, made_count: int, seed: int) -> Endured:
    """So many odd records on a clean wire: each with volume is reported, and the device keeps none of them.

    A record that stays in the device may one day keep a pump from starting: BACKLOG_STAYS. Two records that
    are equal in every digit count as one.
    """
    replay = f"{replay_of(driver, case_name, ODD, seed)} {made_count}"
    with noted(replay):
        world = World(case, CLEAN, random.Random(f"{driver.name}/{case_name}/{ODD}/{seed}"))
        world.till.unavailable_bp = 200
        for number in range(made_count):
            case.sell_odd(world.rng, world.now)
            if number % MOST_WAITING == 0:
                world.wait_until(lambda: case.backlog() == 0)
            if world.failures or case.backlog() > MOST_WAITING:
                break
        world.wait_until(lambda: case.backlog() == 0)
        world.watch_releases()
        world.failures.update(
            _odd_failures(case, {as_sold(fuelling) for fuelling in world.till.durable.values()})
        )
        world.failures.update(unknown_flags(driver, world.till.durable.values()))
    return _endured(replay, world, made_count, 0, 0)


def _odd_failures(case: OddPumpCase, booked: set[Sold]) -> Iterator[str]:
    if backlog := case.backlog():
        yield f"BACKLOG_STAYS: {backlog} records"
    truth = case.sold()
    yield from (f"LOST {sold}" for sold in truth if booked.isdisjoint(as_reported(sold)))
    known = {told for sold in truth for told in as_reported(sold)}
    yield from (f"INVENTED {sold}" for sold in booked - known)


def _endured(replay: str, world: World, made_count: int, lost_count: int, lost_ml: int) -> Endured:
    counters = world.session.counters()
    return Endured(
        replay=replay,
        made_count=made_count,
        lost_count=lost_count,
        lost_ml=lost_ml,
        retries=sum(counters.get(code, 0) for code in RETRY_CODES) + world.till.repeated_count,
        simulated_ms=world.now - world.started,
        failures=tuple(sorted(world.failures)),
    )
