"""What the answers of one look at the display say: a sale that runs, one that is over, or nothing sure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tallyline import codec

from drivers.events import Fuelling, HandOver, Monotonic, RawDigits

LOOK = (codec.ASK_DISPLAY, codec.ASK_TOTALIZER) * 2
"""The questions of one look: an 8-bit sum is too weak for a single reading."""
STEP_ML = 10
TOTALIZER_MODULUS_ML = 10**6 * STEP_ML


@dataclass(frozen=True, slots=True)
class Seen:
    """A display and the totalizer that belong together: both are of one nozzle."""

    display: codec.Display
    totalizer: str

    @property
    def nozzle(self) -> str:
        return self.display.nozzle


def seen(answers: Sequence[codec.Frame]) -> Seen | None:
    """What both halves of a look say, or None if they differ. While fuel flows volume and amount run on
    between them: then only state, nozzle and totalizer must agree."""
    first, second = _half(answers[:2]), _half(answers[2:])
    if first is None or second is None or _standing(first) != _standing(second):
        return None
    return first if first == second or first.display.state == codec.LIFTED else None


def _half(answers: Sequence[codec.Frame]) -> Seen | None:
    display, totalizer = codec.as_display(answers[0]), codec.as_totalizer(answers[1])
    if display is None or totalizer is None or display.nozzle != totalizer.nozzle:
        return None
    return Seen(display, totalizer.digits)


def _standing(half: Seen) -> tuple[str, str, str]:
    return half.display.state, half.nozzle, half.totalizer


def as_fuelling(now_seen: Seen, before: str | None, address: str, ended: Monotonic | None) -> Fuelling:
    """The sale on show. `before` are its totalizer's digits before it, if this session saw them."""
    shown = now_seen.display
    return Fuelling(
        address=address,
        nozzle=shown.nozzle,
        hand_over=HandOver.LAST_SALE,
        sequence_no=None,
        raw=RawDigits(shown.volume, shown.amount, shown.unit_price, now_seen.totalizer),
        volume_ml=int(shown.volume) * STEP_ML,
        amount_fen=int(shown.amount),
        unit_price_milli=int(shown.unit_price) * 10,
        volume_step_ml=STEP_ML,
        amount_step_fen=1,
        totalizer_after_ml=int(now_seen.totalizer) * STEP_ML,
        totalizer_before_ml=None if before is None else int(before) * STEP_ML,
        totalizer_modulus_ml=TOTALIZER_MODULUS_ML,
        totalizer_step_ml=STEP_ML,
        ended=ended,
    )
