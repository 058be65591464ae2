"""Unit: does `award` give what points.md 4 says, on the demo bundle (G1 to G8, G10) and step by step?"""

import pytest
from pydantic import ValidationError

from agent.points.award import Award, award
from agent.points.inputs import AwardInputs, Line
from tests.unit.points.sales import PROTECTED, THURSDAY, WEDNESDAY, demo_bundle, fill, small_bundle

LITRE = """
[[ruleset.base]]
id = "litre"
product = ["petrol-92"]
per = "volume"
points_minor = 200
quantum = 1000
step = 10
"""


def modifier(name: str, group: str, bp: int, condition: str = "") -> str:
    return f'[[ruleset.modifier]]\nid = "{name}"\ngroup = "{group}"\nbp = {bp}\n{condition}\n'


def steps(result: Award) -> list[tuple[str, str, int]]:
    return [(line.kind, line.rule, line.minor) for line in result.explanation]


def test_g1_plain_fill() -> None:
    assert award(fill("petrol-92", 50_000), demo_bundle()).minor == 10_000


def test_g2_is_floored_to_whole_points() -> None:
    result = award(fill("petrol-92", 49_990), demo_bundle())
    assert result.minor == 9_900
    assert steps(result) == [("base", "fuel-litre", 9_998), ("rounding", "", -98)]


def test_g2_keeps_hundredths_when_the_bundle_says_so() -> None:
    result = award(fill("petrol-92", 49_990), demo_bundle(("to_minor = 100 ", "to_minor = 1 ")))
    assert result.minor == 9_998
    assert steps(result) == [("base", "fuel-litre", 9_998)]


def test_g3_grade_and_tier_multiply() -> None:
    result = award(fill("petrol-95", 50_000, tier="gold"), demo_bundle())
    assert result.minor == 14_400
    assert steps(result) == [
        ("base", "fuel-litre", 10_000),
        ("factor", "grade-95", 2_000),
        ("factor", "tier-gold", 2_400),
    ]


def test_g4_the_best_campaign_wins() -> None:
    inputs = fill("petrol-95", 50_000, tier="gold", day=THURSDAY, birthday=(7, 9))
    result = award(inputs, demo_bundle())
    assert result.minor == 43_200
    assert steps(result)[-1] == ("factor", "thursday-petrol", 28_800)


def test_birthday_counts_where_no_better_campaign_runs() -> None:
    inputs = fill("petrol-95", 50_000, tier="gold", day=WEDNESDAY, birthday=(7, 8))
    assert award(inputs, demo_bundle()).minor == 28_800


def test_g5_day_cap_cuts_and_says_so() -> None:
    inputs = fill("petrol-95", 50_000, tier="gold", day=THURSDAY, birthday=(7, 9), day_minor=40_000)
    result = award(inputs, demo_bundle())
    assert result.minor == 10_000
    assert steps(result)[-1] == ("cap", "per-day", -33_200)


def test_g6_protected_cohort_keeps_the_better_old_rules() -> None:
    result = award(fill("petrol-92", 50_000, amount_fen=39_250, cohort=PROTECTED), demo_bundle())
    assert (result.minor, result.ruleset) == (39_200, "2024")
    assert [(a.ruleset, a.minor) for a in result.alternatives] == [("2026", 10_000)]
    assert steps(result) == [("base", "fuel-yuan", 39_200), ("grandfather", "2024", 0)]


def test_g7_protected_cohort_takes_the_new_rules_where_they_give_more() -> None:
    inputs = fill("petrol-98", 50_000, tier="diamond", day=THURSDAY, amount_fen=46_750, cohort=PROTECTED)
    result = award(inputs, demo_bundle())
    assert (result.minor, result.ruleset) == (50_000, "2026")
    assert [(a.ruleset, a.minor) for a in result.alternatives] == [("2024", 46_700)]
    assert ("cap", "per-day", -40_000) in steps(result)


def test_g8_inexact_value_is_rounded_once() -> None:
    result = award(fill("petrol-95", 33_330, tier="platinum"), demo_bundle())
    assert result.minor == 11_900
    assert sum(minor for _, _, minor in steps(result)[:3]) == 11_998


def test_g10_x115_gives_115_not_114() -> None:
    rules = LITRE + modifier("x115", "campaign", 11_500) + '[ruleset.combine]\ncampaign = "best"\n'
    assert award(fill("petrol-92", 50_000), small_bundle(rules, to_minor=100)).minor == 11_500


