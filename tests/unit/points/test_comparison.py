"""Unit: does a comparison of two sales say what differs, and how much each difference moved the points?"""

from typing import Any

import pytest

from agent.points.award import award
from agent.points.comparison import ASPECTS, Comparison, Side, compare
from agent.points.inputs import AwardInputs, Line
from tests.unit.points.sales import PROTECTED, THURSDAY, demo_bundle, fill, small_bundle

DEMO = demo_bundle()
LITRES = """
[[ruleset.base]]
id = "litre"
product = ["petrol-92", "petrol-95"]
per = "volume"
points_minor = 200
quantum = 1000
step = 10
[[ruleset.base]]
id = "shop"
product = ["shop"]
per = "amount"
points_minor = 100
quantum = 100
step = 100
"""
SMALL = small_bundle(LITRES)


def compared(a: AwardInputs, b: AwardInputs) -> list[tuple[str, int]]:
    return effects(compare(Side(a, DEMO), Side(b, DEMO)))


def effects(comparison: Comparison) -> list[tuple[str, int]]:
    return [(effect.aspect, effect.minor) for effect in comparison.effects]


def sale(*lines: Line, **more: Any) -> AwardInputs:
    return fill("petrol-92", 1, **more).model_copy(update={"lines": lines})


def line(product: str, volume_ml: int = 0, amount_fen: int = 0) -> Line:
    return Line(product=product, volume_ml=volume_ml, amount_fen=amount_fen)


def test_the_same_sale_twice_differs_in_nothing() -> None:
    comparison = compare(Side(fill("petrol-95", 50_000), DEMO), Side(fill("petrol-95", 50_000), DEMO))
    assert comparison.effects == ()
    assert comparison.difference_minor == 0
    assert comparison.a == comparison.b == award(fill("petrol-95", 50_000), DEMO)


def test_the_same_money_at_another_price_is_other_litres() -> None:
    dear, cheap = fill("petrol-92", 38_220, amount_fen=30_000), fill("petrol-92", 40_000, amount_fen=30_000)
    assert compared(dear, cheap) == [("quantity", 400)]


@pytest.mark.parametrize(
    ("aspect", "changed", "moved"),
    [
        ("quantity", {"volume_ml": 60_000}, 2_400),
        ("product", {"product": "petrol-92"}, -2_000),
        ("tier", {"tier": "gold"}, 2_400),
        ("birthday", {"birthday": (7, 8)}, 12_000),
        ("time", {"day": THURSDAY}, 24_000),
        ("cohort", {"cohort": "staff"}, 0),
        ("tender", {"tender": "points"}, -12_000),
        ("usage", {"day_minor": 45_000}, -7_000),
        ("evidence", {"evidence": "none"}, -12_000),
        ("time_quality", {"time_quality": "estimated"}, -2_000),
    ],
)
def test_one_difference_carries_the_whole_effect(aspect: str, changed: dict[str, Any], moved: int) -> None:
    usual: dict[str, Any] = {"product": "petrol-95", "volume_ml": 50_000}
    assert compared(fill(**usual), fill(**(usual | changed))) == [(aspect, moved)]


def test_a_protected_cohort_shows_what_the_protection_is_worth() -> None:
    a = fill("petrol-92", 50_000, amount_fen=39_250)
    assert compared(a, a.model_copy(update={"cohort": PROTECTED})) == [("cohort", 29_200)]


def test_several_differences_stand_by_the_size_of_their_effect_and_add_up() -> None:
    a = fill("petrol-95", 50_000)
    b = fill("petrol-95", 40_000, tier="gold", day=THURSDAY, cohort="staff")
    comparison = compare(Side(a, DEMO), Side(b, DEMO))
    assert effects(comparison) == [("time", 23_000), ("quantity", -2_400), ("tier", 1_900), ("cohort", 0)]
    assert comparison.difference_minor == 34_500 - 12_000


def test_other_rules_are_judged_on_the_first_sale() -> None:
    doubled = small_bundle(LITRES.replace("points_minor = 200", "points_minor = 400"))
    comparison = compare(Side(fill("petrol-92", 10_000), SMALL), Side(fill("petrol-92", 30_000), doubled))
    assert effects(comparison) == [("quantity", 8_000), ("rules", 2_000)]
    assert comparison.b == award(fill("petrol-92", 30_000), doubled)


def test_the_same_rules_read_twice_are_the_same_rules() -> None:
    a = fill("petrol-92", 10_000)
    assert compare(Side(a, SMALL), Side(a, small_bundle(LITRES))).effects == ()


FUEL, MORE_FUEL, COFFEE = line("petrol-92", 10_000), line("petrol-92", 20_000), line("shop", 0, 1_500)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([FUEL], [FUEL, COFFEE], [("basket", 1_500)]),
        ([FUEL], [COFFEE, FUEL], [("basket", 1_500)]),
        ([COFFEE, FUEL], [FUEL], [("basket", -1_500)]),
        ([COFFEE, FUEL], [MORE_FUEL], [("quantity", 2_000), ("basket", -1_500)]),
        ([FUEL, COFFEE], [COFFEE, FUEL], []),
        ([FUEL, MORE_FUEL], [MORE_FUEL, FUEL], []),
        ([FUEL, COFFEE], [COFFEE, MORE_FUEL], [("quantity", 2_000)]),
        ([FUEL], [line("petrol-95", 10_000)], [("product", 0)]),
        ([FUEL], [line("diesel-0", 20_000)], [("product", -4_000), ("quantity", 2_000)]),
    ],
)
def test_lines_of_one_product_are_compared_with_each_other(
    a: list[Line], b: list[Line], expected: list[tuple[str, int]]
) -> None:
    assert effects(compare(Side(sale(*a), SMALL), Side(sale(*b), SMALL))) == expected


def test_every_input_of_an_award_belongs_to_an_aspect() -> None:
    of_lines = {"quantity", "product", "basket"}
    aspects = {"rules", *of_lines} | {
        {"local": "time"}.get(name, name) for name in AwardInputs.model_fields if name != "lines"
    }
    assert set(ASPECTS) == aspects
