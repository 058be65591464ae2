"""Unit: when does a coupon apply, when is it used up, what is given after a sale, and why was one kept?"""

from typing import Any

import pytest

from agent.points.award import award
from agent.points.coupons import issued, unused
from agent.points.inputs import AwardInputs, Line
from agent.points.refusal import BundleRefused
from agent.points.rules import Bundle, parse_bundle
from agent.points.soundness import warnings
from agent.points.vectors import replay
from tests.unit.points.sales import HEAD, PROTECTED, THURSDAY, WEDNESDAY, accepted, fill, small_bundle

BASE = """
[[ruleset.base]]
id = "litre"
product = ["petrol-92", "diesel-0"]
per = "volume"
points_minor = 200
quantum = 1000
step = 10
"""
RULES = (
    BASE
    + """
[[ruleset.modifier]]
id = "double"
group = "campaign"
bp = 20000
coupon = "double"
[[ruleset.modifier]]
id = "triple"
group = "campaign"
bp = 30000
coupon = "triple"
product = ["petrol-92"]
[[ruleset.modifier]]
id = "thursday"
group = "campaign"
bp = 25000
window = { weekdays = [4] }
[ruleset.combine]
campaign = "best"
[[ruleset.bonus]]
id = "welcome"
minor = 5000
coupon = "welcome"
at_least_ml = 20000
[[ruleset.bonus]]
id = "gold-morning"
minor = 700
coupon = "morning"
tier = ["gold"]
window = { hours = "06:00-09:00" }
[[ruleset.cap]]
id = "sale"
scope = "transaction"
minor = 30000
"""
)
SMALL = small_bundle(RULES)


def worth(inputs: AwardInputs, bundle: Bundle = SMALL) -> tuple[int, tuple[str, ...]]:
    earned = award(inputs, bundle)
    assert sum(line.minor for line in earned.explanation) == earned.minor
    return earned.minor, earned.coupons_used


def kept(inputs: AwardInputs, bundle: Bundle = SMALL) -> dict[str, str]:
    return dict(unused(inputs, award(inputs, bundle), bundle))


def sale(volume_ml: int = 10_000, *coupons: str, product: str = "petrol-92", **more: Any) -> AwardInputs:
    return fill(product, volume_ml, coupons=coupons, **more)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (sale(), (2_000, ())),
        (sale(10_000, "double"), (4_000, ("double",))),
        (sale(10_000, "double", "triple"), (6_000, ("triple",))),
        (sale(10_000, "triple", "double", product="diesel-0"), (4_000, ("double",))),
        (sale(10_000, "double", day=THURSDAY), (5_000, ())),
        (sale(10_000, "triple", day=THURSDAY), (6_000, ("triple",))),
        (sale(20_000, "welcome", "double"), (13_000, ("double", "welcome"))),
        (sale(19_990, "welcome"), (3_998, ())),
        (sale(10_000, "morning", tier="gold", minute=420), (2_700, ("morning",))),
        (sale(10_000, "double", time_quality="estimated"), (2_000, ())),
        (sale(10_000, "double", evidence="none"), (0, ())),
    ],
)
def test_a_coupon_counts_where_it_applies_and_only_the_best_is_used(
    inputs: AwardInputs, expected: tuple[int, tuple[str, ...]]
) -> None:
    assert worth(inputs) == expected


def test_a_coupon_for_which_a_cap_leaves_no_room_is_kept() -> None:
    assert worth(sale(150_000, "welcome")) == (30_000, ())
    assert worth(sale(148_000, "welcome")) == (30_000, ("welcome",))
    assert worth(sale(140_000, "double", "welcome")) == (30_000, ("double",))
    assert kept(sale(150_000, "welcome")) == {"welcome": "COUPON_BETTER_OFFER"}


def test_of_two_that_do_the_same_the_soonest_to_lapse_is_used() -> None:
    alike = small_bundle(RULES.replace("bp = 30000", "bp = 20000"))
    assert worth(sale(10_000, "triple", "double"), alike) == (4_000, ("triple",))
    assert worth(sale(10_000, "double", "triple"), alike) == (4_000, ("double",))


def test_a_factor_that_is_lost_in_rounding_uses_nothing_up() -> None:
    whole = small_bundle(RULES.replace("bp = 20000", "bp = 10001"), to_minor=100)
    assert worth(sale(10_000, "double"), whole) == (2_000, ())


def test_one_coupon_serves_every_rule_and_line_of_the_sale() -> None:
    both = small_bundle(RULES.replace('coupon = "welcome"', 'coupon = "double"'))
    lines = (Line(product="petrol-92", volume_ml=20_000), Line(product="diesel-0", volume_ml=10_000))
    assert worth(sale(1, "double").model_copy(update={"lines": lines}), both) == (17_000, ("double",))


