"""A rule bundle in plain English, one sentence per rule: what a manager can check against the poster."""

from collections.abc import Iterator

from agent.points.conditions import BirthdayDays, Hours, Window
from agent.points.explanation import decimal_text, points_text
from agent.points.rules import Bundle
from agent.points.ruleset import ONE_BP, BaseRule, Cap, Modifier, Ruleset
from agent.points.terms import Expiry, Redemption

_DAYS = ("", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_COMBINED = {
    "best": "only the best of them counts",
    "sum_of_extras": "their extras are added",
    "product": "they multiply each other",
}
_ROUNDED = {"floor": "down", "half_up": "half up", "half_even": "half to even"}
_SCOPES = {
    "transaction": "One sale gives",
    "member_day": "One member gets in a business day",
    "member_month": "One member gets in a month",
}


def bundle_sentences(bundle: Bundle) -> list[str]:
    """Everything the bundle says that a customer or manager asks about, in the order of the file."""
    return list(_sentences(bundle))


def _sentences(bundle: Bundle) -> Iterator[str]:
    scale = bundle.points_scale
    yield (
        f"In force from {bundle.effective_from.isoformat()}; business days of {bundle.timezone} "
        f"begin at {_clock(bundle.business_day_starts_minute)}."
    )
    if bundle.eligible is not None:
        yield f"A sale paid with {_any_of(bundle.eligible.tender_excluded)} earns nothing."
    yield from _ruleset(bundle.ruleset_in_force, scale)
    unit = bundle.rounding.to_minor
    whole = "whole points" if unit == scale else f"a multiple of {_points(unit, scale)}"
    yield f"The whole award is rounded once, {_ROUNDED[bundle.rounding.mode]} to {whole}."
    if (protected := bundle.grandfather) is not None:
        yield (
            f"Until {protected.until} members of {protected.cohort} get the better of these rules and "
            f"of rules {protected.old}, which say:"
        )
        yield from (
            f"Rules {protected.old}: {line}" for line in _ruleset(bundle.ruleset_named(protected.old), scale)
        )
    if bundle.expiry is not None:
        yield _expiry(bundle.expiry)
    if bundle.redemption is not None:
        yield from _redemption(bundle.redemption, scale)


def _ruleset(ruleset: Ruleset, scale: int) -> Iterator[str]:
    yield from (_base(rule, scale) for rule in ruleset.base)
    yield from (_modifier(modifier) for modifier in ruleset.modifier)
    for group, how in ruleset.combine.items():
        names = [modifier.id for modifier in ruleset.modifier if modifier.group == group]
        if len(names) > 1:
            yield f"Where several of {', '.join(names)} apply, {_COMBINED[how]}."
    yield from (_cap(cap, scale) for cap in ruleset.cap)


def _base(rule: BaseRule, scale: int) -> str:
    if rule.per == "volume":
        each, step = _litres(rule.quantum), f"{rule.step} ml"
    else:
        each, step = f"{decimal_text(rule.quantum, 100)} yuan paid", f"{decimal_text(rule.step, 100)} yuan"
    return (
        f"{', '.join(rule.product)}: {_points(rule.points_minor, scale)} for every {each}, "
        f"counted in steps of {step} ({rule.id})."
    )


def _modifier(modifier: Modifier) -> str:
    conditions = [
        *([f"for {_any_of(modifier.product)}"] if modifier.product else []),
        *([f"for members of tier {_any_of(modifier.tier)}"] if modifier.tier else []),
        *([_birthday(modifier.birthday)] if modifier.birthday else []),
        *(_window(modifier.window) if modifier.window else []),
    ]
    factor = decimal_text(modifier.bp, ONE_BP).rstrip("0").rstrip(".")
    return f"Points times {factor} {', '.join(conditions) or 'always'} ({modifier.id})."


def _birthday(days: BirthdayDays) -> str:
    if not days.before_days and not days.after_days:
        return "on the member's birthday"
    return f"from {days.before_days} days before to {days.after_days} days after the member's birthday"


def _window(window: Window) -> list[str]:
    return [
        *([f"from {window.from_date}"] if window.from_date else []),
        *([f"until {window.until}"] if window.until else []),
        *([f"on {_any_of([_DAYS[day] for day in window.weekdays])}"] if window.weekdays else []),
        *([_hours(window.hours)] if window.hours else []),
    ]


def _hours(hours: Hours) -> str:
    end_minute = (hours.start_minute + hours.length_minutes - 1) % 1440 + 1
    whole_day = hours.length_minutes == 1440
    return "all day" if whole_day else f"{_clock(hours.start_minute)} to {_clock(end_minute)}"


def _cap(cap: Cap, scale: int) -> str:
    return f"{_SCOPES[cap.scope]} at most {_points(cap.minor, scale)} ({cap.id})."


def _expiry(expiry: Expiry) -> str:
    aligned = ", at the end of that month" if expiry.align == "month_end" else ""
    return f"Points lapse {expiry.months} months after they were earned{aligned}."


def _redemption(redemption: Redemption, scale: int) -> Iterator[str]:
    for ratio in redemption.ratio:
        points, yuan = _points(ratio.points_minor, scale), decimal_text(ratio.fen, 100)
        yield f"From {ratio.from_date} on {points} are worth {yuan} yuan (ratio {ratio.version})."


def _litres(volume_ml: int) -> str:
    return "litre" if volume_ml == 1000 else f"{decimal_text(volume_ml, 1000)} litres"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _points(minor: int, scale: int) -> str:
    return f"{points_text(minor, scale)} {'point' if minor == scale else 'points'}"


def _any_of(names: tuple[str, ...] | list[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last
