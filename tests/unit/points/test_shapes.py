"""Unit: does every shape of rule give what points.md 10 says, and explain how?"""

from pathlib import Path

import pytest

from agent.points.award import ExplanationLine, award
from agent.points.inputs import AwardInputs, Line, Usage
from agent.points.rules import parse_bundle
from agent.points.soundness import objection, warnings
from agent.points.terms import Vector
from agent.points.vectors import inputs_of
from tests.unit.points.sales import accepted, at, fill

TEXT = (Path(__file__).parent / "shapes.bundle.toml").read_text(encoding="utf-8")
SHAPES = accepted(parse_bundle(TEXT.encode()))

SECTION_10 = {
    "part litres do not count": 4_500,
    "two points per litre": 9_100,
    "tier multiple and month cap": 10_000,
    "one per 200 yuan": 100,
    "times three on Thursdays": 60_000,
    "diesel 5 yuan": 1_900,
    "diesel 2 yuan": 4_900,
    "eight per hundred by the yuan": 2_000,
    "eight per whole hundred": 1_600,
    "top-up of 500 yuan": 60_000,
    "top-up of 4000 yuan": 600_000,
}
"""What points.md 10 says, by the name of the vector."""


@pytest.mark.parametrize("vector", SHAPES.vector, ids=lambda vector: vector.id)
def test_vector(vector: Vector) -> None:
    """Each by itself, with its sum (I6); those that points.md names give what it says."""
    result = award(inputs_of(vector, SHAPES), SHAPES)
    assert result.minor == vector.minor == SECTION_10.get(vector.id, vector.minor)
    assert sum(line.minor for line in result.explanation) == result.minor


def test_points_md_10_is_complete() -> None:
    assert {vector.id for vector in SHAPES.vector} >= SECTION_10.keys()


def test_the_bundle_is_sound_and_every_rule_tried() -> None:
    assert objection(SHAPES, TEXT) is None
    assert [warning.code for warning in warnings(SHAPES)] == ["NO_CAP"]


def explained(name: str, kind: str) -> list[ExplanationLine]:
    vector = next(vector for vector in SHAPES.vector if vector.id == name)
    return [line for line in award(inputs_of(vector, SHAPES), SHAPES).explanation if line.kind == kind]


def test_a_band_of_the_whole_is_named_with_its_rate() -> None:
    [line] = explained("top-up of 4000 yuan", "base")
    assert (line.points_minor, line.from_fen, line.amount_fen, line.minor) == (150, 400_000, 400_000, 600_000)
    [below] = explained("top-up below the first band", "base")
    assert (below.points_minor, below.from_fen) == (100, 0)


def test_every_part_is_a_line_of_its_own() -> None:
    parts = explained("each part at its own rate", "base")
    assert [(p.volume_ml, p.points_minor, p.from_ml, p.minor) for p in parts] == [
        (40_000, 100, 0, 4_000),
        (160_000, 50, 40_000, 8_000),
        (50_000, 10, 200_000, 500),
    ]


def test_lines_of_one_rule_share_its_bands() -> None:
    parts = explained("parts go on over the lines", "base")
    assert [(p.product, p.volume_ml, p.points_minor) for p in parts] == [
        ("parts", 30_000, 100),
        ("other-parts", 10_000, 100),
        ("other-parts", 20_000, 50),
    ]


def test_the_month_is_named_on_top_of_which_a_band_is_reached() -> None:
    [line] = explained("month reached with this sale", "base")
    assert (line.month_ml, line.from_ml, line.points_minor) == (60_000, 100_000, 200)
    beyond = explained("only what lies beyond", "base")
    assert [(p.amount_fen, p.points_minor, p.month_fen) for p in beyond] == [
        (20_000, 100, 80_000),
        (30_000, 200, 80_000),
    ]


def test_a_line_of_nothing_in_a_band_is_still_explained() -> None:
    lines = (Line(product="parts", volume_ml=40_000), Line(product="other-parts", volume_ml=5))
    result = award(fill("parts", 1, lines=lines), SHAPES)
    empty = [line for line in result.explanation if line.product == "other-parts"]
    assert [(line.volume_ml, line.minor) for line in empty] == [(0, 0)]


def test_a_bonus_says_what_it_asked_for() -> None:
    [bonus] = explained("first fill of the month", "bonus")
    assert bonus == ExplanationLine(
        kind="bonus",
        rule="first-fill",
        minor=5_000,
        scope="member_month",
        fill_no=1,
        volume_ml=20_000,
        at_least_ml=20_000,
    )
    [basket] = explained("big basket, twice the line, one bonus", "bonus")
    assert (basket.amount_fen, basket.at_least_fen, basket.fill_no, basket.scope) == (30_000, 30_000, 0, None)


def fills(**change: object) -> AwardInputs:
    """A fill of 20 litres for 150 yuan, the member's first."""
    usage = change.pop("usage", Usage())
    return fill("fills", 20_000, amount_fen=15_000).model_copy(update={"usage": usage, **change})


def test_the_fourth_fill_of_a_day_has_no_bonus() -> None:
    by_fills = [award(fills(usage=Usage(day_fills=n, month_fills=9)), SHAPES).minor for n in range(5)]
    assert by_fills == [15_000, 16_000, 16_000, 15_000, 15_000]


def test_an_estimated_time_has_no_bonus() -> None:
    result = award(fills(time_quality="estimated"), SHAPES)
    assert [(line.kind, line.rule) for line in result.explanation] == [
        ("refused", "TIME_ESTIMATED"),
        ("base", "yuan"),
    ]


