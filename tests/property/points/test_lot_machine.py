"""Property: do lots and ledger agree, whatever a member earns, spends, refunds and lets lapse, in any order?

The model beside them knows no lot and no account, only single points: where each came from and where
it is now. Each operation picks them one by one.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from agent.points import ledger
from agent.points.ledger import Entry
from agent.points.lots import (
    Lot,
    LotState,
    Part,
    Spending,
    activate,
    give_back,
    lapse,
    lot_of_award,
    reverse,
    spend,
)
from agent.points.refunds import reversal_minor

MEMBER = "m"
FIRST_DAY = date(2026, 7, 8)
GRACE_DAYS = 5
ACTIVE, PENDING, DEBT = ledger.active(MEMBER), ledger.pending(MEMBER), ledger.debt(MEMBER)


class Books:
    """One member's lots and entries, kept as a station keeps them: what is due happens first."""

    def __init__(self) -> None:
        self.today = FIRST_DAY
        self.lots: dict[str, Lot] = {}
        self.entries: list[Entry] = []
        self.moves: list[Part] = []
        self.sold: dict[str, int] = {}
        self.refunded: Counter[str] = Counter()
        self.reversed_minor: Counter[str] = Counter()

    def balances(self) -> Counter[str]:
        """I2: the balance of an account is the sum of its entries."""
        accounts: Counter[str] = Counter()
        for entry in self.entries:
            for posting in entry:
                accounts[posting.account] += posting.minor
        return accounts

    def earn(
        self, minor: int, sold_ml: int = 1, lapses_on: date | None = None, *, delayed: bool = False
    ) -> str:
        name = f"{len(self.lots):04}"
        self.lots[name] = lot_of_award(name, minor, self.today, lapses_on, delayed=delayed)
        self.sold[name] = sold_ml
        self.moves.append(Part(name, minor))
        self.entries.append(ledger.award_postings(MEMBER, minor, delayed=delayed))
        return name

    def activate(self, name: str) -> None:
        lot = self.lots[name]
        self.lots[name] = activate(lot)
        self.entries.append(ledger.activation_postings(MEMBER, lot.remaining_minor))

    def spend(self, minor: int) -> Spending:
        """Nothing is booked where something is missing."""
        spending = spend(self.lots.values(), minor)
        if not spending.missing_minor:
            self._change(spending.lots, spending.parts)
            self.entries.append(ledger.redemption_postings(MEMBER, spending.minor))
        return spending

    def give_back(self, parts: tuple[Part, ...]) -> None:
        changed = give_back(parts, self.lots.values(), self.today, GRACE_DAYS)
        self.lots |= {lot.id: lot for lot in changed}
        self.moves += parts
        total = sum(part.minor for part in parts)
        self.entries.append(ledger.redemption_return_postings(MEMBER, total))

    def repay(self) -> None:
        spending = spend(self.lots.values(), -self.balances()[DEBT])
        self._change(spending.lots, spending.parts)
        self.entries.append(ledger.repayment_postings(MEMBER, spending.minor))

    def refund(self, name: str, refunded_ml: int) -> int:
        """Take back the points of so much more of a sale; how many points that were."""
        own = self.lots[name]
        self.refunded[name] += refunded_ml
        minor = reversal_minor(own.minor, self.sold[name], self.refunded[name], self.reversed_minor[name])
        reversal = reverse(own, minor, [lot for lot in self.lots.values() if lot.id != name])
        self._change(reversal.lots, reversal.parts)
        self.entries.append(ledger.reversal_postings(MEMBER, reversal))
        self.reversed_minor[name] += minor
        assert reversal.minor == minor
        assert sum(part.minor for part in reversal.parts) == reversal.pending_minor + reversal.active_minor
        return minor

    def wait(self, days: int) -> None:
        self.today += timedelta(days=days)
        for lot in list(self.lots.values()):
            if lot.remaining_minor and lot.lapses_on is not None and lot.lapses_on < self.today:
                if lot.state == LotState.PENDING:
                    self.activate(lot.id)
                self.lots[lot.id], lapsed = lapse(self.lots[lot.id])
                self.moves.append(Part(lot.id, -lapsed))
                self.entries.append(ledger.expiry_postings(MEMBER, lapsed))

    def _change(self, lots: tuple[Lot, ...], parts: tuple[Part, ...]) -> None:
        self.lots |= {lot.id: lot for lot in lots}
        self.moves += [Part(part.lot_id, -part.minor) for part in parts]


Place = Literal["pending", "active", "lapsed", "redeemed", "reversed", "taken", "repaid"]


