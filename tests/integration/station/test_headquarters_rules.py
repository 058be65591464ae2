"""Integration: does what headquarters' commands publish take effect at the pump, and do both ends agree?

Agent, two `hq serve` workers and broker are processes; the workers are started without any rules.
"""

import json
from collections.abc import Iterator

import pytest

from agent.messages import ids
from agent.messages.snapshot import Member
from tests.integration.cli.small_station import forecourt
from tests.integration.station.both_ends import CLOCK, RULES, STATION, BothEnds, until

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothEnds]:
    """Rules and three members were published; every member is of tier basic and has nothing yet."""
    ends = BothEnds(tmp_path_factory.mktemp("ends"))
    try:
        ends.start_hq(2)
        ends.start_agent()
        ends.publish_rules(without_weekday())
        ends.publish_members(1, *(Member(member=f"m-000{n}", tier="basic") for n in range(1, 7)))
        ends.is_obeyed()
        assert ends.lag()["refused"] == 0
        yield ends
    finally:
        ends.close()


def without_weekday(version: int = 42, per_litre_minor: int = 200) -> str:
    """The sample rules without the campaign of Thursdays and without vectors: the same on every day."""
    rules, _, _ = RULES.partition("# Golden vectors")
    before, _, campaign = rules.partition('  [[ruleset.modifier]]\n  id = "thursday-petrol"')
    rules = before + campaign[campaign.index("  [ruleset.combine]") :]
    rules = rules.replace("points_minor = 200 # 2.00", f"points_minor = {per_litre_minor} # 2.00")
    return rules.replace("version = 42", f"version = {version}")


def fact_of_last_sale(ends: BothEnds) -> str:
    [(fact_id,)] = ends.rows("SELECT fact_id FROM fact ORDER BY stream_seq DESC LIMIT 1")
    return ids.text(bytes(fact_id))


def test_a_tier_that_headquarters_sets_counts_at_the_next_sale(ends: BothEnds) -> None:
    assert ends.sell(1, 10_000).points_minor == 2_000
    ends.decided("set-tier", "m-0001", "gold", "--reason", "goodwill")
    assert ends.member("m-0001")["tier"] == "gold"
    assert ends.sell(1, 10_000).points_minor == 2_400
    ends.agree("m-0001")


def test_headquarters_hears_what_is_held_about_a_member(ends: BothEnds) -> None:
    ends.obeyed("holding-ask", {"member": "m-0001"}, "--id", "who-knows")
    [(body,)] = ends.rows("SELECT body FROM outbox WHERE kind = 'member.holding'")
    told = json.loads(body)
    assert (told["asked_by"], told["member"]) == ("who-knows", "m-0001")
    assert {"member", "credential"} <= {what for what, *_ in told["held"]}
    ends.drain()
    assert "MALFORMED" not in ends.alarms()


def test_a_delta_changes_a_member_and_the_next_one_follows_it(ends: BothEnds) -> None:
    gold = ends.with_card(Member(member="m-0002", tier="gold"))
    delta = {
        "base": 1,
        "version": 2,
        "issued_at_ms": CLOCK.wall_ms(),
        "members": [gold.model_dump(mode="json")],
    }
    ends.obeyed("member-delta", delta)
    assert ends.sell(2, 10_000).points_minor == 2_400
    ends.agree("m-0002")


def test_a_delta_that_does_not_fit_says_at_headquarters_what_helps(ends: BothEnds) -> None:
    stray = {"base": 7, "version": 8, "issued_at_ms": CLOCK.wall_ms()}
    ends.publish("member-delta", stray, "--id", "stray")
    ends.is_obeyed()
    assert ends.verdicts()[-1] == ("stray", "DELTA_BASE")
    count, detail = ends.alarms()["SNAPSHOT_WANTED"]
    assert count == 1
    assert "hq publish members" in detail
    everybody = [Member(member=f"m-000{n}", tier="gold" if n < 3 else "basic") for n in range(1, 7)]
    ends.publish_members(8, *everybody)
    ends.is_obeyed()
    ends.obeyed("member-delta", stray | {"base": 8, "version": 9})
    assert "DOWN_REFUSED" not in ends.alarms()


