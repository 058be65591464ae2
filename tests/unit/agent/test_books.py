"""Unit: does every award stand in ledger, lots and usage as it must, and in the inputs what was known?"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.points.inputs import AwardInputs
from drivers.events import BasketLine
from tests.unit.agent.earning import (
    FILL_MINOR,
    ONE_MONTH,
    Station,
    accounts,
    at,
    fill,
    items,
    kinds,
    lots,
    members,
    redeem,
    stations,
)
from tests.world import BASIC, GOLD, World

FUEL_FEN = 39_250
FIRST_FILL = """
[[ruleset.bonus]]
id = "first-fill"
minor = 5000
period = "member_month"
nth = [1]
at_least_ml = 20000

[ruleset.combine] # best | sum_of_extras | product"""
COMBINE = "\n  [ruleset.combine] # best | sum_of_extras | product"


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    yield from stations(tmp_path)


def inputs(world: World) -> list[dict[str, Any]]:
    """Of every award, as recorded."""
    return [json.loads(row[0]) for row in world.rows("SELECT inputs FROM award ORDER BY stream_seq")]


def usage(world: World) -> list[dict[str, int]]:
    recorded = (AwardInputs.model_validate_json(json.dumps(one)) for one in inputs(world))
    return [one.usage.model_dump(exclude_defaults=True) for one in recorded]


def used(world: World, member: str = "m-basic") -> dict[str, tuple[int, ...]]:
    """period → (minor, fills, ml, fen)"""
    rows = world.rows(
        "SELECT period, minor, fills, volume_ml, amount_fen FROM usage WHERE member = ?", member
    )
    return {period: tuple(figures) for period, *figures in rows}


def test_an_award_is_one_entry_one_lot_and_one_item(station: Station) -> None:
    world = station()
    fill(world)
    assert kinds(world) == ["award"]
    assert accounts(world) == {"member:m-basic:active": FILL_MINOR, "programme:issued": -FILL_MINOR}
    [lot] = world.rows("SELECT lot_id, member, minor, earned_on, term_ends_on, ratio_version FROM lot")
    [(award_id,)] = world.rows("SELECT award_id FROM award")
    assert lot == (award_id, "m-basic", FILL_MINOR, "2026-07-08", "2028-01-31", 3)
    assert world.rows("SELECT lot_id, seq, minor FROM lot_move") == [(award_id, 1, FILL_MINOR)]
    assert [kind for (kind,) in world.rows("SELECT kind FROM outbox WHERE stream = 'ledger'")] == [
        "fuelling",
        "award",
    ]


def test_an_award_of_nothing_opens_no_lot_and_moves_no_account(station: Station) -> None:
    world = station()
    answer = fill(world, tender="fleet-card")
    assert (answer.points_minor, answer.reason) == (0, "TENDER_EXCLUDED")
    assert (world.count("award"), kinds(world), lots(world), accounts(world)) == (1, [], [], {})
    assert used(world) == {"2026-07-08": (0, 0, 0, 0), "2026-07": (0, 0, 0, 0)}


def test_what_is_owed_is_repaid_from_the_next_award_in_an_entry_of_its_own(station: Station) -> None:
    world = station()
    fill(world, "R-1")
    redeem(world, FILL_MINOR)
    world.refund("F-1", "R-1", FUEL_FEN)
    assert accounts(world) == {"member:m-basic:debt": -FILL_MINOR, "programme:redeemed": FILL_MINOR}
    fill(world, "R-2", 20_000)
    assert kinds(world)[-2:] == ["award", "repayment"]
    assert (items(world, "award")[-1]["repaid_minor"], lots(world)[-1][:3]) == (4_000, (0, 0, "exhausted"))
    fill(world, "R-3")
    assert (items(world, "award")[-1]["repaid_minor"], lots(world)[-1][:3]) == (6_000, (4_000, 0, "active"))
    assert accounts(world)["member:m-basic:active"] == 4_000
    assert "member:m-basic:debt" not in accounts(world)
    assert "repaid_minor" not in items(world, "award")[0]


def test_the_debt_of_one_member_is_no_business_of_another(station: Station) -> None:
    world = station()
    fill(world, "R-1")
    redeem(world, 1_000)
    world.refund("F-1", "R-1", FUEL_FEN)
    fill(world, "R-2", credential=GOLD)
    assert accounts(world)["member:m-basic:debt"] == -1_000
    assert accounts(world)["member:m-gold:active"] == 12_000


