"""Where each grade's totalizer of one pump stands, as last read at rest, and what was reported since."""

from dataclasses import dataclass

from drivers.gilbarco import reading
from drivers.gilbarco.options import GilbarcoOptions
from drivers.gilbarco.reading import Meter
from drivers.standin import StandIn


@dataclass(slots=True)
class _Known:
    digits: str = ""
    since_ml: int = 0
    """Reported without totalizer since `digits` were read."""


class Meters:
    """Totalizers by grade. Digits are as sent; "" if none was ever read."""

    def __init__(self, options: GilbarcoOptions) -> None:
        self._options = options
        self._known: dict[str, _Known] = {}

    def learn(self, grade: str, digits: str) -> None:
        """The totalizer at rest."""
        self._known[grade] = _Known(digits)

    def moved_ml(self, grade: str, digits: str) -> int | None:
        """How far the totalizer moved up to `digits`, across its wrap, less what was reported since; None if
        nobody knows where it stood."""
        before_ml = self._before_ml(grade)
        if before_ml is None or len(digits) != len(self._known[grade].digits):
            return None
        modulus: int = reading.modulus_ml(digits, self._options)
        return (reading.total_ml(digits, self._options) - before_ml) % modulus

    def with_totals(self, grade: str, digits: str) -> Meter:
        """What a fuelling says whose totalizer is `digits` now."""
        after_ml, before_ml = reading.total_ml(digits, self._options), self._before_ml(grade)
        return Meter(digits, after_ml, before_ml, reading.modulus_ml(digits, self._options))

    def without_totals(self, grade: str, volume_ml: int, stand_in: StandIn) -> Meter:
        """What a fuelling says whose totals were not read."""
        known, before_ml = self._known.setdefault(grade, _Known()), self._before_ml(grade)
        known.since_ml += volume_ml
        modulus_ml = reading.modulus_ml(known.digits, self._options) if known.digits else None
        return Meter(stand_in.digits(known.digits), None, before_ml, modulus_ml)

    def _before_ml(self, grade: str) -> int | None:
        known = self._known.get(grade)
        if known is None or not known.digits:
            return None
        stands_ml = reading.total_ml(known.digits, self._options) + known.since_ml
        return stands_ml % reading.modulus_ml(known.digits, self._options)
