"""A second evaluator of rule bundles, written from points.md 4 alone: fractions, plain dicts, no haste.

It takes the bundle's TOML as it is parsed and shares no line with `agent.points`; it knows only what an
award is worth and how long, not how to explain it.
"""

from datetime import date, timedelta
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import ceil, floor
from typing import Any, NamedTuple

Table = dict[str, Any]


class Worth(NamedTuple):
    """`others`: (ruleset, minor, last day) of the ruleset whose points were not taken."""

    minor: int
    ruleset: str
    others: list[tuple[str, int, str]]
    lapses_on: str
    lapses_by: str


def worth(inputs: Table, bundle: Table) -> Worth:
    """Of award inputs and a bundle, both as plain tables."""
    protection = bundle.get("grandfather")
    main = protection["new"] if protection else bundle["ruleset"][0]["id"]
    fuel_without_meter = inputs["evidence"] == "none" and any(
        line["volume_ml"] > 0 for line in inputs["lines"]
    )
    if fuel_without_meter or inputs["tender"] in bundle.get("eligible", {}).get("tender_excluded", []):
        return Worth(0, main, [], "", "")
    day = date.fromisoformat(inputs["local"]["business_date"])
    rulesets = {rules["id"]: rules for rules in bundle["ruleset"]}
    lives = {
        name: last_day(day, rules.get("expiry") or bundle.get("expiry")) for name, rules in rulesets.items()
    }
    if not protection or inputs["cohort"] != protection["cohort"] or day > protection["until"]:
        minor = by_rules(rulesets[main], inputs, bundle)
        return Worth(minor, main, [], lives[main] if minor else "", "")
    results = {name: by_rules(rules, inputs, bundle) for name, rules in rulesets.items()}
    names = [protection["new"], protection["old"]]
    if protection["tie"] == "old":
        names.reverse()
    best, other = sorted(names, key=lambda name: -results[name])
    longest = max(names, key=lambda name: lives[name] or "for ever")
    life = (lives[longest], longest) if results[best] else ("", "")
    return Worth(results[best], best, [(other, results[other], lives[other])], *life)


def last_day(earned_on: date, term: Table | None) -> str:
    """Walks from the day of earning, so that 18 months from 1 July end on 31 December."""
    return walked(earned_on, term["months"], term["align"], term["round_up"]) if term else ""


@cache
def walked(earned_on: date, months: int, align: str, round_up: str) -> str:
    """Month by month to the corresponding day, then day by day."""
    first = earned_on.replace(day=1)
    for _ in range(months):
        first = (first + timedelta(days=31)).replace(day=1)
    day = first
    while day.day < earned_on.day and (day + timedelta(days=1)).month == first.month:
        day += timedelta(days=1)
    if day.day == earned_on.day and align == "none":
        day -= timedelta(days=1)
    starts = {"none": range(1, 13), "quarter": (1, 4, 7, 10), "half_year": (1, 7)}[round_up]
    while align == "month_end" or round_up != "none":
        tomorrow = day + timedelta(days=1)
        if tomorrow.day == 1 and tomorrow.month in starts:
            break
        day = tomorrow
    return day.isoformat()


def by_rules(rules: Table, inputs: Table, bundle: Table) -> int:
    exact = Fraction(0)
    earns = False
    for number, line in enumerate(inputs["lines"]):
        base = base_rule(line, rules)
        if base is not None:
            earns = True
            exact += base_worth(number, base, rules, inputs) * factor(line, rules, inputs, bundle)
    if not earns:
        return 0
    exact += sum(bonus["minor"] for bonus in rules.get("bonus", []) if given(bonus, inputs, bundle))
    unit: int = bundle["rounding"]["to_minor"]
    minor = rounded(exact / unit, bundle["rounding"]["mode"]) * unit
    used = {
        "transaction": 0,
        "member_day": inputs["usage"]["day_minor"],
        "member_month": inputs["usage"]["month_minor"],
    }
    for cap in rules.get("cap", []):
        room: int = cap["minor"] - used[cap["scope"]]
        minor = max(0, min(minor, room))
    return minor


def rounded(value: Fraction, mode: str) -> int:
    if mode == "floor":
        return floor(value)
    if mode == "half_even":
        return round(value)
    return floor(value) if value - floor(value) < Fraction(1, 2) else ceil(value)


def base_rule(line: Table, rules: Table) -> Table | None:
    for base in rules["base"]:
        if line["product"] in base["product"]:
            found: Table = base
            return found
    return None