def test_protection_ends_after_its_last_day() -> None:
    bundle = demo_bundle()
    last = fill("petrol-92", 50_000, amount_fen=39_250, cohort=PROTECTED, day="2027-12-31")
    after = fill("petrol-92", 50_000, amount_fen=39_250, cohort=PROTECTED, day="2028-01-01")
    assert award(last, bundle).minor == 39_200
    assert award(after, bundle).minor == 10_000
    assert award(after, bundle).alternatives == ()


@pytest.mark.parametrize(("tie", "taken"), [("new", "2026"), ("old", "2024")])
def test_a_tie_goes_where_the_bundle_says(tie: str, taken: str) -> None:
    inputs = fill("petrol-92", 50_000, amount_fen=10_000, cohort=PROTECTED)
    result = award(inputs, demo_bundle(('tie = "new"', f'tie = "{tie}"')))
    assert (result.minor, result.ruleset) == (10_000, taken)


@pytest.mark.parametrize(
    ("how", "expected"), [("best", 13_000), ("sum_of_extras", 15_000), ("product", 15_600)]
)
def test_inside_a_group(how: str, expected: int) -> None:
    extras = modifier("a", "g", 12_000) + modifier("b", "g", 13_000)
    bundle = small_bundle(LITRE + extras + f'[ruleset.combine]\ng = "{how}"\n')
    result = award(fill("petrol-92", 50_000), bundle)
    assert result.minor == expected
    assert [rule for kind, rule, _ in steps(result) if kind == "factor"] == (
        ["b"] if how == "best" else ["a", "b"]
    )


def test_factors_that_multiply_inside_a_group_stay_exact() -> None:
    """10 ml are 2 minor units; x1.3333 three times is 4.7405..., rounded once."""
    extras = "".join(modifier(name, "g", 13_333) for name in "abc")
    rules = LITRE + extras + '[ruleset.combine]\ng = "product"\n'
    assert award(fill("petrol-92", 10), small_bundle(rules)).minor == 4
    assert award(fill("petrol-92", 10), small_bundle(rules, mode="half_up")).minor == 5
    result = award(fill("petrol-92", 100_000), small_bundle(rules))
    assert steps(result) == [
        ("base", "litre", 20_000),
        ("factor", "a", 6_666),
        ("factor", "b", 8_887),
        ("factor", "c", 11_850),
    ]


@pytest.mark.parametrize(("mode", "expected"), [("floor", 0), ("half_up", 100), ("half_even", 0)])
def test_the_bundle_says_how_to_round(mode: str, expected: int) -> None:
    assert award(fill("petrol-92", 250), small_bundle(LITRE, mode=mode, to_minor=100)).minor == expected


def test_the_first_matching_base_rule_wins() -> None:
    second = LITRE.replace('id = "litre"', 'id = "second"').replace("200", "900")
    result = award(fill("petrol-92", 1_000), small_bundle(LITRE + second))
    assert steps(result) == [("base", "litre", 200)]


def test_part_litres_do_not_count_with_a_step_of_a_litre() -> None:
    rules = LITRE.replace("step = 10", "step = 1000").replace("200", "100")
    assert award(fill("petrol-92", 45_670), small_bundle(rules)).minor == 4_500


def test_one_point_per_200_yuan() -> None:
    rules = (
        '[[ruleset.base]]\nid = "yuan"\nproduct = ["petrol-92"]\nper = "amount"\n'
        "points_minor = 100\nquantum = 20000\nstep = 20000\n"
    )
    assert award(fill("petrol-92", 1, amount_fen=39_000), small_bundle(rules)).minor == 100


def test_month_cap_counts_what_was_used() -> None:
    cap = '[[ruleset.cap]]\nid = "month"\nscope = "member_month"\nminor = 700000\n'
    result = award(fill("petrol-92", 225_420, month_minor=690_000), small_bundle(LITRE + cap))
    assert result.minor == 10_000


def test_used_beyond_the_cap_takes_nothing_back() -> None:
    result = award(fill("petrol-92", 50_000, day_minor=60_000), demo_bundle())
    assert result.minor == 0
    assert steps(result)[-1] == ("cap", "per-day", -10_000)


