"""The judge of who may lose: a listener, and on a wire that never gets better any pump that forgets."""

from collections.abc import Iterable, Iterator

from drivers.conformance.cases import PumpCase, TapCase
from drivers.conformance.truths import Pair, as_reported, as_sold, paired
from drivers.conformance.world import World

SETTLE_LIMIT = 40
"""Fuellings within which each nozzle of a wire has sold once."""


class LossJudge:
    """Who cannot ask again may lose, but not in silence: a later fuelling of that nozzle is reported with
    its totalizer, and what lies between is what was lost. What `settle` made, but for its first, may not be
    lost, and nothing after it."""

    minds_silence = True

    def __init__(self, world: World, case: PumpCase | TapCase) -> None:
        self._world = world
        self._case = case
        self._owed_from: int | None = None
        self._alike_before = 0

    def make_one(self) -> None:
        self._case.sell(self._world.rng, self._world.now)
        self._alike_before = self._told_like_the_last()

    def is_ready(self) -> bool:
        return True

    def settle(self) -> None:
        """On each nozzle something that nothing disturbs, so that what was lost before it can show."""
        self._world.pass_time(2_000)
        self._owed_from = None
        heard: set[str] = set()
        for _ in range(SETTLE_LIMIT):
            self.make_one()
            self._world.wait_until(self._last_arrived)
            heard.add(self._case.sold()[-1].nozzle)
            if self._owed_from is None:
                self._owed_from = len(self._case.sold())
            if heard == {sold.nozzle for sold in self._case.sold()}:
                return

    def make_after_noise(self) -> None:
        self.make_one()

    def true_count(self) -> int:
        return len(self._case.sold())

    def all_arrived(self) -> bool:
        return not self._case.sold() or self._last_arrived()

    def failures(self) -> Iterator[str]:
        pairs, invented = paired(self._case.sold(), self._world.till.durable.values())
        told: set[str] = set()
        for number, (sold, heard) in reversed(list(enumerate(pairs))):
            if heard is not None:
                told.update({sold.nozzle} if heard.totalizer_after_ml is not None else ())
            elif self._owed_from is not None and number >= self._owed_from:
                yield f"LOST {sold}"
            elif sold.nozzle not in told:
                yield f"GAP_UNSEEN {sold}"
        yield from (f"INVENTED {as_sold(fuelling)}" for fuelling in invented)
        for nozzle in told:
            yield from _wrong_gaps(nozzle, [pair for pair in pairs if pair[0].nozzle == nozzle])

    def lost(self) -> tuple[int, int]:
        pairs, _ = paired(self._case.sold(), self._world.till.durable.values())
        lost = [sold.volume_ml for sold, heard in pairs if heard is None]
        return len(lost), sum(lost)

    def _last_arrived(self) -> bool:
        return self._told_like_the_last() > self._alike_before

    def _told_like_the_last(self) -> int:
        """An earlier sale may have had the same figures, and no totalizer either."""
        last = as_reported(self._case.sold()[-1])
        return sum(as_sold(fuelling) in last for fuelling in self._world.till.durable.values())


def _wrong_gaps(nozzle: str, pairs: Iterable[Pair]) -> Iterator[str]:
    """Between two fuellings of one nozzle the totalizer moved by what was lost, and by nothing else."""
    before_ml: int | None = None
    lost_ml = unread_ml = 0
    for sold, heard in pairs:
        if heard is None:
            lost_ml += sold.volume_ml
        elif heard.totalizer_after_ml is None:
            unread_ml += heard.volume_ml
        else:
            modulus_ml = heard.totalizer_modulus_ml or 10**18
            gap_ml = (heard.totalizer_after_ml - (before_ml or 0) - unread_ml - heard.volume_ml) % modulus_ml
            off_ml = (gap_ml - lost_ml) % modulus_ml
            if before_ml is not None and min(off_ml, modulus_ml - off_ml) > heard.totalizer_step_ml:
                yield f"GAP_WRONG {nozzle}: {gap_ml} ml by its totalizer, {lost_ml} ml were lost"
            before_ml, lost_ml, unread_ml = heard.totalizer_after_ml, 0, 0