def base_worth(number: int, base: Table, rules: Table, inputs: Table) -> Fraction:
    """Line `number` by its base rule: at one rate, or each band's litres (yuan) at the band's rate."""
    own = counted(inputs["lines"][number], base)
    if "band" not in base:
        return Fraction(own * base["points_minor"], base["quantum"])
    month = inputs["usage"]["month_ml" if base["per"] == "volume" else "month_fen"]
    before = month if base["counted"] == "member_month" else 0
    mates = [counted(line, base) if base_rule(line, rules) is base else 0 for line in inputs["lines"]]
    if base["bands"] == "whole":
        return Fraction(own * rate_of(before + sum(mates), base), base["quantum"])
    begin = before + sum(mates[:number])
    edges = sorted(
        {begin, begin + own, *(b["from"] for b in base["band"] if begin < b["from"] < begin + own)}
    )
    pieces = pairwise(edges)
    return sum(
        (Fraction((end - start) * rate_of(start, base), base["quantum"]) for start, end in pieces),
        Fraction(0),
    )


def counted(line: Table, base: Table) -> int:
    quantity: int = line["volume_ml"] if base["per"] == "volume" else line["amount_fen"]
    return quantity // base["step"] * base["step"]


def rate_of(reached: int, base: Table) -> int:
    rate: int = base["points_minor"]
    for band in base["band"]:
        if reached >= band["from"]:
            rate = band["points_minor"]
    return rate


def factor(line: Table, rules: Table, inputs: Table, bundle: Table) -> Fraction:
    result = Fraction(1)
    for group, how in rules.get("combine", {}).items():
        extras = [
            Fraction(modifier["bp"], 10_000) - 1
            for modifier in rules.get("modifier", [])
            if modifier["group"] == group
            and ("product" not in modifier or line["product"] in modifier["product"])
            and applies(modifier, inputs, bundle)
        ]
        if how == "best":
            result *= 1 + max(extras, default=Fraction(0))
        elif how == "sum_of_extras":
            result *= 1 + sum(extras, Fraction(0))
        else:
            for extra in extras:
                result *= 1 + extra
    return result


def given(bonus: Table, inputs: Table, bundle: Table) -> bool:
    named = [line for line in inputs["lines"] if line["product"] in bonus.get("product", [line["product"]])]
    if not named or not applies(bonus, inputs, bundle):
        return False
    if sum(line["volume_ml"] for line in named) < bonus.get("at_least_ml", 0):
        return False
    if sum(line["amount_fen"] for line in named) < bonus.get("at_least_fen", 0):
        return False
    if "nth" not in bonus:
        return True
    is_fill = any(line["volume_ml"] > 0 for line in inputs["lines"])
    fills = inputs["usage"]["day_fills" if bonus["period"] == "member_day" else "month_fills"]
    return is_fill and fills + 1 in bonus["nth"]


def applies(modifier: Table, inputs: Table, bundle: Table) -> bool:
    """Every condition but the product, of a modifier or a bonus."""
    return (
        inputs["time_quality"] != "estimated"
        and ("tier" not in modifier or inputs["tier"] in modifier["tier"])
        and ("birthday" not in modifier or near_birthday(modifier["birthday"], inputs))
        and ("window" not in modifier or in_window(modifier["window"], inputs["local"], bundle))
        and ("coupon" not in modifier or modifier["coupon"] in inputs["coupons"])
    )


def near_birthday(around: Table, inputs: Table) -> bool:
    """Walk the days around today and look whether one of them is the birthday."""
    if inputs["birthday"] is None:
        return False
    today = date.fromisoformat(inputs["local"]["business_date"])
    for offset in range(-around["after_days"], around["before_days"] + 1):
        day = today + timedelta(days=offset)
        if (day.month, day.day) == tuple(inputs["birthday"]):
            return True
        last_of_february = (day.month, day.day) == (2, 28) and (day + timedelta(days=1)).month == 3
        if last_of_february and tuple(inputs["birthday"]) == (2, 29):
            return True
    return False


def in_window(window: Table, local: Table, bundle: Table) -> bool:
    """Minutes counted on one line from the start of yesterday's business day."""
    today = date.fromisoformat(local["business_date"])
    day_starts = minutes(bundle["business_day_starts"])
    now = (local["minute_of_day"] - day_starts) % 1440
    hours = window.get("hours", "00:00-24:00")
    for day, begins_at in ((today, 0), (today - timedelta(days=1), -1440)):
        if hours == "00:00-24:00":
            opens, closes = begins_at, begins_at + 1440
        else:
            start, end = (minutes(part) for part in hours.split("-"))
            opens = begins_at + (start - day_starts) % 1440
            closes = opens + ((end - start) % 1440)
        if opens <= now < closes:
            return window.get("from", day) <= day <= window.get(
                "until", day
            ) and day.isoweekday() in window.get("weekdays", range(1, 8))
    return False


def minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])
