"""Unit, property: are digits brought to another scale to the nearest, or cut and said to be?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.scales import cut, scaled

_PLACES = st.integers(0, 4)


@given(st.integers(0, 2**32 - 1), _PLACES, _PLACES)
@settings(deadline=None)
def test_scaling_rounds_to_the_nearest(value: int, decimals: int, wanted: int) -> None:
    result = scaled(value, decimals, wanted)
    error = value * 10**wanted - result * 10**decimals
    assert -(10**decimals) <= 2 * error < 10**decimals
    assert scaled(f"{value:010d}", decimals, wanted) == result


@pytest.mark.parametrize(("digits", "nearest"), [("002344", 234), ("002345", 235), ("2999", 300), ("4", 0)])
def test_a_half_is_rounded_up(digits: str, nearest: int) -> None:
    assert scaled(digits, 3, 2) == nearest


@given(st.integers(0, 2**32 - 1), _PLACES, _PLACES)
@settings(deadline=None)
def test_cutting_is_exact_or_says_so(value: int, decimals: int, wanted: int) -> None:
    result, is_exact = cut(value, decimals, wanted)
    assert (result * 10**decimals == value * 10**wanted) == is_exact
    assert 0 <= value * 10**wanted - result * 10**decimals < 10**decimals
    assert cut(f"{value:010d}", decimals, wanted) == (result, is_exact)