def test_what_headquarters_gives_corrects_and_takes_is_the_same_at_both_ends(ends: BothEnds) -> None:
    """And a refund at the till: the balance over all stations is the station's own, to the last unit."""
    assert ends.sell(3, 10_000).points_minor == 2_000
    fact = fact_of_last_sale(ends)
    lapses_on = "2099-12-31"
    ends.obeyed("adjust", {"member": "m-0003", "minor": 5_000, "reason": "goodwill", "lapses_on": lapses_on})
    assert ends.own("m-0003") == 7_000
    ends.agree("m-0003")
    ends.obeyed("adjust", {"member": "m-0003", "minor": -1_500, "reason": "fraud"})
    assert ends.own("m-0003") == 5_500
    ends.obeyed("correction", {"fact": fact, "minor": 300, "reason": "scale"})
    assert ends.own("m-0003") == 5_800
    ends.agree("m-0003")
    assert ends.sell(3, 20_000).points_minor == 4_000
    ends.refund(f"S{ends.sold:04d}", 15_700 // 2)
    assert ends.own("m-0003") == 7_800
    ends.agree("m-0003")
    assert ends.hq("member", "show", "m-0003")["pending_minor"] == 0


def test_a_freeze_by_the_desk_reaches_the_station_that_only_knows_the_member(ends: BothEnds) -> None:
    """m-0005 has never been there: the station had the name with its list of members."""
    ends.decided("freeze", "m-0005", "--reason", "lost-card")
    assert ends.member("m-0005")["status"] == "FROZEN"
    ends.decided("unfreeze", "m-0005", "--reason", "found")
    ends.decided("set-tier", "m-0005", "gold", "--reason", "sorry")
    assert (ends.member("m-0005")["status"], ends.member("m-0005")["tier"]) == ("ACTIVE", "gold")
    assert ends.hq("member", "show", "m-0005")["tier"] == "gold"


def test_a_frozen_member_earns_and_is_told(ends: BothEnds) -> None:
    ends.decided("freeze", "m-0004", "--reason", "lost-card")
    assert ends.member("m-0004")["status"] == "FROZEN"
    assert ends.sell(4, 10_000).points_minor == 2_000
    ends.decided("unfreeze", "m-0004", "--reason", "found")
    assert ends.member("m-0004")["status"] == "ACTIVE"
    ends.agree("m-0004")


def test_points_are_lent_recalled_and_told_of(ends: BothEnds) -> None:
    assert ends.sell(6, 50_000).points_minor == 10_000
    ends.agree("m-0006")
    ends.decided("lend", "m-0006", "4000", "--station", STATION)
    assert ends.rows("SELECT minor, state FROM rights_grant") == [(4_000, "ACTIVE")]
    assert ends.hq("member", "show", "m-0006")["lent_minor"] == 4_000
    ends.decided("recall", "m-0006", "--station", STATION)
    until(lambda: ends.hq("member", "show", "m-0006")["lent_minor"] == 0, "the closing statement")
    ends.agree("m-0006")


def test_prices_notices_cases_and_pauses_are_seen_at_the_station(ends: BothEnds) -> None:
    now = CLOCK.wall_ms()
    ends.obeyed("prices", {"version": 1, "valid_from_ms": now - DAY_MS, "prices": [["petrol-92", 7_990]]})
    ends.sell(1, 5_000)
    until(lambda: "PRICE_UNLISTED" in ends.alarms_here(), "the price to be noticed")
    words = {"zh": "今晚检修", "en": "maintenance tonight"}
    times = {"from_ms": now - DAY_MS, "until_ms": now + DAY_MS}
    ends.obeyed("notice", {"notice": "n-1", "version": 1, "audience": "staff", **times, **words})
    case = {
        "case": "c-0001",
        "version": 1,
        "state": "OPEN",
        "owner": "li",
        "at_ms": now,
        "en": "wrong points",
    }
    ends.obeyed("case", case)
    ends.obeyed("pause", {"what": "redemptions", "until_ms": now + DAY_MS, "reason": "review"})
    shown = forecourt("status", "--config", str(ends.config)).stdout
    assert "maintenance tonight" in shown
    assert "review" in shown
    assert "wrong points" in forecourt("case", "show", "c-0001", "--config", str(ends.config)).stdout
    ends.obeyed("pause", {"what": "redemptions", "until_ms": 0, "reason": "over"})


def test_rules_published_later_are_taken_up_by_workers_that_run_and_judged_the_same(ends: BothEnds) -> None:
    """None of the two was started with any rules."""
    ends.publish_rules(without_weekday(version=43, per_litre_minor=300))
    ends.is_obeyed()
    until(lambda: ("ACTIVE",) in ends.rows("SELECT state FROM bundle WHERE version = 43"), "the rules", 120)
    for _ in range(4):
        assert ends.sell(6, 10_000).points_minor == 3_000
    ends.agree("m-0006")
    assert not {"UNKNOWN_BUNDLE", "MISMATCH"} & ends.alarms().keys()


def test_rows_come_again_on_demand_and_count_once(ends: BothEnds) -> None:
    ends.drain()
    before = ends.hq("reconcile", STATION)
    [(rows,)] = ends.rows("SELECT max(seq) FROM outbox WHERE stream = 'ledger'")
    sent = ends.status()["road"]["items"]
    ends.obeyed("resend", {"stream": "ledger", "from_seq": 1})
    until(lambda: ends.status()["road"]["items"] >= sent + rows, "all rows to go again")
    ends.drain()
    assert ends.hq("reconcile", STATION) == before
    ends.publish("resend", {"stream": "ledger", "from_seq": 1}, "--id", "once-more")
    ends.is_obeyed()
    assert ends.verdicts()[-1] == ("once-more", "")


def test_the_lag_that_headquarters_shows_is_far_below_the_limit(ends: BothEnds) -> None:
    for number in range(10):
        ends.publish(
            "pause", {"what": "redemptions", "until_ms": 0, "reason": "over"}, "--id", f"lag-{number}"
        )
    ends.is_obeyed()
    lag = ends.lag()
    print(f"propagation p50 {lag['p50_ms']} ms, p95 {lag['p95_ms']} ms of {lag['obeyed_seq']}")  # noqa: T201  the figure for the reader of a run
    assert lag["p95_ms"] < 90_000
    assert lag["issued_seq"] == lag["obeyed_seq"]
