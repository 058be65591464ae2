"""Unit: what HQ tells the station itself: grants, pauses, prices, notices, wordings, cases."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from agent.clock import ClockQuality
from agent.handlers.cases import note_case
from agent.handlers.passing_days import pass_days
from agent.points.rights import Grant, GrantState, rights_minor, usable
from tests.unit.agent.earning import Station, fill, items, stations
from tests.unit.agent.told_by_hq import HOUR_MS, order
from tests.world import WEDNESDAY_MS, World

UNTIL_MS = WEDNESDAY_MS + 24 * HOUR_MS


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    yield from stations(tmp_path)


class TestGrants:
    def grant(self, world: World, epoch: int = 1, **changes: object) -> str:
        body = {"grant": "g-1", "epoch": epoch, "member": "m-gold", "minor": 40_000}
        return order(world, "grant", body | {"valid_until_ms": UNTIL_MS} | changes)

    def states(self, world: World) -> list[tuple[int, str]]:
        return world.rows("SELECT grant_epoch, state FROM rights_grant ORDER BY grant_epoch")  # type: ignore[return-value]

    def test_recalled_it_is_settled_and_stated_every_time(self, station: Station) -> None:
        world = station()
        assert self.grant(world) == ""
        recall: dict[str, object] = {"grant": "g-1", "epoch": 1}
        assert (order(world, "grant.recall", recall), order(world, "grant.recall", recall)) == ("", "")
        assert self.states(world) == [(1, "SETTLED")]
        first, second = items(world, "grant.statement")
        assert first == {
            "grant": "g-1",
            "grant_epoch": 1,
            "number": 1,
            "member": "m-gold",
            "spent_minor": 0,
            "left_minor": 40_000,
            "closing": True,
            "code": "RECALLED",
            "at_ms": world.at_ms,
        }
        assert second == first | {"number": 2}

    def test_the_next_epoch_closes_the_former(self, station: Station) -> None:
        world = station()
        assert (self.grant(world), self.grant(world, 3)) == ("", "")
        assert self.states(world) == [(1, "SETTLED"), (3, "ACTIVE")]
        assert [item["code"] for item in items(world, "grant.statement")] == ["REPLACED"]
        assert self.grant(world, 3) == self.grant(world, 2) == "GRANT_EPOCH_OLD"
        for epoch, reason in ((2, "GRANT_EPOCH_OLD"), (4, "GRANT_UNKNOWN")):
            assert order(world, "grant.recall", {"grant": "g-1", "epoch": epoch}) == reason
        assert order(world, "grant.recall", {"grant": "g-9", "epoch": 1}) == "GRANT_UNKNOWN"

    def test_its_time_ends_it_but_not_by_a_clock_in_doubt(self, station: Station) -> None:
        world = station()
        self.grant(world)
        world.at_ms = UNTIL_MS
        world.run(lambda tx, at: pass_days(tx, world.site, replace(at, quality=ClockQuality.UNTRUSTED)))
        assert self.states(world) == [(1, "ACTIVE")]
        world.pass_days()
        world.pass_days()
        assert self.states(world) == [(1, "EXPIRED")]
        assert [item["code"] for item in items(world, "grant.statement")] == ["EXPIRED"]

    def test_refusals(self, station: Station) -> None:
        world = station()
        assert self.grant(world, member="m-0") == "MEMBER_UNKNOWN"
        assert self.grant(world, valid_until_ms=WEDNESDAY_MS) == "GRANT_OVER"
        assert self.grant(world, buckets=[{"lapses_on": "", "minor": 1}]) == "BODY_MALFORMED"
        assert self.grant(world, buckets=[{"lapses_on": "", "minor": 40_000}]) == ""
        assert self.grant(world, 2, member="m-basic") == "GRANT_OF_ANOTHER"

    def test_rights_are_open_grants_and_what_was_minted_less_what_is_held(self) -> None:
        grant = Grant("g", 1, "m", 1_000, 300, UNTIL_MS, GrantState.ACTIVE)
        closed = replace(grant, state=GrantState.SETTLED)
        held = [grant, closed]
        assert rights_minor(held, 50, 20, UNTIL_MS - 1, clock_is_trusted=True) == 730
        assert rights_minor(held, 50, 20, UNTIL_MS, clock_is_trusted=True) == 30
        assert rights_minor(held, 50, 80, UNTIL_MS - 1, clock_is_trusted=False) == 0
        assert not usable(grant, UNTIL_MS - 1, clock_is_trusted=False)


class TestPrices:
    def table(self, world: World, version: int, *prices: tuple[str, int], from_ms: int = 0) -> str:
        listed = [list(price) for price in prices]
        return order(world, "price.table", {"version": version, "valid_from_ms": from_ms, "prices": listed})

    def test_an_unlisted_price_is_an_alarm_and_told_once_and_stops_nothing(self, station: Station) -> None:
        world = station()
        assert self.table(world, 5, ("petrol-92", 7_830)) == ""
        for sale in ("R-1", "R-2"):
            assert fill(world, sale).points_minor
        assert world.alarms()["PRICE_UNLISTED", "cbc/08"] == 2
        [told] = items(world, "price.unlisted")
        assert (told["unit_price_milli"], told["listed_price_milli"], told["table_version"]) == (
            7850,
            7830,
            5,
        )
        assert self.table(world, 6, ("petrol-92", 7_850)) == ""
        fill(world, "R-3")
        assert world.alarms()["PRICE_UNLISTED", "cbc/08"] == 2
        assert self.table(world, 6, ("petrol-92", 1)) == "PRICES_OLD"

    def test_the_newest_table_that_is_in_force_counts(self, station: Station) -> None:
        world = station()
        fill(world)
        assert self.table(world, 5, ("petrol-92", 7_850)) == ""
        assert self.table(world, 6, ("petrol-95", 1), from_ms=UNTIL_MS) == ""
        fill(world, "R-2")
        assert items(world, "price.unlisted") == []
        world.at_ms = UNTIL_MS
        fill(world, "R-3")
        assert [told.get("listed_price_milli", 0) for told in items(world, "price.unlisted")] == [0]


class TestWords:
    def test_hqs_wording_is_said_where_it_has_one(self, station: Station) -> None:
        world = station()
        texts = [["MEMBER_UNKNOWN", "en", "New card: points by mail"], ["LATER_CODE", "en", "x"]]
        assert order(world, "catalogue", {"version": 1, "texts": texts}) == ""
        assert "1 wordings" in items(world, "applied")[-1]["detail"]
        assert order(world, "catalogue", {"version": 1, "texts": []}) == "CATALOGUE_OLD"
        order(world, "member.delta", {"base": 1, "version": 2, "issued_at_ms": 1, "gone": ["m-basic"]})
        assert fill(world).text == "New card: points by mail"
        assert order(world, "catalogue", {"version": 2, "texts": []}) == ""
        assert fill(world, "R-2").text == "Member not known here yet, points follow"

    @pytest.mark.parametrize(
        ("code", "language", "text", "reason"),
        [
            ("POINTS", "en", "{points} points and {secret}", "CATALOGUE_VALUES"),
            ("POINTS", "en", "{points.real}", "CATALOGUE_VALUES"),
            ("POINTS", "en", "{points!r}", "CATALOGUE_VALUES"),
            ("POINTS", "en", "{", "CATALOGUE_VALUES"),
            ("POINTS", "en", "", "CATALOGUE_TOO_LONG"),
            ("POINTS", "en", "many words " * 10, "CATALOGUE_TOO_LONG"),
            ("POINTS", "en", "{points} 分", "CATALOGUE_TOO_LONG"),
            ("POINTS", "zh", "本次积分 {points} 分，" * 4, "CATALOGUE_TOO_LONG"),
            ("POINTS", "zh", "一\n二", "CATALOGUE_TOO_LONG"),
        ],
    )
    def test_what_cannot_be_printed_is_refused(
        self, station: Station, code: str, language: str, text: str, reason: str
    ) -> None:
        world = station()
        assert order(world, "catalogue", {"version": 1, "texts": [[code, language, text]]}) == reason
        assert world.count("wording") == 0

    def test_a_notice_is_on_the_slip_while_it_holds(self, station: Station) -> None:
        world = station()
        body: dict[str, object] = {
            "notice": "n-1",
            "version": 1,
            "audience": "customers",
            "from_ms": WEDNESDAY_MS,
            "until_ms": UNTIL_MS,
            "zh": "",
            "en": "Car wash closed on Friday",
        }
        assert order(world, "notice", body) == ""
        assert fill(world).slip[-1] == "Car wash closed on Friday"
        assert order(world, "notice", body) == "NOTICE_OLD"
        assert order(world, "notice", body | {"version": 2, "en": "x" * 200}) == "NOTICE_TOO_LONG"
        assert order(world, "notice", body | {"version": 2, "en": ""}) == ""
        assert "Car wash closed on Friday" not in fill(world, "R-2").slip


class TestCases:
    CASE: ClassVar[dict[str, object]] = {
        "case": "c-7",
        "version": 2,
        "state": "IN_PROGRESS",
        "owner": "hq-1",
        "at_ms": 5,
    }

    def test_the_newest_word_counts(self, station: Station) -> None:
        world = station()
        assert order(world, "case.update", self.CASE | {"eta_ms": UNTIL_MS, "handler": "hq-2"}) == ""
        assert order(world, "case.update", self.CASE | {"version": 1}) == "CASE_OLD"
        assert world.rows("SELECT state, handler, eta_ms FROM support_case") == [
            ("IN_PROGRESS", "hq-2", UNTIL_MS)
        ]

    def test_notes_are_numbered_and_queued(self, station: Station) -> None:
        world = station()
        order(world, "case.update", self.CASE)
        for number in (1, 2):
            noted = world.run(lambda tx, at: note_case("c-7", "staff-4", "they wait here", tx, at))
            assert (noted.reason, noted.note_no) == ("", number)
        assert [(told["note_no"], told["owner"]) for told in items(world, "case.note")] == [
            (1, "hq-1"),
            (2, "hq-1"),
        ]

    @pytest.mark.parametrize(
        ("case", "text", "reason"),
        [
            ("c-8", "x", "CASE_UNKNOWN"),
            ("c-7", "  ", "NOTE_EMPTY"),
            ("c-7", "x" * 501, "NOTE_TOO_LONG"),
            ("c-7", "paid with 4111 1111 1111 1111", "NOTE_HOLDS_CARD"),
            ("c-7", "paid with 4111.1111.1111.1111", "NOTE_HOLDS_CARD"),
            ("c-7", "call 13800138000", "NOTE_NAMES_SOMEBODY"),
            ("c-7", "京A12345 waits", "NOTE_NAMES_SOMEBODY"),
        ],
    )
    def test_a_note_names_nobody(self, station: Station, case: str, text: str, reason: str) -> None:
        world = station()
        order(world, "case.update", self.CASE)
        assert world.run(lambda tx, at: note_case(case, "staff-4", text, tx, at)).reason == reason
        assert (world.count("case_note"), items(world, "case.note")) == (0, [])

    def test_a_card_is_found_among_other_numbers(self, station: Station) -> None:
        world = station()
        order(world, "case.update", self.CASE)
        for text in ("no 99 4111 1111 1111 1111", "the fuelling of 12:45 at point 3, 392.50 yuan"):
            reason = "NOTE_HOLDS_CARD" if "4111" in text else ""
            assert (
                world.run(lambda tx, at, text=text: note_case("c-7", "staff-4", text, tx, at)).reason
                == reason
            )


def test_redemptions_are_paused_and_taken_again(station: Station) -> None:
    world = station()
    body: dict[str, object] = {"what": "redemptions", "until_ms": UNTIL_MS, "reason": "audit"}
    assert order(world, "pause", body) == ""
    pause = world.run(lambda tx, at: tx.pauses.redemptions())
    assert pause is not None
    assert (pause.until_ms, pause.reason) == (UNTIL_MS, "audit")
    assert fill(world).points_minor
    assert order(world, "pause", body | {"until_ms": 0}) == ""
    assert world.run(lambda tx, at: tx.pauses.redemptions()) is None
