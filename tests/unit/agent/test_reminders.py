"""Unit: is a member told of points that lapse soon, and of what they lost, exactly once each?"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.agent.earning import (
    AFTER_48_H,
    FILL_MINOR,
    ONE_MONTH,
    Station,
    adopt,
    at,
    fill,
    go_dark,
    items,
    members,
    redeem,
    stations,
)
from tests.world import BASIC, World

BUCKETS = [
    {"lapses_on": "2026-08-07", "minor": 700},
    {"lapses_on": "2026-12-31", "minor": 5_000},
    {"minor": 50},
]


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    yield from stations(tmp_path)


def stages(world: World) -> list[tuple[str, int, int]]:
    """What HQ hears was shown: (last day, stage, minor)."""
    return [(item["lapses_on"], item["stage_days"], item["minor"]) for item in items(world, "reminder.shown")]


def soon(points: int, day: str = "2026-08-07") -> str:
    return f"{points} points lapse on {day}"


def test_at_thirty_fifteen_and_three_days_and_once_each(station: Station) -> None:
    """The buckets of headquarters and what was earned here since are one sum for their day."""
    world = station(*ONE_MONTH)
    members(world, 2, balance_minor=5_750, buckets=BUCKETS)
    assert soon(107) in fill(world).slip
    told: dict[str, str] = {}
    for day in range(8, 32):
        at(world, f"2026-07-{day:02} 12:00:00")
        told[world_day(world)] = world.present(BASIC).text
    for day in range(1, 9):
        at(world, f"2026-08-{day:02} 12:00:00")
        told[world_day(world)] = world.present(BASIC).text
    said = [day for day, text in told.items() if soon(107) in text]
    assert said == ["2026-07-23", "2026-08-04"]
    assert stages(world) == [
        ("2026-08-07", 30, 10_700),
        ("2026-08-07", 15, 10_700),
        ("2026-08-07", 3, 10_700),
    ]
    assert "100 points lapsed on 2026-08-07" in told["2026-08-08"]


def world_day(world: World) -> str:
    [(day,)] = world.rows("SELECT date(?, 'unixepoch', '+8 hours')", world.at_ms // 1000)
    return str(day)


def test_the_first_stage_begins_exactly_thirty_days_before(station: Station) -> None:
    world = station()
    members(world, 2, balance_minor=700, buckets=[{"lapses_on": "2026-08-08", "minor": 700}])
    at(world, "2026-07-08 23:59:59")
    assert stages(world) == [] == list(world.present(BASIC).slip)
    at(world, "2026-07-09 00:00:00")
    assert world.present(BASIC).text == "Member recognised at point 1 7 points lapse on 2026-08-08"


def test_who_comes_when_several_stages_have_begun_is_told_once(station: Station) -> None:
    world = station(*ONE_MONTH)
    fill(world)
    assert stages(world) == [("2026-08-07", 30, FILL_MINOR)]
    at(world, "2026-08-05 12:00:00")
    assert soon(100) in world.present(BASIC).text
    assert soon(100) not in world.present(BASIC).text
    assert stages(world)[1:] == [("2026-08-07", 3, FILL_MINOR)]


def test_the_line_at_identification_fits_the_slip_as_well(station: Station) -> None:
    world = station()
    members(world, 2, balance_minor=700, buckets=[{"lapses_on": "2026-07-20", "minor": 700}])
    answer = world.present(BASIC)
    assert answer.text.endswith(soon(7, "2026-07-20"))
    assert answer.slip == (soon(7, "2026-07-20"),)
    assert (answer.balance_minor, answer.provisional) == (700, False)


def test_on_the_slip_if_nobody_was_identified_before(station: Station) -> None:
    """A card that is first shown at the till: the slip says it, and HQ is told, once."""
    world = station()
    members(world, 2, balance_minor=700, buckets=[{"lapses_on": "2026-07-20", "minor": 700}])
    answer = fill(world)
    assert soon(7, "2026-07-20") in answer.slip
    assert stages(world) == [("2026-07-20", 15, 700)]
    assert "lapse" not in world.present(BASIC).text
    assert len(stages(world)) == 1


def test_the_slip_says_what_lapses_next_also_when_it_was_said_before(station: Station) -> None:
    world = station()
    members(world, 2, balance_minor=700, buckets=[{"lapses_on": "2026-07-20", "minor": 700}])
    world.present(BASIC)
    answer = world.pay("R-1", world.fuel().amount_fen)
    assert [line for line in answer.slip if "lapse" in line] == [soon(7, "2026-07-20")]
    assert len(stages(world)) == 1


def test_two_days_in_one_stage_are_two_reminders(station: Station) -> None:
    world = station()
    buckets = [{"lapses_on": "2026-07-20", "minor": 700}, {"lapses_on": "2026-07-31", "minor": 100}]
    members(world, 2, balance_minor=800, buckets=buckets)
    assert world.present(BASIC).slip == (soon(7, "2026-07-20"), "1 point lapses on 2026-07-31")
    assert stages(world) == [("2026-07-20", 15, 700), ("2026-07-31", 30, 100)]


def test_a_slip_says_every_reminder_that_it_counts_as_shown(station: Station) -> None:
    world = station()
    buckets = [{"lapses_on": "2026-07-20", "minor": 700}, {"lapses_on": "2026-07-31", "minor": 100}]
    members(world, 2, balance_minor=800, buckets=buckets)
    answer = fill(world)
    assert [line for line in answer.slip if "lapse" in line] == [
        soon(7, "2026-07-20"),
        "1 point lapses on 2026-07-31",
    ]
    assert [stage for _, stage, _ in stages(world)] == [15, 30]
    again = world.pay("R-1", 39_250, credential=BASIC)
    assert [line for line in again.slip if "lapse" in line] == [soon(7, "2026-07-20")]


def test_what_hq_has_in_its_buckets_is_not_counted_twice(station: Station) -> None:
    world = station(*ONE_MONTH)
    fill(world)
    known = {"balance_minor": FILL_MINOR, "included_seq": 1}
    members(world, 2, **known, buckets=[{"lapses_on": "2026-08-07", "minor": FILL_MINOR}])
    at(world, "2026-07-23 12:00:00")
    assert soon(100) in world.present(BASIC).text
    assert stages(world)[1:] == [("2026-08-07", 15, FILL_MINOR)]


def test_what_was_taken_since_from_points_in_a_bucket_lapses_no_more(station: Station) -> None:
    world = station(*ONE_MONTH)
    fill(world)
    known = {"balance_minor": FILL_MINOR + 700, "included_seq": 1}
    members(world, 2, **known, buckets=[{"lapses_on": "2026-08-07", "minor": FILL_MINOR + 700}])
    redeem(world, 4_000)
    at(world, "2026-07-23 12:00:00")
    assert soon(67) in world.present(BASIC).text
    world.refund("F-1", "R-1", 39_250)
    at(world, "2026-08-04 12:00:00")
    assert soon(7) in world.present(BASIC).text
    assert world.balance_minor("m-basic") == 700 - 4_000


def test_nothing_is_said_of_points_that_were_refunded(station: Station) -> None:
    world = station(*ONE_MONTH)
    fill(world)
    world.refund("F-1", "R-1", 39_250)
    at(world, "2026-08-05 12:00:00")
    assert world.present(BASIC).slip == ()
    assert stages(world) == [("2026-08-07", 30, FILL_MINOR)]


def test_pending_points_are_reminded_of_too(station: Station) -> None:
    world = station(*ONE_MONTH, AFTER_48_H)
    answer = fill(world)
    assert soon(100) in answer.slip


def test_rules_without_a_reminder_say_nothing_and_new_stages_hold_at_once(station: Station) -> None:
    world = station(("[reminder]\ndays = [30, 15, 3]\n", ""))
    members(world, 2, balance_minor=700, buckets=[{"lapses_on": "2026-07-08", "minor": 700}])
    assert world.present(BASIC).slip == ()
    adopt(world, 43, ("days = [30, 15, 3]", "days = [0]"))
    assert world.present(BASIC).slip == (soon(7, "2026-07-08"),)
    assert stages(world) == [("2026-07-08", 0, 700)]


def test_a_wider_stage_that_new_rules_bring_is_over_for_who_was_told_at_a_nearer_one(
    station: Station,
) -> None:
    world = station(("days = [30, 15, 3]", "days = [15]"))
    members(world, 2, balance_minor=700, buckets=[{"lapses_on": "2026-07-20", "minor": 700}])
    assert world.present(BASIC).slip == (soon(7, "2026-07-20"),)
    adopt(world, 43)
    assert world.present(BASIC).slip == ()
    assert stages(world) == [("2026-07-20", 15, 700)]


def test_a_stranger_is_told_nothing(station: Station) -> None:
    world = station()
    members(world, 2, member="m-other", credentials=[], balance_minor=700)
    assert world.present(BASIC).text == "Member not known here yet, points follow"


def test_lapsed_points_are_said_once_at_the_next_visit_with_their_last_day(station: Station) -> None:
    """The day that every reminder named, although the station was switched off until the 9th."""
    world = station(*ONE_MONTH)
    fill(world)
    at(world, "2026-08-09 12:00:00")
    assert world.present(BASIC).slip == ("100 points lapsed on 2026-08-07",)
    assert items(world, "notice.shown") == [
        {"member": "m-basic", "code": "POINTS_LAPSED", "minor": FILL_MINOR, "at_ms": world.at_ms}
    ]
    assert world.present(BASIC).slip == ()
    assert len(items(world, "notice.shown")) == 1


def test_or_on_the_slip_whichever_comes_first(station: Station) -> None:
    world = station(*ONE_MONTH)
    fill(world, "R-1")
    at(world, "2026-08-08 12:00:00")
    first = fill(world, "R-2")
    assert "100 points lapsed on 2026-08-07" in first.slip
    second = world.pay("R-2", 39_250, credential=BASIC)
    assert not any("lapsed" in line for line in second.slip)
    assert len(items(world, "notice.shown")) == 1


def test_a_frozen_member_is_told_once_and_still_earns(station: Station) -> None:
    world = station()
    members(world, 2, status="FROZEN")
    said = "Your membership is frozen: you earn points but cannot spend them for now"
    assert world.present(BASIC).text == f"Member recognised at point 1 {said}"
    assert world.present(BASIC).slip == ()
    assert [item["code"] for item in items(world, "notice.shown")] == ["MEMBER_FROZEN"]
    assert fill(world).points_minor == FILL_MINOR
    members(world, 3, status="FROZEN", balance_minor=0)
    assert world.present(BASIC).slip == ()
    members(world, 4, status="ACTIVE")
    members(world, 5, status="FROZEN")
    assert "frozen" in world.present(BASIC).text


def test_points_honoured_in_the_dark_are_no_loss_to_be_told_of(station: Station) -> None:
    world = station(*ONE_MONTH)
    fill(world)
    go_dark(world)
    at(world, "2026-08-08 12:00:00")
    assert world.present(BASIC).slip == ()
    assert world.balance_minor("m-basic") == FILL_MINOR


def test_chinese_customers_read_chinese(station: Station) -> None:
    world = station(*ONE_MONTH, language="zh")
    fill(world)
    at(world, "2026-08-05 12:00:00")
    [line] = world.present(BASIC).slip
    assert "2026-08-07" in line
    assert "100" in line
    assert not set("lapse") & set(line)
