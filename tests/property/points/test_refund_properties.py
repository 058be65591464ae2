"""Property: does every way of refunding a sale bring the books back to where they began?"""

from collections import Counter
from datetime import date
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.points.ledger import Entry, activation_postings, award_postings, reversal_postings
from agent.points.lots import Lot, LotState, lot_of_award, reverse
from agent.points.refunds import reversal_minor

MANY = settings(deadline=None, max_examples=500)
EARNED, LAPSES = date(2026, 7, 8), date(2028, 1, 31)
splits = st.lists(st.integers(1, 100_000), min_size=1, max_size=12)


def book(accounts: Counter[str], entry: Entry) -> None:
    for posting in entry:
        accounts[posting.account] += posting.minor


@given(st.integers(0, 10_000_000), splits)
@MANY
def test_i12_any_split_of_a_refund_sums_to_the_award(original_minor: int, parts: list[int]) -> None:
    reversed_minor = 0
    for refunded in accumulate(parts):
        part = reversal_minor(original_minor, sum(parts), refunded, reversed_minor)
        assert part >= 0
        reversed_minor += part
        assert reversed_minor * sum(parts) <= original_minor * refunded
    assert reversed_minor == original_minor


@given(st.integers(1, 1_000_000), splits, st.booleans(), st.integers(0, 1_000_000))
@MANY
def test_i1_i11_a_sale_refunded_in_parts_leaves_nothing(
    minor: int, parts: list[int], delayed: bool, elsewhere_minor: int
) -> None:
    accounts: Counter[str] = Counter()
    lot = lot_of_award("a1", minor, EARNED, LAPSES, delayed=delayed)
    others = [lot_of_award("a0", elsewhere_minor, EARNED, LAPSES)] if elsewhere_minor else []
    book(accounts, award_postings("m", minor, delayed=delayed))
    for refunded in accumulate(parts):
        part = reversal_minor(minor, sum(parts), refunded, minor - lot.remaining_minor)
        result = reverse(lot, part, others)
        assert all(changed.id == "a1" for changed in result.lots)
        lot = result.lots[0] if result.lots else lot
        entry = reversal_postings("m", result)
        assert sum(posting.minor for posting in entry) == 0
        book(accounts, entry)
    assert lot.state == LotState.REVERSED
    assert not any(accounts.values())


@st.composite
def lots(draw: st.DrawFn, name: str) -> Lot:
    """Any lot there can be, lapsing on one of three days or never."""
    minor = draw(st.integers(1, 10_000))
    remaining = draw(st.integers(0, minor))
    lapses_on = draw(st.sampled_from([None, LAPSES, date(2027, 12, 31), date(2028, 2, 29)]))
    lapsed = 0 if lapses_on is None else draw(st.integers(0, minor - remaining))
    states = [LotState.EXHAUSTED, LotState.REVERSED, *([LotState.EXPIRED] if lapsed else [])]
    alive = [LotState.PENDING, LotState.ACTIVE]
    state = draw(st.sampled_from(alive if remaining else states))
    return Lot(name, minor, remaining, lapsed, state, EARNED, lapses_on)


@given(st.data())
@MANY
def test_i9_i10_a_reversal_is_fully_attributed(data: st.DataObject) -> None:
    own = data.draw(lots("own"))
    others = [data.draw(lots(f"other-{number}")) for number in range(data.draw(st.integers(0, 4)))]
    minor = data.draw(st.integers(0, own.minor))
    result = reverse(own, minor, others)
    before = {lot.id: lot for lot in (own, *others)}
    after = before | {lot.id: lot for lot in result.lots}
    taken = {name: before[name].remaining_minor - after[name].remaining_minor for name in before}
    assert {part.lot_id: part.minor for part in result.parts} == {n: m for n, m in taken.items() if m}
    assert result.minor == minor
    for state, total in ((LotState.PENDING, result.pending_minor), (LotState.ACTIVE, result.active_minor)):
        assert total == sum(m for name, m in taken.items() if before[name].state == state)
    assert result.lapsed_minor == own.lapsed_minor - after["own"].lapsed_minor
    assert all(after[lot.id].lapsed_minor == lot.lapsed_minor for lot in others)
    assert sum(posting.minor for posting in reversal_postings("m", result)) == 0


@given(st.data())
@MANY
def test_i11_nothing_is_taken_elsewhere_while_a_better_source_has_something(data: st.DataObject) -> None:
    """In this order: the own lot, its lapsed part, pending lots, active ones by expiry, debt."""
    own = data.draw(lots("own"))
    others = [data.draw(lots(f"other-{number}")) for number in range(data.draw(st.integers(0, 4)))]
    result = reverse(own, data.draw(st.integers(0, own.minor)), others)
    after = {lot.id: lot for lot in (own, *others)} | {lot.id: lot for lot in result.lots}
    others.sort(key=lambda lot: (lot.state == LotState.ACTIVE, lot.lapses_on or date.max, lot.id))
    sources = [
        (own.remaining_minor, after["own"].remaining_minor),
        (own.lapsed_minor, after["own"].lapsed_minor),
    ]
    sources += [(lot.remaining_minor, after[lot.id].remaining_minor) for lot in others]
    emptied = [left == 0 for _, left in sources]
    for number, (had, left) in enumerate(sources):
        if left < had:
            assert all(emptied[:number])
    assert result.debt_minor == 0 or all(emptied)


@given(st.integers(0, 10**9), st.booleans())
@MANY
def test_i1_every_entry_sums_to_zero(minor: int, delayed: bool) -> None:
    for entry in (award_postings("m", minor, delayed=delayed), activation_postings("m", minor)):
        assert sum(posting.minor for posting in entry) == 0
