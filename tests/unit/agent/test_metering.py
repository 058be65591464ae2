"""Unit: what does a meter say about a record: incarnation, movement, missed litres, arithmetic, scale?"""

from dataclasses import replace

import pytest

from agent.handlers.metering import (
    arithmetic,
    device_epoch,
    metering,
    next_meter,
    withholds,
)
from agent.store.meters import Meter
from drivers.events import Fuelling, HandOver, Monotonic
from tests.unit.agent.stations import last_sale

MODULUS_ML = 10_000_000_000


def meter(totalizer_ml: int | None, epoch: int = 1, **changes: object) -> Meter:
    return replace(Meter("disp", "1", epoch, totalizer_ml, b"f"), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before_ml", "after_ml", "volume_ml", "modulus_ml", "epoch"),
    [
        (1_000_000, 1_050_000, 50_000, None, 4),
        (1_000_000, 1_000_000, 50_000, None, 4),  # read again
        (None, 50_000, 50_000, None, 4),
        (1_000_000, None, 50_000, None, 4),
        (1_000_000, 50_000, 50_000, None, 5),  # reset
        (9_999_970_000, 20_000, 50_000, MODULUS_ML, 4),  # wrapped
        (9_999_970_000, 25_000, 50_000, MODULUS_ML, 4),  # wrapped, a little was missed
        (9_999_970_000, 10_000, 50_000, MODULUS_ML, 5),  # moved by less than was sold: no wrap
        (5_000_000_000, 20_000, 50_000, MODULUS_ML, 5),  # half its range away from the end: reset
        (9_999_970_000, 20_000, 50_000, None, 5),  # a meter whose width nobody knows cannot wrap
    ],
)
def test_the_incarnation_rises_when_a_meter_goes_back_without_wrapping(
    before_ml: int | None, after_ml: int | None, volume_ml: int, modulus_ml: int | None, epoch: int
) -> None:
    record = last_sale(volume_ml, after_ml, totalizer_modulus_ml=modulus_ml)
    assert device_epoch(record, meter(before_ml, 4)) == epoch


def test_a_meter_never_seen_is_in_its_first_incarnation() -> None:
    assert device_epoch(last_sale(50_000, 1), None) == 1


@pytest.mark.parametrize(
    ("moved_ml", "evidence", "missed_ml", "flags"),
    [
        (50_000, "metered", 0, ()),
        (50_010, "metered", 0, ()),
        (49_990, "metered", 0, ()),
        (50_020, "metered", 20, ("MISSED_LITRES",)),
        (62_500, "metered", 12_500, ("MISSED_LITRES",)),
        (0, "none", 0, ("TOTALIZER_STILL",)),
        (49_980, "none", 0, ("TOTALIZER_STILL",)),
    ],
)
def test_evidence_in_pairs(moved_ml: int, evidence: str, missed_ml: int, flags: tuple[str, ...]) -> None:
    found = metering(last_sale(50_000, 1_000_000 + moved_ml), meter(1_000_000), 1)
    assert (found.evidence, found.missed_ml, found.flags) == (evidence, missed_ml, flags)


def test_a_numbered_record_is_evidence_even_if_the_meter_stood_still() -> None:
    record = last_sale(50_000, 1_000_000, hand_over=HandOver.BUFFERED, sequence_no=3)
    found = metering(record, meter(1_000_000), 1)
    assert (found.evidence, found.flags) == ("recorded", ("TOTALIZER_STILL",))


def test_the_device_s_own_reading_before_the_sale_wins() -> None:
    record = last_sale(50_000, 1_050_000, totalizer_before_ml=1_000_000)
    assert metering(record, meter(400_000), 1).missed_ml == 0


def test_across_a_wrap_it_moved_by_the_volume() -> None:
    record = last_sale(50_000, 20_000, totalizer_modulus_ml=MODULUS_ML)
    assert metering(record, meter(9_999_970_000), 1).evidence == "metered"


def test_another_incarnation_s_reading_says_nothing() -> None:
    assert metering(last_sale(50_000, 1_050_000), meter(1_000_000), 2).evidence == "none"


@pytest.mark.parametrize(
    ("changes", "evidence"),
    [
        ({}, "none"),
        ({"ended": Monotonic(5)}, "recorded"),
        ({"hand_over": HandOver.BUFFERED}, "recorded"),
    ],
)
def test_without_a_pair_of_readings(changes: dict[str, object], evidence: str) -> None:
    assert metering(last_sale(50_000, 1_050_000, **changes), None, 1).evidence == evidence


@pytest.mark.parametrize(
    ("volume_ml", "price_milli", "amount_fen", "volume_step_ml", "amount_step_fen", "flags", "scale"),
    [
        # decisions.md 2: the tolerance is unit price × volume step + amount step
        (50_000, 7_850, 39_250, 10, 1, (), 0),
        (12_740, 7_850, 10_000, 10, 1, (), 0),  # preset by amount: 1 fen off
        (50_000, 7_850, 39_258, 10, 1, (), 0),  # 7.85 fen of volume step + 1 fen: 8 fen are inside
        (50_000, 7_850, 39_259, 10, 1, ("ARITHMETIC",), 0),
        (50_000, 7_850, 39_242, 10, 1, (), 0),
        (50_000, 7_850, 39_241, 10, 1, ("ARITHMETIC",), 0),
        (50_000, 7_850, 39_251, 1, 1, (), 0),
        (50_000, 7_850, 39_252, 1, 1, ("ARITHMETIC",), 0),  # a finer device is held to finer steps
        (50_000, 7_850, 39_320, 10, 100, (), 0),  # a device that counts in whole yuan
        (50_000, 7_850, 3_925, 10, 1, ("ARITHMETIC",), -10),
        (50_000, 7_850, 392_500, 10, 1, ("ARITHMETIC",), 10),
        (50_000, 7_850, 3_925_000, 10, 1, ("ARITHMETIC",), 100),
        (50_000, 7_850, 39_250_000, 10, 1, ("ARITHMETIC",), 1_000),
        (50_000, 7_850, 78_500, 10, 1, ("ARITHMETIC",), 0),  # odd, and not a scale
    ],
)
def test_arithmetic(
    volume_ml: int,
    price_milli: int,
    amount_fen: int,
    volume_step_ml: int,
    amount_step_fen: int,
    flags: tuple[str, ...],
    scale: int,
) -> None:
    record = replace(
        last_sale(volume_ml, None),
        unit_price_milli=price_milli,
        amount_fen=amount_fen,
        volume_step_ml=volume_step_ml,
        amount_step_fen=amount_step_fen,
    )
    assert arithmetic(record) == (flags, scale)


def test_three_in_a_row_by_the_same_factor_withhold_until_one_fits() -> None:
    found: Meter | None = None
    held: list[bool] = []
    for odd, scale in [(1, 10), (1, 10), (1, 100), (1, 100), (1, 100), (1, 100), (1, 0), (0, 0), (1, 100)]:
        found = next_meter(_any_record(), found, "disp", 1, b"f", bool(odd), scale)
        held.append(withholds(found))
    assert held == [False, False, False, False, True, True, True, False, False]


def test_a_record_without_a_reading_leaves_the_last_one() -> None:
    kept = next_meter(last_sale(50_000, None), meter(1_000_000), "disp", 1, b"g", False, 0)
    assert (kept.totalizer_after_ml, kept.last_fact_id) == (1_000_000, b"g")


def _any_record() -> Fuelling:
    return last_sale(50_000, 1_000_000)
