"""A second evaluator of rule bundles, written from points.md 4 alone: fractions, plain dicts, no haste.

It reads the bundle's TOML by itself and shares no line with `agent.points`; it knows only what an
award is worth, not how to explain it.
"""

import tomllib
from datetime import date, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import Any

Table = dict[str, Any]


def worth(inputs: Table, toml: str) -> tuple[int, str, list[tuple[str, int]]]:
    """(minor, ruleset, [(other ruleset, minor)]) of award inputs given as a dict."""
    bundle = tomllib.loads(toml)
    protection = bundle.get("grandfather")
    main = protection["new"] if protection else bundle["ruleset"][0]["id"]
    fuel_without_meter = inputs["evidence"] == "none" and any(
        line["volume_ml"] > 0 for line in inputs["lines"]
    )
    if fuel_without_meter or inputs["tender"] in bundle.get("eligible", {}).get("tender_excluded", []):
        return 0, main, []
    results = {rules["id"]: by_rules(rules, inputs, bundle) for rules in bundle["ruleset"]}
    day = date.fromisoformat(inputs["local"]["business_date"])
    if not protection or inputs["cohort"] != protection["cohort"] or day > protection["until"]:
        return results[main], main, []
    ranked = [protection["new"], protection["old"]]
    if protection["tie"] == "old":
        ranked.reverse()
    ranked.sort(key=lambda name: -results[name])
    return results[ranked[0]], ranked[0], [(ranked[1], results[ranked[1]])]


def by_rules(rules: Table, inputs: Table, bundle: Table) -> int:
    exact = sum((line_worth(line, rules, inputs, bundle) for line in inputs["lines"]), Fraction(0))
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


def line_worth(line: Table, rules: Table, inputs: Table, bundle: Table) -> Fraction:
    for base in rules["base"]:
        if line["product"] in base["product"]:
            break
    else:
        return Fraction(0)
    quantity = line["volume_ml"] if base["per"] == "volume" else line["amount_fen"]
    steps = quantity // base["step"]
    value = Fraction(steps * base["step"] * base["points_minor"], base["quantum"])
    for group, how in rules.get("combine", {}).items():
        extras = [
            Fraction(modifier["bp"], 10_000) - 1
            for modifier in rules.get("modifier", [])
            if modifier["group"] == group and applies(modifier, line, inputs, bundle)
        ]
        if how == "best":
            value *= 1 + max(extras, default=Fraction(0))
        elif how == "sum_of_extras":
            value *= 1 + sum(extras, Fraction(0))
        else:
            for extra in extras:
                value *= 1 + extra
    return value


def applies(modifier: Table, line: Table, inputs: Table, bundle: Table) -> bool:
    return (
        inputs["time_quality"] != "estimated"
        and ("product" not in modifier or line["product"] in modifier["product"])
        and ("tier" not in modifier or inputs["tier"] in modifier["tier"])
        and ("birthday" not in modifier or near_birthday(modifier["birthday"], inputs))
        and ("window" not in modifier or in_window(modifier["window"], inputs["local"], bundle))
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
