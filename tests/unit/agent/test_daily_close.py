"""Unit: is every business date closed once, in order, with figures that balance?"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.handlers.daily_close import AT_ONCE, close_days
from agent.store.closes import Close
from sync.chain import GENESIS
from tests.unit.agent.earning import (
    AFTER_48_H,
    FILL_MINOR,
    ONE_MONTH,
    Station,
    adopt,
    at,
    fill,
    items,
    members,
    redeem,
    stations,
    untrusted,
)
from tests.world import GOLD, World

FUEL_FEN = 39_250
MOVED = ("issued_minor", "redeemed_minor", "expired_minor", "compensated_minor", "goodwill_minor")
HELD = ("pending_minor", "active_minor", "held_minor", "debt_minor")
OLD_RATIO = "from = 2026-07-01\n\n[redemption.protection]"
NEW_RATIO = """from = 2026-07-01
[[redemption.ratio]]
version = 4
points_minor = 100000
fen = 900
from = 2026-07-10
[redemption.protection]"""


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    yield from stations(tmp_path)


def closes(world: World) -> list[dict[str, Any]]:
    """As HQ is told, oldest first; each is checked to balance and to follow the one before."""
    told = items(world, "daily.close")
    held, next_seq = 0, 1
    for close in told:
        assert (close["opening_minor"], close["first_seq"]) == (held, next_seq)
        signs = (1, -1, -1, 1, 1)
        moved = sum(sign * close[name] for sign, name in zip(signs, MOVED, strict=True))
        held += moved
        assert held == sum(close[name] for name in HELD), "trial balance"
        lots = sum(minor for _, minor in close.get("outstanding", ()))
        assert lots == close["pending_minor"] + close["active_minor"] + close["held_minor"]
        next_seq = close["last_seq"] + 1
    assert [close["date"] for close in told] == [
        day for (day,) in world.rows("SELECT business_date FROM daily_close ORDER BY business_date")
    ]
    return told


def head(world: World, seq: int) -> str:
    [(found,)] = world.rows("SELECT head FROM ledger_entry WHERE seq = ?", seq)
    assert isinstance(found, bytes)
    return found.hex()


def test_a_day_is_closed_when_it_is_over_with_what_moved_and_what_is_left(station: Station) -> None:
    world = station()
    fill(world, "R-1")
    fill(world, "R-2", 20_000)
    world.refund("F-1", "R-2", 15_700)
    redeem(world, 2_500)
    at(world, "2026-07-08 23:59:59.999")
    assert closes(world) == []
    at(world, "2026-07-09 00:00:00")
    [close] = closes(world)
    assert close == {
        "date": "2026-07-08",
        "first_seq": 1,
        "last_seq": 4,
        "head": head(world, 4),
        "opening_minor": 0,
        "issued_minor": FILL_MINOR,
        "redeemed_minor": 2_500,
        "expired_minor": 0,
        "compensated_minor": 0,
        "goodwill_minor": 0,
        "pending_minor": 0,
        "active_minor": 7_500,
        "held_minor": 0,
        "debt_minor": 0,
        "frozen_minor": 0,
        "outstanding": [[3, 7_500]],
        "at_ms": world.at_ms,
    }


def test_a_date_is_closed_once(station: Station) -> None:
    world = station()
    fill(world)
    at(world, "2026-07-09 08:00:00")
    world.pass_days()
    world.wait(3_600)
    world.pass_days()
    world.reopen()
    world.pass_days()
    assert [close["date"] for close in closes(world)] == ["2026-07-08"]


def test_a_date_without_entries_is_closed_too(station: Station) -> None:
    world = station()
    fill(world)
    for day in range(9, 13):
        at(world, f"2026-07-{day:02} 00:10:00")
    told = closes(world)
    assert [(close["date"], close["first_seq"], close["last_seq"]) for close in told] == [
        ("2026-07-08", 1, 1),
        ("2026-07-09", 2, 1),
        ("2026-07-10", 2, 1),
        ("2026-07-11", 2, 1),
    ]
    assert {close["head"] for close in told} == {head(world, 1)}
    assert {close["active_minor"] for close in told} == {FILL_MINOR}


def test_before_the_first_entry_there_is_nothing_to_close(station: Station) -> None:
    world = station()
    world.pass_days(5)
    assert closes(world) == []
    fill(world)
    world.pass_days(1)
    assert [close["date"] for close in closes(world)] == ["2026-07-13"]


def test_after_a_long_time_in_a_cupboard_month_by_month(station: Station) -> None:
    world = station()
    fill(world)
    world.at_ms += 70 * 86_400_000
    world.pass_days()
    assert len(closes(world)) == AT_ONCE
    world.pass_days()
    world.pass_days()
    told = closes(world)
    assert (len(told), told[-1]["date"]) == (70, "2026-09-15")
    assert world.run(close_days) == 0


def test_what_is_booked_late_counts_on_the_date_on_which_it_was_booked(station: Station) -> None:
    """Fuelled on the 8th shortly before midnight, paid on the 9th shortly after it."""
    world = station()
    fill(world, "R-1")
    at(world, "2026-07-08 23:55:00")
    record = world.fuel(20_000)
    at(world, "2026-07-09 00:05:00")
    world.pay("R-2", record.amount_fen, credential=GOLD)
    at(world, "2026-07-10 00:00:00")
    told = closes(world)
    assert [(close["date"], close["issued_minor"]) for close in told] == [
        ("2026-07-08", FILL_MINOR),
        ("2026-07-09", 4_800),
    ]
    assert world.rows("SELECT earned_on FROM lot ORDER BY rowid") == [("2026-07-08",), ("2026-07-08",)]


def test_entries_of_the_new_day_do_not_slip_into_the_old_one(station: Station) -> None:
    """The chores come late: at noon of the 9th, when some of that day has been booked already."""
    world = station()
    fill(world, "R-1")
    world.at_ms += 86_400_000
    fill(world, "R-2", 20_000)
    world.refund("F-1", "R-1", FUEL_FEN)
    world.pass_days()
    [close] = closes(world)
    assert (close["last_seq"], close["issued_minor"], close["active_minor"]) == (1, FILL_MINOR, FILL_MINOR)
    assert close["outstanding"] == [[3, FILL_MINOR]]
    world.pass_days(1)
    assert [close["issued_minor"] for close in closes(world)] == [FILL_MINOR, 12_000 - FILL_MINOR]


def test_a_business_day_that_starts_at_six_is_closed_at_six(station: Station) -> None:
    world = station(('business_day_starts = "00:00"', 'business_day_starts = "06:00"'))
    fill(world, "R-1")
    at(world, "2026-07-09 05:59:00")
    fill(world, "R-2", 1_000)
    assert closes(world) == []
    at(world, "2026-07-09 06:00:00")
    fill(world, "R-3", 2_000)
    [close] = closes(world)
    assert (close["date"], close["last_seq"]) == ("2026-07-08", 2)
    at(world, "2026-07-10 06:00:00")
    assert [close["last_seq"] for close in closes(world)] == [2, 3]


def test_pending_points_lapsed_points_and_debt_have_their_lines(station: Station) -> None:
    world = station(*ONE_MONTH, AFTER_48_H)
    fill(world, "R-1")
    at(world, "2026-07-09 00:00:00")
    assert (closes(world)[-1]["pending_minor"], closes(world)[-1]["active_minor"]) == (FILL_MINOR, 0)
    at(world, "2026-07-10 12:00:00")
    redeem(world, 4_000)
    world.refund("F-1", "R-1", FUEL_FEN)
    at(world, "2026-07-11 00:00:00")
    close = closes(world)[-1]
    assert (close["issued_minor"], close["redeemed_minor"], close["debt_minor"]) == (
        -FILL_MINOR,
        4_000,
        -4_000,
    )
    fill(world, "R-2")
    at(world, "2026-08-11 00:00:00")
    at(world, "2026-08-12 00:00:00")
    told = {close["date"]: close for close in closes(world)}
    assert sum(close["expired_minor"] for close in told.values()) == 6_000
    assert "outstanding" not in told["2026-08-11"]
    assert [told["2026-08-11"][name] for name in HELD] == [0, 0, 0, 0]


def test_the_frozen_part_is_of_members_who_are_frozen_at_the_close(station: Station) -> None:
    world = station()
    fill(world, "R-1")
    fill(world, "R-2", 20_000, credential=GOLD)
    members(world, 2, status="FROZEN")
    at(world, "2026-07-09 00:00:00")
    [close] = closes(world)
    assert (close["frozen_minor"], close["active_minor"]) == (FILL_MINOR, FILL_MINOR + 4_800)


def test_outstanding_points_by_the_ratio_they_were_earned_at(station: Station) -> None:
    world = station((OLD_RATIO, NEW_RATIO))
    fill(world, "R-1")
    at(world, "2026-07-10 09:00:00")
    fill(world, "R-2", 20_000)
    redeem(world, 1_000)
    at(world, "2026-07-11 00:00:00")
    assert [close["outstanding"] for close in closes(world)] == [
        [[3, FILL_MINOR]],
        [[3, FILL_MINOR]],
        [[3, FILL_MINOR - 1_000], [4, 4_000]],
    ]


def test_nothing_is_closed_by_a_clock_that_cannot_be_believed(station: Station) -> None:
    world = station()
    fill(world)
    world.at_ms += 86_400_000
    assert world.run(lambda tx, _: close_days(tx, untrusted(world))) == 0
    assert world.run(close_days) == 1


def test_without_rules_nobody_knows_when_a_day_is_over(tmp_path: Path) -> None:
    world = World(tmp_path / "station.db")
    assert world.run(close_days) == 0
    world.store.close()


def test_rules_that_move_the_start_of_the_day_close_every_date_once(station: Station) -> None:
    world = station()
    fill(world, "R-1")
    at(world, "2026-07-09 01:00:00")
    fill(world, "R-2", 20_000)
    adopt(world, 43, ('business_day_starts = "00:00"', 'business_day_starts = "06:00"'))
    at(world, "2026-07-10 05:00:00")
    assert [close["date"] for close in closes(world)] == ["2026-07-08"]
    at(world, "2026-07-10 06:00:00")
    assert [(close["date"], close["last_seq"]) for close in closes(world)] == [
        ("2026-07-08", 1),
        ("2026-07-09", 2),
    ]


def test_what_is_closed_is_stored_as_it_was_told(station: Station) -> None:
    world = station()
    fill(world)
    world.pass_days(1)
    close = world.run(lambda tx, now: tx.closes.latest())
    assert isinstance(close, Close)
    [told] = closes(world)
    assert close.head.hex() == told["head"] != GENESIS.hex()
    assert close.holdings.outstanding == ((3, FILL_MINOR),)
    assert (close.movements.issued_minor, close.holdings.active_minor) == (FILL_MINOR, FILL_MINOR)