def test_every_cap_cuts_in_turn() -> None:
    inputs = fill("petrol-98", 400_000, tier="diamond", day=THURSDAY, day_minor=10_000)
    result = award(inputs, demo_bundle())
    assert result.minor == 40_000
    assert steps(result)[-2:] == [("cap", "per-transaction", -620_000), ("cap", "per-day", -60_000)]


def test_several_lines_are_rounded_together() -> None:
    lines = (
        Line(product="petrol-92", volume_ml=10_330, amount_fen=8_109),
        Line(product="shop", amount_fen=1_250),
        Line(product="magazine", amount_fen=900),
    )
    result = award(fill("petrol-92", 1, lines=lines), demo_bundle())
    assert result.minor == 3_200
    assert steps(result) == [
        ("base", "fuel-litre", 2_066),
        ("base", "shop-yuan", 1_200),
        ("refused", "NO_RULE", 0),
        ("rounding", "", -66),
    ]


def test_estimated_time_earns_base_rules_only() -> None:
    inputs = fill("petrol-95", 50_000, tier="gold", day=THURSDAY, time_quality="estimated")
    result = award(inputs, demo_bundle())
    assert result.minor == 10_000
    assert steps(result) == [("refused", "TIME_ESTIMATED", 0), ("base", "fuel-litre", 10_000)]


def refused_with(inputs: AwardInputs, reason: str) -> Award:
    result = award(inputs, demo_bundle())
    assert (result.minor, result.reason) == (0, reason)
    return result


def test_i28_fuel_without_evidence_earns_nothing() -> None:
    refused_with(fill("petrol-92", 50_000, evidence="none"), "NO_METERING_EVIDENCE")


def test_a_recorded_fill_and_a_basket_need_no_totalizer() -> None:
    basket = fill("shop", 0, amount_fen=5_000, evidence="none")
    assert award(basket, demo_bundle()).minor == 5_000
    assert award(fill("petrol-92", 50_000, evidence="recorded"), demo_bundle()).minor == 10_000


def test_excluded_tender_earns_nothing() -> None:
    refused_with(fill("petrol-92", 50_000, tender="points"), "TENDER_EXCLUDED")


def test_unknown_products_are_named() -> None:
    result = refused_with(fill("magazine", 0, amount_fen=900), "NO_RULE")
    assert [line.product for line in result.explanation] == ["magazine"]


def test_quantities_beyond_any_sale_are_refused_not_stored() -> None:
    refused_with(fill("petrol-98", 2**53 - 1, tier="diamond", day=THURSDAY), "BEYOND_RANGE")


@pytest.mark.parametrize(
    "stored",
    [
        '{"minor":1,"ruleset":"r","explanation":[],"lapses_on":"soon"}',
        '{"minor":1.0,"ruleset":"r","explanation":[]}',
        '{"minor":1,"ruleset":"r","explanation":[{"kind":"present"}]}',
        '{"minor":1,"ruleset":"r","explanation":[{"kind":"bonus","fill_no":"1"}]}',
        '{"minor":1,"ruleset":"r","explanation":[{"kind":"bonus","extra":1}]}',
    ],
)
def test_what_is_read_back_is_strict(stored: str) -> None:
    with pytest.raises(ValidationError):
        Award.model_validate_json(stored)


def test_the_stored_form_is_lean() -> None:
    stored = award(fill("petrol-92", 49_990), demo_bundle()).model_dump_json(exclude_defaults=True)
    assert stored == (
        '{"minor":9900,"ruleset":"2026","explanation":[{"kind":"base","rule":"fuel-litre","minor":9998,'
        '"product":"petrol-92","volume_ml":49990,"points_minor":200,"per_ml":1000},'
        '{"kind":"rounding","minor":-98,"to_minor":100,"mode":"floor"}],"lapses_on":"2028-01-31"}'
    )


def test_the_term_counts_from_the_business_date() -> None:
    """01:30 on 1 August is still 31 July where the day starts at four."""
    night = demo_bundle(('"00:00"\neffective', '"04:00"\neffective'))
    assert award(fill("petrol-92", 50_000, day="2026-07-31", minute=90), night).lapses_on == "2028-01-31"
    assert award(fill("petrol-92", 50_000, day="2026-08-01", minute=240), night).lapses_on == "2028-02-29"


def test_an_unknown_tier_has_no_tier_factor() -> None:
    assert award(fill("petrol-92", 50_000, tier="titanium"), demo_bundle()).minor == 10_000
