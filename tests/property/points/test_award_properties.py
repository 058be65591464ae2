"""Property: what holds for every award, and does a slow second evaluator agree?"""

import ast
import tomllib
from datetime import date, timedelta
from gettext import NullTranslations
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import agent.points
from agent.points.award import Award, award
from agent.points.conditions import BirthdayDays, Window
from agent.points.explanation import sentences
from agent.points.inputs import AwardInputs, Local
from agent.points.refunds import reversal_minor
from agent.points.rules import Bundle, BundleRefused, parse_bundle
from agent.points.soundness import objection
from tests.property.points.drawn import award_inputs, bundles, locals_, windows
from tests.property.points.slow import in_window, minutes, near_birthday, worth
from tests.unit.points.sales import DEMO_TEXT, accepted, demo_bundle

DEMO, DEMO_TABLE = demo_bundle(), tomllib.loads(DEMO_TEXT)
MANY = settings(deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
SOME = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def agrees(inputs: AwardInputs, bundle: Bundle, table: dict[str, Any]) -> None:
    """What was used of the coupons is worth what all are, and less without any one of them."""
    result = award(inputs, bundle)
    used = inputs.model_copy(update={"coupons": result.coupons_used})
    assert set(result.coupons_used) <= set(inputs.coupons)
    assert result.minor == worth(inputs.model_dump(), table).minor
    for kind in result.coupons_used:
        rest = tuple(other for other in result.coupons_used if other != kind)
        assert worth(used.model_dump() | {"coupons": rest}, table).minor < result.minor
    others = [(other.ruleset, other.minor, other.lapses_on) for other in result.alternatives]
    ours = (result.minor, result.ruleset, others, result.lapses_on, result.lapses_by)
    assert ours == worth(used.model_dump(), table)


@given(award_inputs())
@MANY
def test_the_slow_evaluator_agrees_on_the_demo_bundle(inputs: AwardInputs) -> None:
    agrees(inputs, DEMO, DEMO_TABLE)


@given(st.lists(award_inputs(), min_size=3, max_size=3), bundles())
@SOME
def test_the_slow_evaluator_agrees_on_any_bundle(sales: list[AwardInputs], toml: str) -> None:
    bundle = accepted(parse_bundle(toml.encode()))
    for inputs in sales:
        agrees(inputs, bundle, tomllib.loads(toml))


@given(award_inputs(), bundles())
@SOME
def test_i6_the_explanation_sums_to_the_award(inputs: AwardInputs, toml: str) -> None:
    for bundle in (DEMO, accepted(parse_bundle(toml.encode()))):
        result = award(inputs, bundle)
        assert sum(line.minor for line in result.explanation) == result.minor
        assert all(sentences(result, NullTranslations(), 100))


@given(award_inputs(), bundles(), st.integers(0, 2), st.integers(1, 400_000))
@SOME
def test_i7_more_litres_never_give_fewer_points(
    inputs: AwardInputs, toml: str, which: int, more_ml: int
) -> None:
    assume(which < len(inputs.lines))
    line = inputs.lines[which]
    assume(line.volume_ml > 0 or inputs.evidence != "none")
    larger = line.model_copy(update={"volume_ml": line.volume_ml + more_ml})
    lines = (*inputs.lines[:which], larger, *inputs.lines[which + 1 :])
    more = inputs.model_copy(update={"lines": lines})
    for bundle in (DEMO, accepted(parse_bundle(toml.encode()))):
        assert award(more, bundle).minor >= award(inputs, bundle).minor


@given(award_inputs(), bundles())
@SOME
def test_i8_usage_and_award_stay_within_the_caps(inputs: AwardInputs, toml: str) -> None:
    used = {
        "transaction": 0,
        "member_day": inputs.usage.day_minor,
        "member_month": inputs.usage.month_minor,
    }
    for bundle in (DEMO, accepted(parse_bundle(toml.encode()))):
        result = award(inputs, bundle)
        for cap in bundle.ruleset_named(result.ruleset).cap:
            assert result.minor <= max(0, cap.minor - used[cap.scope])


@given(award_inputs(), bundles())
@SOME
def test_i30_a_protected_member_never_gets_less_than_by_either_ruleset(
    inputs: AwardInputs, toml: str
) -> None:
    """Nor for a shorter time: "" is for ever."""
    for bundle in (DEMO, accepted(parse_bundle(toml.encode()))):
        result = award(inputs, bundle)
        unprotected = award(inputs.model_copy(update={"cohort": ""}), bundle)
        assert result.minor >= unprotected.minor
        for other in result.alternatives:
            assert result.minor >= other.minor
            assert result.minor == 0 or _lasts(result.lapses_on, other.lapses_on)
        assert unprotected.minor == 0 or _lasts(result.lapses_on, unprotected.lapses_on)


def _lasts(lapses_on: str, other: str) -> bool:
    return not lapses_on or bool(other and lapses_on >= other)


@given(award_inputs(), bundles(), st.lists(st.integers(1, 500_000), max_size=8))
@SOME
def test_i12_refunds_of_an_award_take_back_all_of_it_and_no_more(
    inputs: AwardInputs, toml: str, parts: list[int]
) -> None:
    total_ml = sum(line.volume_ml for line in inputs.lines)
    assume(total_ml > 0)
    given_minor = award(inputs, accepted(parse_bundle(toml.encode()))).minor
    taken = 0
    for refunded_ml in (*accumulate(parts), total_ml):
        taken += reversal_minor(given_minor, total_ml, refunded_ml, taken)
        assert taken <= given_minor
    assert taken == given_minor


@given(bundles())
@SOME
def test_i7_is_what_soundness_asks_of_every_drawn_bundle(toml: str) -> None:
    """So that the property above is about bundles that a station would take."""
    bundle = accepted(parse_bundle(toml.encode()))
    refused = objection(bundle, toml)
    assert refused is None or refused.reason == "RULE_HOLE"


@given(award_inputs(), bundles())
@SOME
def test_i4_inputs_read_back_give_the_same_award_bit_for_bit(inputs: AwardInputs, toml: str) -> None:
    sent = inputs.model_dump_json(exclude_defaults=True)
    here, there = (accepted(parse_bundle(toml.encode())) for _ in range(2))
    received = AwardInputs.model_validate_json(sent)
    stored = award(inputs, here).model_dump_json(exclude_defaults=True)
    assert received == inputs
    assert award(received, there).model_dump_json(exclude_defaults=True) == stored
    assert Award.model_validate_json(stored) == award(inputs, here)


@given(st.binary(max_size=300))
@SOME
def test_any_bytes_are_a_refusal_and_no_exception(data: bytes) -> None:
    assert isinstance(parse_bundle(data), BundleRefused)


VALUES = ["3", "1.5", "true", '"x"', '""', "[]", "[1]", "{}", "2026-07-01", "-1", "07:30:00", "[{id = 3}]"]


@given(st.integers(0, DEMO_TEXT.count(" = ") - 1), st.sampled_from(VALUES))
@SOME
def test_any_wrong_value_is_a_refusal_with_a_place(which: int, value: str) -> None:
    """One value of the demo bundle replaced: a bundle where that is still valid, and never an exception."""
    before = DEMO_TEXT.split(" = ", which + 1)
    rest = before.pop()
    _, newline, after = rest.partition("\n")
    result = parse_bundle((" = ".join(before) + " = " + value + newline + after).encode())
    if isinstance(result, BundleRefused):
        assert result.reason.isupper()
        assert result.where
        assert result.remedy


SOURCES = sorted(Path(agent.points.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_i27_no_float_in_the_source(source: Path) -> None:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float))
        assert not (isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div))
        assert not (isinstance(node, ast.Name) and node.id in ("float", "Decimal", "round"))


