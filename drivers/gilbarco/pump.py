"""One pump, as its answers tell it, whoever asked: its state, its display, and what of it is a fuelling.

A state is one word without check value: a pump runs when two states in a row say so, and a fuelling was
watched if the last of them was "busy" (who is only authorised may hang up again). What is believed of a
display is in `believing.py`.
"""

from collections import Counter
from collections.abc import Sequence

from drivers.events import DriverEvent, Fuelling, FuellingStarted, Monotonic
from drivers.gilbarco import believing, reading
from drivers.gilbarco.believing import Belief, Reported
from drivers.gilbarco.codec import State
from drivers.gilbarco.meters import Meters
from drivers.gilbarco.options import GilbarcoOptions
from drivers.gilbarco.standing import Standing
from drivers.gilbarco.words import GradeTotals, Sale
from drivers.standin import StandIn

REST = frozenset((State.IDLE, State.CALL, State.PEOT, State.FEOT))
"""The display is the last fuelling's. (A stopped pump's may go on.)"""
RUNNING = frozenset((State.AUTHORISED, State.BUSY))
RUN_UNSEEN = frozenset(
    (before, after)
    for before in (State.IDLE, State.CALL)
    for after in (State.IDLE, State.PEOT, State.FEOT)
    if before is not after
)
"""States between which there was a fuelling, or a nozzle that was hung up again."""
SURELY_RUNNING_COUNT = 2
SIGHT_MS = {"master": 2_000, "listen": 4_500}
"""A pump that was not heard for so long may have sold meanwhile (some controllers take 200 ms a pump)."""
WATCHED_WITHIN_MS = 3_500
"""An end counts as seen only if the pump was seen running at most this long before."""
PATIENCE_MS = 10_000
"""Who listens believes after so long what was read once."""


