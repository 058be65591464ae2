"""From digits to events: units, integers, oddities. Whatever has a volume is reported, odd or not."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction

from drivers.events import DeviceTime, TankDelivery, TankRead
from drivers.veeder_root import reports
from drivers.veeder_root.ieee import Odd, in_bounds, number
from drivers.veeder_root.options import UnitSystem
from drivers.veeder_root.printed import LABELS, PrintedTank

ALARMS: Mapping[str, str] = {
    "01": "SETUP_WARNING",
    "02": "LEAK",
    "03": "HIGH_WATER",
    "04": "OVERFILL",
    "05": "LOW_PRODUCT",
    "06": "SUDDEN_LOSS",
    "07": "HIGH_PRODUCT",
    "08": "INVALID_LEVEL",
    "09": "PROBE_OUT",
    "10": "HIGH_WATER_WARNING",
    "11": "DELIVERY_NEEDED",
    "12": "MAXIMUM_PRODUCT",
    "13": "GROSS_LEAK_TEST_FAILED",
    "14": "PERIODIC_LEAK_TEST_FAILED",
    "15": "ANNUAL_LEAK_TEST_FAILED",
    "16": "PERIODIC_TEST_NEEDED_WARNING",
    "17": "ANNUAL_TEST_NEEDED_WARNING",
    "18": "PERIODIC_TEST_NEEDED",
    "27": "COLD_TEMPERATURE_WARNING",
}
"""Tank alarms by number (NOTES.md, "Alarms", [one]); others are named by their number."""
VALUE_ODD, HEIGHT_INVALID, LEAK_TEST = "VALUE_ODD", "HEIGHT_INVALID", "LEAK_TEST"
_ML: Mapping[UnitSystem, Fraction] = {"metric": Fraction(1_000), "us": Fraction(3_785_411_784, 1_000_000)}
_UM: Mapping[UnitSystem, Fraction] = {"metric": Fraction(1_000), "us": Fraction(25_400)}

Value = Fraction | Odd | None


def alarm_name(digits: str) -> str:
    return ALARMS.get(digits, f"TANK_ALARM_{digits}")


def tank_read(
    block: reports.Tank | PrintedTank,
    address: str,
    units: UnitSystem,
    time: str = "",
    alarms: Sequence[str] = (),
) -> TankRead | Odd:
    """The reading; refused where the volume itself is no measure. `alarms` are names."""
    values = _of_block(block) if isinstance(block, reports.Tank) else _of_print(block)
    status = int(block.status, 16) if isinstance(block, reports.Tank) else 0
    volume = values.get("VOLUME", Odd.NO_VOLUME)
    if not isinstance(volume, Fraction) or volume < 0:
        return volume if isinstance(volume, Odd) else Odd.ABSURD_NUMBER
    flags = (
        (HEIGHT_INVALID, status & reports.HEIGHT_INVALID),
        (LEAK_TEST, status & reports.LEAK_TEST),
        (VALUE_ODD, any(isinstance(value, Odd) for value in values.values())),
    )
    return TankRead(
        address=address,
        tank=str(int(block.tank)),
        product=block.product,
        raw_volume=block.values[0] if isinstance(block, reports.Tank) else block.words[0],
        volume_ml=round(volume * _ML[units]),
        tc_volume_ml=_times(values.get("TC VOLUME"), _ML[units]),
        ullage_ml=_times(values.get("ULLAGE"), _ML[units]),
        height_um=_times(values.get("HEIGHT"), _UM[units]),
        water_um=_times(values.get("WATER"), _UM[units]),
        temperature_mc=temperature_mc(values.get("TEMP"), units),
        is_delivering=bool(status & reports.DELIVERING),
        device_time=device_time(time),
        alarms=tuple(alarms),
        flags=tuple(flag for flag, holds in flags if holds),
    )


def tank_delivery(block: reports.Delivery, address: str, units: UnitSystem) -> TankDelivery:
    """The delivery that the console recorded."""
    values = {index: number(digits) for index, digits in enumerate(block.values)}
    is_odd = any(isinstance(value, Odd) for value in values.values())
    return TankDelivery(
        address=address,
        tank=str(int(block.tank)),
        product=block.product,
        raw="/".join((block.began, block.over, *block.values)),
        began_at=device_time(block.began),
        over_at=device_time(block.over),
        start_volume_ml=_times(values.get(0), _ML[units]),
        end_volume_ml=_times(values.get(4), _ML[units]),
        start_height_um=_times(values.get(8), _UM[units]),
        end_height_um=_times(values.get(9), _UM[units]),
        flags=(VALUE_ODD,) if is_odd else (),
    )


def device_time(digits: str) -> DeviceTime | None:
    """yymmddhhmm of the console's own clock; None where that is no date."""
    if len(digits) != 10:
        return None
    year, month, day, hour, minute = (int(digits[i : i + 2]) for i in range(0, 10, 2))
    try:
        datetime(2000 + year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None
    return DeviceTime(2000 + year, month, day, hour, minute)


def temperature_mc(value: Value, units: UnitSystem) -> int | None:
    if not isinstance(value, Fraction):
        return None
    celsius = value if units == "metric" else (value - 32) * Fraction(5, 9)
    return round(celsius * 1_000)


def volume_ml(value: Value, units: UnitSystem) -> int | None:
    return _times(value, _ML[units])


def height_um(value: Value, units: UnitSystem) -> int | None:
    return _times(value, _UM[units])


def _of_block(block: reports.Tank) -> dict[str, Value]:
    """By the names of the printed form, whose columns come in the same order."""
    return {label: number(digits) for label, digits in zip(LABELS, block.values, strict=False)}


def _of_print(row: PrintedTank) -> dict[str, Value]:
    return {label: in_bounds(Fraction(word)) for label, word in zip(LABELS, row.words, strict=True)}


def _times(value: Value, factor: Fraction) -> int | None:
    return round(value * factor) if isinstance(value, Fraction) else None
