"""The judge of a counter, which knows no sale: litres in their order, and totals that are right."""

from collections.abc import Iterator

from drivers.conformance.cases import CounterCase
from drivers.conformance.truths import Sold, as_sold
from drivers.conformance.world import World
from drivers.events import Fuelling

SETTLED = 3
"""Fuellings that nothing disturbs, after the trouble."""


class CounterJudge:
    """A counter knows no sale: one that nobody watched from rest to rest may be told in part or not at all,
    and shows as litres between two totals. What is told flowed within one fuelling, in their order and never
    twice, and its totals and money are right. What `settle` made, and all after it, is told whole."""

    minds_silence = True

    def __init__(self, world: World, case: CounterCase) -> None:
        self._world = world
        self._case = case
        self._owed_from: int | None = None

    def make_one(self) -> None:
        self._world.pass_time(self._case.rest_ms)
        self._case.sell(self._world.rng, self._world.now)

    def is_ready(self) -> bool:
        return True

    def settle(self) -> None:
        """Fuellings that nothing disturbs."""
        self._owed_from = len(self._case.sold())
        for _ in range(SETTLED):
            self.make_one()
            self._world.wait_until(self.all_arrived)

    def make_after_noise(self) -> None:
        self.make_one()

    def true_count(self) -> int:
        return len(self._case.sold())

    def all_arrived(self) -> bool:
        return not self._case.sold() or self._case.sold()[-1] in self._told_whole()

    def failures(self) -> Iterator[str]:
        truth, whole = self._case.sold(), self._told_whole()
        if self._owed_from is not None:
            yield from (f"LOST {sold}" for sold in truth[self._owed_from :] if sold not in whole)
        at = told_ml = 0
        for fuelling in self._world.till.durable.values():
            reached = (
                (place, _reach(fuelling, truth[place], told_ml if place == at else 0))
                for place in range(at, len(truth))
            )
            found = next(((place, ml) for place, ml in reached if ml is not None), None)
            if found is None:
                yield f"INVENTED {fuelling}"
            else:
                at, told_ml = found

    def lost(self) -> tuple[int, int]:
        truth, told = self._case.sold(), self._world.till.durable.values()
        sold_ml = sum(sold.volume_ml for sold in truth)
        return len(set(truth) - self._told_whole()), sold_ml - sum(one.volume_ml for one in told)

    def _told_whole(self) -> set[Sold]:
        return {as_sold(fuelling) for fuelling in self._world.till.durable.values()}


def _reach(fuelling: Fuelling, sold: Sold, from_ml: int) -> int | None:
    """Where within `sold` the report ends; None if it is not of its litres from `from_ml` on."""
    before, after = fuelling.totalizer_before_ml, fuelling.totalizer_after_ml
    modulus = fuelling.totalizer_modulus_ml
    if before is None or after is None or modulus is None or sold.totalizer_after_ml is None:
        return None
    first = sold.totalizer_after_ml - sold.volume_ml
    began, ended = (before - first) % modulus, (after - first) % modulus
    is_of_it = from_ml <= began and began + fuelling.volume_ml == ended <= sold.volume_ml
    off = fuelling.amount_fen * sold.volume_ml - sold.amount_fen * fuelling.volume_ml
    is_worth_it = fuelling.unit_price_milli == sold.unit_price_milli and abs(off) <= sold.volume_ml
    return ended if fuelling.nozzle == sold.nozzle and is_of_it and is_worth_it else None