class Pump:
    """Fed with every answer of one pump in order; the methods return what happened."""

    def __init__(self, number: int, address: str, options: GilbarcoOptions, counts: Counter[str]) -> None:
        self.number = number
        self._state: State | None = None
        self._address = address
        self._options = options
        self._counts = counts
        self._meters = Meters(options)
        self._standing = Standing()
        self._last: Reported | None = None
        self._running_count = 0
        self._ran_at = Monotonic(0)
        self._heard_at: Monotonic | None = None
        self._may_be_new = False
        """Another fuelling may have begun since the display was read."""
        self._has_started = False
        self._are_totals_refused = False
        self._stand_in = StandIn()
        """Check value over all that the pump said since we began. A fuelling without totals is named by it:
        of two equal ones, also before and behind our restart, not the same was heard."""

    @property
    def wants_reading(self) -> bool:
        """The display is at rest, and what it is is not known yet."""
        return self._state in REST and not self._standing.is_judged

    # What the pump says.

    def hear_state(self, state: State, now: Monotonic) -> list[DriverEvent]:
        events: list[DriverEvent] = []
        self._stand_in.hear(bytes((state,)))
        if self._heard_at is not None and now - self._heard_at > SIGHT_MS[self._options.mode]:
            events += self.lose_sight()
        before, self._state, self._heard_at = self._state, state, now
        if state in RUNNING:
            return [*events, *self._start(), *self._run(now, flows=state is State.BUSY)]
        if state in REST:
            self._rest(now, has_run_unseen=(before, state) in RUN_UNSEEN)
        if state is State.CALL:
            return [*events, *self._start()]
        self._has_started = self._has_started and state is State.STOPPED
        return events

    def hear_money(self, digit: bytes) -> None:
        """A word of the money while fuel flows."""
        self._stand_in.hear(digit)

    def hear_sale(self, sale: Sale, now: Monotonic) -> list[Fuelling]:
        self._stand_in.hear((sale.volume + sale.amount).encode())
        if self._state not in REST:
            return []
        reported: list[Fuelling] = []
        if self._standing.take_sale(sale):
            self._may_be_new = False
        elif self._replaces(sale):
            reported = self._replace(sale)
        return reported + self._judge(now)

    def hear_totals(self, totals: Sequence[GradeTotals], now: Monotonic) -> list[Fuelling]:
        self._stand_in.hear("".join(each.volume for each in totals).encode())
        is_of_another = self._may_be_new and self._standing.sale is not None
        if self._state not in REST or is_of_another:
            return []
        self._are_totals_refused = False
        self._standing.take_totals(totals)
        if self._standing.is_judged:
            self._learn()
        return self._judge(now)

    def refuse_totals(self, now: Monotonic) -> list[Fuelling]:
        """It was asked again and again, and says everything but totals."""
        self._are_totals_refused = True
        return self._judge(now)

    # What happens around it.

    def hear_damage(self) -> None:
        """Something on the line was torn or wrong."""
        self._standing.is_clean = False

    def lose_sight(self) -> list[Fuelling]:
        """Fuellings may have been missed. Who cannot read again believes what was read before it."""
        believes = self._options.mode == "listen"
        reported = self._act(self._believe_at_last(is_gone=False)) if believes else []
        self._state = None
        self._running_count = 0
        if self._standing.is_judged:
            self._standing = Standing()
        self._standing.break_sight()
        self._may_be_new = self._standing.sale is not None
        return reported

    def due(self) -> Monotonic | None:
        """When `check` is to be called."""
        complete_at = self._standing.complete_at
        return None if complete_at is None else Monotonic(complete_at + PATIENCE_MS)

    def check(self, now: Monotonic) -> list[Fuelling]:
        """Time has passed."""
        due = self.due()
        if due is None or now < due:
            return []
        self._standing.complete_at = None
        return self._act(self._believe_at_last(is_gone=False))

    # Displays come and go.

    def _run(self, now: Monotonic, *, flows: bool) -> list[Fuelling]:
        self._running_count += 1
        self._ran_at = now
        if self._running_count < SURELY_RUNNING_COUNT:
            self._may_be_new = self._standing.sale is not None
            return []
        reported: list[Fuelling] = []
        if self._running_count == SURELY_RUNNING_COUNT:
            reported = self._leave()
            self._begin_again()
        self._standing.is_watched |= flows
        return reported

    def _rest(self, now: Monotonic, *, has_run_unseen: bool) -> None:
        if self._running_count >= SURELY_RUNNING_COUNT:
            is_seen = now - self._ran_at <= WATCHED_WITHIN_MS
            self._standing.ended = now if is_seen else None
        elif self._running_count or has_run_unseen:
            self._may_be_new = self._standing.sale is not None
            if not self._may_be_new:
                self._standing.forget_totals()
            if self._standing.is_judged:
                self._begin_again()
        self._running_count = 0

    def _replaces(self, sale: Sale) -> bool:
        """Another sale is on the display when it was read twice; for who cannot read again, at once if
        another may have begun."""
        if sale == self._standing.rival:
            return True
        self._standing.rival = sale
        may_wait = self._options.mode == "master" or not self._may_be_new
        return not may_wait and reading.price_fits(sale, self._options)

    def _replace(self, sale: Sale) -> list[Fuelling]:
        """What stood before was read once without a reason to have gone: damage. Else it has gone."""
        standing = self._standing
        if standing.sale_count == 1 and not standing.is_judged and not self._may_be_new:
            standing.replace_sale(sale)
            return []
        reported = self._leave()
        self._begin_again()
        self._standing.take_sale(sale)
        return reported

    def _begin_again(self) -> None:
        self._standing, self._may_be_new = Standing(), False

    def _leave(self) -> list[Fuelling]:
        """The display goes: what was read of it must do."""
        standing = self._standing
        if standing.is_judged:
            return []
        belief = self._believe_at_last(is_gone=True)
        if (
            belief is Belief.NOTHING_NEW
            and standing.sale is not None
            and not believing.is_zero(standing.sale)
        ):
            self._counts["SALE_DOUBTED" if standing.is_watched else "RETAINED_DISPLAY"] += 1
        return self._act(belief)

    # What is believed of them.

    def _judge(self, now: Monotonic) -> list[Fuelling]:
        belief = believing.at_once(
            self._standing,
            self._meters,
            self._last,
            self._options,
            are_totals_refused=self._are_totals_refused,
        )
        standing = self._standing
        if belief is Belief.NOT_YET and self._options.mode == "listen" and standing.equal_count():
            standing.complete_at = standing.complete_at or now
        return self._act(belief)

    def _believe_at_last(self, *, is_gone: bool) -> Belief:
        return believing.at_last(self._standing, self._meters, self._last, self._options, is_gone=is_gone)

    def _act(self, belief: Belief) -> list[Fuelling]:
        standing, sale = self._standing, self._standing.sale
        if belief is Belief.NOT_YET or standing.is_judged:
            return []
        standing.is_judged, standing.complete_at = True, None
        if belief is Belief.NOTHING_NEW or sale is None:
            self._counts["ZERO_VOLUME"] += (
                standing.is_watched and sale is not None and believing.is_zero(sale)
            )
            self._learn()
            return []
        fuelling = self._with_totals(sale) if belief is Belief.WITH_TOTALS else self._without_totals(sale)
        return [fuelling]

    def _with_totals(self, sale: Sale) -> Fuelling:
        total, _ = self._standing.total()
        moved_ml = self._meters.moved_ml(sale.grade, total)
        differs = moved_ml is not None and not reading.fits(moved_ml, sale, self._options)
        meter = self._meters.with_totals(sale.grade, total)
        self._last = Reported(total, sale)
        self._learn()
        self._meters.learn(sale.grade, total)
        return self._fuelling(sale, meter, ("TOTAL_DIFFERS",) if differs else ())

    def _without_totals(self, sale: Sale) -> Fuelling:
        self._counts["TOTALIZER_UNHEARD"] += 1
        self._standing.totals.pop(sale.grade, None)
        self._learn()
        volume_ml = reading.volume_ml(sale, self._options)
        meter = self._meters.without_totals(sale.grade, volume_ml, self._stand_in)
        self._last = Reported("", sale)
        return self._fuelling(sale, meter, ("TOTALIZER_UNHEARD",))

    def _learn(self) -> None:
        """Where the totalizers stand: what was read once on a bad line is left to a later reading."""
        for grade, (digits, count) in self._standing.totals.items():
            if count > 1 or self._standing.is_clean:
                self._meters.learn(grade, digits)

    def _fuelling(self, sale: Sale, meter: reading.Meter, flags: tuple[str, ...]) -> Fuelling:
        ended = self._standing.ended
        return reading.as_fuelling(sale, self.number, meter, ended, flags, self._address, self._options)

    def _start(self) -> list[FuellingStarted]:
        """A state says no grade: the last one's is taken, because all nozzles of a pump are at one point."""
        if self._has_started:
            return []
        self._has_started = True
        grade = "0" if self._last is None else self._last.sale.grade
        return [FuellingStarted(self._address, reading.nozzle_name(self.number, grade))]
