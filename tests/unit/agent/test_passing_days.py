"""Unit: do points become spendable, lapse and are honoured on their day, and never before?"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.handlers import lifecycle
from agent.handlers.passing_days import AT_ONCE, pass_days
from tests.unit.agent.earning import (
    AFTER_48_H,
    FILL_MINOR,
    ONE_MONTH,
    Station,
    accounts,
    adopt,
    at,
    come_back,
    days_after,
    fill,
    go_dark,
    items,
    kinds,
    lots,
    members,
    redeem,
    stations,
    untrusted,
)
from tests.unit.agent.made_rules import DEMO
from tests.world import BASIC, World

FUEL_FEN = 39_250
LONGER_PAUSE = ("until = 2026-08-14", "until = 2026-08-20")
NO_PAUSE = ('region = ["530100"]', 'region = ["999999"]')


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    yield from stations(tmp_path)


def test_points_that_come_later_are_pending_and_the_customer_is_told_from_when(station: Station) -> None:
    world = station(AFTER_48_H)
    answer = fill(world)
    assert (answer.points_minor, answer.balance_minor) == (FILL_MINOR, FILL_MINOR)
    assert "100 points from 2026-07-10" in answer.slip
    assert accounts(world) == {"member:m-basic:pending": FILL_MINOR, "programme:issued": -FILL_MINOR}
    assert items(world, "award")[0]["late_s"] == 48 * 3600
    assert lots(world) == [(FILL_MINOR, 0, "pending", "2028-01-31")]


def test_they_are_spendable_after_exactly_that_time_and_hq_is_told_once(station: Station) -> None:
    world = station(AFTER_48_H)
    fill(world)
    at(world, "2026-07-10 09:59:59.999")
    assert kinds(world) == ["award"]
    at(world, "2026-07-10 10:00:00")
    assert kinds(world) == ["award", "activation"]
    assert accounts(world) == {"member:m-basic:active": FILL_MINOR, "programme:issued": -FILL_MINOR}
    assert items(world, "lot.activated") == [{"of": 2, "minor": FILL_MINOR, "at_ms": world.at_ms}]
    world.pass_days(1)
    assert kinds(world) == ["award", "activation"]
    assert world.balance_minor("m-basic") == FILL_MINOR
    again = world.pay("R-1", FUEL_FEN, credential=BASIC)
    assert not any("from 2026-07-10" in line for line in again.slip)


def test_a_sale_without_points_waits_for_nothing(station: Station) -> None:
    world = station(AFTER_48_H)
    fill(world, tender="fleet-card")
    assert "late_s" not in items(world, "award")[0]
    assert lots(world) == []


def test_what_is_owed_is_repaid_when_points_become_spendable(station: Station) -> None:
    world = station(AFTER_48_H)
    fill(world, "R-1")
    world.pass_days(2)
    redeem(world, 6_000)
    world.refund("F-1", "R-1", FUEL_FEN)
    assert accounts(world)["member:m-basic:debt"] == -6_000
    fill(world, "R-2")
    assert accounts(world)["member:m-basic:debt"] == -6_000
    assert "repaid_minor" not in items(world, "award")[1]
    world.pass_days(2)
    assert kinds(world)[-2:] == ["activation", "repayment"]
    [_, (award_seq,)] = world.rows("SELECT stream_seq FROM award ORDER BY stream_seq")
    assert items(world, "lot.activated")[1] == {
        "of": award_seq,
        "minor": FILL_MINOR,
        "repaid_minor": 6_000,
        "at_ms": world.at_ms,
    }
    assert accounts(world) == {
        "member:m-basic:active": 4_000,
        "programme:issued": -FILL_MINOR,
        "programme:redeemed": 6_000,
    }
    assert lots(world)[1][:3] == (4_000, 0, "active")


def test_a_debt_greater_than_the_points_takes_all_of_them(station: Station) -> None:
    world = station(AFTER_48_H)
    fill(world, "R-1")
    world.pass_days(2)
    redeem(world, FILL_MINOR)
    world.refund("F-1", "R-1", FUEL_FEN)
    fill(world, "R-2", 20_000)
    world.pass_days(2)
    assert lots(world)[1][:3] == (0, 0, "exhausted")
    assert accounts(world)["member:m-basic:debt"] == 4_000 - FILL_MINOR


def test_a_refund_while_the_points_are_pending_takes_the_pending_ones(station: Station) -> None:
    world = station(AFTER_48_H)
    fill(world, "R-1")
    fill(world, "R-2", 20_000)
    assert world.refund("F-1", "R-1", FUEL_FEN).points_minor == -FILL_MINOR
    assert accounts(world) == {"member:m-basic:pending": 4_000, "programme:issued": -4_000}
    assert [lot[:3] for lot in lots(world)] == [(0, 0, "reversed"), (4_000, 0, "pending")]
    world.pass_days(2)
    assert [item["minor"] for item in items(world, "lot.activated")] == [4_000]


def test_a_part_refunded_while_pending_is_not_activated(station: Station) -> None:
    world = station(AFTER_48_H)
    fill(world)
    assert world.refund("F-1", "R-1", FUEL_FEN // 2).points_minor == -5_000
    world.pass_days(2)
    assert [item["minor"] for item in items(world, "lot.activated")] == [5_000]
    assert accounts(world)["member:m-basic:active"] == 5_000


def test_a_lot_lapses_when_its_last_day_is_over_and_not_before(station: Station) -> None:
    world = station(*ONE_MONTH)
    fill(world)
    assert lots(world)[0][3] == "2026-08-07"
    at(world, "2026-08-07 23:59:59.999")
    assert kinds(world) == ["award"]
    at(world, "2026-08-08 00:00:00")
    assert kinds(world) == ["award", "expiry"]
    assert lots(world) == [(0, FILL_MINOR, "expired", "2026-08-07")]
    assert accounts(world) == {"programme:issued": -FILL_MINOR, "programme:expired": FILL_MINOR}
    expired = {"of": 2, "minor": FILL_MINOR, "on": "2026-08-07", "at_ms": world.at_ms}
    assert items(world, "lot.expired") == [expired]
    assert world.balance_minor("m-basic") == 0
    world.pass_days(1)
    assert len(kinds(world)) == 2


def test_a_business_day_that_starts_at_six_ends_at_six(station: Station) -> None:
    world = station(*ONE_MONTH, ('business_day_starts = "00:00"', 'business_day_starts = "06:00"'))
    at(world, "2026-07-09 05:00:00")
    fill(world)
    assert lots(world)[0][3] == "2026-08-07"
    at(world, "2026-08-08 05:59:59.999")
    assert kinds(world) == ["award"]
    at(world, "2026-08-08 06:00:00")
    assert kinds(world) == ["award", "expiry"]


def test_points_without_a_term_never_lapse(station: Station) -> None:
    terms = DEMO[DEMO.index("[expiry]") : DEMO.index("[[redemption.ratio]]")]
    world = station((terms, ""))
    fill(world)
    world.pass_days(20_000)
    assert (kinds(world), lots(world)) == (["award"], [(FILL_MINOR, 0, "active", "")])


def test_eighteen_months_end_with_the_month(station: Station) -> None:
    world = station()
    fill(world)
    at(world, "2028-01-31 23:59:59")
    assert kinds(world) == ["award"]
    at(world, "2028-02-01 00:00:00")
    assert kinds(world) == ["award", "expiry"]


def test_nothing_lapses_or_becomes_spendable_by_a_clock_that_cannot_be_believed(station: Station) -> None:
    world = station(*ONE_MONTH, AFTER_48_H)
    fill(world)
    world.at_ms = days_after(200)
    world.run(lambda tx, _: pass_days(tx, world.site, untrusted(world)))
    assert (kinds(world), lots(world)[0][2]) == (["award"], "pending")
    world.pass_days()
    assert (kinds(world), lots(world)[0][2]) == (["award", "activation", "expiry"], "expired")


def test_only_what_remains_lapses_and_a_later_refund_takes_nothing_twice(station: Station) -> None:
    """Half is refunded, the rest lapses, and then the other half is refunded too."""
    world = station(*ONE_MONTH)
    fill(world)
    world.refund("F-1", "R-1", FUEL_FEN // 2)
    world.pass_days(31)
    assert lots(world)[0][:3] == (0, 5_000, "expired")
    fill(world, "R-2", 20_000)
    answer = world.refund("F-2", "R-1", FUEL_FEN // 2)
    assert (answer.points_minor, answer.balance_minor) == (-5_000, 4_000)
    assert accounts(world) == {"member:m-basic:active": 4_000, "programme:issued": -4_000}
    assert [lot[:3] for lot in lots(world)] == [(0, 0, "reversed"), (4_000, 0, "active")]


def test_what_was_spent_before_the_rest_lapsed_is_what_a_refund_takes(station: Station) -> None:
    world = station(*ONE_MONTH)
    fill(world)
    redeem(world, 3_000)
    world.pass_days(31)
    world.refund("F-1", "R-1", FUEL_FEN)
    assert accounts(world) == {"member:m-basic:debt": -3_000, "programme:redeemed": 3_000}


def test_a_pause_of_this_region_lengthens_every_lot_that_lives_through_it(station: Station) -> None:
    world = station(*ONE_MONTH, region="530100")
    fill(world)
    assert lots(world)[0][3] == "2026-08-21"
    at(world, "2026-08-21 23:59:59")
    assert kinds(world) == ["award"]
    at(world, "2026-08-22 00:00:00")
    assert kinds(world) == ["award", "expiry"]


@pytest.mark.parametrize("region", ["", "530101"])
def test_a_pause_elsewhere_means_nothing_here(station: Station, region: str) -> None:
    world = station(*ONE_MONTH, region=region)
    fill(world)
    assert lots(world)[0][3] == "2026-08-07"


def test_a_pause_that_comes_with_new_rules_counts_for_what_was_earned_before_and_is_kept(
    station: Station,
) -> None:
    """S-018: later rules may leave out a pause that is over; nobody loses the days that it gave."""
    world = station(*ONE_MONTH, NO_PAUSE, region="530100")
    fill(world, "R-1")
    world.pass_days(10)
    fill(world, "R-2")
    adopt(world, 43, *ONE_MONTH, LONGER_PAUSE)
    assert [lot[3] for lot in lots(world)] == ["2026-08-27", "2026-09-06"]
    adopt(world, 44, *ONE_MONTH)
    adopt(world, 45, *ONE_MONTH, NO_PAUSE)
    assert [lot[3] for lot in lots(world)] == ["2026-08-27", "2026-09-06"]
    fill(world, "R-3")
    assert lots(world)[-1][3] == "2026-08-17"


def test_a_pause_that_comes_too_late_brings_nothing_back(station: Station) -> None:
    world = station(*ONE_MONTH, NO_PAUSE, region="530100")
    fill(world)
    world.pass_days(31)
    assert lots(world)[0][2:] == ("expired", "2026-08-07")
    adopt(world, 43, *ONE_MONTH)
    assert lots(world)[0][2:] == ("expired", "2026-08-07")
    assert world.balance_minor("m-basic") == 0


def test_rules_that_a_guardrail_puts_back_bring_their_pauses_with_them(station: Station) -> None:
    """Found by the station machine: what was earned under the rules that failed lacked the pause."""
    world = station(*ONE_MONTH, region="530100")
    adopt(world, 43, *ONE_MONTH, NO_PAUSE)
    fill(world)
    assert lots(world)[0][3] == "2026-08-07"
    world.run(lambda tx, at: tx.bundles.count_guard(43, mismatched=1))
    world.run(lambda tx, at: lifecycle.advance(tx, world.site, at))
    assert world.run(lambda tx, at: tx.bundles.active_version()) == 42
    assert lots(world)[0][3] == "2026-08-21"


def test_a_sale_that_is_settled_late_has_the_pauses_that_are_known_by_then(station: Station) -> None:
    """Its term is that of the rules of its time; a pause is a fact of the region."""
    world = station(*ONE_MONTH, NO_PAUSE, region="530100")
    world.present(BASIC)
    amount_fen = world.fuel(50_000).amount_fen
    world.wait(600)
    adopt(world, 43, ("effective_from = 2026-07-01", "effective_from = 2026-07-08T10:05:00+08:00 #"))
    assert world.pay("R-1", amount_fen).points_minor == FILL_MINOR
    assert world.rows("SELECT version, term_ends_on, lapses_on FROM award, lot") == [
        (42, "2026-08-07", "2026-08-21")
    ]


def test_what_lapses_in_the_dark_is_honoured_until_the_road_is_back_and_three_days_more(
    station: Station,
) -> None:
    world = station(*ONE_MONTH)
    fill(world)
    world.pass_days(29)
    go_dark(world)
    world.pass_days(2)
    assert kinds(world) == ["award"]
    honoured = {"of": 2, "member": "m-basic", "lapses_on": "2026-08-07", "minor": FILL_MINOR}
    first = honoured | {"until": "2026-08-11", "at_ms": world.at_ms}
    assert items(world, "lot.honoured") == [first]
    assert world.balance_minor("m-basic") == FILL_MINOR
    world.pass_days(3)  # 11 August, still dark, and the day that was told is not over
    assert items(world, "lot.honoured") == [first]
    world.pass_days(1)
    second = honoured | {"until": "2026-08-15", "at_ms": world.at_ms}
    assert items(world, "lot.honoured") == [first, second]
    world.pass_days(1)
    come_back(world)  # 13 August
    world.pass_days(3)
    assert items(world, "lot.honoured")[2:] == [honoured | {"until": "2026-08-16", "at_ms": world.at_ms}]
    at(world, "2026-08-16 23:59:59")
    assert kinds(world) == ["award"]
    at(world, "2026-08-17 00:00:00")
    assert kinds(world) == ["award", "expiry"]
    assert [item["on"] for item in items(world, "lot.expired")] == ["2026-08-16"]
    assert len(items(world, "lot.honoured")) == 3
    assert world.balance_minor("m-basic") == 0


def test_each_until_date_is_told_once_however_often_the_chores_run(station: Station) -> None:
    world = station(*ONE_MONTH)
    fill(world)
    members(world, 2, balance_minor=500, buckets=[{"lapses_on": "2026-08-07", "minor": 500}])
    go_dark(world)
    world.at_ms = days_after(31)
    for _ in range(5):
        world.pass_days()
        world.wait(3_600)
    assert [(item.get("of", 0), item["until"]) for item in items(world, "lot.honoured")] == [
        (2, "2026-08-11"),
        (0, "2026-08-11"),
    ]


def test_a_lot_that_was_spendable_while_the_station_was_not_dark_is_not_honoured(station: Station) -> None:
    """The road went the day after its last day, and had been away and back before it."""
    world = station(*ONE_MONTH)
    go_dark(world)
    fill(world)
    world.pass_days(1)
    come_back(world)
    at(world, "2026-08-08 00:00:30")
    assert kinds(world) == ["award", "expiry"]
    world = station(*ONE_MONTH)
    fill(world)
    world.at_ms = days_after(31)
    go_dark(world)
    world.pass_days()
    assert kinds(world) == ["award", "expiry"]
    assert items(world, "lot.honoured") == []


def test_honoured_points_can_be_refunded_like_any_others(station: Station) -> None:
    world = station(*ONE_MONTH)
    fill(world)
    go_dark(world)
    world.pass_days(31)
    assert world.refund("F-1", "R-1", FUEL_FEN).points_minor == -FILL_MINOR
    assert (accounts(world), lots(world)[0][:3]) == ({}, (0, 0, "reversed"))


def test_what_hq_says_is_lapsing_is_honoured_in_the_dark_as_well(station: Station) -> None:
    world = station()
    buckets = [{"lapses_on": "2026-07-10", "minor": 700}, {"lapses_on": "2026-12-31", "minor": 300}]
    members(world, 2, balance_minor=1_000, buckets=buckets)
    world.pass_days(1)
    go_dark(world)
    world.pass_days(1)
    assert world.balance_minor("m-basic") == 1_000
    world.pass_days(1)  # 11 July
    assert world.balance_minor("m-basic") == 1_000
    told = {"member": "m-basic", "lapses_on": "2026-07-10", "minor": 700}
    assert items(world, "lot.honoured") == [told | {"until": "2026-07-14", "at_ms": world.at_ms}]
    come_back(world)
    world.pass_days(3)
    assert world.balance_minor("m-basic") == 1_000
    world.pass_days(1)
    assert world.balance_minor("m-basic") == 300
    assert len(items(world, "lot.honoured")) == 1


def test_a_bucket_that_hq_has_taken_off_already_is_not_honoured(station: Station) -> None:
    world = station()
    buckets = [{"lapses_on": "2026-07-10", "minor": 700}]
    go_dark(world)
    world.pass_days(4)
    members(world, 2, balance_minor=300, buckets=buckets, lapsed_through="2026-07-10")
    world.pass_days()
    assert items(world, "lot.honoured") == []
    assert world.balance_minor("m-basic") == 300


def test_a_bucket_stays_honoured_when_the_next_snapshot_still_has_it(station: Station) -> None:
    world = station()
    known = {"balance_minor": 700, "buckets": [{"lapses_on": "2026-07-10", "minor": 700}]}
    members(world, 2, **known)
    go_dark(world)
    world.pass_days(3)
    come_back(world)
    members(world, 3, **known)
    assert world.balance_minor("m-basic") == 700
    world.pass_days(1)
    assert world.balance_minor("m-basic") == 700
    assert len(items(world, "lot.honoured")) == 1


def test_more_lots_than_one_transaction_takes_are_all_done_in_the_end(world: World) -> None:
    for number in range(AT_ONCE + 5):
        fill(world, f"R-{number}", 1_000)
    world.pass_days(573)
    assert kinds(world).count("expiry") == AT_ONCE
    world.pass_days()
    assert kinds(world).count("expiry") == AT_ONCE + 5
    assert world.balance_minor("m-basic") == 0


def test_a_refund_after_a_new_pause_is_not_shown_twice_when_the_bucket_lapses(station: Station) -> None:
    """Found by the station machine: the pause moves our lot, HQ's bucket of it keeps its day until HQ
    speaks again; what was refunded meanwhile must not lapse once more with the bucket."""
    world = station(*ONE_MONTH, NO_PAUSE, region="530100")
    fill(world, "R-1")
    buckets = [{"lapses_on": "2026-08-07", "minor": FILL_MINOR}]
    members(world, 2, balance_minor=FILL_MINOR, included_seq=1, buckets=buckets)
    adopt(world, 43, *ONE_MONTH)
    assert lots(world)[0][3] == "2026-08-21"
    world.refund("F-1", "R-1", 39_250)
    assert world.balance_minor("m-basic") == 0
    world.pass_days(40)
    assert world.balance_minor("m-basic") == 0