@dataclass
class Point:
    """One minor unit. `taken`: for the reversal of another award; `repaid`: for what was owed."""

    lot: str
    place: Place
    redemption: int = 0


class Model:
    """Single points, and the last day of each lot."""

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.last_day: dict[str, date] = {}
        self.owed = 0
        self.issued = 0

    def at(self, place: Place, lot: str = "") -> list[Point]:
        return [p for p in self.points if p.place == place and lot in ("", p.lot)]

    def living(self, lot: str) -> int:
        return len(self.at("pending", lot)) + len(self.at("active", lot))

    def soonest(self, place: Place, besides: str = "") -> Point | None:
        """The point of the lot that lapses first, of the oldest of these (ids grow with time)."""
        there = [p for p in self.at(place) if p.lot != besides]
        return min(there, key=lambda p: (self.last_day[p.lot], p.lot), default=None)

    def redeem(self, minor: int, redemption: int) -> None:
        for _ in range(minor):
            point = self.soonest("active")
            assert point is not None
            point.place, point.redemption = "redeemed", redemption

    def give_back(self, redemption: int, today: date) -> None:
        returned = [p for p in self.at("redeemed") if p.redemption == redemption]
        for lot in {p.lot for p in returned}:
            if not self.living(lot) and self.last_day[lot] < today:
                self.last_day[lot] = today + timedelta(days=GRACE_DAYS)
        for point in returned:
            point.place, point.redemption = "active", 0

    def reverse(self, lot: str, minor: int) -> None:
        self.issued -= minor
        for _ in range(minor):
            if own := [*self.at("pending", lot), *self.at("active", lot), *self.at("lapsed", lot)]:
                own[0].place = "reversed"
            elif other := self.soonest("pending", besides=lot) or self.soonest("active", besides=lot):
                other.place = "taken"
            else:
                self.owed += 1

    def repay(self) -> None:
        while self.owed and (point := self.soonest("active")):
            point.place = "repaid"
            self.owed -= 1

    def lapse(self, today: date) -> None:
        for point in self.points:
            if point.place in ("pending", "active") and self.last_day[point.lot] < today:
                point.place = "lapsed"


small = st.integers(1, 30)


