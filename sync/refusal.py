"""What is said instead of a value when something from outside is not accepted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """`reason` is a stable code (UPPER_SNAKE), `detail` what was seen, `remedy` what a person can do.

    `detail` never carries the refused bytes themselves: they may hold a member's data.
    """

    reason: str
    detail: str
    remedy: str = ""
