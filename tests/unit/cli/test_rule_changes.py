"""Unit: does every shape of a bundle have its sentence, and does no change between two bundles go untold?"""

import tomllib
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from agent.cli.rule_changes import Changes, changes
from agent.cli.rule_sentences import bundle_sentences, examples_sentence, told_rules
from agent.points.rules import Bundle, parse_bundle
from tests.house.sources import ROOT

DEMO = (ROOT / "config" / "samples" / "demo-cn.bundle.toml").read_text(encoding="utf-8")
HEAD = """
schema = "loyalty-bundle/1"
program = "test"
bundle = "shapes"
version = 1
points_scale = 100
timezone = "Asia/Shanghai"
business_day_starts = "04:00"
effective_from = 2026-01-01T00:00:00+08:00
[rounding]
mode = "half_up"
to_minor = 1
[tiers]
order = ["basic", "gold"]
[activation]
after = "PT48H"
[rollout]
id = "r-2026"
percent = 5
shadow_sales = 200
least_sales = 20
declined_bp = 5000
mismatched = 1
crashes = 3
[[ruleset]]
id = "r"
"""
SHAPES = f"""{HEAD}
  [[ruleset.base]]
  id = "topup"
  product = ["topup"]
  per = "amount"
  quantum = 100
  step = 100
  points_minor = 100
  bands = "whole"
  counted = "sale"
  band = [ {{ from = 50000, points_minor = 120 }}, {{ from = 400000, points_minor = 150 }} ]

  [[ruleset.base]]
  id = "litres"
  product = ["petrol-92", "diesel-0"]
  per = "volume"
  quantum = 1000
  step = 1000
  points_minor = 100
  bands = "part"
  counted = "member_month"
  band = [ {{ from = 200000, points_minor = 200 }} ]

  [[ruleset.modifier]]
  id = "night"
  group = "campaign"
  bp = 12500
  product = ["petrol-92"]
  window = {{ weekdays = [5], hours = "22:00-06:00" }}

  [[ruleset.modifier]]
  id = "gold"
  group = "campaign"
  bp = 12000
  tier = ["gold"]

  [ruleset.combine]
  campaign = "best"

  [[ruleset.bonus]]
  id = "first-fill"
  minor = 5000
  period = "member_month"
  nth = [1, 3]
  at_least_ml = 20000
  product = ["petrol-92", "diesel-0"]

  [[ruleset.bonus]]
  id = "birthday-gift"
  minor = 100
  tier = ["gold"]
  birthday = {{ before_days = 3, after_days = 2 }}
  at_least_fen = 10000

  [[ruleset.cap]]
  id = "month"
  scope = "member_month"
  minor = 700000
  cap_overshoot = "adjust"

  [ruleset.expiry]
  months = 24
  align = "none"
  round_up = "half_year"
"""


def _bundle(text: str) -> Bundle:
    parsed = parse_bundle(text.encode())
    assert isinstance(parsed, Bundle), parsed
    return parsed


def _changes(old: str, new: str) -> Changes:
    return changes(_bundle(old), _bundle(new))


def test_every_shape_is_told_as_a_customer_would_ask() -> None:
    told = bundle_sentences(_bundle(SHAPES))
    for sentence in (
        (
            "topup: 1 point for every 1.00 yuan paid, counted in steps of 1.00 yuan; all of the sale at 1.20 "
            "points from 500.00 yuan on, at 1.50 points from 4000.00 yuan on, measured by the sale (topup)."
        ),
        (
            "petrol-92, diesel-0: 1 point for every litre, counted in steps of 1000 ml; the part above "
            "200.00 L at 2 points, measured by the member's month (litres)."
        ),
        "Points times 1.25 for petrol-92, on Friday, 22:00 to 06:00 of the next day (night, group campaign).",
        (
            "50 points more for the whole sale, on the member's 1st or 3rd fill of the month, if it has at "
            "least 20.00 L of petrol-92 or diesel-0 (first-fill)."
        ),
        (
            "1 point more for the whole sale, for members of tier gold, from 3 days before to 2 days after "
            "the member's birthday, if it has at least 100.00 yuan (birthday-gift)."
        ),
        (
            "One member gets in a month at most 7000 points; what several stations together gave beyond it "
            "headquarters takes back (month)."
        ),
        "Points may be spent 48 hours after they were earned.",
        (
            "What they give has a term of its own. Points last 24 months, the day they were earned on is the "
            "first, and on to the end of the half-year in which that is."
        ),
        (
            "Rollout r-2026: at first 5 % of the stations, each after 200 sales judged beside the rules in "
            "force."
        ),
        (
            "The former rules come back when of 20 sales or more over 50 % earn nothing, at over 1 award "
            "that cannot be computed again, or at over 3 crashes."
        ),
    ):
        assert sentence in told


