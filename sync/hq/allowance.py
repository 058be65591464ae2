"""How often a station may ask: a bucket of questions that fills up again (features S-140). Pure.

Amounts are thousandths of a question, so that nothing is lost by rounding between two questions.
"""

from dataclasses import dataclass

_ONE_MILLI = 1_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """`most` questions at once, one more every `again_ms`."""

    most: int
    again_ms: int

    @property
    def full_milli(self) -> int:
        return self.most * _ONE_MILLI

    def left_milli(self, left_milli: int, at_ms: int, now_ms: int) -> int:
        """What is left now of what was left then; a clock that went back fills nothing."""
        more_milli = max(0, now_ms - at_ms) * _ONE_MILLI // self.again_ms
        return min(self.full_milli, left_milli + more_milli)

    def after_one_milli(self, left_milli: int) -> int | None:
        """What is left after one question; None if it may not be asked."""
        return left_milli - _ONE_MILLI if left_milli >= _ONE_MILLI else None


LOOKUPS = Allowance(most=60, again_ms=1_000)
"""A till asks once per customer whom it does not know; sixty at once are a queue, more are a list."""
AUTHORISATIONS = Allowance(most=120, again_ms=500)
