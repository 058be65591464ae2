"""Unit: what HQ tells of members: deltas, freezes, tiers, consents, revoked cards; and who is told of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.agent.earning import FILL_MINOR, Station, accounts, fill, items, stations
from tests.unit.agent.told_by_hq import order
from tests.world import BASIC, GOLD, World


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    yield from stations(tmp_path)


def delta(world: World, *members: dict[str, object], **changes: object) -> str:
    [(base,)] = world.rows("SELECT max(version) FROM snapshot")
    body = {"base": base, "version": base + 1, "issued_at_ms": world.at_ms, "members": list(members)}
    return order(world, "member.delta", body | changes)


def gold(world: World, **changes: object) -> dict[str, object]:
    return {"member": "m-gold", "credentials": [world.hash(GOLD)], "tier": "gold"} | changes


def basic(world: World, **changes: object) -> dict[str, object]:
    return {"member": "m-basic", "credentials": [world.hash(BASIC)], "tier": "basic"} | changes


def status(world: World, member: str = "m-basic") -> str:
    [(found,)] = world.rows("SELECT status FROM member WHERE member = ?", member)
    return str(found)


def codes(world: World) -> list[str]:
    return [code for (code,) in world.rows("SELECT code FROM notice ORDER BY notice_id")]


def told(world: World, point: str = "1") -> tuple[str, ...]:
    return world.present(BASIC, point).slip


class TestDelta:
    def test_it_replaces_whom_it_names_and_leaves_the_others(self, station: Station) -> None:
        world = station()
        fill(world)
        assert delta(world, basic(world, tier="gold", balance_minor=50_000, included_seq=1)) == ""
        assert world.balance_minor("m-basic") == 50_000
        assert world.balance_minor("m-gold") == 100_000
        assert world.rows("SELECT member, tier, version FROM member ORDER BY member") == [
            ("m-basic", "gold", 2),
            ("m-gold", "gold", 1),
        ]
        assert world.rows("SELECT version, base, members FROM snapshot") == [(1, 0, 2), (2, 1, 2)]
        assert fill(world, "R-2").balance_minor == 50_000 + FILL_MINOR * 12 // 10

    def test_who_is_gone_is_no_longer_known(self, station: Station) -> None:
        world = station()
        assert delta(world, gone=["m-basic"]) == ""
        assert world.present(BASIC).reason == "MEMBER_UNKNOWN"

    def test_a_card_moves_from_one_member_to_another(self, station: Station) -> None:
        world = station()
        assert delta(world, basic(world, credentials=[]), gold(world, credentials=[world.hash(BASIC)])) == ""
        assert world.rows("SELECT member FROM credential") == [("m-gold",)]

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"base": 7, "version": 8}, "DELTA_BASE"),
            ({"rules_from": 43}, "RULES_MISSING"),
            ({"version": 1}, "BODY_MALFORMED"),
            ({"gone": ["m-basic"]}, "BODY_MALFORMED"),
        ],
    )
    def test_refusals(self, station: Station, changes: dict[str, Any], reason: str) -> None:
        world = station()
        before = world.rows("SELECT * FROM member")
        assert delta(world, basic(world, tier="gold"), **changes) == reason
        assert world.rows("SELECT * FROM member") == before

    def test_a_card_of_a_member_who_stays_is_nobody_elses(self, station: Station) -> None:
        world = station()
        assert delta(world, gold(world, credentials=[world.hash(BASIC)])) == "CREDENTIAL_OF_TWO"

    def test_decreases_that_happened_elsewhere_are_told_here(self, station: Station) -> None:
        world = station()
        news = [
            {"member": "m-basic", "code": "POINTS_TAKEN", "minor": 5_000, "at_ms": world.at_ms},
            {"member": "m-elsewhere", "code": "POINTS_TAKEN", "minor": 1, "at_ms": world.at_ms},
        ]
        assert delta(world, notices=news) == ""
        assert " ".join(told(world)) == "Headquarters took 50 points back on 2026-07-08"
        assert told(world) == ()

    def test_a_freeze_in_a_delta_is_told_once_and_never_stops_earning(self, station: Station) -> None:
        world = station()
        assert delta(world, basic(world, status="FROZEN")) == ""
        assert delta(world, basic(world, status="FROZEN")) == ""
        assert codes(world) == ["MEMBER_FROZEN"]
        assert fill(world).points_minor == FILL_MINOR


class TestConsents:
    def test_what_was_not_agreed_to_is_not_written(self, station: Station) -> None:
        world = station()
        birthday, seen = [7, 8], {"station": "other", "region": "530100", "at_ms": 5}
        asked = {"consent_version": 3, "birthday": birthday, "last_seen": seen, "home_region": "530100"}
        assert delta(world, basic(world, **asked, consents=["odometer"])) == ""
        [(month, profile)] = world.rows("SELECT birth_month, profile FROM member WHERE member = 'm-basic'")
        assert (month, "530100" in profile) == (None, False)

    def test_withdrawn_it_is_purged_and_hq_gets_the_receipt(self, station: Station) -> None:
        world = station()
        asked = {"consent_version": 3, "birthday": [7, 8], "home_region": "530100"}
        assert delta(world, basic(world, **asked, consents=["birthday", "odometer", "place"])) == ""
        assert fill(world).points_minor == 2 * FILL_MINOR
        assert delta(world, basic(world, consent_version=4, consents=["odometer"])) == ""
        [receipt] = items(world, "consent.purged")
        assert receipt == {
            "member": "m-basic",
            "consent_version": 4,
            "withdrawn": ["birthday", "place"],
            "purged": [["birthday", 1], ["place", 1]],
            "command": "order-2",
            "at_ms": world.at_ms,
        }
        assert fill(world, "R-2").points_minor == FILL_MINOR

    def test_a_snapshot_withdraws_too(self, station: Station) -> None:
        world = station()
        world.adopt_members(2, gold={"consent_version": 1, "consents": ["birthday"], "birthday": [1, 2]})
        world.adopt_members(3, gold={"consent_version": 2, "birthday": [1, 2]})
        assert [receipt["withdrawn"] for receipt in items(world, "consent.purged")] == [["birthday"]]
        assert world.rows("SELECT birth_month FROM member WHERE member = 'm-gold'") == [(None,)]


class TestStatusAndTier:
    def test_a_freeze_is_told_and_its_end_too(self, station: Station) -> None:
        world = station()
        body: dict[str, object] = {"member": "m-basic", "reason": "fraud"}
        assert (order(world, "freeze", body), order(world, "freeze", body)) == ("", "")
        assert (status(world), codes(world)) == ("FROZEN", ["MEMBER_FROZEN"])
        assert told(world)[0].startswith("Your membership is frozen")
        assert order(world, "unfreeze", body) == ""
        assert " ".join(told(world)).startswith("Your membership is no longer frozen")

    def test_who_was_never_told_of_a_freeze_hears_nothing_of_its_end(self, station: Station) -> None:
        world = station()
        body: dict[str, object] = {"member": "m-basic", "reason": "fraud"}
        assert (order(world, "freeze", body), order(world, "unfreeze", body)) == ("", "")
        assert (status(world), codes(world)) == ("ACTIVE", [])

    @pytest.mark.parametrize(
        ("outcome", "reason", "then"),
        [("confirmed", "", "FROZEN"), ("lifted", "", "ACTIVE"), ("captured", "DECISION_ODD", "FROZEN")],
    )
    def test_decisions_about_a_freeze(self, station: Station, outcome: str, reason: str, then: str) -> None:
        world = station()
        order(world, "freeze", {"member": "m-basic", "reason": "fraud"})
        decision = {"about": "freeze", "of": "f-1", "member": "m-basic", "outcome": outcome, "reason": "x"}
        assert order(world, "decision", decision | {"decided_at_ms": 1}) == reason
        assert status(world) == then
        unknown = decision | {"about": "redemption", "decided_at_ms": 1}
        assert order(world, "decision", unknown) == "DECISION_UNKNOWN"

    def test_a_tier_counts_from_the_next_award_on(self, station: Station) -> None:
        world = station()
        body: dict[str, object] = {"member": "m-basic", "tier": "gold", "reason": "recall"}
        assert order(world, "set-tier", body) == ""
        assert fill(world).points_minor == FILL_MINOR * 12 // 10
        assert order(world, "set-tier", body | {"tier": "lead"}) == "UNKNOWN_TIER"
        assert order(world, "set-tier", body | {"member": "m-0"}) == "MEMBER_UNKNOWN"

    def test_a_closed_membership_is_neither_frozen_nor_opened(self, station: Station) -> None:
        world = station()
        delta(world, basic(world, status="CLOSED"))
        for kind in ("freeze", "unfreeze"):
            assert order(world, kind, {"member": "m-basic", "reason": "x"}) == "MEMBER_CLOSED"


class TestRevocations:
    def revoke(self, world: World, version: int, *credentials: tuple[str, int]) -> str:
        body: dict[str, object] = {"version": version, "credentials": [list(pair) for pair in credentials]}
        return order(world, "revocations", body)

    def test_a_revoked_card_identifies_nobody(self, station: Station) -> None:
        world = station()
        assert self.revoke(world, 1, (world.hash(BASIC), world.at_ms)) == ""
        assert world.present(BASIC).reason == "CREDENTIAL_REVOKED"
        answer = fill(world)
        assert (answer.reason, answer.points_minor) == ("CREDENTIAL_REVOKED", None)
        assert "This card is no longer valid," in answer.slip
        assert (items(world, "claim"), accounts(world)) == ([], {})
        assert world.identify("R-1", BASIC).reason == "CREDENTIAL_REVOKED"
        assert world.identify("R-1", GOLD).points_minor == FILL_MINOR * 12 // 10

    def test_what_was_sold_before_counts_and_a_newer_list_takes_it_back(self, station: Station) -> None:
        world = station()
        record = world.fuel()
        world.wait(60)
        assert self.revoke(world, 1, (world.hash(BASIC), world.at_ms)) == ""
        assert world.pay("R-1", record.amount_fen, credential=BASIC).points_minor == FILL_MINOR
        assert self.revoke(world, 1) == "REVOCATIONS_OLD"
        assert self.revoke(world, 2) == ""
        assert fill(world, "R-2").points_minor == FILL_MINOR


def test_the_slip_is_in_the_members_language_and_says_how_far_the_next_tier_is(station: Station) -> None:
    world = station()
    progress = {"tier": "gold", "volume_ml": 120_500, "needed_ml": 200_000}
    assert delta(world, basic(world, progress=progress)) == ""
    assert fill(world).slip[-1] == "80 more litres to gold"
    done = progress | {"volume_ml": 200_000, "amount_fen": 1, "needed_fen": 10_000}
    assert delta(world, basic(world, progress=done)) == ""
    assert fill(world, "R-2").slip[-1] == "100 more yuan to gold"
    assert delta(world, basic(world, locale="zh-CN")) == ""
    answer = fill(world, "R-3")
    assert answer.slip[0] == "本次积分：+100 分"
    assert answer.text.startswith("100 points for this sale")