def test_the_demo_tells_terms_pauses_and_protection() -> None:
    told = bundle_sentences(_bundle(DEMO))
    for sentence in (
        "Points last to the end of the month that is 18 months after the one they were earned in.",
        "From 2026-08-01 to 2026-08-14 no points grow older in region 530100.",
        "Points that lapse while a station is offline count there until 3 days after it is back.",
        "Members are told 30, 15 and 3 days before points lapse.",
        "Points may be spent at once.",
        "Points earned before 2026-07-01 keep ratio 2 until 2027-12-31, wherever that is the better one.",
        "One sale gives at most 1000 points (per-transaction).",
    ):
        assert sentence in told
    assert "No worked example" in examples_sentence(_bundle(SHAPES))


def test_keys_are_unique() -> None:
    for text in (DEMO, SHAPES):
        keys = [told.key for told in told_rules(_bundle(text))]
        assert len(set(keys)) == len(keys)


def _leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for step, below in steps:
        yield from _leaves(below, (*path, step))
    if not isinstance(node, dict | list):
        yield path, node


WORDS = {"best": "product", "floor": "half_up", "half_up": "floor", "new": "old", "none": "half_year"}
WORDS |= {
    "month_end": "none",
    "half_year": "quarter",
    "whole": "part",
    "part": "whole",
    "sale": "member_month",
}
WORDS |= {"member_month": "sale", "member_day": "member_month", "adjust": "honour", "volume": "amount"}
WORDS |= {"PT48H": "PT47H", "PT0S": "PT1S", "22:00-06:00": "22:00-06:30", "00:00-24:00": "08:00-20:00"}


def _other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1 if value != 7 else 6
        case datetime() | date():
            return value + timedelta(days=1)
        case _:
            return WORDS.get(value, f"{value}x")


def _with_tuples(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _with_tuples(below) for key, below in node.items()}
    return tuple(_with_tuples(below) for below in node) if isinstance(node, list) else node


UNTOLD = {"schema", "bundle", "version", "points_scale", "vector", "spend_order", "mode"}
"""Named in the headline, fixed, or (mode of [grandfather], spend_order) of one possible value."""


@pytest.mark.parametrize("text", [DEMO, SHAPES], ids=["demo", "shapes"])
def test_no_number_name_or_date_can_change_untold(text: str) -> None:
    """Each value of the file in turn is replaced by another; what the bundle still accepts must be told."""
    document = tomllib.loads(text)
    before = bundle_sentences(_bundle(text))
    told = 0
    for path, value in list(_leaves(document)):
        if path[0] in UNTOLD or path[-1] == "spend_order":
            continue
        *above, last = path
        parent: Any = document
        for step in above:
            parent = parent[step]
        parent[last] = _other(value)
        try:
            other = Bundle.model_validate(_with_tuples(document))
        except ValueError:
            continue
        finally:
            parent[last] = value
        assert bundle_sentences(other) != before, (path, value)
        told += 1
    assert told > 40, "hardly any change was tried"


def test_added_removed_and_changed_rules_are_told_in_both_sentences() -> None:
    new = SHAPES.replace("minor = 700000", "minor = 800000").replace('id = "night"', 'id = "late"')
    found = _changes(SHAPES, new)
    assert [told.key for told in found.added] == [("rules in force", "modifier", "late")]
    assert [told.key for told in found.removed] == [("rules in force", "modifier", "night")]
    group, changed = found.changed
    assert (group.key[-1], changed.key) == ("campaign", ("rules in force", "cap", "month"))
    assert ("7000 points" in changed.old, "8000 points" in changed.new) == (True, True)
    assert found.kept_count == len(bundle_sentences(_bundle(SHAPES))) - 3
    assert found.reordered == ()


def test_the_same_rules_have_no_changes_and_a_new_name_of_the_ruleset_is_one() -> None:
    assert not _changes(DEMO, DEMO.replace("version = 42", "version = 43")).any
    (changed,) = _changes(SHAPES, SHAPES.replace('id = "r"', 'id = "s"')).changed
    assert (changed.old, changed.new) == ("These are rules r.", "These are rules s.")


def test_rules_that_change_places_are_named_because_the_first_wins() -> None:
    first, second = (
        SHAPES.index('  [[ruleset.base]]\n  id = "topup"'),
        SHAPES.index('  [[ruleset.base]]\n  id = "litres"'),
    )
    end = SHAPES.index("  [[ruleset.modifier]]")
    swapped = SHAPES[:first] + SHAPES[second:end] + SHAPES[first:second] + SHAPES[end:]
    assert _changes(SHAPES, swapped).reordered == ("rules in force, base: litres, topup",)
