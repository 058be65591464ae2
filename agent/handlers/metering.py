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

_LEAST_METER_STEP_ML = 10


@dataclass(frozen=True, slots=True)
class Metering:
    """`missed_ml`: litres that passed since the last record, besides this volume."""

    device_epoch: int
    evidence: Evidence
    missed_ml: int
    flags: tuple[str, ...]


def device_epoch(fuelling: Fuelling, meter: Meter | None) -> int:
    """The meter's incarnation: raised when it went back in a way that is no wrap (decisions.md 2)."""
    if meter is None:
        return 1
    after, before = fuelling.totalizer_after_ml, meter.totalizer_after_ml
    if after is None or before is None or after >= before or _wrapped(fuelling, before):
        return meter.device_epoch
    return meter.device_epoch + 1


def metering(fuelling: Fuelling, meter: Meter | None, epoch: int) -> Metering:
    """Evidence in pairs: the totalizer before (device's word, else ours) and after."""
    before = fuelling.totalizer_before_ml
    if before is None and meter is not None and meter.device_epoch == epoch:
        before = meter.totalizer_after_ml
    moved = _moved(fuelling, before)
    tolerance_ml = max(fuelling.volume_step_ml, _LEAST_METER_STEP_ML)
    if moved is None:
        return Metering(epoch, _without_totalizer(fuelling), 0, ())
    if abs(moved - fuelling.volume_ml) <= tolerance_ml:
        return Metering(epoch, "metered", 0, ())
    if moved > fuelling.volume_ml:
        return Metering(epoch, "metered", moved - fuelling.volume_ml, ("MISSED_LITRES",))
    return Metering(epoch, _recorded_at_all(fuelling), 0, ("TOTALIZER_STILL",))


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
    after = fuelling.totalizer_after_ml
    if after is None and meter is not None:
        after = meter.totalizer_after_ml
    return Meter(device_key, fuelling.nozzle, epoch, after, fact_id, factor, in_row)


def withholds(meter: Meter | None) -> bool:
    return meter is not None and meter.wrong_scale_in_row >= WITHHOLD_AFTER_IN_ROW


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
