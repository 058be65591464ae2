"""The golden vectors of a bundle: sales whose points are known, tried before the bundle is taken (I21)."""

from itertools import accumulate

from agent.points.award import Award, award
from agent.points.inputs import AwardInputs, Local
from agent.points.refunds import reversal_minor
from agent.points.refusal import BundleRefused, place
from agent.points.rules import Bundle
from agent.points.terms import Vector


def replay(bundle: Bundle, text: str = "") -> BundleRefused | None:
    """VECTOR_MISMATCH for the first vector that gives anything else, None if all give what they say.

    `text`: the bundle's own, to name the line.
    """
    for vector in bundle.vector:
        if difference := _difference(vector, bundle):
            where = place(f"vector {vector.id!r}", text, [vector.id])
            return BundleRefused("VECTOR_MISMATCH", where, f"{difference}: correct the rules or the vector")
    return None


def inputs_of(vector: Vector, bundle: Bundle) -> AwardInputs:
    """The vector as a sale: metered, its time seen."""
    return AwardInputs(
        lines=vector.line,
        tender=vector.tender,
        tier=vector.tier,
        cohort=vector.cohort,
        birthday=vector.birthday,
        usage=vector.used,
        evidence="metered",
        time_quality="seen",
        local=Local.at(vector.at, bundle.business_day_starts_minute),
        coupons=vector.coupons,
    )


def _difference(vector: Vector, bundle: Bundle) -> str:
    """What the rules give and the vector says otherwise; "" if they agree."""
    result = award(inputs_of(vector, bundle), bundle)
    lapses_on = vector.lapses_on.isoformat() if vector.lapses_on else result.lapses_on
    if result.minor != vector.minor:
        return f"the rules give {result.minor} minor units, not {vector.minor}"
    if vector.ruleset not in (None, result.ruleset):
        return f"ruleset {result.ruleset} decides, not {vector.ruleset}"
    if result.lapses_on != lapses_on:
        return f"the points lapse on {result.lapses_on or 'no day'}, not {lapses_on}"
    taken = _taken_back(vector, result)
    expected = [refund.minor for refund in vector.refund]
    return "" if taken == expected else f"refunds take back {taken} minor units, not {expected}"


def _taken_back(vector: Vector, result: Award) -> list[int]:
    total_ml = sum(line.volume_ml for line in vector.line)
    taken: list[int] = []
    for refunded_ml in accumulate(refund.ml for refund in vector.refund):
        taken.append(reversal_minor(result.minor, total_ml, refunded_ml, sum(taken)))
    return taken
