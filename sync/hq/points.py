"""What an item changes at HQ beside a balance: points that wait, holds that end, loans that are settled.

The judge, who knows the bodies, hands these values over with its verdict; they are booked with the item,
in the same transaction, when it counts.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waits:
    """Of what the fact `of` earned, `minor` may not be spent yet; 0: all that is left of it may be."""

    of: str
    minor: int


@dataclass(frozen=True, slots=True)
class Settled:
    """A redemption has come to its end here: `state` is CAPTURED or RELEASED of `sync.hq.grants`."""

    redemption: str
    state: str


@dataclass(frozen=True, slots=True)
class Stated:
    """A loan's standing at its station: `number` counts its statements; `closing` is the last one."""

    grant: str
    epoch: int
    number: int
    spent_minor: int
    closing: bool


Change = Waits | Settled | Stated