class LotMachine(RuleBasedStateMachine):
    awards = Bundle("awards")
    redemptions = Bundle("redemptions")

    def __init__(self) -> None:
        super().__init__()
        self.books = Books()
        self.model = Model()
        self.redeemed = 0

    @rule(
        target=awards,
        minor=small,
        sold_ml=st.integers(1, 40),
        days=st.sampled_from([None, 0, 1, 2, 3, 5, 8, 13]),
        delayed=st.sampled_from([False, False, True]),
    )
    def earn(self, minor: int, sold_ml: int, days: int | None, delayed: bool) -> str:
        lapses_on = None if days is None else self.books.today + timedelta(days=days)
        name = self.books.earn(minor, sold_ml, lapses_on, delayed=delayed)
        self.model.last_day[name] = lapses_on or date.max
        self.model.points += [Point(name, "pending" if delayed else "active") for _ in range(minor)]
        self.model.issued += minor
        return name

    @rule(name=awards)
    def activate(self, name: str) -> None:
        if self.books.lots[name].state == LotState.PENDING:
            self.books.activate(name)
            for point in self.model.at("pending", name):
                point.place = "active"

    @rule(target=redemptions, percent=st.sampled_from([10, 50, 50, 90, 100, 110]))
    def spend(self, percent: int) -> tuple[int, tuple[Part, ...]]:
        """So much of what there is; 110 is more than that."""
        available = len(self.model.at("active"))
        minor = available * percent // 100 + (percent > 100)
        spending = self.books.spend(minor)
        assert spending.minor + spending.missing_minor == minor, "I10"
        assert spending.missing_minor == max(0, minor - available)
        if spending.missing_minor or not minor:
            return 0, ()
        self.redeemed += 1
        self.model.redeem(minor, self.redeemed)
        taken = Counter(p.lot for p in self.model.at("redeemed") if p.redemption == self.redeemed)
        assert {part.lot_id: part.minor for part in spending.parts} == taken
        return self.redeemed, spending.parts

    @rule(redemption=consumes(redemptions))
    def give_back(self, redemption: tuple[int, tuple[Part, ...]]) -> None:
        number, parts = redemption
        if parts:
            self.books.give_back(parts)
            self.model.give_back(number, self.books.today)

    @rule(name=awards, percent=st.sampled_from([10, 30, 70, 100]))
    def refund(self, name: str, percent: int) -> None:
        """So much more of the sale goes back; 100 is all of it, whatever went before."""
        self.model.reverse(name, self.books.refund(name, -(-self.books.sold[name] * percent // 100)))
        if percent == 100:
            assert self.books.reversed_minor[name] == self.books.lots[name].minor, "I12"

    @precondition(lambda self: self.model.owed)
    @rule()
    def repay(self) -> None:
        self.books.repay()
        self.model.repay()

    @rule(days=st.sampled_from([1, 2, 4, 7]))
    def wait(self, days: int) -> None:
        self.books.wait(days)
        self.model.lapse(self.books.today)

    @invariant()
    def i1_i2_the_accounts_are_what_the_points_say(self) -> None:
        for entry in self.books.entries:
            assert sum(posting.minor for posting in entry) == 0
        place = Counter(point.place for point in self.model.points)
        expected = {
            ACTIVE: place["active"],
            PENDING: place["pending"],
            DEBT: -self.model.owed,
            ledger.EXPIRED: place["lapsed"],
            ledger.REDEEMED: place["redeemed"],
            ledger.ISSUED: -self.model.issued,
        }
        accounts = self.books.balances()
        assert {account: accounts[account] for account in expected} == expected
        assert accounts.keys() <= expected.keys()

    @invariant()
    def i9_i11_every_lot_has_the_points_that_are_its_own(self) -> None:
        moved: Counter[str] = Counter()
        for move in self.books.moves:
            moved[move.lot_id] += move.minor
        for name, lot in self.books.lots.items():
            assert lot.remaining_minor == self.model.living(name) == moved[name]
            assert lot.lapsed_minor == len(self.model.at("lapsed", name))
            assert (lot.lapses_on or date.max) == self.model.last_day[name]
            if lot.remaining_minor:
                assert lot.state == ("pending" if self.model.at("pending", name) else "active")
        accounts = self.books.balances()
        remaining = sum(lot.remaining_minor for lot in self.books.lots.values())
        assert remaining == accounts[PENDING] + accounts[ACTIVE], "I9"

    @invariant()
    def i12_no_award_is_reversed_beyond_itself(self) -> None:
        for name, lot in self.books.lots.items():
            assert self.books.reversed_minor[name] <= lot.minor


LotMachine.TestCase.settings = settings(deadline=None, max_examples=300, stateful_step_count=50)
TestLotMachine = LotMachine.TestCase


def test_buy_refund_repeat_100_times_balance_returns_to_the_start() -> None:
    books = Books()
    books.earn(700)
    start = books.balances()
    for _ in range(100):
        name = books.earn(2_000, sold_ml=10_000)
        assert [books.refund(name, ml) for ml in (3_330, 3_330, 3_340)] == [666, 666, 668]
        assert books.balances() == start
    assert sum(lot.remaining_minor for lot in books.lots.values()) == 700


def test_buy_spend_refund_repeat_100_times_owes_what_was_spent_and_no_more() -> None:
    books = Books()
    for _ in range(100):
        name = books.earn(2_000)
        books.spend(15)
        books.refund(name, 1)
    accounts = books.balances()
    assert (accounts[ACTIVE], accounts[DEBT], accounts[ledger.REDEEMED]) == (0, -1_500, 1_500)


def test_refund_of_a_redeemed_sale_does_not_deduct_again() -> None:
    books = Books()
    books.earn(1_000, lapses_on=FIRST_DAY + timedelta(days=90))
    start = books.balances()
    redemption = books.spend(400)
    sale = books.earn(60, sold_ml=10_000)
    books.refund(sale, 10_000)
    books.give_back(redemption.parts)
    assert books.balances() == start
    assert books.refund(sale, 10_000) == 0
    assert books.balances() == start


def test_a_partly_spent_lot_lapses_and_the_balance_does_not_collapse() -> None:
    books = Books()
    old = books.earn(500, lapses_on=FIRST_DAY)
    books.earn(1_000)
    books.spend(380)
    books.wait(1)
    accounts = books.balances()
    assert (accounts[ACTIVE], accounts[ledger.EXPIRED]) == (1_000, 120)
    assert (books.lots[old].state, books.lots[old].lapsed_minor) == (LotState.EXPIRED, 120)


def test_a_sale_refunded_after_its_points_lapsed_costs_the_member_nothing() -> None:
    books = Books()
    sale = books.earn(500, lapses_on=FIRST_DAY)
    books.earn(1_000)
    books.wait(1)
    books.refund(sale, 1)
    accounts = books.balances()
    assert (accounts[ACTIVE], accounts[ledger.EXPIRED], accounts[DEBT]) == (1_000, 0, 0)
