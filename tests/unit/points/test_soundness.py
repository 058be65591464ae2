"""Unit: is each kind of harmful bundle refused by its name, with the rule and its line?"""

import pytest

from agent.points.refusal import BundleRefused
from agent.points.rules import Bundle, parse_bundle
from agent.points.soundness import objection, warnings
from tests.unit.points.sales import DEMO_TEXT, accepted
from tests.unit.points.test_shapes import TEXT as SHAPES_TEXT

DEMO = accepted(parse_bundle(DEMO_TEXT.encode()))
AWARD_PART = DEMO_TEXT[: DEMO_TEXT.index("[[vector]]")]
"""The demo without its vectors, which would be the first to notice a change."""


def changed(*replacements: tuple[str, str], text: str = AWARD_PART) -> str:
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def judged(
    text: str, products_sold: tuple[str, ...] = (), predecessor: Bundle | None = None
) -> BundleRefused:
    bundle = accepted(parse_bundle(text.encode()))
    result = objection(bundle, text, products_sold=products_sold, predecessor=predecessor)
    assert result is not None
    assert result.remedy
    return result


def line_of(needle: str, text: str, after: str = "") -> int:
    return text[: text.index(needle, text.index(after))].count("\n") + 1


def test_a_good_bundle_meets_no_objection() -> None:
    sold = ("petrol-92", "diesel-0", "shop")
    assert objection(DEMO, DEMO_TEXT, products_sold=sold, predecessor=DEMO) is None


def test_vector_mismatch() -> None:
    result = judged(changed(("minor = 14400", "minor = 14401"), text=DEMO_TEXT))
    assert (result.reason, result.where[:10]) == ("VECTOR_MISMATCH", "vector 'G3")


def test_not_monotone_where_the_rate_of_the_whole_falls() -> None:
    text = changed(("points_minor = 150 }]", "points_minor = 119 }]"), text=SHAPES_TEXT)
    result = judged(text)
    line = line_of('id = "topup"', text)
    assert result.reason == "NOT_MONOTONE"
    assert result.where == f"ruleset 'shapes', base 'topup', band from 400000 (line {line})"
    assert "120" in result.remedy


def test_not_monotone_where_the_first_band_is_below_the_base() -> None:
    text = changed(
        ("{ from = 50000, points_minor = 120 }", "{ from = 50000, points_minor = 99 }"), text=SHAPES_TEXT
    )
    assert "band from 50000 " in judged(text).where


def test_equal_rates_are_no_fall() -> None:
    text = changed(("points_minor = 150 }]", "points_minor = 120 }]"), text=SHAPES_TEXT)
    text = text[: text.index("[[vector]]")]
    assert objection(accepted(parse_bundle(text.encode())), text) is None


def test_falling_rates_of_parts_are_no_harm() -> None:
    """The shapes' bundle has them: more litres earn less each, but never less together."""
    assert 'bands = "part"' in SHAPES_TEXT
    assert objection(accepted(parse_bundle(SHAPES_TEXT.encode())), SHAPES_TEXT) is None


def test_rule_hole_of_what_this_station_sells() -> None:
    result = judged(AWARD_PART, products_sold=("petrol-92", "e85"))
    line = line_of('id = "2026"', AWARD_PART)
    assert (result.reason, result.where) == ("RULE_HOLE", f"ruleset '2026' (line {line})")
    assert "e85" in result.remedy


def test_rule_hole_of_what_only_the_old_rules_reward() -> None:
    text = changed(('"petrol-98", "diesel-0"]', '"petrol-98", "diesel-0", "kerosene"]'))
    result = judged(text)
    line = line_of('id = "fuel-yuan"', text)
    assert (result.reason, result.where) == ("RULE_HOLE", f"ruleset '2024', base 'fuel-yuan' (line {line})")
    assert "kerosene" in result.remedy


