"""Unit: does the code on a slip lead back to its fact, and is every slip of the hand noticed? (S-076)"""

from random import Random

import pytest

from agent.messages.ids import fact_prefix, slip_code

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
DRAWN = Random(76)
FACTS = [DRAWN.randbytes(16) for _ in range(1000)]


def bare(fact_id: bytes) -> str:
    return slip_code(fact_id).replace("-", "")


@pytest.mark.parametrize(
    ("fact_id", "code"),
    [
        (bytes(16), "00000-00000-0"),
        (bytes(range(16)), "000G4-0R40M-V"),
        (b"\xff" * 16, "ZZZZZ-ZZZZZ-4"),
    ],
)
def test_codes_never_change(fact_id: bytes, code: str) -> None:
    """They are on paper in customers' hands."""
    assert slip_code(fact_id) == code


def test_the_code_leads_to_ids_with_the_same_first_50_bits() -> None:
    for fact_id in FACTS:
        bounds = fact_prefix(slip_code(fact_id))
        assert bounds is not None
        first, last = bounds
        assert first <= fact_id <= last
        number = int.from_bytes(fact_id) >> 78
        assert int.from_bytes(first) == number << 78
        assert int.from_bytes(last) == ((number + 1) << 78) - 1


def test_every_wrong_character_is_noticed() -> None:
    for fact_id in FACTS:
        code = bare(fact_id)
        for place, right in enumerate(code):
            for wrong in ALPHABET.replace(right, ""):
                assert fact_prefix(code[:place] + wrong + code[place + 1 :]) is None


def test_every_exchange_of_neighbours_is_noticed() -> None:
    tried = 0
    for fact_id in FACTS:
        code = bare(fact_id)
        for place in range(10):
            one, other = code[place], code[place + 1]
            if one != other:
                tried += 1
                assert fact_prefix(code[:place] + other + one + code[place + 2 :]) is None
    assert tried > 9_000


def test_a_code_may_be_typed_as_people_type() -> None:
    bounds = fact_prefix("000G4-0R40M-V")
    assert bounds is not None
    for typed in ("000g4-0r40m-v", "OOOG40R4OMV", " oo0g4 0r40m v ", "000G-40R4-0MV"):
        assert fact_prefix(typed) == bounds
    one = slip_code(bytes.fromhex("08421084210840") + bytes(9))
    assert one.startswith("11111-11111")
    assert fact_prefix(one.replace("1", "l")) == fact_prefix(one.replace("1", "I")) == fact_prefix(one)


@pytest.mark.parametrize(
    "typed", ["", "000G4-0R40M", "000G4-0R40M-V0", "000G4-0R40M-U", "000G4-0R40M-中", "000G4_0R40MV"]
)
def test_what_is_no_code_is_refused(typed: str) -> None:
    assert fact_prefix(typed) is None