def test_a_bonus_alone_makes_no_award() -> None:
    """Only products that nothing rewards: what a bonus names has a base rule (RULE_HOLE)."""
    everywhere = TEXT.replace('at_least_fen = 30000\n  product = ["fills"]', "at_least_fen = 30000")
    bundle = accepted(parse_bundle(everywhere.encode()))
    unknown = award(fill("magazine", 0, amount_fen=50_000), bundle)
    beside = award(
        fill(
            "fills",
            0,
            lines=(Line(product="magazine", amount_fen=50_000), Line(product="fills", amount_fen=100)),
        ),
        bundle,
    )
    assert (unknown.minor, unknown.reason) == (0, "NO_RULE")
    assert beside.minor == 100 + 700


def test_a_bonus_is_given_before_the_rounding_and_the_caps() -> None:
    result = award(fills(usage=Usage(month_minor=690_000)), SHAPES)
    assert [line.kind for line in result.explanation] == ["base", "bonus", "cap"]
    assert result.minor == 10_000


@pytest.mark.parametrize(
    ("day", "ends"),
    [
        ("2026-07-01", "2028-06-30"),
        ("2026-07-02", "2028-12-31"),
        ("2026-12-31", "2028-12-31"),
        ("2027-01-01", "2028-12-31"),
    ],
)
def test_two_years_swept_in_june_and_december(day: str, ends: str) -> None:
    result = award(fills(local=at(day)), SHAPES)
    assert (result.lapses_on, result.lapses_by) == (ends, "")


@pytest.mark.parametrize(
    ("months", "align", "round_up", "ends"),
    [
        (18, "month_end", "none", "2028-01-31"),
        (12, "month_end", "none", "2027-07-31"),
        (18, "none", "none", "2028-01-08"),
        (18, "none", "quarter", "2028-03-31"),
        (18, "none", "half_year", "2028-06-30"),
    ],
)
def test_terms(months: int, align: str, round_up: str, ends: str) -> None:
    old = 'months = 24\nalign = "none"\nround_up = "half_year"'
    assert old in TEXT
    new = f'months = {months}\nalign = "{align}"\nround_up = "{round_up}"'
    bundle = accepted(parse_bundle(TEXT.replace(old, new).encode()))
    assert award(fills(local=at("2026-07-09")), bundle).lapses_on == ends


def test_points_are_credited_within_48_hours_and_redeemed_by_the_thousand() -> None:
    assert SHAPES.activation is not None
    assert SHAPES.activation.after_s == 48 * 3600
    assert SHAPES.redemption is not None
    limits = SHAPES.redemption.limits
    assert (limits.min_minor, limits.step_minor, limits.per_member_week_items) == (100_000, 100_000, 1)


def test_i30_points_and_term_are_each_the_better_one() -> None:
    """The new rules give more points, the former ones a longer life."""
    result = award(fills(cohort="old-members", local=at("2026-07-06")), SHAPES)
    assert (result.minor, result.ruleset) == (20_000, "shapes")
    assert (result.lapses_on, result.lapses_by) == ("2029-07-31", "former")
    [other] = result.alternatives
    assert (other.ruleset, other.minor, other.lapses_on) == ("former", 1_500, "2029-07-31")


def test_i30_for_ever_is_the_longest_term() -> None:
    start, end = TEXT.index("[expiry]"), TEXT.index("[activation]")
    endless = accepted(parse_bundle((TEXT[:start] + TEXT[end:]).encode()))
    result = award(fills(cohort="old-members"), endless)
    assert (result.lapses_on, result.lapses_by) == ("", "shapes")


@pytest.mark.parametrize(("tie", "lasting"), [("new", "shapes"), ("old", "former")])
def test_i30_a_tie_of_terms_goes_where_the_bundle_says(tie: str, lasting: str) -> None:
    same = TEXT.replace('months = 36\n  align = "month_end"', 'months = 24\n  align = "none"')
    same = same.replace('tie = "new"', f'tie = "{tie}"')
    result = award(fills(cohort="old-members", local=at("2026-12-31")), accepted(parse_bundle(same.encode())))
    assert (result.lapses_by, result.ruleset) == ("shapes", "shapes")
    swept = same.replace('round_up = "half_year"', 'round_up = "none"')
    result = award(fills(cohort="old-members"), accepted(parse_bundle(swept.encode())))
    assert result.lapses_by == lasting


def test_no_points_have_no_term() -> None:
    for change in ({"tender": "cash", "lines": (Line(product="magazine"),)}, {"evidence": "none"}):
        for cohort in ("", "old-members"):
            result = award(fills(cohort=cohort, **change), SHAPES)
            assert (result.minor, result.lapses_on, result.lapses_by) == (0, "", "")


def test_the_new_tables_are_read() -> None:
    rollout, expiry = SHAPES.rollout, SHAPES.expiry
    assert rollout is not None
    assert expiry is not None
    assert (rollout.id, rollout.percent, rollout.shadow_sales) == ("july", 5, 200)
    assert (rollout.least_sales, rollout.declined_bp, rollout.mismatched, rollout.crashes) == (50, 500, 0, 2)
    assert expiry.outage_grace_days == 5
    assert [cap.overshoot for cap in SHAPES.ruleset_in_force.cap] == ["adjust"]
    assert "topup" in SHAPES.products
