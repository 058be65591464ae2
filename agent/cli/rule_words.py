"""Words that sentences about rules are made of: points, quantities, days, lists."""

from collections.abc import Sequence
from typing import Final

from agent.points.conditions import BirthdayDays, Hours, Window
from agent.points.explanation import decimal_text, points_text
from agent.points.ruleset import Bonus, Issue, Modifier

_DAYS: Final = ("", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def points(minor: int, scale: int) -> str:
    return f"{points_text(minor, scale)} {'point' if minor == scale else 'points'}"


def yuan(fen: int) -> str:
    return f"{decimal_text(fen, 100)} yuan"


def litres(volume_ml: int) -> str:
    """With two decimals; three where the millilitre counts."""
    tens, single = divmod(volume_ml, 10)
    return f"{decimal_text(volume_ml, 1000) if single else decimal_text(tens, 100)} L"


def percent(bp: int) -> str:
    return f"{trimmed(bp, 100)} %"


def trimmed(number: int, scale: int) -> str:
    """12000 of scale 10000 is "1.2"."""
    return decimal_text(number, scale).rstrip("0").rstrip(".")


def count(number: int, one: str, many: str = "") -> str:
    """ "1 sale", "3 sales"."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def any_of(names: Sequence[str]) -> str:
    return _listed(names, "or")


def all_of(names: Sequence[str]) -> str:
    return _listed(names, "and")


def ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def who_and_when(rule: Modifier | Bonus | Issue) -> list[str]:
    """Its conditions on tier, birthday, time and coupon; none where it always holds."""
    coupon = None if isinstance(rule, Issue) else rule.coupon
    return [
        *([f"with a coupon {coupon}"] if coupon else []),
        *([f"for members of tier {any_of(rule.tier)}"] if rule.tier else []),
        *([_birthday(rule.birthday)] if rule.birthday else []),
        *(_window(rule.window) if rule.window else []),
    ]


def _listed(names: Sequence[str], word: str) -> str:
    *first, last = names
    return f"{', '.join(first)} {word} {last}" if first else last


def _birthday(days: BirthdayDays) -> str:
    if not days.before_days and not days.after_days:
        return "on the member's birthday"
    return f"from {days.before_days} days before to {days.after_days} days after the member's birthday"


def _window(window: Window) -> list[str]:
    return [
        *([f"from {window.from_date}"] if window.from_date else []),
        *([f"until {window.until}"] if window.until else []),
        *([f"on {any_of([_DAYS[day] for day in window.weekdays])}"] if window.weekdays else []),
        *([_hours(window.hours)] if window.hours else []),
    ]


def _hours(hours: Hours) -> str:
    """A window past midnight belongs to the day in which it began: said, because it surprises."""
    if hours.length_minutes == 1440:
        return "all day"
    end_minute = hours.start_minute + hours.length_minutes
    next_day = " of the next day" if end_minute > 1440 else ""
    return f"{clock(hours.start_minute)} to {clock((end_minute - 1) % 1440 + 1)}{next_day}"
