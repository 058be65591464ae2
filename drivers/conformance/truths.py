"""What a device knows to be true, and the parts of a report that are compared with it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from drivers.events import Credential, Fuelling, TankDelivery, TankRead


@dataclass(frozen=True, slots=True)
class Sold:
    """One finished sale as the device knows it; what is reported must equal it field by field."""

    nozzle: str
    sequence_no: int | None
    volume_ml: int
    amount_fen: int
    unit_price_milli: int
    totalizer_after_ml: int | None
    credential: Credential | None = None


@dataclass(frozen=True, slots=True)
class Stood:
    """How a tank stood at some moment, in the units of `TankRead`."""

    tank: str
    volume_ml: int
    height_um: int | None
    temperature_mc: int | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """One finished delivery as the gauge recorded it, in the units of `TankDelivery`."""

    tank: str
    start_volume_ml: int | None
    end_volume_ml: int | None
    start_height_um: int | None
    end_height_um: int | None


Identity: TypeAlias = tuple[str, str, int | None, str, str, str, str]


def identity_of(fuelling: Fuelling) -> Identity:
    """What makes two reports the same sale: device, nozzle, number and the raw digits."""
    raw = fuelling.raw
    return (
        fuelling.address,
        fuelling.nozzle,
        fuelling.sequence_no,
        raw.totalizer_after,
        raw.volume,
        raw.amount,
        raw.unit_price,
    )


def as_sold(fuelling: Fuelling) -> Sold:
    """The part of a report that is compared with the device's truth."""
    return Sold(
        fuelling.nozzle,
        fuelling.sequence_no,
        fuelling.volume_ml,
        fuelling.amount_fen,
        fuelling.unit_price_milli,
        fuelling.totalizer_after_ml,
        fuelling.credential,
    )


def as_stood(read: TankRead) -> Stood:
    """The part of a reading that is compared with the gauge's truth."""
    return Stood(read.tank, read.volume_ml, read.height_um, read.temperature_mc)


def as_delivered(delivery: TankDelivery) -> Delivered:
    """The part of a delivery that is compared with the gauge's truth."""
    return Delivered(
        delivery.tank,
        delivery.start_volume_ml,
        delivery.end_volume_ml,
        delivery.start_height_um,
        delivery.end_height_um,
    )


def as_reported(sold: Sold) -> tuple[Sold, Sold]:
    """The two ways in which a sale may be told of: with its totalizer, and without, where it is not to be had
    any more (the next customer is fuelling) or never passed by."""
    return sold, replace(sold, totalizer_after_ml=None)


Pair: TypeAlias = tuple[Sold, Fuelling | None]
"""What was sold, and its report."""


def paired(sales: Iterable[Sold], booked: Iterable[Fuelling]) -> tuple[list[Pair], list[Fuelling]]:
    """Every sale with its report, in the order of the sales, and the reports that belong to none."""
    left = [(as_sold(fuelling), fuelling) for fuelling in booked]
    pairs: list[Pair] = []
    for sold in sales:
        fits = as_reported(sold)
        place = next((at for at, (told, _) in enumerate(left) if told in fits), None)
        pairs.append((sold, None if place is None else left.pop(place)[1]))
    return pairs, [fuelling for _, fuelling in left]
