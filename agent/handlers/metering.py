"""What the meter says about a record: its incarnation, whether it moved, what passed without a record."""

from dataclasses import dataclass
from typing import Literal

from agent.points.inputs import Evidence
from agent.points.units import amount_fits, wrong_scale
from agent.store.meters import Meter
from drivers.events import Fuelling, HandOver

WRONG_SCALE = "WRONG_SCALE"
"""Flag of a fact in such a row: a later sound record does not make its own digits believable."""

WITHHOLD_AFTER_IN_ROW = 3
"""So many facts in a row off by the same power of ten are a wrong setting, not an odd record."""

FILL_TOO_LARGE = "FILL_TOO_LARGE"
"""Flag of a fact that hardly any vehicle has room for."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Litres that passed a meter without a record, and where it stood before and after them."""

    before_ml: int
    after_ml: int
    volume_ml: int


@dataclass(frozen=True, slots=True)
class Metering:
    """`gap`: what passed since the last record besides this volume; None within the meter's steps."""

    device_epoch: int
    evidence: Evidence
    gap: Gap | None
    flags: tuple[str, ...]

    @property
    def missed_ml(self) -> int:
        return self.gap.volume_ml if self.gap else 0


def device_epoch(fuelling: Fuelling, meter: Meter | None) -> int:
    """The meter's incarnation: raised when it went back in a way that is no wrap (decisions.md 2)."""
    if meter is None:
        return 1
    after, before = fuelling.totalizer_after_ml, meter.totalizer_after_ml
    if after is None or before is None or after >= before or _wrapped(fuelling, before):
        return meter.device_epoch
    return meter.device_epoch + 1


def metering(fuelling: Fuelling, meter: Meter | None, epoch: int) -> Metering:
    """Evidence in pairs: the totalizer before (device's word, else ours) and after.

    What passed without a record is counted from our own last reading, where there is one: a device that
    says where it began does not say what it sold while nobody listened.
    """
    ours = meter.totalizer_after_ml if meter is not None and meter.device_epoch == epoch else None
    began = _began(fuelling)
    moved = _moved(fuelling, ours if began is None else began)
    unmetered_ml = meter.unmetered_ml if meter is not None and ours is not None else 0
    gap = _gap(fuelling, began if ours is None else ours, unmetered_ml)
    missed = ("MISSED_LITRES",) if gap else ()
    if moved is None:
        return Metering(epoch, _without_totalizer(fuelling), gap, missed)
    if moved >= fuelling.volume_ml - _tolerance_ml(fuelling):
        return Metering(epoch, "metered", gap, missed)
    return Metering(epoch, _recorded_at_all(fuelling), gap, (*missed, "TOTALIZER_STILL"))


def is_wrong_scale(gap: Gap, fuelling: Fuelling, scale: int) -> bool:
    """True if nothing was missed: with the volume's decimals set right, the meter moved by the volume."""
    if scale <= 1:
        return False
    tolerance_ml = max(fuelling.volume_step_ml * scale, fuelling.totalizer_step_ml)
    return abs(gap.volume_ml - fuelling.volume_ml * (scale - 1)) <= tolerance_ml


def size(fuelling: Fuelling, largest_fill_ml: int) -> tuple[str, ...]:
    """A flag for a fuelling above what the station calls large."""
    return (FILL_TOO_LARGE,) if fuelling.volume_ml > largest_fill_ml else ()


def arithmetic(fuelling: Fuelling) -> tuple[tuple[str, ...], int]:
    """Flags for price × volume against amount, and the power of ten by which it is off (0: none)."""
    quantities = (fuelling.volume_ml, fuelling.unit_price_milli, fuelling.amount_fen)
    steps = {"volume_step_ml": fuelling.volume_step_ml, "amount_step_fen": fuelling.amount_step_fen}
    if amount_fits(*quantities, **steps):
        return (), 0
    return ("ARITHMETIC",), wrong_scale(*quantities, **steps)


def next_meter(
    fuelling: Fuelling,
    meter: Meter | None,
    device_key: str,
    epoch: int,
    fact_id: bytes,
    odd: bool,
    scale: int,
) -> Meter:
    """What to remember after this fuelling. A row ends with a record that fits, not with another oddity."""
    factor, in_row = (meter.wrong_scale_factor, meter.wrong_scale_in_row) if meter else (0, 0)
    if scale:
        factor, in_row = scale, in_row + 1 if factor == scale else 1
    elif not odd:
        factor, in_row = 0, 0
    after, unmetered_ml = fuelling.totalizer_after_ml, 0
    if after is None and meter is not None and meter.totalizer_after_ml is not None:
        after, unmetered_ml = meter.totalizer_after_ml, meter.unmetered_ml + fuelling.volume_ml
    return Meter(device_key, fuelling.nozzle, epoch, after, fact_id, factor, in_row, unmetered_ml)


def withholds(meter: Meter | None) -> bool:
    return meter is not None and meter.wrong_scale_in_row >= WITHHOLD_AFTER_IN_ROW


def _tolerance_ml(fuelling: Fuelling) -> int:
    return max(fuelling.volume_step_ml, fuelling.totalizer_step_ml)


def _gap(fuelling: Fuelling, before: int | None, unmetered_ml: int) -> Gap | None:
    """What the meter moved besides this volume and what records without a totalizer account for."""
    moved = _moved(fuelling, before)
    if moved is None or moved - fuelling.volume_ml - unmetered_ml <= _tolerance_ml(fuelling):
        return None
    assert fuelling.totalizer_after_ml is not None
    assert before is not None
    after = fuelling.totalizer_after_ml - fuelling.volume_ml
    if after < 0:  # it wrapped while this volume passed
        assert fuelling.totalizer_modulus_ml is not None
        after += fuelling.totalizer_modulus_ml
    return Gap(before, after, moved - fuelling.volume_ml - unmetered_ml)


def _began(fuelling: Fuelling) -> int | None:
    """The device's own reading before the sale; None where the meter was reset since."""
    before, after = fuelling.totalizer_before_ml, fuelling.totalizer_after_ml
    if before is None or after is None or after >= before or _wrapped(fuelling, before):
        return before
    return None


def _moved(fuelling: Fuelling, before: int | None) -> int | None:
    if fuelling.totalizer_after_ml is None or before is None:
        return None
    moved = fuelling.totalizer_after_ml - before
    if moved < 0 and fuelling.totalizer_modulus_ml is not None:
        moved += fuelling.totalizer_modulus_ml
    return moved if moved >= 0 else None


def _wrapped(fuelling: Fuelling, before: int) -> bool:
    """Past the end of its digits and on from zero: then it moved by little more than this volume."""
    if fuelling.totalizer_modulus_ml is None or fuelling.totalizer_after_ml is None:
        return False
    moved = fuelling.totalizer_after_ml - before + fuelling.totalizer_modulus_ml
    return fuelling.volume_ml <= moved <= max(10 * fuelling.volume_ml, fuelling.totalizer_modulus_ml // 100)


def _recorded_at_all(fuelling: Fuelling) -> Literal["recorded", "none"]:
    """A numbered, buffered record is evidence by itself; a display that stays readable is not."""
    return "recorded" if fuelling.hand_over is HandOver.BUFFERED else "none"


def _without_totalizer(fuelling: Fuelling) -> Literal["recorded", "none"]:
    """The first record of a meter: nothing to compare with, but an end we watched happened now."""
    return "recorded" if fuelling.ended is not None else _recorded_at_all(fuelling)
