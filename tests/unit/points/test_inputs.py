"""Unit: do award inputs take only what can be recorded and read back, and nothing by accident?"""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agent.points.inputs import AwardInputs, Line, Local, Usage
from agent.points.values import MAX_INTEGER
from tests.unit.points.sales import THURSDAY, fill


def test_the_stored_form_is_lean_and_reads_back() -> None:
    inputs = fill("petrol-92", 50_000, amount_fen=39_250)
    stored = inputs.model_dump_json(exclude_defaults=True)
    assert stored == (
        '{"lines":[{"product":"petrol-92","volume_ml":50000,"amount_fen":39250}],"tender":"cash",'
        '"tier":"basic","evidence":"metered","time_quality":"seen",'
        '"local":{"business_date":"2026-07-08","weekday":3,"minute_of_day":600}}'
    )
    assert AwardInputs.model_validate_json(stored) == inputs


def test_everything_reads_back() -> None:
    inputs = fill(
        "petrol-92",
        50_000,
        day=THURSDAY,
        cohort="old",
        birthday=(2, 29),
        day_minor=5,
        month_minor=7,
        time_quality="device",
    )
    assert AwardInputs.model_validate_json(inputs.model_dump_json(exclude_defaults=True)) == inputs


@pytest.mark.parametrize(
    "change",
    [
        {"birthday": (2, 30)},
        {"birthday": (13, 1)},
        {"evidence": "believed"},
        {"time_quality": None},
        {"lines": ()},
        {"tender": ""},
        {"unknown": 1},
    ],
)
def test_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        fill("petrol-92", 50_000, **change)


@pytest.mark.parametrize("missing", ["evidence", "time_quality", "local", "tender", "tier", "lines"])
def test_what_decides_the_award_cannot_be_forgotten(missing: str) -> None:
    given = fill("petrol-92", 50_000).model_dump()
    del given[missing]
    with pytest.raises(ValidationError, match="Field required"):
        AwardInputs(**given)


@pytest.mark.parametrize("volume_ml", [-1, 2**53, 1.0, True, "1"])
def test_quantities_are_natural_integers(volume_ml: Any) -> None:
    with pytest.raises(ValidationError):
        Line(product="petrol-92", volume_ml=volume_ml)
    with pytest.raises(ValidationError):
        Usage(day_minor=volume_ml)


@pytest.mark.parametrize(
    ("day", "weekday", "minute"),
    [("2026-07-08", 4, 0), ("2026-02-29", 7, 0), ("26-07-08", 3, 0), ("2026-07-08", 3, 1440)],
)
def test_local_time_must_be_one_that_exists(day: str, weekday: int, minute: int) -> None:
    with pytest.raises(ValidationError):
        Local(business_date=day, weekday=weekday, minute_of_day=minute)


def test_before_the_day_starts_it_is_still_yesterday() -> None:
    early = Local.at(datetime.fromisoformat("2026-07-10T03:59:59"), 4 * 60)
    late = Local.at(datetime.fromisoformat("2026-07-10T04:00:00"), 4 * 60)
    assert (early.business_date, early.weekday, early.minute_of_day) == ("2026-07-09", 4, 239)
    assert (late.business_date, late.weekday, late.minute_of_day) == ("2026-07-10", 5, 240)


class TestUsageInJson:
    """Six numbers that every sale sends: their names would be most of it."""

    def test_it_is_a_list_without_zeros_at_its_end(self) -> None:
        assert Usage(month_ml=9, day_fills=1, month_fills=1).model_dump_json() == "[9,0,0,1]"
        assert Usage(day_minor=20, month_minor=500, month_fills=2).model_dump_json() == "[0,0,20,0,480,2]"
        assert Usage().model_dump_json() == "[]"

    @given(st.lists(st.integers(0, MAX_INTEGER), max_size=6))
    def test_it_is_read_as_it_was(self, numbers: list[int]) -> None:
        used = Usage(**dict(zip(Usage.model_fields, numbers, strict=False)))
        assert Usage.model_validate_json(used.model_dump_json()) == used

    @pytest.mark.parametrize("text", ["[1,2,3,4,5,6,7]", "[1.5]", "[true]", "[-1]", '["1"]', '{"word":1}'])
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(ValidationError):
            Usage.model_validate_json(text)
