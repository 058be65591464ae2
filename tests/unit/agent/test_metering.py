"""Unit: what does a meter say about a record: incarnation, movement, missed litres, arithmetic, scale?"""

from dataclasses import replace

import pytest

from agent.handlers.metering import (
    Gap,
    arithmetic,
    device_epoch,
    is_wrong_scale,
    metering,
    next_meter,
    size,
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


@pytest.mark.parametrize(
    ("moved_ml", "volume_step_ml", "totalizer_step_ml", "flags"),
    [
        (50_001, 1, 1, ()),
        (50_002, 1, 1, ("MISSED_LITRES",)),
        (49_998, 1, 1, ("TOTALIZER_STILL",)),
        (51_000, 10, 1_000, ()),
        (49_000, 10, 1_000, ()),
        (51_001, 10, 1_000, ("MISSED_LITRES",)),
        (48_999, 10, 1_000, ("TOTALIZER_STILL",)),
        (50_100, 100, 10, ()),
        (50_101, 100, 10, ("MISSED_LITRES",)),
    ],
)
def test_a_coarse_totalizer_is_allowed_its_step(
    moved_ml: int, volume_step_ml: int, totalizer_step_ml: int, flags: tuple[str, ...]
) -> None:
    record = last_sale(50_000, 1_000_000 + moved_ml)
    record = replace(record, volume_step_ml=volume_step_ml, totalizer_step_ml=totalizer_step_ml)
    assert metering(record, meter(1_000_000), 1).flags == flags


def test_the_device_s_own_reading_before_the_sale_is_the_evidence() -> None:
    record = last_sale(50_000, 1_050_000, totalizer_before_ml=1_000_000)
    assert metering(record, None, 1).evidence == "metered"
    assert metering(record, meter(1_020_000), 1).evidence == "metered"
    still = last_sale(50_000, 1_050_000, totalizer_before_ml=1_050_000)
    assert metering(still, meter(1_000_000), 1).evidence == "none"


def test_what_passed_since_our_own_last_reading_is_missed_wherever_the_device_began() -> None:
    record = last_sale(50_000, 1_050_000, totalizer_before_ml=1_000_000)
    found = metering(record, meter(400_000), 1)
    assert (found.evidence, found.flags) == ("metered", ("MISSED_LITRES",))
    assert found.gap == Gap(400_000, 1_000_000, 600_000)
    assert metering(record, meter(1_000_000), 1).gap is None
    assert metering(record, meter(1_020_000), 1).gap is None  # its word against ours: nothing was missed
    assert metering(record, meter(400_000, epoch=2), 1).gap is None  # another incarnation's reading
    before_all = last_sale(50_000, 1_070_000, totalizer_before_ml=1_000_000)
    assert metering(before_all, None, 1).gap == Gap(1_000_000, 1_020_000, 20_000)


def test_a_meter_that_was_reset_under_the_sale_missed_nothing() -> None:
    """The device read it before and after: the first reading is of the incarnation that ended."""
    record = last_sale(50_000, 20_000, totalizer_before_ml=1_000_000, totalizer_modulus_ml=MODULUS_ML)
    found = metering(record, meter(1_000_000), 2)
    assert (found.evidence, found.gap, found.flags) == ("none", None, ())
    wrapped = replace(record, totalizer_before_ml=MODULUS_ML - 30_000)
    assert metering(wrapped, meter(MODULUS_ML - 30_000), 1).evidence == "metered"


@pytest.mark.parametrize(
    ("before_ml", "after_ml", "gap"),
    [
        (1_000_000, 1_062_340, Gap(1_000_000, 1_012_340, 12_340)),
        (MODULUS_ML - 20_000, 50_000, Gap(MODULUS_ML - 20_000, 0, 20_000)),
        (MODULUS_ML - 20_000, 40_000, Gap(MODULUS_ML - 20_000, MODULUS_ML - 10_000, 10_000)),
        (MODULUS_ML - 20_000, 60_000, Gap(MODULUS_ML - 20_000, 10_000, 30_000)),
        (MODULUS_ML - 20_000, 30_000, None),
    ],
)
def test_a_gap_lies_between_the_last_reading_and_this_volume(
    before_ml: int, after_ml: int, gap: Gap | None
) -> None:
    record = last_sale(50_000, after_ml, totalizer_modulus_ml=MODULUS_ML)
    assert metering(record, meter(before_ml), 1).gap == gap


@pytest.mark.parametrize(
    ("missed_ml", "scale", "explained"),
    [
        (45_000, 10, True),  # 5 l shown where 50 passed
        (45_100, 10, True),  # a volume step of 10 ml is one of 100 then
        (44_890, 10, False),
        (45_110, 10, False),
        (495_000, 100, True),
        (45_000, 100, False),
        (45_000, 0, False),
        (45_000, -10, False),
    ],
)
def test_a_volume_read_too_small_is_no_gap(missed_ml: int, scale: int, explained: bool) -> None:
    gap = Gap(1_000_000, 1_000_000 + missed_ml, missed_ml)
    assert is_wrong_scale(gap, last_sale(5_000, 1_005_000 + missed_ml), scale) is explained


@pytest.mark.parametrize(("volume_ml", "flags"), [(1_000_000, ()), (1_000_010, ("FILL_TOO_LARGE",))])
def test_a_fill_that_no_vehicle_has_room_for_is_flagged(volume_ml: int, flags: tuple[str, ...]) -> None:
    assert size(last_sale(volume_ml, None), 1_000_000) == flags


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


def test_what_records_without_a_totalizer_account_for_is_not_missed() -> None:
    known = meter(1_000_000)
    for volume_ml in (30_000, 20_000):
        blind = last_sale(volume_ml, None)
        assert metering(blind, known, 1).gap is None
        known = next_meter(blind, known, "disp", 1, b"f", odd=False, scale=0)
    assert (known.totalizer_after_ml, known.unmetered_ml) == (1_000_000, 50_000)
    seeing = last_sale(10_000, 1_060_000)
    assert metering(seeing, known, 1).gap is None
    assert metering(replace(seeing, totalizer_after_ml=1_067_000), known, 1).gap == Gap(
        1_000_000, 1_057_000, 7_000
    )
    assert next_meter(seeing, known, "disp", 1, b"f", odd=False, scale=0).unmetered_ml == 0
