"""A million random sales under random bundles, in batches that a seed replays.

`python -m tests.property.points.million SEED` runs one batch again and prints what differs.
"""

import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from random import Random

from agent.points.award import Award, award
from agent.points.inputs import AwardInputs
from agent.points.rules import parse_bundle
from tests.property.points.drawn import drawn_bundle, drawn_inputs
from tests.property.points.slow import Table, Worth, worth
from tests.unit.points.sales import accepted

BATCH_SALES = 1000


@dataclass(frozen=True)
class Difference:
    seed: int
    toml: str
    inputs: AwardInputs
    ours: Worth
    theirs: Worth

    def __str__(self) -> str:
        command = f"python -m tests.property.points.million {self.seed}"
        return f"replay: {command}\nfast {self.ours}\nslow {self.theirs}"


def batch(seed: int, seen: Counter[str], sales: int = BATCH_SALES) -> Difference | None:
    """Sales under one bundle; `seen` counts the kinds of lines, so that a test can tell it tried them."""
    chance = Random(seed)
    toml = drawn_bundle(chance)
    bundle, table = accepted(parse_bundle(toml.encode())), tomllib.loads(toml)
    for _ in range(sales):
        inputs = drawn_inputs(chance)
        result = award(inputs, bundle)
        ours, theirs = _worth_of(result), _theirs(inputs, result.coupons_used, table)
        if ours != theirs:
            return Difference(seed, toml, inputs, ours, theirs)
        _count(result, seen)
    return None


def _theirs(inputs: AwardInputs, coupons_used: tuple[str, ...], table: Table) -> Worth:
    """With the coupons that were used, unless all of them together are worth more than those."""
    plain = inputs.model_dump()
    with_all = worth(plain, table)
    used = worth(plain | {"coupons": coupons_used}, table) if inputs.coupons else with_all
    return used if used.minor == with_all.minor else with_all


def _worth_of(result: Award) -> Worth:
    others = [(other.ruleset, other.minor, other.lapses_on) for other in result.alternatives]
    return Worth(result.minor, result.ruleset, others, result.lapses_on, result.lapses_by)


def _count(result: Award, seen: Counter[str]) -> None:
    seen.update(line.kind for line in result.explanation)
    seen["in a band"] += any(line.from_ml or line.from_fen for line in result.explanation)
    seen["counted fill"] += any(line.fill_no for line in result.explanation)
    seen["lapses"] += bool(result.lapses_on)
    seen["term of the other ruleset"] += result.lapses_by not in ("", result.ruleset)


if __name__ == "__main__":
    found = batch(int(sys.argv[1]), Counter())
    print(f"{found.toml}\n{found.inputs!r}\n{found}" if found else "no difference")  # noqa: T201
