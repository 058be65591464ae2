"""The totals of one fuelling point, kept like an account: what a sale's totalizer was before and after it.

The totals command tells how the meter stands now. It stands as it did after a sale only if no other sale
waits behind that one; what the account says must fit what is read.
"""

from dataclasses import dataclass

from drivers.zhengxing.words import TOTAL_MODULUS, Sale, Totals

_MOST_DECIMALS = 6
_TELLING_STEPS = 8
_GAP_SLACK_PERCENT = 60
"""Missed litres cost about what these cost: so far the price may have been another one."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The volume total before and after a sale, raw, where known. `is_exact`: both totals moved by exactly
    this sale's volume and amount. `flags` say why there is none."""

    after_count: int | None = None
    before_count: int | None = None
    is_exact: bool = False
    flags: tuple[str, ...] = ()


def decimals_of(sale: Sale, telling_steps: int = _TELLING_STEPS) -> int | None:
    """So many decimals price times volume has more than the amount, None if they do not fit each other.

    To within price times one volume step and one amount step (devices.md 0). No scale is set: wrong
    decimals in the options make no sale unbelievable. Of an amount that is hardly more than the steps
    themselves, or less than `telling_steps` of them, that says nothing: None as well.
    """
    if not sale.price.isdecimal():
        return None
    unit = int(sale.price)
    for decimals in range(_MOST_DECIMALS + 1):
        scale = int(10**decimals)
        step = unit + scale
        is_telling = sale.amount_count * scale >= telling_steps * step
        if is_telling and abs(unit * sale.volume_count - sale.amount_count * scale) <= step:
            return decimals
    return None


def fits_closely(sale: Sale) -> bool:
    """Price times volume is the amount to within one amount step: what a preset by amount need not keep."""
    decimals = decimals_of(sale)
    if decimals is None:
        return False
    scale = int(10**decimals)
    return abs(int(sale.price) * sale.volume_count - sale.amount_count * scale) <= scale


class Ledger:
    """Fed with sales in the order in which the dispenser hands them over."""

    def __init__(self) -> None:
        self._stood: Totals | None = None
        """How the totals stood after the last sale that was handed over."""

    def forget(self) -> None:
        """Something may have been handed over that we did not hear."""
        self._stood = None

    def is_known(self) -> bool:
        return self._stood is not None

    def rest(self, totals: Totals) -> None:
        """They stand so, and no sale waits."""
        self._stood = totals

    def moved_by(self, sale: Sale, totals: Totals) -> bool:
        """Both totals moved by exactly such a sale since the last one."""
        return self._stood is not None and _beyond(self._stood, sale, totals) == Totals(0, 0)

    def account(self, sale: Sale, totals: Totals | None, *, is_last: bool) -> Evidence:
        """Book `sale`. `totals` were read after it ended; `is_last`: no other sale waits behind it."""
        stood = self._stood
        self._stood = _next(stood, sale, totals)
        if totals is None:
            return Evidence(flags=("TOTALIZER_UNHEARD",))
        if stood is None and not is_last and decimals_of(sale, telling_steps=1) is None:
            return Evidence(flags=("TOTALIZER_UNHEARD",))  # an odd device: others may be counted already
        if stood is None:
            return Evidence(totals.volume_count)
        more = _beyond(stood, sale, totals)
        if more.volume_count == 0:
            return Evidence(totals.volume_count, stood.volume_count, is_exact=more.amount_count == 0)
        if is_last and _is_gap(more, sale):
            return Evidence(totals.volume_count)
        return Evidence(flags=("TOTAL_DIFFERS",))


def _next(stood: Totals | None, sale: Sale, totals: Totals | None) -> Totals | None:
    """Where the account stands after `sale`: as read, unless the totals are ahead of it."""
    if stood is None:
        return totals
    if totals is not None and _beyond(stood, sale, totals).volume_count <= 0:
        return totals
    return Totals(
        _wrap(stood.amount_count + sale.amount_count), _wrap(stood.volume_count + sale.volume_count)
    )


def _beyond(stood: Totals, sale: Sale, totals: Totals) -> Totals:
    """What the totals moved besides this sale; negative if by less."""
    return Totals(
        _signed(totals.amount_count - stood.amount_count - sale.amount_count),
        _signed(totals.volume_count - stood.volume_count - sale.volume_count),
    )


def _is_gap(more: Totals, sale: Sale) -> bool:
    """Sales were missed: litres, and about what they cost. A damaged number is only one of the two."""
    decimals = decimals_of(sale)
    if decimals is None or more.volume_count <= 0 or more.amount_count <= 0:
        return False
    scale = int(10**decimals)
    cost, paid = more.volume_count * int(sale.price), more.amount_count * scale
    slack = cost * _GAP_SLACK_PERCENT // 100 + int(sale.price) + scale
    return abs(cost - paid) <= slack


def _wrap(count: int) -> int:
    return count % TOTAL_MODULUS


def _signed(difference: int) -> int:
    wrapped = _wrap(difference)
    return wrapped - TOTAL_MODULUS if wrapped >= TOTAL_MODULUS // 2 else wrapped
