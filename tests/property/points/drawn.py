"""What the property tests of points draw: award inputs, and small bundles of every shape as TOML text.

Everything is drawn from a `random.Random`, so that a seed replays it; the strategies at the end hand
Hypothesis's own in.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from random import Random

from hypothesis import strategies as st

from agent.points.inputs import AwardInputs, Line, Local, Usage
from tests.unit.points.sales import PROTECTED

PRODUCTS = ["petrol-92", "petrol-95", "petrol-98", "diesel-0", "shop", "magazine"]
COUPONS = ["double", "welcome", "unheard-of"]
TIERS = ["basic", "gold", "platinum", "diamond", "titanium"]

FIRST_DAY = date(2026, 6, 25)
"""The demo's campaign runs from day 6 to day 97 after it, the protection to day 554."""
HEAD = """
schema = "loyalty-bundle/1"
program = "test"
bundle = "drawn"
version = 1
points_scale = 100
timezone = "Asia/Shanghai"
business_day_starts = "{day_starts}"
effective_from = 2026-01-01T00:00:00+08:00
[rounding]
mode = "{mode}"
to_minor = {to_minor}
[tiers]
order = ["basic", "gold", "platinum", "diamond"]
"""
GRANDFATHER = """
[grandfather]
cohort = "{cohort}"
old = "former"
new = "usual"
until = {until}
mode = "component"
tie = "{tie}"
"""


def drawn_day(chance: Random) -> date:
    first, last = chance.choice([(0, 20), (0, 20), (90, 110), (552, 556)])
    return FIRST_DAY + timedelta(days=chance.randint(first, last))


def drawn_local(chance: Random) -> Local:
    day = drawn_day(chance)
    return Local(
        business_date=day.isoformat(), weekday=day.isoweekday(), minute_of_day=chance.randint(0, 1439)
    )


def drawn_line(chance: Random) -> Line:
    """Often on the edge of a band."""
    volume_ml = chance.choice([0, 40_000, 100_000, chance.randint(1, 500_000), chance.randint(1, 500_000)])
    amount_fen = chance.choice([0, 40_000, chance.randint(0, 500_000), chance.randint(0, 500_000)])
    return Line(product=chance.choice(PRODUCTS), volume_ml=volume_ml, amount_fen=amount_fen)


def drawn_inputs(chance: Random) -> AwardInputs:
    """Half of the birthdays are near the day of the sale, where they matter."""
    local = drawn_local(chance)
    near = (local.day + timedelta(days=chance.randint(-3, 3))).timetuple()[1:3]
    return AwardInputs(
        lines=tuple(drawn_line(chance) for _ in range(chance.randint(1, 3))),
        tender=chance.choice(["cash"] * 7 + ["points"]),
        tier=chance.choice(TIERS),
        cohort=chance.choice(["", PROTECTED]),
        birthday=chance.choice([None, (2, 29), near, near]),
        usage=Usage(
            day_minor=chance.choice([0, 1, 40_000, 70_000]),
            month_minor=chance.randint(0, 900_000),
            day_fills=chance.randint(0, 2),
            month_fills=chance.randint(0, 3),
            month_ml=chance.choice([0, 39_999, 40_000, chance.randint(0, 600_000)]),
            month_fen=chance.choice([0, chance.randint(0, 600_000)]),
        ),
        evidence=chance.choice(["metered"] * 3 + ["recorded", "none"]),
        time_quality=chance.choice(["seen"] * 3 + ["device", "estimated"]),
        local=local,
        coupons=tuple(chance.sample(COUPONS, chance.choice([0, 0, 1, 2, 3]))),
    )


def drawn_bundle(chance: Random) -> str:
    """One ruleset, or two of which a cohort gets the better; half of the bundles let points lapse."""
    head = HEAD.format(
        mode=chance.choice(["floor", "half_up", "half_even"]),
        to_minor=chance.choice([1, 50, 100]),
        day_starts=chance.choice(["00:00", "04:00"]),
    )
    tables = ["[eligible]\n", 'tender_excluded = ["points"]\n'] if chance.random() < 0.5 else []
    tables += _ruleset(chance, "usual")
    if chance.random() < 0.5:
        tables += _ruleset(chance, "former")
        tie, until = chance.choice(["new", "old"]), drawn_day(chance)
        tables.append(GRANDFATHER.format(cohort=PROTECTED, until=until, tie=tie))
    if chance.random() < 0.5:
        tables.append(f'[expiry]\n{_term(chance)}spend_order = "soonest_expiry"\nrefund_grace_days = 30\n')
    return head + "".join(tables)


