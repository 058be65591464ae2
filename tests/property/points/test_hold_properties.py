"""Property: do holds, lots and accounts agree (I9 with held, I10, I13), however holds are resolved?"""

from collections import Counter
from datetime import date, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from agent.points import ledger
from agent.points.holds import (
    Captured,
    Hold,
    HoldRefused,
    HoldState,
    authorise,
    capture,
    held_minor,
    lots_needed,
    release,
    spendable_minor,
)
from agent.points.ledger import Entry
from agent.points.lots import Lot, LotState, Part, lapse, lot_of_award, reverse

MEMBER = "m"
FIRST_DAY = date(2026, 7, 8)
ACTIVE, HELD, DEBT = ledger.active(MEMBER), ledger.held(MEMBER), ledger.debt(MEMBER)
percent = st.sampled_from([1, 40, 99, 100, 101, 150])


def share(whole: int, percent: int) -> int:
    """So much of it, at least 1; more than 100 is at least 1 more than all of it."""
    return max(1, whole * percent // 100 + (percent > 100))


class HoldMachine(RuleBasedStateMachine):
    """One member. `owed` is what captures did not find: only a refund may have taken that."""

    holds = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self.today = FIRST_DAY
        self.lots: dict[str, Lot] = {}
        self.held: dict[str, Hold] = {}
        self.resolutions: Counter[str] = Counter()
        self.accounts: Counter[str] = Counter()
        self.owed = 0
        self.refunded_under_a_hold = False

    @rule(minor=st.integers(1, 50), days=st.integers(0, 6))
    def earn(self, minor: int, days: int) -> None:
        name = f"lot-{len(self.lots)}"
        self.lots[name] = lot_of_award(name, minor, self.today, self.today + timedelta(days=days))
        self._post(ledger.award_postings(MEMBER, minor))

    @rule(target=holds, percent=percent)
    def authorise(self, percent: int) -> str:
        spendable = spendable_minor(self.lots.values(), self.held.values())
        assert spendable == max(0, self.accounts[ACTIVE])
        name = f"hold-{len(self.held)}"
        minor = share(spendable, percent)
        answer = authorise(name, MEMBER, minor, self.lots.values(), self.held.values())
        assert isinstance(answer, HoldRefused) == (minor > spendable)
        if not isinstance(answer, HoldRefused):
            self.held[name] = answer.hold
            self._post(answer.entry)
        return name

    @rule(name=holds, percent=percent)
    def capture(self, name: str, percent: int) -> None:
        if (hold := self.held.get(name)) is None:
            return
        minor = share(hold.minor, percent)
        answer = capture(hold, minor, self.lots.values())
        if isinstance(answer, HoldRefused):
            assert hold.state != HoldState.HELD or minor > hold.minor
            return
        self._take(answer, minor)
        self.held[name] = answer.hold
        self.resolutions[name] += 1

    @rule(name=holds)
    def release(self, name: str) -> None:
        if (hold := self.held.get(name)) is None:
            return
        answer = release(hold)
        assert isinstance(answer, HoldRefused) == (hold.state != HoldState.HELD)
        if not isinstance(answer, HoldRefused):
            self.held[name] = answer.hold
            self._post(answer.entry)
            self.resolutions[name] += 1

    @rule(days=st.integers(1, 4))
    def wait(self, days: int) -> None:
        """What is over lapses, but not from under a hold."""
        self.today += timedelta(days=days)
        needed = lots_needed(self.lots.values(), self.held.values())
        for lot in list(self.lots.values()):
            assert lot.lapses_on is not None
            if lot.state == LotState.ACTIVE and lot.lapses_on < self.today and lot.id not in needed:
                self.lots[lot.id], minor = lapse(lot)
                self._post(ledger.expiry_postings(MEMBER, minor))

    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        """All that remains of one lot goes back, a hold on it or not."""
        if living := [lot for lot in self.lots.values() if lot.remaining_minor]:
            lot = data.draw(st.sampled_from(living))
            reversal = reverse(lot, lot.remaining_minor)
            self.lots |= {changed.id: changed for changed in reversal.lots}
            self._post(ledger.reversal_postings(MEMBER, reversal))
            self.refunded_under_a_hold |= self.accounts[ACTIVE] < 0

    def _take(self, answer: Captured, minor: int) -> None:
        assert sum(part.minor for part in answer.parts) + answer.debt_minor == minor, "I10"
        for changed in answer.lots:
            before = self.lots[changed.id].remaining_minor
            assert Part(changed.id, before - changed.remaining_minor) in answer.parts
        assert len(answer.lots) == len(answer.parts)
        self.lots |= {changed.id: changed for changed in answer.lots}
        self._post(answer.entry)
        self.owed += answer.debt_minor

    def _post(self, entry: Entry) -> None:
        assert sum(posting.minor for posting in entry) == 0, "I1"
        for posting in entry:
            self.accounts[posting.account] += posting.minor

    @invariant()
    def i9_what_remains_is_active_and_held(self) -> None:
        remaining = sum(lot.remaining_minor for lot in self.lots.values())
        assert remaining == self.accounts[ACTIVE] + self.accounts[HELD]
        assert self.accounts[HELD] == held_minor(self.held.values())

    @invariant()
    def i13_captured_at_most_what_was_held_and_resolved_at_most_once(self) -> None:
        assert self.accounts[ledger.REDEEMED] == sum(hold.captured_minor for hold in self.held.values())
        for name, hold in self.held.items():
            assert hold.captured_minor <= hold.minor
            assert self.resolutions[name] == (hold.state != HoldState.HELD)

    @invariant()
    def what_is_held_is_covered_unless_a_refund_took_it(self) -> None:
        assert self.accounts[DEBT] == -self.owed
        if not self.refunded_under_a_hold:
            assert self.accounts[ACTIVE] >= 0
            assert self.owed == 0


HoldMachine.TestCase.settings = settings(deadline=None, max_examples=200, stateful_step_count=40)
TestHoldMachine = HoldMachine.TestCase
