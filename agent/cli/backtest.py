"""What other rules would have given for sales that are in the books: arithmetic only, no I/O.

Every award is judged again on its stored inputs. Only the counters of points earned so far differ:
they are the recorded ones, moved by what the candidate gave this member more or less in the same
business day or month. So caps bind as they would have bound, and what was earned elsewhere or before
the first day still counts. Fills, litres and money so far happened and stay as recorded.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from agent.points.award import award
from agent.points.inputs import AwardInputs, Local
from agent.points.rules import Bundle

TOP: Final = 10
_EDGES: Final = (10, 100, 1000)
"""Points at which the classes of the distribution part."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sales of one day, product or tier; minor units that were given, and that the candidate gives."""

    name: str
    sales: int = 0
    given_minor: int = 0
    candidate_minor: int = 0

    @property
    def change_minor(self) -> int:
        return self.candidate_minor - self.given_minor

    def plus(self, given_minor: int, candidate_minor: int) -> "Totals":
        return replace(
            self,
            sales=self.sales + 1,
            given_minor=self.given_minor + given_minor,
            candidate_minor=self.candidate_minor + candidate_minor,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """`more_sales`, `fewer_sales`: those with other points. Groups are sorted by name, members by change."""

    all: Totals
    more_sales: int
    fewer_sales: int
    days: tuple[Totals, ...]
    products: tuple[Totals, ...]
    tiers: tuple[Totals, ...]
    members: tuple[Totals, ...]

    @property
    def gaining(self) -> tuple[Totals, ...]:
        """Members who get more in all, the one who gains most first."""
        return tuple(member for member in reversed(self.members) if member.change_minor > 0)

    @property
    def losing(self) -> tuple[Totals, ...]:
        """Members who get less in all, the one who loses most first."""
        return tuple(member for member in self.members if member.change_minor < 0)


class Backtest:
    """Feed it awards in the order in which they were made; `report` at any time."""

    def __init__(self, candidate: Bundle) -> None:
        self._candidate = candidate
        self._all = Totals("all")
        self._more = self._fewer = 0
        self._groups: dict[str, dict[str, Totals]] = {"day": {}, "product": {}, "tier": {}, "member": {}}
        self._moved_minor: defaultdict[tuple[str, str], int] = defaultdict(int)

    def judge(self, member: str, inputs: AwardInputs, given_minor: int) -> int:
        """One award again; what the candidate gives, minor units."""
        local = inputs.local
        periods = (member, local.business_date), (member, local.business_date[:7])
        earned_minor = award(self._as_moved(inputs, *periods), self._candidate).minor
        change = earned_minor - given_minor
        for period in periods:
            self._moved_minor[period] += change
        self._more += change > 0
        self._fewer += change < 0
        self._all = self._all.plus(given_minor, earned_minor)
        names = {"day": local.business_date, "product": _product(inputs), "tier": inputs.tier}
        for kind, name in {**names, "member": member}.items():
            group = self._groups[kind]
            group[name] = group.get(name, Totals(name)).plus(given_minor, earned_minor)
        return earned_minor

    def report(self) -> Report:
        members = sorted(self._groups["member"].values(), key=lambda one: (one.change_minor, one.name))
        return Report(
            all=self._all,
            more_sales=self._more,
            fewer_sales=self._fewer,
            days=self._sorted("day"),
            products=self._sorted("product"),
            tiers=self._sorted("tier"),
            members=tuple(members),
        )

    def _as_moved(self, inputs: AwardInputs, day: tuple[str, str], month: tuple[str, str]) -> AwardInputs:
        moved_day, moved_month = self._moved_minor[day], self._moved_minor[month]
        if not moved_day and not moved_month:
            return inputs
        used = inputs.usage
        moved = {
            "day_minor": max(0, used.day_minor + moved_day),
            "month_minor": max(0, used.month_minor + moved_month),
        }
        return inputs.model_copy(update={"usage": used.model_copy(update=moved)})

    def _sorted(self, kind: str) -> tuple[Totals, ...]:
        return tuple(sorted(self._groups[kind].values(), key=lambda totals: totals.name))


def in_days_of(inputs: AwardInputs, local: Local) -> AwardInputs:
    """The same sale where the candidate's business day begins at another minute."""
    return inputs if inputs.local == local else inputs.model_copy(update={"local": local})


def distribution(members: Iterable[Totals], points_scale: int) -> list[tuple[str, int]]:
    """How many members lose and gain how many points, from the worst loss to the best gain."""
    sizes = [f"under {_EDGES[0]}"]
    sizes += [f"{low} to {high}" for low, high in pairwise(_EDGES)]
    sizes += [f"{_EDGES[-1]} or more"]
    names = [*(f"lose {size}" for size in reversed(sizes)), "same", *(f"gain {size}" for size in sizes)]
    counts = [0] * len(names)
    for member in members:
        size = abs(member.change_minor)
        steps = bool(size) + sum(size >= edge * points_scale for edge in _EDGES)
        counts[len(sizes) + (steps if member.change_minor > 0 else -steps)] += 1
    return list(zip(names, counts, strict=True))


def _product(inputs: AwardInputs) -> str:
    """A sale counts under its first fuel, a basket under its first line: caps are of whole sales."""
    fuel = (line.product for line in inputs.lines if line.volume_ml)
    return next(fuel, inputs.lines[0].product)
