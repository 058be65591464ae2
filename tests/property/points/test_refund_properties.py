"""Property: does every way of refunding a sale bring the books back to where they began?"""

from collections import Counter
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.points.ledger import Entry, activation_postings, award_postings, reversal_postings
from agent.points.lots import Lot, LotState, lot_of_award, reverse
from agent.points.refunds import reversal_minor

MANY = settings(deadline=None, max_examples=500)
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
    lot = lot_of_award("a1", minor, delayed=delayed)
    others = [lot_of_award("a0", elsewhere_minor)] if elsewhere_minor else []
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
    minor = draw(st.integers(1, 10_000))
    remaining = draw(st.integers(0, minor))
    states = [LotState.PENDING, LotState.ACTIVE] if remaining else [LotState.EXHAUSTED, LotState.REVERSED]
    return Lot(name, minor, remaining, draw(st.sampled_from(states)))


@given(st.data())
@MANY
def test_i9_i10_a_reversal_is_fully_attributed(data: st.DataObject) -> None:
    own = data.draw(lots("own"))
    others = [data.draw(lots(f"other-{number}")) for number in range(data.draw(st.integers(0, 4)))]
    minor = data.draw(st.integers(0, own.minor))
    result = reverse(own, minor, others)
    before = {lot.id: lot.remaining_minor for lot in (own, *others)}
    taken = sum(before[lot.id] - lot.remaining_minor for lot in result.lots)
    assert result.minor == minor
    assert taken == minor - result.debt_minor
    assert result.debt_minor == 0 or all(
        before[name] == 0 or name in {lot.id for lot in result.lots if not lot.remaining_minor}
        for name in before
    )
    assert sum(posting.minor for posting in reversal_postings("m", result)) == 0


@given(st.integers(0, 10**9), st.booleans())
@MANY
def test_i1_every_entry_sums_to_zero(minor: int, delayed: bool) -> None:
    for entry in (award_postings("m", minor, delayed=delayed), activation_postings("m", minor)):
        assert sum(posting.minor for posting in entry) == 0