@given(windows(), locals_(), st.sampled_from(["00:00", "04:00", "22:00"]))
@MANY
def test_windows_open_and_close_as_counted_minute_by_minute(window: str, local: Local, starts: str) -> None:
    """Edges of hours and days are tried beside the drawn minute."""
    table = tomllib.loads(window)["window"]
    parsed = Window.model_validate({key: tuple(v) if key == "weekdays" else v for key, v in table.items()})
    for minute in (local.minute_of_day, 0, 119, 120, 239, 240, 329, 330, 359, 360, 1079, 1080, 1319, 1320):
        told = {"business_date": local.business_date, "minute_of_day": minute}
        expected = in_window(table, told, {"business_day_starts": starts})
        assert parsed.is_open(local.day, minute, minutes(starts)) == expected


@given(st.integers(0, 31), st.integers(0, 31), st.dates(date(2023, 12, 1), date(2028, 3, 31)), st.data())
@MANY
def test_birthdays_count_on_the_days_around_them(
    before: int, after: int, day: date, data: st.DataObject
) -> None:
    offset = data.draw(st.integers(-33, 33))
    near = (day + timedelta(days=offset)).timetuple()[1:3]
    for birthday in (near, (2, 29)):
        table = {"before_days": before, "after_days": after}
        told = {"birthday": birthday, "local": {"business_date": day.isoformat()}}
        assert BirthdayDays(**table).include(day, birthday) == near_birthday(table, told)