def test_the_line_is_that_of_the_rule_in_its_own_ruleset() -> None:
    """Both rulesets call a rule fuel-litre."""
    text = changed(
        ('id = "fuel-yuan"', 'id = "fuel-litre"'),
        ('"diesel-0"]\n  per = "amount"', '"lpg"]\n  per = "amount"'),
    )
    result = judged(text)
    line = line_of('id = "fuel-litre"', text, after='id = "2024"')
    assert result.where == f"ruleset '2024', base 'fuel-litre' (line {line})"


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('cohort = "joined-before-2026-07-01"', 'cohort = "others"', "protect that cohort"),
        ("until = 2027-12-31\nmode", "until = 2027-12-30\nmode", "until must not be earlier"),
        (
            'per = "amount"\n  points_minor = 100\n  quantum = 100\n  step = 100\n\n  [ruleset.combine]',
            'per = "amount"\n  points_minor = 90\n  quantum = 100\n  step = 100\n\n  [ruleset.combine]',
            "unchanged",
        ),
        ("months = 18", "months = 17", "lapse sooner"),
        ('align = "month_end"', 'align = "none"', "lapse sooner"),
    ],
)
def test_cohort_dropped(old: str, new: str, why: str) -> None:
    result = judged(changed((old, new)), predecessor=DEMO)
    assert result.reason == "COHORT_DROPPED"
    assert result.where.startswith("grandfather (line ")
    assert why in result.remedy
    assert "joined-before-2026-07-01" in result.remedy


def test_a_sweep_that_was_promised_is_kept() -> None:
    swept = changed(('round_up = "none"', 'round_up = "quarter"'))
    predecessor = accepted(parse_bundle(swept.encode()))
    assert judged(AWARD_PART, predecessor=predecessor).reason == "COHORT_DROPPED"
    longer = changed(('round_up = "none"', 'round_up = "half_year"'))
    assert objection(accepted(parse_bundle(longer.encode())), longer, predecessor=predecessor) is None


def test_nothing_is_dropped_where_nobody_was_protected() -> None:
    text = without_grandfather(AWARD_PART)
    predecessor = accepted(parse_bundle(text.encode()))
    for bundle in (predecessor, DEMO):
        assert objection(bundle, text, predecessor=predecessor) is None


def without_grandfather(text: str) -> str:
    start, end = text.index('[[ruleset]]\nid = "2024"'), text.index("[expiry]")
    return text[:start] + text[end:]


def test_cohort_dropped_without_any_protection() -> None:
    result = judged(without_grandfather(AWARD_PART), predecessor=DEMO)
    assert (result.reason, result.where) == ("COHORT_DROPPED", "grandfather")


def test_a_promise_ends_with_its_last_day() -> None:
    for first_day, kept in (("2027-12-31", False), ("2028-01-01", True)):
        text = changed(
            ("effective_from = 2026-07-01", f"effective_from = {first_day}"),
            text=without_grandfather(AWARD_PART),
        )
        bundle = accepted(parse_bundle(text.encode()))
        assert (objection(bundle, text, predecessor=DEMO) is None) is kept


def test_a_former_term_may_be_kept_by_the_old_ruleset_alone() -> None:
    """[expiry] gets shorter, the protected ruleset keeps what was promised."""
    shorter = changed(("months = 18", "months = 12"))
    assert judged(shorter, predecessor=DEMO).reason == "COHORT_DROPPED"
    term = '  [ruleset.expiry]\n  months = 18\n  align = "month_end"\n  round_up = "none"\n\n[grandfather]'
    kept = changed(("[grandfather]", term), text=shorter)
    assert objection(accepted(parse_bundle(kept.encode())), kept, predecessor=DEMO) is None


def codes(text: str) -> list[tuple[str, str]]:
    return [(found.code, found.where) for found in warnings(accepted(parse_bundle(text.encode())), text)]


def test_the_demo_has_one_warning() -> None:
    line = line_of('id = "2024"', DEMO_TEXT)
    assert codes(DEMO_TEXT) == [("NO_CAP", f"ruleset '2024' (line {line})")]


