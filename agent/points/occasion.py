"""Does a rule apply to this sale: who bought, when, how much, for which time, and with which coupon."""

from collections.abc import Sequence

from agent.points.conditions import BirthdayDays, Window
from agent.points.inputs import AwardInputs, Line
from agent.points.ruleset import Bonus, Conditions, Modifier, SaleConditions


def holds(rule: Modifier | Bonus, inputs: AwardInputs, day_starts_minute: int) -> bool:
    """Every condition of a modifier; of a bonus all but product, quantity and the count of fills."""
    return (
        (rule.tier is None or inputs.tier in rule.tier)
        and (rule.birthday is None or is_birthday(rule.birthday, inputs))
        and (rule.window is None or is_open(rule.window, inputs, day_starts_minute))
        and (rule.coupon is None or rule.coupon in inputs.coupons)
    )


def is_for(rule: Conditions, inputs: AwardInputs) -> bool:
    """Tier and birthday."""
    return (rule.tier is None or inputs.tier in rule.tier) and (
        rule.birthday is None or is_birthday(rule.birthday, inputs)
    )


def is_birthday(days: BirthdayDays, inputs: AwardInputs) -> bool:
    return inputs.birthday is not None and days.include(inputs.local.day, inputs.birthday)


def is_open(window: Window, inputs: AwardInputs, day_starts_minute: int) -> bool:
    return window.is_open(inputs.local.day, inputs.local.minute_of_day, day_starts_minute)


def lines_of(rule: Conditions, inputs: AwardInputs) -> tuple[Line, ...]:
    """The lines that the rule is about."""
    if rule.product is None:
        return inputs.lines
    return tuple(line for line in inputs.lines if line.product in rule.product)


def reached(rule: SaleConditions, lines: Sequence[Line]) -> tuple[int, int, bool]:
    """(ml, fen, is that enough) of these lines; a quantity that the rule does not ask for is 0."""
    at_least_ml, at_least_fen = rule.at_least_ml or 0, rule.at_least_fen or 0
    volume_ml = sum(line.volume_ml for line in lines) if at_least_ml else 0
    amount_fen = sum(line.amount_fen for line in lines) if at_least_fen else 0
    return volume_ml, amount_fen, volume_ml >= at_least_ml and amount_fen >= at_least_fen


def is_fill(inputs: AwardInputs) -> bool:
    """A sale with fuel."""
    return any(line.volume_ml for line in inputs.lines)


def is_nth_fill(bonus: Bonus, inputs: AwardInputs) -> bool:
    return bonus.nth is None or (fill_no(bonus, inputs) in bonus.nth and is_fill(inputs))


def fill_no(bonus: Bonus, inputs: AwardInputs) -> int:
    """Which of the member's fills this is in the bonus's period; 0 where none are counted."""
    if bonus.period is None:
        return 0
    usage = inputs.usage
    return 1 + (usage.day_fills if bonus.period == "member_day" else usage.month_fills)