def _ruleset(chance: Random, name: str) -> Iterator[str]:
    """One or two base rules, up to six modifiers in two groups, up to three bonuses, up to two caps."""
    bases = [chance.sample(PRODUCTS[:5], chance.randint(3, 5)) for _ in range(chance.randint(1, 2))]
    products = sorted({product for base in bases for product in base})
    groups = [chance.choice("ab") for _ in range(chance.randint(0, 6))]
    yield f'[[ruleset]]\nid = "{name}"\n'
    for number, base in enumerate(bases):
        yield _base(chance, number, base)
    for number, group in enumerate(groups):
        bp = chance.choice([10_000, 10_001, 11_500, 12_000, 13_333, 15_000, 30_000])
        conditions = _conditions(chance, products)
        yield f'[[ruleset.modifier]]\nid = "mod-{number}"\ngroup = "{group}"\nbp = {bp}\n{conditions}'
    yield "[ruleset.combine]\n"
    for group in sorted(set(groups)):
        yield f'{group} = "{chance.choice(["best", "sum_of_extras", "product"])}"\n'
    for number in range(chance.choice([0, 0, 1, 3])):
        yield f'[[ruleset.bonus]]\nid = "bonus-{number}"\n{_bonus(chance)}{_conditions(chance, products)}'
    for number in range(chance.randint(0, 2)):
        scope = chance.choice(["transaction", "member_day", "member_month"])
        minor = chance.randint(0, 900_000)
        yield f'[[ruleset.cap]]\nid = "cap-{number}"\nscope = "{scope}"\nminor = {minor}\n'
    if chance.random() < 0.3:
        yield f"[ruleset.expiry]\n{_term(chance)}"


def _base(chance: Random, number: int, products: Sequence[str]) -> str:
    return f"""[[ruleset.base]]
id = "base-{number}"
product = {_quoted(products)}
per = "{chance.choice(["volume", "amount"])}"
points_minor = {chance.randint(1, 1000)}
quantum = {chance.choice([1, 7, 100, 1000, 20_000])}
step = {chance.choice([1, 10, 100, 1000])}
{_bands(chance) if chance.random() < 0.4 else ""}"""


def _bands(chance: Random) -> str:
    """Rates of the whole sale never fall: from 1000 on, above every rate of `_base`."""
    starts = sorted({chance.choice([1, 40_000, 100_000, chance.randint(1, 600_000)]) for _ in range(3)})
    how = chance.choice(["whole", "part"])
    rates = [chance.randint(1000, 3000) if how == "whole" else chance.randint(0, 3000) for _ in starts]
    levels = zip(starts, sorted(rates) if how == "whole" else rates, strict=True)
    bands = ", ".join(f"{{ from = {start}, points_minor = {rate} }}" for start, rate in levels)
    counted = chance.choice(["sale", "member_month"])
    return f'bands = "{how}"\ncounted = "{counted}"\nband = [{bands}]\n'


def _bonus(chance: Random) -> str:
    period = f'period = "{chance.choice(["member_day", "member_month"])}"\n'
    nth = f"nth = {sorted(chance.sample([1, 2, 3, 4], chance.randint(1, 3)))}\n"
    least = [f"at_least_ml = {chance.randint(1, 80_000)}\n", f"at_least_fen = {chance.randint(1, 80_000)}\n"]
    counted = period + nth if chance.random() < 0.5 else ""
    return f"minor = {chance.randint(1, 9_999)}\n{counted}{chance.choice([*least, ''])}"


def _conditions(chance: Random, products: Sequence[str]) -> str:
    """None, one or two of them; and a coupon for three rules in ten."""
    before, after = chance.randint(0, 3), chance.randint(0, 3)
    conditions = [
        f"product = {_quoted(chance.sample(products, chance.randint(1, 3)))}\n",
        f"tier = {_quoted(chance.sample(TIERS[:4], chance.randint(1, 3)))}\n",
        f"birthday = {{ before_days = {before}, after_days = {after} }}\n",
        drawn_window(chance) + "\n",
    ]
    coupon = f'coupon = "{chance.choice(COUPONS)}"\n' if chance.random() < 0.3 else ""
    return coupon + "".join(chance.sample(conditions, chance.choice([0, 0, 1, 2])))


def drawn_window(chance: Random) -> str:
    begins = drawn_day(chance)
    hours = chance.choice(["00:00-24:00", "22:00-06:00", "02:00-05:30", "18:00-00:00"])
    parts = [
        f"from = {begins}",
        f"until = {begins + timedelta(days=chance.randint(0, 400))}",
        f"weekdays = {sorted(chance.sample(range(1, 8), chance.randint(3, 7)))}",
        f'hours = "{hours}"',
    ]
    return "window = { " + ", ".join(part for part in parts if chance.random() < 0.5) + " }"


def _term(chance: Random) -> str:
    return (
        f"months = {chance.choice([1, 6, 8, 12, 18, 24])}\n"
        f'align = "{chance.choice(["none", "month_end"])}"\n'
        f'round_up = "{chance.choice(["none", "quarter", "half_year"])}"\n'
    )


def _quoted(names: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


_chances = st.randoms(use_true_random=False)


def award_inputs() -> st.SearchStrategy[AwardInputs]:
    return _chances.map(drawn_inputs)


def locals_() -> st.SearchStrategy[Local]:
    return _chances.map(drawn_local)


def windows() -> st.SearchStrategy[str]:
    return _chances.map(drawn_window)


def bundles() -> st.SearchStrategy[str]:
    return _chances.map(drawn_bundle)