def test_a_refund_takes_from_its_own_lot_then_pending_then_the_soonest_then_owes(station: Station) -> None:
    world = station(*ONE_MONTH)
    for number in range(3):
        fill(world, f"R-{number}")
        world.pass_days(2)
    redeem(world, 8_000)
    assert [lot[0] for lot in lots(world)] == [2_000, FILL_MINOR, FILL_MINOR]
    world.refund("F-0", "R-0", FUEL_FEN)
    assert [lot[0] for lot in lots(world)] == [0, 2_000, FILL_MINOR]
    world.refund("F-2", "R-2", FUEL_FEN)
    assert [lot[:3] for lot in lots(world)] == [
        (0, 0, "reversed"),
        (2_000, 0, "active"),
        (0, 0, "reversed"),
    ]
    world.refund("F-1", "R-1", FUEL_FEN)
    assert accounts(world) == {"member:m-basic:debt": -8_000, "programme:redeemed": 8_000}


def test_usage_is_counted_by_day_and_month_and_recorded_with_the_next_award(station: Station) -> None:
    world = station()
    fill(world, "R-1")
    fill(world, "R-2", 20_000)
    world.pay("R-3", 0, point=None, credential=BASIC, lines=(BasketLine("coffee", 1_000, 1_250),))
    assert usage(world) == [
        {},
        {
            "day_minor": 10_000,
            "month_minor": 10_000,
            "day_fills": 1,
            "month_fills": 1,
            "month_ml": 50_000,
            "month_fen": 39_250,
        },
        {
            "day_minor": 14_000,
            "month_minor": 14_000,
            "day_fills": 2,
            "month_fills": 2,
            "month_ml": 70_000,
            "month_fen": 54_950,
        },
    ]
    assert used(world)["2026-07"] == (14_000 + 1_200, 2, 70_000, 54_950 + 1_250)
    at(world, "2026-07-09 12:00:00")
    fill(world, "R-4", 1_000, tender="fleet-card")
    assert usage(world)[-1] == {
        "month_minor": 15_200,
        "month_fills": 2,
        "month_ml": 70_000,
        "month_fen": 56_200,
    }
    assert used(world)["2026-07-09"] == (0, 0, 0, 0)
    at(world, "2026-08-01 00:00:00")
    fill(world, "R-5")
    assert usage(world)[-1] == {}


def test_a_day_that_starts_at_six_counts_the_night_to_the_day_and_month_before(station: Station) -> None:
    world = station(('business_day_starts = "00:00"', 'business_day_starts = "06:00"'))
    at(world, "2026-08-01 05:59:00")
    fill(world, "R-1")
    assert set(used(world)) == {"2026-07-31", "2026-07"}
    at(world, "2026-08-01 06:00:00")
    fill(world, "R-2")
    assert set(used(world)) == {"2026-07-31", "2026-07", "2026-08-01", "2026-08"}


def test_a_refund_gives_nothing_back_to_the_usage(station: Station) -> None:
    """Else a cap would be earned anew by buying, refunding and buying again."""
    world = station()
    fill(world, "R-1")
    world.refund("F-1", "R-1", FUEL_FEN)
    assert used(world)["2026-07-08"] == (10_000, 1, 50_000, 39_250)


def test_what_was_earned_elsewhere_counts_and_ours_is_not_counted_twice(station: Station) -> None:
    """HQ's figure of the day includes the first of our two awards."""
    world = station()
    fill(world, "R-1")
    fill(world, "R-2", 20_000)
    known = [
        {"period": "2026-07-08", "minor": 42_000, "fills": 3, "volume_ml": 150_000, "amount_fen": 117_750},
        {"period": "2026-07", "minor": 90_000, "fills": 7, "volume_ml": 350_000, "amount_fen": 270_000},
    ]
    members(world, 2, included_seq=1, usage=known)
    answer = fill(world, "R-3")
    assert usage(world)[-1] == {
        "day_minor": 46_000,
        "month_minor": 94_000,
        "day_fills": 4,
        "month_fills": 8,
        "month_ml": 370_000,
        "month_fen": 285_700,
    }
    assert answer.points_minor == 4_000, "I8: what the cap of the day leaves"


def test_the_bonus_of_the_first_fill_of_the_month_and_not_of_the_second(station: Station) -> None:
    world = station((COMBINE, FIRST_FILL))
    world.pay("R-0", 0, point=None, credential=BASIC, lines=(BasketLine("coffee", 1_000, 1_250),))
    assert fill(world, "R-1").points_minor == FILL_MINOR + 5_000, "goods are no fill"
    assert fill(world, "R-2").points_minor == FILL_MINOR
    at(world, "2026-08-01 10:00:00")
    assert fill(world, "R-3", 10_000).points_minor == 2_000, "too small for it"
    assert fill(world, "R-4").points_minor == FILL_MINOR, "and yet it was the first"
    assert ["first-fill" in item["explanation"] for item in items(world, "award")] == [
        False,
        True,
        False,
        False,
        False,
    ]


