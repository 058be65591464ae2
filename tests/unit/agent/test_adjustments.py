"""Unit: are HQ's decisions about points booked once, in the ledger and in lots, and told to HQ and member?"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.events import Outcome
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
    redeem,
    stations,
)
from tests.unit.agent.told_by_hq import adjust, correct, order
from tests.world import BASIC, World

ACTIVE, DEBT = "member:m-basic:active", "member:m-basic:debt"
ISSUED, GOODWILL = "programme:issued", "programme:goodwill"


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    yield from stations(tmp_path)


def fact(world: World, sale: str = "R-1") -> str:
    return str(world.pay(sale, _fen(world, sale), credential=BASIC).fact_id)


def _fen(world: World, sale: str) -> int:
    [(fen,)] = world.rows("SELECT fuel_amount_fen FROM pos_sale WHERE pos_sale_id = ?", sale)
    return int(fen)


def notices(world: World) -> list[tuple[str, int]]:
    return world.rows("SELECT code, minor FROM notice ORDER BY notice_id")  # type: ignore[return-value]


class TestAdjust:
    def test_given_points_are_a_lot_of_their_own_with_hqs_last_day(self, station: Station) -> None:
        world = station()
        assert adjust(world, 5_000, lapses_on="2026-12-31", case="case-7") == ""
        assert accounts(world) == {ACTIVE: 5_000, GOODWILL: -5_000}
        assert lots(world) == [(5_000, 0, "active", "2026-12-31")]
        assert world.rows("SELECT source, ratio_version, earned_on FROM lot") == [
            ("adjustment", 3, "2026-07-08")
        ]
        [told] = items(world, "adjusted")
        assert told == {
            "command": "order-1",
            "cause": "adjust",
            "member": "m-basic",
            "minor": 5_000,
            "on": "2026-07-08",
            "term_ends_on": "2026-12-31",
            "reason": "goodwill",
            "case": "case-7",
            "at_ms": world.at_ms,
        }
        assert world.balance_minor("m-basic") == 5_000

    def test_given_points_repay_what_is_owed(self, station: Station) -> None:
        world = station()
        assert adjust(world, -2_000) == ""
        assert accounts(world) == {DEBT: -2_000, GOODWILL: 2_000}
        assert adjust(world, 5_000) == ""
        assert accounts(world) == {ACTIVE: 3_000, GOODWILL: -3_000}
        assert kinds(world) == ["adjustment", "goodwill", "repayment"]
        assert items(world, "adjusted")[1]["repaid_minor"] == 2_000
        assert lots(world) == [(3_000, 0, "active", "")]

    def test_taken_points_come_from_the_soonest_to_lapse_and_then_from_debt(self, station: Station) -> None:
        world = station(*ONE_MONTH)
        fill(world)
        adjust(world, 4_000, lapses_on="2026-07-20")
        adjust(world, 3_000)
        assert adjust(world, -6_000) == ""
        assert lots(world) == [
            (FILL_MINOR - 2_000, 0, "active", "2026-08-07"),
            (0, 0, "exhausted", "2026-07-20"),
            (3_000, 0, "active", ""),
        ]
        assert adjust(world, -20_000) == ""
        assert accounts(world)[DEBT] == -(20_000 - 3_000 - FILL_MINOR + 2_000)
        assert notices(world) == [("POINTS_TAKEN", 6_000), ("POINTS_TAKEN", 20_000)]

    def test_pending_points_are_taken_too(self, station: Station) -> None:
        world = station(('after = "PT0S"', 'after = "PT48H"'))
        fill(world)
        assert adjust(world, -1_000) == ""
        assert accounts(world)["member:m-basic:pending"] == FILL_MINOR - 1_000

    def test_given_points_lapse_and_hq_hears_of_their_adjustment(self, station: Station) -> None:
        world = station()
        adjust(world, 5_000, lapses_on="2026-07-10")
        [(seq,)] = world.rows("SELECT stream_seq FROM adjustment")
        at(world, "2026-07-11T00:30:00")
        assert lots(world) == [(0, 5_000, "expired", "2026-07-10")]
        [told] = items(world, "lot.expired")
        assert (told["of"], told["minor"], told["on"]) == (seq, 5_000, "2026-07-10")

    def test_the_day_is_closed_with_what_was_given(self, station: Station) -> None:
        world = station()
        fill(world)
        adjust(world, 5_000)
        adjust(world, -1_000)
        at(world, "2026-07-09T08:00:00")
        [close] = items(world, "daily.close")
        assert (close["issued_minor"], close["goodwill_minor"]) == (FILL_MINOR, 4_000)
        assert close["active_minor"] == FILL_MINOR + 4_000

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"member": "m-nobody"}, "MEMBER_UNKNOWN"),
            ({"lapses_on": "2026-07-07"}, "TERM_OVER"),
            ({"minor": 0}, "BODY_MALFORMED"),
            ({"minor": 10**12 + 1}, "BODY_MALFORMED"),
        ],
    )
    def test_refused_it_leaves_its_verdict_alone(
        self, station: Station, changes: dict[str, object], reason: str
    ) -> None:
        world = station()
        assert order(world, "adjust", {"member": "m-basic", "minor": 1, "reason": "x"} | changes) == reason
        assert (accounts(world), items(world, "adjusted")) == ({}, [])
        assert [told["verdict"] for told in items(world, "applied")] == [reason]

    def test_the_same_command_under_another_number_acts_once(self, station: Station) -> None:
        world = station()
        body: dict[str, object] = {"member": "m-basic", "minor": 100, "reason": "goodwill"}
        assert order(world, "adjust", body, id="same") == ""
        assert order(world, "adjust", body, id="same") == "ALREADY_APPLIED"
        assert accounts(world)[ACTIVE] == 100


class TestCorrection:
    def test_what_was_given_too_little_is_made_up_with_the_awards_term(self, station: Station) -> None:
        world = station(*ONE_MONTH)
        fill(world)
        world.wait(60)
        assert correct(world, 1_500, fact(world)) == ""
        assert accounts(world) == {
            ACTIVE: FILL_MINOR + 1_500,
            ISSUED: -FILL_MINOR,
            GOODWILL: -1_500,
        }
        assert lots(world)[1] == (1_500, 0, "active", "2026-08-07")
        [told] = items(world, "adjusted")
        [(seq,)] = world.rows("SELECT stream_seq FROM award")
        assert (told["cause"], told["of"], told["minor"]) == ("correction", seq, 1_500)

    def test_what_was_given_too_much_is_borne_by_the_programme(self, station: Station) -> None:
        world = station()
        fill(world)
        assert correct(world, -1_500, fact(world)) == ""
        assert accounts(world) == {ACTIVE: FILL_MINOR, ISSUED: -FILL_MINOR + 1_500, GOODWILL: -1_500}
        assert lots(world)[0][0] == FILL_MINOR
        assert items(world, "adjusted")[0]["borne_minor"] == 1_500
        assert notices(world) == []

    def test_or_taken_back_from_its_lot_and_told(self, station: Station) -> None:
        world = station()
        fill(world)
        assert correct(world, -1_500, fact(world), borne_by="member") == ""
        assert accounts(world) == {ACTIVE: FILL_MINOR - 1_500, ISSUED: -FILL_MINOR + 1_500}
        assert lots(world)[0][0] == FILL_MINOR - 1_500
        assert notices(world) == [("POINTS_CORRECTED", 1_500)]

    def test_what_was_spent_meanwhile_is_owed(self, station: Station) -> None:
        world = station()
        fill(world)
        redeem(world, FILL_MINOR)
        assert correct(world, -1_500, fact(world), borne_by="member") == ""
        assert accounts(world)[DEBT] == -1_500

    def test_a_refund_takes_the_share_of_what_is_left_of_the_award(self, station: Station) -> None:
        world = station()
        fill(world)
        correct(world, -2_000, fact(world), borne_by="member")
        fen = _fen(world, "R-1")
        assert world.refund("F-1", "R-1", fen // 2).points_minor == -4_000
        assert world.refund("F-2", "R-1", fen - fen // 2).points_minor == -4_000
        assert accounts(world) == {}
        assert [told["corrected_minor"] for told in items(world, "refund")] == [2_000, 2_000]

    def test_refusals(self, station: Station) -> None:
        world = station()
        fill(world)
        known = fact(world)
        assert correct(world, -1, "A" * 22) == "AWARD_UNKNOWN"
        assert correct(world, -FILL_MINOR - 1, known) == "CORRECTION_TOO_LARGE"
        assert correct(world, -FILL_MINOR, known) == ""
        assert correct(world, -1, known) == "CORRECTION_TOO_LARGE"
        assert world.refund("F-1", "R-1", 100).outcome is Outcome.DONE
        assert correct(world, 1, known) == "CORRECTION_AFTER_REFUND"
