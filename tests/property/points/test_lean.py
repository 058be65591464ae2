"""Property: do lean inputs and the fact give back the very inputs, whatever these are?"""

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.points.inputs import AwardInputs, Usage
from agent.points.lean import LeanInputs, fuel_line
from tests.property.points.drawn import award_inputs

EVENTS_MS = st.integers(0, 2**53 - 1)
NUMBERS = st.integers(0, 2**40)


def _sent(lean: LeanInputs) -> LeanInputs:
    return LeanInputs.model_validate_json(lean.model_dump_json(exclude_defaults=True))


@settings(deadline=None)
@given(award_inputs(), EVENTS_MS)
def test_of_any_sale(inputs: AwardInputs, event_ms: int) -> None:
    """The fact's own line may be the only one, the first of several, or none of them."""
    first = inputs.lines[0]
    for fuel in (first, fuel_line(first.product, first.volume_ml + 1, first.amount_fen), None):
        lean = LeanInputs.of(inputs, fuel, event_ms)
        assert (lean.lines == ()) == (inputs.lines == (fuel,))
        assert _sent(lean).whole(fuel, event_ms) == inputs


@settings(deadline=None)
@given(award_inputs(), EVENTS_MS, st.integers(0, 2**53 - 1))
def test_the_minute_is_that_of_the_event(inputs: AwardInputs, event_ms: int, later_ms: int) -> None:
    """Held against another time of the fact, the inputs are other inputs: the judge will see it."""
    whole = LeanInputs.of(inputs, None, event_ms).whole(None, later_ms)
    assert whole is not None
    moved = later_ms // 60_000 - event_ms // 60_000
    assert whole.local.minute_of_day == (inputs.local.minute_of_day + moved) % 1440
    assert whole.local.business_date == inputs.local.business_date


@given(st.builds(Usage, **dict.fromkeys(Usage.model_fields, NUMBERS)))
def test_usage_is_read_as_it_was_written(usage: Usage) -> None:
    assert Usage.model_validate_json(usage.model_dump_json()) == usage