def test_a_fill_elsewhere_was_the_first(station: Station) -> None:
    world = station((COMBINE, FIRST_FILL))
    members(world, 2, usage=[{"period": "2026-07", "fills": 1, "minor": 100, "volume_ml": 5_000}])
    assert fill(world).points_minor == FILL_MINOR


def test_goods_that_rules_name_keep_their_name_and_all_others_are_the_shops(station: Station) -> None:
    world = station()
    bought = (
        BasketLine("snacks", 1_000, 1_100),
        BasketLine("coffee", 1_000, 1_250),
        BasketLine("snacks", 2_000, 2_200),
        BasketLine("toy", 1_000, 3_000),
        BasketLine("drinks", 1_000, 0),
    )
    fill(world, lines=bought)
    assert inputs(world)[0]["lines"] == [
        {"product": "petrol-92", "volume_ml": 50_000, "amount_fen": 39_250},
        {"product": "shop", "amount_fen": 4_250},
        {"product": "snacks", "amount_fen": 3_300},
    ]
    assert items(world, "award")[0]["minor"] == FILL_MINOR + 4_200 + 3_300


@pytest.mark.parametrize("fuel", ["petrol-92", "petrol-95"])
def test_a_fuel_of_this_station_typed_as_goods_never_earns_as_fuel(station: Station, fuel: str) -> None:
    """No meter vouches for it: 500 yuan "of petrol" from the keyboard are goods of the shop."""
    world = station()
    answer = world.pay("R-1", 0, point=None, credential=BASIC, lines=(BasketLine(fuel, 1_000, 50_000),))
    assert inputs(world)[0]["lines"] == [{"product": "shop", "amount_fen": 50_000}]
    assert items(world, "award")[0]["explanation"] == ["shop-yuan"]
    assert answer.points_minor == 50_000


def test_a_fuel_by_amount_earns_only_through_its_meter(station: Station) -> None:
    """Ten points a yuan for fuel: typed as goods it earns the shop's one."""
    by_amount = 'per = "amount"\n  points_minor = 1000\n  quantum = 100\n  step = 100'
    by_volume = (
        'per = "volume"\n  points_minor = 200 # 2.00 points ...\n'
        "  quantum = 1000 # ... per 1000 ml: 50 L = 100 points\n  step = 10"
    )
    world = station((by_volume, by_amount))
    typed = (BasketLine("petrol-92", 1_000, 1_000),)
    assert fill(world, "R-1", 1_000, lines=typed).points_minor == 7_000 + 1_000


def test_a_card_that_collects_other_peoples_fills_is_flagged_and_never_refused(station: Station) -> None:
    world = station()
    for number in range(1, 9):
        assert fill(world, f"R-{number}", 1_000).points_minor == 200
    assert world.alarms() == {("CARD_TOO_OFTEN", "member m-basic"): 2}
    world.pass_days(1)
    fill(world, "R-9", 1_000)
    assert world.alarms() == {("CARD_TOO_OFTEN", "member m-basic"): 2}


def test_fills_elsewhere_and_goods(station: Station) -> None:
    """Six fills a day are usual: the fourth elsewhere and three here are too many, goods are not."""
    world = station()
    members(world, 2, usage=[{"period": "2026-07-08", "fills": 4}])
    fill(world, "R-1", 1_000)
    fill(world, "R-2", 1_000)
    for number in range(3, 9):
        line = (BasketLine("coffee", 1_000, 1_250),)
        world.pay(f"R-{number}", 0, point=None, credential=BASIC, lines=line)
    assert world.alarms() == {}
    fill(world, "R-9", 1_000)
    assert world.alarms() == {("CARD_TOO_OFTEN", "member m-basic"): 1}


def test_a_month_of_entries_is_the_sum_of_its_lots(station: Station) -> None:
    """I2 and I9 over everything that can happen to points here, checked from the rows at the end."""
    world = station(*ONE_MONTH)
    for day in range(45):
        fill(world, f"R-{day}", 10_000 + 10 * day)
        if day % 3 == 0:
            [(total_fen,)] = world.rows("SELECT total_fen FROM pos_sale WHERE pos_sale_id = ?", f"R-{day}")
            assert isinstance(total_fen, int)
            world.refund(f"F-{day}", f"R-{day}", total_fen // (1 + day % 2))
        if day % 7 == 6:
            redeem(world, 3_000)
        world.pass_days(1)
    assert set(kinds(world)) == {"award", "refund", "redemption", "expiry"}
    balance = sum(minor for account, minor in accounts(world).items() if account.startswith("member:"))
    assert balance == world.balance_minor("m-basic") == sum(lot[0] for lot in lots(world))
    assert json.loads(world.rows("SELECT body FROM outbox WHERE kind = 'daily.close'")[-1][0])["date"]