@pytest.mark.parametrize(
    ("old", "new", "code", "rule"),
    [
        ('product = ["diesel-0"]', 'product = ["petrol-95"]', "RULE_NEVER_REACHED", "diesel-litre"),
        ("bp = 12000\n  product", "bp = 10000\n  product", "NO_EFFECT", "grade-95"),
        ('tier = ["platinum"]', 'tier = ["diamond"]', "NEVER_BEST", "tier-platinum"),
        (
            "window = { from = 2026-07-01, until = 2026-09-30,",
            "window = { until = 2026-06-30,",
            "WINDOW_OVER",
            "thursday-petrol",
        ),
    ],
)
def test_warnings_name_the_rule(old: str, new: str, code: str, rule: str) -> None:
    text = changed((old, new), ('"petrol-98", "diesel-0"]', '"petrol-98"]'))
    line = line_of(f'id = "{rule}"', text)
    assert (code, f"ruleset '2026', rule '{rule}' (line {line})") in codes(text)


def test_warnings_about_the_whole() -> None:
    assert ("NO_VECTORS", "bundle") in codes(AWARD_PART)
    over = changed(("until = 2027-12-31\nmode", "until = 2026-06-30\nmode"))
    assert ("PROTECTION_OVER", "bundle") in codes(over)
    untried = DEMO_TEXT.replace('product = "diesel-0", volume', 'product = "petrol-92", volume')
    assert "UNTRIED_RULE" in [code for code, _ in codes(untried)]


EQUAL_FACTORS = """
  [[ruleset.modifier]]
  id = "second"
  group = "tier"
  bp = {bp}
  {condition}

  [ruleset.combine]"""


@pytest.mark.parametrize(
    ("bp", "condition", "never"),
    [
        (12_000, 'tier = ["gold"]', True),
        (12_001, 'tier = ["gold"]', False),
        (11_000, 'tier = ["gold", "basic"]', False),
        (11_000, "", False),
        (11_000, 'tier = ["gold"]\n  product = ["petrol-92"]', True),
        (11_000, 'tier = ["gold"]\n  window = { weekdays = [4] }', True),
        (11_000, 'tier = ["gold"]\n  birthday = { before_days = 1, after_days = 0 }', True),
    ],
)
def test_never_best_only_where_a_better_one_always_applies(bp: int, condition: str, never: bool) -> None:
    text = changed(("\n  [ruleset.combine]", EQUAL_FACTORS.format(bp=bp, condition=condition)))
    found = [where for code, where in codes(text) if code == "NEVER_BEST"]
    assert any("'second'" in where for where in found) is never


@pytest.mark.parametrize(
    ("wide", "narrow", "never"),
    [
        ("weekdays = [4, 5]", "weekdays = [4]", True),
        ("weekdays = [4]", "weekdays = [4, 5]", False),
        ("weekdays = [4]", "from = 2026-07-01", False),
        ("from = 2026-07-01", "from = 2026-07-02, until = 2026-07-03", True),
        ("from = 2026-07-02", "from = 2026-07-01", False),
        ("until = 2026-08-01", "from = 2026-07-01", False),
        ("weekdays = [4]", 'weekdays = [4], hours = "22:00-06:00"', False),
        ('hours = "22:00-06:00"', 'weekdays = [4], hours = "22:00-06:00"', True),
    ],
)
def test_never_best_by_windows(wide: str, narrow: str, never: bool) -> None:
    pair = "".join(
        f'\n  [[ruleset.modifier]]\n  id = "{name}"\n  group = "night"\n  bp = {bp}\n'
        f"  window = {{ {window} }}\n"
        for name, bp, window in (("narrow", 11_000, narrow), ("wide", 12_000, wide))
    )
    text = changed(("\n  [ruleset.combine]", f'{pair}\n  [ruleset.combine]\n  night = "best"'))
    assert any("'narrow'" in where for code, where in codes(text) if code == "NEVER_BEST") is never