def test_where_the_old_rules_are_the_better_ones_the_new_ones_use_nothing_up() -> None:
    old = f"""
[[ruleset]]
id = "old"
{BASE.replace("200", "900")}
[grandfather]
cohort = "{PROTECTED}"
old = "old"
new = "r"
until = 2027-12-31
mode = "component"
tie = "new"
"""
    bundle = small_bundle(RULES + old)
    assert worth(sale(10_000, "triple", cohort=PROTECTED), bundle) == (9_000, ())
    assert worth(sale(10_000, "triple"), bundle) == (6_000, ("triple",))
    assert kept(sale(10_000, "triple", cohort=PROTECTED), bundle) == {"triple": "COUPON_BETTER_OFFER"}


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (sale(10_000, "double", "triple"), {"double": "COUPON_BETTER_OFFER"}),
        (sale(10_000, "double", day=THURSDAY), {"double": "COUPON_BETTER_OFFER"}),
        (sale(10_000, "welcome"), {"welcome": "COUPON_TOO_SMALL"}),
        (sale(10_000, "triple", product="diesel-0"), {"triple": "COUPON_PRODUCT"}),
        (sale(10_000, "morning", tier="gold"), {"morning": "COUPON_WINDOW"}),
        (sale(10_000, "morning"), {"morning": "COUPON_MEMBER"}),
        (sale(10_000, "wash"), {"wash": "COUPON_NO_RULE"}),
        (sale(10_000, "double", evidence="none"), {"double": "COUPON_NO_POINTS"}),
        (sale(10_000, "double", time_quality="estimated"), {"double": "COUPON_TIME_ESTIMATED"}),
        (sale(10_000, "double"), {}),
    ],
)
def test_why_a_coupon_was_kept(inputs: AwardInputs, expected: dict[str, str]) -> None:
    assert kept(inputs) == expected


ISSUE = """
[[issue]]
id = "after-20-litres"
kind = "wash"
valid_days = 7
product = ["petrol-92"]
at_least_ml = 20000
tier = ["gold"]
window = { until = 2026-07-08 }
"""
ISSUING = accepted(
    parse_bundle((HEAD.format(mode="floor", to_minor=1, day_starts="00:00") + BASE + ISSUE).encode())
)


def given(inputs: AwardInputs) -> list[str]:
    return [issue.kind for issue in issued(inputs, award(inputs, ISSUING), ISSUING)]


def test_a_coupon_is_given_after_a_fill_that_meets_every_condition() -> None:
    assert given(sale(20_000, tier="gold")) == ["wash"]
    assert given(sale(19_999, tier="gold")) == []
    assert given(sale(20_000)) == []
    assert given(sale(20_000, tier="gold", product="diesel-0")) == []
    assert given(sale(20_000, tier="gold", day=THURSDAY)) == []
    assert given(sale(20_000, tier="gold", time_quality="estimated")) == []
    assert given(sale(20_000, tier="gold", evidence="none")) == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('id = "after-20-litres"', 'id = "litre"', "DUPLICATE_RULE"),
        ('product = ["petrol-92"]\nat', 'product = ["petrol-99"]\nat', "RULE_HOLE"),
        ('["gold"]', '["wood"]', "UNKNOWN_TIER"),
        ("valid_days = 7", "valid_days = 1.5", "FLOAT"),
        ("valid_days = 7", "", "MISSING_KEY"),
        ("at_least_ml = 20000", "at_least_ml = 1\nat_least_fen = 1", "BAD_VALUE"),
        ('kind = "wash"', 'kind = "wash"\nminor = 5', "UNKNOWN_KEY"),
    ],
)
def test_an_issue_that_cannot_be_is_refused(old: str, new: str, reason: str) -> None:
    text = HEAD.format(mode="floor", to_minor=1, day_starts="00:00") + BASE + ISSUE
    assert text.count(old) == 1
    refused = parse_bundle(text.replace(old, new).encode())
    assert isinstance(refused, BundleRefused)
    assert refused.reason == reason


def test_a_vector_can_hold_coupons() -> None:
    vector = f"""
[[vector]]
id = "with a coupon"
line = [{{ product = "petrol-92", volume_ml = 10000 }}]
tier = "basic"
at = {WEDNESDAY}T10:00:00
coupons = ["double"]
minor = 4000
"""
    assert replay(small_bundle(RULES + vector)) is None
    without = vector.replace('coupons = ["double"]', "")
    assert replay(small_bundle(RULES + without)) is not None


def test_a_coupon_never_wins_for_whoever_has_none() -> None:
    """So a modifier is not "never best" because of a better one that asks for a coupon."""
    found = {(warning.code, warning.where) for warning in warnings(SMALL)}
    assert not any(code == "NEVER_BEST" for code, _ in found)
    without = small_bundle(RULES.replace('coupon = "triple"\nproduct = ["petrol-92"]', ""))
    beaten = {warning.where for warning in warnings(without) if warning.code == "NEVER_BEST"}
    assert beaten == {"ruleset 'r', rule 'double'", "ruleset 'r', rule 'thursday'"}


def test_a_kind_is_held_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        sale(10_000, "double", "double")
