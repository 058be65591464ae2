"""What the property tests of points draw: award inputs, and small bundles of every shape as TOML text."""

from datetime import date, timedelta

from hypothesis import strategies as st

from agent.points.inputs import AwardInputs, Line, Local, Usage
from tests.unit.points.sales import HEAD, PROTECTED

PRODUCTS = ["petrol-92", "petrol-95", "petrol-98", "diesel-0", "shop", "magazine"]
TIERS = ["basic", "gold", "platinum", "diamond", "titanium"]

FIRST_DAY = date(2026, 6, 25)
"""The demo's campaign runs from day 6 to day 97 after it, the protection to day 554."""
days = st.one_of(st.integers(0, 20), st.integers(90, 110), st.integers(552, 556)).map(
    lambda offset: FIRST_DAY + timedelta(days=offset)
)
lines = st.builds(
    Line,
    product=st.sampled_from(PRODUCTS),
    volume_ml=st.one_of(st.just(0), st.integers(1, 500_000), st.integers(1, 500_000)),
    amount_fen=st.integers(0, 500_000),
)


@st.composite
def locals_(draw: st.DrawFn) -> Local:
    day = draw(days)
    return Local(
        business_date=day.isoformat(), weekday=day.isoweekday(), minute_of_day=draw(st.integers(0, 1439))
    )


@st.composite
def award_inputs(draw: st.DrawFn) -> AwardInputs:
    """Half of the birthdays are near the day of the sale, where they matter."""
    local = draw(locals_())
    near = (local.day + timedelta(days=draw(st.integers(-3, 3)))).timetuple()[1:3]
    return AwardInputs(
        lines=tuple(draw(st.lists(lines, min_size=1, max_size=3))),
        tender=draw(st.sampled_from(["cash"] * 7 + ["points"])),
        tier=draw(st.sampled_from(TIERS)),
        cohort=draw(st.sampled_from(["", PROTECTED])),
        birthday=draw(st.sampled_from([None, (2, 29), near, near])),
        usage=Usage(
            day_minor=draw(st.sampled_from([0, 1, 40_000, 70_000])),
            month_minor=draw(st.integers(0, 900_000)),
        ),
        evidence=draw(st.sampled_from(["metered"] * 3 + ["recorded", "none"])),
        time_quality=draw(st.sampled_from(["seen"] * 3 + ["device", "estimated"])),
        local=local,
    )


def _quoted(names: list[str]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in names) + "]"


@st.composite
def _base(draw: st.DrawFn, number: int, products: list[str]) -> str:
    return f"""
[[ruleset.base]]
id = "base-{number}"
product = {_quoted(products)}
per = "{draw(st.sampled_from(["volume", "amount"]))}"
points_minor = {draw(st.integers(1, 1000))}
quantum = {draw(st.sampled_from([1, 7, 100, 1000, 20_000]))}
step = {draw(st.sampled_from([1, 10, 100, 1000]))}
"""


@st.composite
def windows(draw: st.DrawFn) -> str:
    begins = draw(days)
    parts = [
        f"from = {begins}",
        f"until = {begins + timedelta(days=draw(st.integers(0, 400)))}",
        f"weekdays = {sorted(draw(st.sets(st.integers(1, 7), min_size=3)))}",
        f'hours = "{draw(st.sampled_from(["00:00-24:00", "22:00-06:00", "02:00-05:30", "18:00-00:00"]))}"',
    ]
    return "window = { " + ", ".join(part for part in parts if draw(st.booleans())) + " }"


@st.composite
def _modifier(draw: st.DrawFn, number: int, group: str, products: list[str]) -> str:
    conditions = [
        f"product = {_quoted(draw(st.lists(st.sampled_from(products), min_size=1, max_size=3)))}",
        f"tier = {_quoted(draw(st.lists(st.sampled_from(TIERS[:4]), min_size=1, max_size=3)))}",
        f"birthday = {{ before_days = {draw(st.integers(0, 3))}, after_days = {draw(st.integers(0, 3))} }}",
        draw(windows()),
    ]
    chosen = (
        draw(st.lists(st.sampled_from(conditions), max_size=2, unique=True)) if draw(st.booleans()) else []
    )
    bp = draw(st.sampled_from([10_001, 11_500, 12_000, 13_333, 15_000, 30_000]))
    return "\n".join(
        ["", "[[ruleset.modifier]]", f'id = "mod-{number}"', f'group = "{group}"', f"bp = {bp}", *chosen, ""]
    )


@st.composite
def bundles(draw: st.DrawFn) -> str:
    """One ruleset: one or two base rules, up to six modifiers in two groups, up to two caps."""
    named = st.lists(st.sampled_from(PRODUCTS[:5]), min_size=3, unique=True)
    bases = draw(st.lists(named, min_size=1, max_size=2))
    products = sorted({product for base in bases for product in base})
    groups = draw(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=6))
    combine = [
        f'{group} = "{draw(st.sampled_from(["best", "sum_of_extras", "product"]))}"'
        for group in sorted(set(groups))
    ]
    scopes = st.sampled_from(["transaction", "member_day", "member_month"])
    caps = draw(st.lists(st.tuples(scopes, st.integers(0, 900_000)), max_size=2))
    return "".join(
        [
            HEAD.format(
                mode=draw(st.sampled_from(["floor", "half_up", "half_even"])),
                to_minor=draw(st.sampled_from([1, 50, 100])),
                day_starts=draw(st.sampled_from(["00:00", "04:00"])),
            ),
            *(draw(_base(number, product)) for number, product in enumerate(bases)),
            *(draw(_modifier(number, group, products)) for number, group in enumerate(groups)),
            "[ruleset.combine]\n" + "\n".join(combine) + "\n",
            *(
                f'[[ruleset.cap]]\nid = "cap-{number}"\nscope = "{scope}"\nminor = {minor}\n'
                for number, (scope, minor) in enumerate(caps)
            ),
        ]
    )
