"""Integration: what a wrong clock does to a running station: one test per row of the clock attack table.

The agent's clock is the test's; broker, disk and headquarters are real. A certificate of the future, told
apart from a network fault, is in the tests of certificates (tests/integration/sync).
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.clock import ClockQuality
from agent.health.timekeeping import clock as judge_clock
from drivers.events import Fuelling, HandOver, Monotonic, RawDigits
from sync import topics
from sync.signing import BUNDLE_TYPE, MEMBERS_TYPE, sign_document
from tests.integration.station.headquarters import (
    DAY_MS,
    MINUTE_MS,
    NOW_MS,
    PROGRAMME,
    STATION,
    Scene,
    scene,
    until,
)
from tests.unit.agent.stations import bundle_bytes

HARMLESS = {"what": "redemptions", "until_ms": 0, "reason": "over"}
HOUR_MS = 60 * MINUTE_MS
TEN_YEARS_MS = 3_652 * DAY_MS


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Scene]:
    """Headquarters has a clock of its own, which stays right."""
    with scene(tmp_path / "scene") as found:
        clock = found.station.clock
        found.hq.wall_ms = lambda: NOW_MS + clock.monotonic_ms() - began_ms
        began_ms = clock.monotonic_ms()
        yield found


def sell(stage: Scene) -> None:
    """One more record of the dispenser, which the line has just read."""
    number = len(stage.station.rows("SELECT 1 FROM fact")) + 1
    volume_ml, price_milli = 10_000 + 10 * number, 7850
    record = Fuelling(
        address="1",
        nozzle="1",
        hand_over=HandOver.BUFFERED,
        sequence_no=number,
        raw=RawDigits(str(volume_ml // 10), "7850", str(price_milli), str(1_000_000 + 100_000 * number)),
        volume_ml=volume_ml,
        amount_fen=(volume_ml * price_milli + 5000) // 10_000,
        unit_price_milli=price_milli,
        volume_step_ml=10,
        amount_step_fen=1,
        totalizer_after_ml=None,
        ended=None,
    )
    assert stage.station.agent is not None
    heard = Monotonic(stage.station.clock.monotonic_ms())
    answer = stage.station.agent._desk.report("island-1", record, heard)
    assert answer.durable


def booked(stage: Scene) -> list[tuple[int, int, str]]:
    """(device's number, booked at, clock quality) in the order of the ledger."""
    return stage.station.rows("SELECT sequence_no, booked_at_ms, clock_quality FROM fact ORDER BY stream_seq")


def obeyed(stage: Scene, **changes: object) -> str:
    down = stage.hq.issue("pause", HARMLESS, **changes)
    until(lambda: stage.hq.verdict(down) is not None, "the order to be answered")
    return str(stage.hq.verdict(down))


def restart(stage: Scene, step_ms: int, quality: ClockQuality = ClockQuality.HOLDOVER) -> None:
    """A start of the machine with another time on its clock."""
    stage.station.stop()
    stage.station.clock.step(step_ms)
    stage.station.clock.said = quality
    stage.station.start()


def is_in_order(stage: Scene) -> None:
    facts = booked(stage)
    assert [number for number, _, _ in facts] == list(range(1, len(facts) + 1))
    times = [at_ms for _, at_ms, _ in facts]
    assert times == sorted(times), "no time goes back"


def test_a_dead_battery_sells_on_unsure_and_obeys_by_the_time_of_headquarters(stage: Scene) -> None:
    """systemd starts at its own build date: below what this station has written."""
    sell(stage)
    restart(stage, NOW_MS // -2)
    sell(stage)
    sell(stage)
    assert [quality for _, _, quality in booked(stage)] == ["SYNCED", "UNTRUSTED", "UNTRUSTED"]
    is_in_order(stage)
    assert obeyed(stage) == ""
    assert obeyed(stage, not_after_ms=stage.hq.wall_ms() - MINUTE_MS) == "DOWN_EXPIRED"
    assert stage.station.road["hq_clock_offset_ms"] > DAY_MS
    assert judge_clock(ClockQuality.UNTRUSTED, stage.station.clock.wall_ms(), NOW_MS, 0).code == (
        "CLOCK_BELOW_FLOOR"
    )


@pytest.mark.parametrize("step_ms", [-HOUR_MS, HOUR_MS, -DAY_MS], ids=["-1 h", "+1 h", "-1 d"])
def test_a_step_leaves_the_ledger_in_order(stage: Scene, step_ms: int) -> None:
    sell(stage)
    stage.station.clock.step(step_ms)
    stage.station.clock.said = ClockQuality.UNTRUSTED
    sell(stage)
    sell(stage)
    is_in_order(stage)
    assert obeyed(stage) == ""
    assert obeyed(stage, not_after_ms=stage.hq.wall_ms() - MINUTE_MS) == "DOWN_EXPIRED"
    stage.station.clock.step(-step_ms)
    stage.station.clock.said = ClockQuality.SYNCED
    sell(stage)
    is_in_order(stage)
    assert all(item["at_ms"] >= NOW_MS for item in stage.hq.heard("applied"))


def test_ten_years_ahead_and_back_burn_no_order_and_no_rules(stage: Scene) -> None:
    """Nothing contradicts a clock that is wrong from the start; HQ's fresh word does."""
    restart(stage, TEN_YEARS_MS)
    assert obeyed(stage) == ""
    document = sign_document(BUNDLE_TYPE, bundle_bytes(("version = 42", "version = 43")), stage.hq.key)
    stage.hq.say(topics.bundle(PROGRAMME), document)
    until(lambda: (43,) in stage.station.rows("SELECT version FROM bundle"), "the rules")
    restart(stage, -TEN_YEARS_MS)
    assert obeyed(stage) == ""
    sell(stage)
    assert stage.station.rows("SELECT count(*) FROM down_item WHERE verdict <> ''") == [(0,)]


def test_ten_years_ahead_and_back_let_no_points_lapse_and_close_no_day(stage: Scene) -> None:
    """The points would have lapsed in a month. HQ is heard before the date counts, and is believed."""
    member = {"member": "m-0001", "tier": "basic"}
    snapshot = {"schema": "members/1", "station": STATION, "programme": PROGRAMME, "version": 1}
    members = json.dumps(snapshot | {"issued_at_ms": NOW_MS, "members": [member]}).encode()
    for payload_type, document in ((BUNDLE_TYPE, bundle_bytes()), (MEMBERS_TYPE, members)):
        signed = base64.b64encode(sign_document(payload_type, document, stage.hq.key)).decode()
        last = stage.hq.issue("document", {"document": signed})
    gift = {"member": "m-0001", "minor": 5_000, "reason": "goodwill", "lapses_on": "2026-08-08"}
    last = stage.hq.issue("adjust", gift)
    until(lambda: stage.hq.verdict(last) == "", "the points")
    stage.hq.mute = True
    restart_alone(stage, TEN_YEARS_MS)
    let_chores_be_done(stage)
    assert not booked_by_the_date(stage), "headquarters has its say first"
    stage.hq.mute = False
    until(lambda: stage.station.road.get("mode") == "online", "the road", within_s=60)
    assert stage.station.status()["clock"] == "UNTRUSTED"
    let_chores_be_done(stage)
    assert not booked_by_the_date(stage)
    restart(stage, -TEN_YEARS_MS, ClockQuality.SYNCED)
    let_chores_be_done(stage)
    assert not booked_by_the_date(stage)
    assert stage.station.rows("SELECT remaining_minor, state FROM lot") == [(5_000, "active")]


def restart_alone(stage: Scene, step_ms: int) -> None:
    """As `restart`, by a clock that nobody vouches for, while headquarters says nothing."""
    stage.station.stop()
    stage.station.clock.step(step_ms)
    stage.station.clock.said = ClockQuality.HOLDOVER
    stage.station.start(wait=False)


def let_chores_be_done(stage: Scene) -> None:
    """Two rounds of them at least: what they write first is what they say of the road."""
    for _ in range(2):
        commits = stage.station.agent._till.commits  # type: ignore[union-attr]
        stage.station.clock.pass_time(31_000)
        until(lambda c=commits: stage.station.agent._till.commits >= c + 8, "the chores")  # type: ignore[misc, union-attr]


def booked_by_the_date(stage: Scene) -> list[tuple[str]]:
    return stage.station.rows("SELECT kind FROM outbox WHERE kind IN ('lot.expired', 'daily.close')")


def test_who_sets_the_clock_back_to_use_an_old_order_is_refused_and_it_is_logged(stage: Scene) -> None:
    sell(stage)
    offer = stage.hq.order("pause", HARMLESS, not_after_ms=NOW_MS + MINUTE_MS)
    stage.station.clock.pass_time(2 * MINUTE_MS)
    until(lambda: not stage.station.status()["orders"]["stale"], "HQ's newer word", within_s=60)
    stage.station.clock.step(-2 * MINUTE_MS - HOUR_MS)
    late = stage.hq.issue("pause", HARMLESS, not_after_ms=offer.not_after_ms)
    until(lambda: stage.hq.verdict(late) == "DOWN_EXPIRED", "the order to be refused")
    assert stage.station.alarms()["DOWN_EXPIRED"] == 1
    sell(stage)
    assert booked(stage)[-1][2] == "UNTRUSTED"
    is_in_order(stage)


def test_without_any_time_an_order_waits_and_is_not_burnt(stage: Scene) -> None:
    """Its own clock contradicts the books, and HQ's answer of this start has not come yet."""
    sell(stage)
    stage.hq.mute = True
    stage.station.stop()
    stage.station.clock.step(-DAY_MS)
    stage.station.start(wait=False)
    until(lambda: stage.station.road.get("mode") == "asking", "the station to ask")
    down = stage.hq.issue("pause", HARMLESS)
    until(lambda: stage.station.road["refused"].get("CLOCK_UNSURE", 0) == 1, "the order to wait")
    assert stage.station.status()["orders"]["seq"] == 0
    stage.hq.mute = False
    until(lambda: stage.hq.verdict(down) == "", "the order to be obeyed", within_s=40)


def test_a_slow_drift_is_reported_with_every_word_of_headquarters(stage: Scene) -> None:
    """Five minutes a day."""
    stage.station.clock.step(-5 * MINUTE_MS)
    assert obeyed(stage) == ""
    until(lambda: abs(stage.station.road["hq_clock_offset_ms"] - 5 * MINUTE_MS) < 5_000, "the offset")
    offset_ms = stage.station.road["hq_clock_offset_ms"]
    assert judge_clock(ClockQuality.HOLDOVER, NOW_MS, 0, offset_ms).code == "CLOCK_DIFFERS"


def test_2038_and_a_missing_time_zone(stage: Scene) -> None:
    """Milliseconds since 1970 in 64 bits; and rules for a zone that nobody here knows."""
    after_2038_ms = 2**31 * 1000 + NOW_MS % DAY_MS
    stage.station.stop()
    stage.station.clock.step(after_2038_ms - stage.station.clock.wall_ms())
    stage.hq.wall_ms = stage.station.clock.wall_ms
    stage.station.start()
    sell(stage)
    assert obeyed(stage) == ""
    assert booked(stage)[-1][1] >= after_2038_ms
    nowhere = bundle_bytes(("Asia/Shanghai", "Asia/Nowhere"))
    stage.hq.say(topics.bundle(PROGRAMME), sign_document(BUNDLE_TYPE, nowhere, stage.hq.key))
    until(lambda: "UNKNOWN_TIMEZONE" in stage.station.alarms(), "the rules to be refused")
    assert json.dumps(stage.station.status())
