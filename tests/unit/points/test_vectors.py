"""Unit: are golden vectors replayed, and is the first that differs named with its line?"""

import pytest

from agent.points.refusal import BundleRefused
from agent.points.rules import parse_bundle
from agent.points.vectors import inputs_of, replay
from tests.unit.points.sales import DEMO_TEXT, accepted, demo_bundle


def mismatch(old: str, new: str) -> BundleRefused:
    assert DEMO_TEXT.count(old) == 1, old
    text = DEMO_TEXT.replace(old, new)
    result = replay(accepted(parse_bundle(text.encode())), text)
    assert result is not None
    assert result.reason == "VECTOR_MISMATCH"
    return result


def line_of(text: str) -> int:
    return DEMO_TEXT[: DEMO_TEXT.index(text)].count("\n") + 1


def test_the_demo_reproduces_g1_to_g9() -> None:
    assert replay(demo_bundle(), DEMO_TEXT) is None
    assert [vector.id[:2] for vector in demo_bundle().vector][:9] == [f"G{n}" for n in range(1, 10)]


def test_other_points_are_a_mismatch_with_vector_and_line() -> None:
    result = mismatch("minor = 14400", "minor = 14300")
    line = line_of('id = "G3')
    assert result.where == f"vector 'G3 grade and tier multiply' (line {line})"
    assert "14400" in result.remedy
    assert "14300" in result.remedy


def test_other_rules_are_a_mismatch() -> None:
    """A manager who changes a factor and forgets the poster."""
    text = DEMO_TEXT.replace("bp = 30000", "bp = 29000")
    result = replay(accepted(parse_bundle(text.encode())), text)
    assert result is not None
    assert result.where.startswith("vector 'G4")


@pytest.mark.parametrize(
    ("old", "new", "vector", "why"),
    [
        ('minor = 39200\nruleset = "2024"', 'minor = 39200\nruleset = "2026"', "G6", "2024 decides"),
        ('"2026"\nlapses_on = 2028-01-31', '"2026"\nlapses_on = 2028-02-29', "G1", "lapse on 2028-01-31"),
        ("{ ml = 3330, minor = 666 }, { ml = 3340", "{ ml = 3330, minor = 667 }, { ml = 3340", "G9", "668"),
    ],
)
def test_whatever_is_written_is_compared(old: str, new: str, vector: str, why: str) -> None:
    result = mismatch(old, new)
    assert result.where.startswith(f"vector '{vector}")
    assert why in result.remedy


def test_without_the_text_there_is_no_line() -> None:
    text = DEMO_TEXT.replace("minor = 14400", "minor = 14300")
    result = replay(accepted(parse_bundle(text.encode())))
    assert result is not None
    assert result.where == "vector 'G3 grade and tier multiply'"


def test_a_vector_is_a_metered_sale_at_a_civil_time() -> None:
    bundle = demo_bundle(('business_day_starts = "00:00"', 'business_day_starts = "12:00"'))
    fourth = next(vector for vector in bundle.vector if vector.id.startswith("G4"))
    inputs = inputs_of(fourth, bundle)
    assert (inputs.evidence, inputs.time_quality, inputs.birthday) == ("metered", "seen", (7, 9))
    assert (inputs.local.business_date, inputs.local.minute_of_day) == ("2026-07-08", 600)
