"""Unit: whose fuelling was it: the tag in the record, the payment, or who was at the point?"""

from dataclasses import replace

import pytest

from drivers.events import Answer, Credential, CredentialKind, CredentialShown, Monotonic, Outcome
from tests.world import BASIC, GOLD, STRANGER, World

MINUTE = 60
THIRD = Credential(CredentialKind.PLATE, "沪A 12345")


def members(world: World) -> list[object]:
    """Whose the bindings are, oldest fact first; "" for nobody."""
    rows = world.rows("SELECT member FROM binding JOIN fact USING (fact_id) ORDER BY fact.stream_seq")
    return [member for (member,) in rows]


class TestPrecedence:
    @pytest.mark.parametrize(
        ("record", "payment", "presented", "member"),
        [
            (GOLD, BASIC, BASIC, "m-gold"),
            (None, GOLD, BASIC, "m-gold"),
            (None, None, GOLD, "m-gold"),
            (GOLD, None, BASIC, "m-gold"),
            (BASIC, GOLD, None, "m-basic"),
            (None, None, None, ""),
        ],
    )
    def test_record_before_payment_before_presentation(
        self,
        world: World,
        record: Credential | None,
        payment: Credential | None,
        presented: Credential | None,
        member: str,
    ) -> None:
        if presented:
            world.present(presented)
        fuelling = world.fuel(50_000, credential=record)
        answer = world.pay("R-1", fuelling.amount_fen, credential=payment)
        assert members(world) == [member]
        assert (answer.points_minor is None) == (member == "")

    def test_an_unknown_tag_in_the_record_is_not_replaced_by_somebody_known(self, world: World) -> None:
        fuelling = world.fuel(50_000, credential=STRANGER)
        assert world.pay("R-1", fuelling.amount_fen, credential=GOLD).reason == "MEMBER_UNKNOWN"

    @pytest.mark.parametrize(
        ("shown", "reason"),
        [("4111 1111 1111 1111", "PAYMENT_CARD_REFUSED"), ("- -", "CREDENTIAL_EMPTY")],
    )
    def test_what_is_no_member_card_is_refused(self, world: World, shown: str, reason: str) -> None:
        pan = Credential(CredentialKind.CARD, shown)
        fuelling = world.fuel(50_000)
        for answer in (
            world.present(pan),
            world.pay("R-1", fuelling.amount_fen, credential=pan),
            world.identify("R-1", pan),
        ):
            assert (answer.outcome, answer.reason) == (Outcome.REFUSED, reason)
        assert world.count("pos_sale") == world.count("presentation") == 0


class TestPresentation:
    def test_it_is_answered_with_the_balance_as_of_the_snapshot(self, world: World) -> None:
        world.wait(5)
        answer = world.present(GOLD)
        assert (answer.outcome, answer.balance_minor, answer.provisional) == (Outcome.DONE, 100_000, False)
        assert answer.balance_as_of_ms == world.at_ms - 5_000

    def test_a_stranger_is_told_that_points_follow(self, world: World) -> None:
        assert world.present(STRANGER).reason == "MEMBER_UNKNOWN"

    def test_a_point_that_is_not_there_is_refused(self, world: World) -> None:
        assert world.present(GOLD, "7").reason == "UNKNOWN_POINT"

    def test_five_minutes_without_a_lift_and_it_lapses(self, world: World) -> None:
        world.present(GOLD)
        world.wait(5 * MINUTE)
        world.fuel()
        world.present(GOLD)
        world.wait(5 * MINUTE + 1)
        world.fuel(20_000)
        world.pay("R-1", 39_250)
        world.pay("R-2", 15_700)
        assert members(world) == ["m-gold", ""]

    def test_a_lift_keeps_it(self, world: World) -> None:
        world.present(GOLD)
        world.wait(4 * MINUTE)
        world.lift()
        world.wait(6 * MINUTE)
        world.pay("R-1", world.fuel().amount_fen)
        assert members(world) == ["m-gold"]

    def test_a_lift_after_it_lapsed_does_not_wake_it(self, world: World) -> None:
        world.present(GOLD)
        world.wait(5 * MINUTE + 1)
        world.lift()
        world.pay("R-1", world.fuel().amount_fen)
        assert members(world) == [""]

    def test_a_lift_at_another_point_is_not_this_one_s(self, world: World) -> None:
        world.present(GOLD, "2")
        world.wait(4 * MINUTE)
        world.lift("08")
        world.wait(2 * MINUTE)
        assert world.rows("SELECT lifted_at_ms FROM presentation") == [(None,)]

    def test_who_lifted_and_went_away_does_not_stay_for_ever(self, world: World) -> None:
        """Nobody fuels for half an hour: a car that comes an hour later is another one."""
        world.present(GOLD)
        world.lift()
        world.wait(60 * MINUTE)
        world.pay("R-1", world.fuel().amount_fen)
        assert members(world) == [""]

    def test_shown_again_it_lives_on(self, world: World) -> None:
        world.present(GOLD)
        world.wait(4 * MINUTE)
        world.present(GOLD)
        world.wait(4 * MINUTE)
        world.pay("R-1", world.fuel().amount_fen)
        assert members(world) == ["m-gold"]

    def test_it_is_used_once(self, world: World) -> None:
        world.present(GOLD)
        world.lift()
        world.fuel(50_000)
        world.fuel(20_000)
        world.pay("R-1", 39_250)
        world.pay("R-2", 15_700)
        assert members(world) == ["m-gold", ""]

    def test_twice_the_same_card_is_one_presentation_and_is_used_once(self, world: World) -> None:
        world.present(GOLD)
        world.present(GOLD)
        world.pay("R-1", world.fuel(50_000).amount_fen)
        world.pay("R-2", world.fuel(20_000).amount_fen)
        assert members(world) == ["m-gold", ""]

    def test_the_card_shown_again_at_the_till_is_not_left_for_the_next_car(self, world: World) -> None:
        world.present(GOLD)
        world.lift()
        fuelling = world.fuel(50_000)
        world.wait(30)
        world.present(GOLD)
        world.pay("R-1", fuelling.amount_fen)
        world.lift()
        world.pay("R-2", world.fuel(20_000).amount_fen)
        assert members(world) == ["m-gold", ""]

    def test_the_card_shown_at_the_till_and_with_the_payment_is_not_left_for_the_next_car(
        self, world: World
    ) -> None:
        fuelling = world.fuel(50_000)
        world.wait(30)
        world.present(GOLD)
        world.pay("R-1", fuelling.amount_fen, credential=GOLD)
        world.pay("R-2", world.fuel(20_000).amount_fen)
        assert members(world) == ["m-gold", ""]

    def test_it_belongs_to_its_own_point(self, world: World) -> None:
        world.present(GOLD, "2")
        world.pay("R-1", world.fuel().amount_fen)
        assert members(world) == [""]


class TestBetweenHangUpAndPayment:
    def test_a_card_shown_at_the_till_counts(self, world: World) -> None:
        fuelling = world.fuel()
        world.wait(MINUTE)
        world.present(GOLD)
        world.pay("R-1", fuelling.amount_fen)
        assert members(world) == ["m-gold"]

    def test_the_next_car_s_card_does_not(self, world: World) -> None:
        """The second car shows its card and lifts the nozzle while the first still stands in the queue."""
        first = world.fuel(50_000)
        world.wait(MINUTE)
        world.present(GOLD)
        world.lift()
        world.pay("R-1", first.amount_fen)
        world.wait(MINUTE)
        second = world.fuel(20_000)
        world.pay("R-2", second.amount_fen)
        assert members(world) == ["", "m-gold"]

    def test_who_was_there_before_wins_over_who_came_after(self, world: World) -> None:
        world.present(BASIC)
        first = world.fuel(50_000)
        world.wait(MINUTE)
        world.present(GOLD)
        world.pay("R-1", first.amount_fen)
        world.lift()
        second = world.fuel(20_000)
        world.pay("R-2", second.amount_fen)
        assert members(world) == ["m-basic", "m-gold"]

    def test_a_record_that_arrives_late_does_not_take_the_next_car_s_card(self, world: World) -> None:
        """Hung up 40 s ago, read only now; the next member came 20 s ago."""
        world.wait(20)
        world.present(GOLD)
        world.wait(20)
        first = world.fuelling(50_000)
        world.book(first, ended_ago_ms=40_000)
        world.lift()
        world.pay("R-1", first.amount_fen)
        world.pay("R-2", world.fuel(20_000).amount_fen)
        assert members(world) == ["", "m-gold"]


class TestTwoMembers:
    def test_it_is_ambiguous_until_the_one_who_pays_is_named(self, world: World) -> None:
        world.present(GOLD)
        world.present(BASIC)
        fuelling = world.fuel()
        answer = world.pay("R-1", fuelling.amount_fen)
        assert (answer.outcome, answer.reason, answer.points_minor) == (
            Outcome.AMBIGUOUS,
            "TWO_MEMBERS",
            None,
        )
        assert world.count("award") == 0
        assert world.identify("R-1", BASIC).points_minor == 10_000
        assert members(world) == ["m-basic"]

    def test_a_member_and_a_stranger_are_two(self, world: World) -> None:
        world.present(GOLD)
        world.present(STRANGER)
        assert world.pay("R-1", world.fuel().amount_fen).reason == "TWO_MEMBERS"

    def test_the_payment_says_who_it_is(self, world: World) -> None:
        world.present(GOLD)
        world.present(BASIC)
        answer = world.pay("R-1", world.fuel().amount_fen, credential=BASIC)
        assert (answer.outcome, answer.points_minor) == (Outcome.DONE, 10_000)

    def test_two_cards_of_one_member_are_one(self, world: World) -> None:
        world.adopt_members(
            2, {"member": "m-two", "tier": "basic", "credentials": [world.hash(THIRD), world.hash(STRANGER)]}
        )
        world.present(THIRD)
        world.present(STRANGER)
        world.pay("R-1", world.fuel().amount_fen)
        assert members(world) == ["m-two"]


class TestUnknownMember:
    def test_it_is_claimed_with_hq_and_the_slip_says_so(self, world: World) -> None:
        fuelling = world.fuel(50_000)
        answer = world.pay("R-1", fuelling.amount_fen, credential=STRANGER)
        assert (answer.outcome, answer.reason, answer.points_minor) == (Outcome.DONE, "MEMBER_UNKNOWN", None)
        assert answer.text == "Member not known here yet, points follow"
        assert (members(world), world.count("award")) == ([""], 0)
        [(body,)] = world.rows("SELECT body FROM outbox WHERE kind = 'claim'")
        assert world.hash(STRANGER).encode() in body
        assert b'"volume_ml":50000' in body

    def test_repeating_the_payment_claims_once(self, world: World) -> None:
        fuelling = world.fuel()
        for _ in range(3):
            world.pay("R-1", fuelling.amount_fen, credential=STRANGER)
        assert world.rows("SELECT count(*) FROM outbox WHERE kind = 'claim'") == [(1,)]

    def test_a_stranger_without_rules_is_claimed_without_inputs(self, world: World) -> None:
        world.at_ms -= 30 * 86_400_000
        fuelling = world.fuel()
        assert world.pay("R-1", fuelling.amount_fen, credential=STRANGER).reason == "MEMBER_UNKNOWN"
        [(body,)] = world.rows("SELECT body FROM outbox WHERE kind = 'claim'")
        assert b"inputs" not in body

    def test_an_unknown_tag_at_a_point_without_pos_is_claimed(self, world: World) -> None:
        world.site = replace(world.site, award_on_fuelling=frozenset({"1"}))
        world.fuel(credential=STRANGER)
        assert world.rows("SELECT count(*) FROM outbox WHERE kind = 'claim'") == [(1,)]


class TestStatus:
    def adopt(self, world: World, version: int, status: str) -> None:
        extra = {
            "member": "m-third",
            "credentials": [world.hash(THIRD)],
            "tier": "platinum",
            "status": status,
        }
        assert world.adopt_members(version, extra).reason == ""

    def test_a_frozen_member_still_earns(self, world: World) -> None:
        self.adopt(world, 2, "FROZEN")
        assert world.pay("R-1", world.fuel().amount_fen, credential=THIRD).points_minor == 15_000

    def test_a_closed_member_does_not(self, world: World) -> None:
        self.adopt(world, 2, "CLOSED")
        answer = world.pay("R-1", world.fuel().amount_fen, credential=THIRD)
        assert (answer.reason, answer.points_minor, world.count("award")) == ("MEMBER_CLOSED", None, 0)

    def test_a_member_gone_from_the_cache_is_claimed(self, world: World) -> None:
        """Bound while there were no rules, and no longer in the snapshot when the rules came."""
        world.at_ms -= 30 * 86_400_000
        self.adopt(world, 2, "ACTIVE")
        fuelling = world.fuel()
        assert world.pay("R-1", fuelling.amount_fen, credential=THIRD).reason == "NO_RULES"
        world.adopt_members(3)
        assert world.pay("R-1", fuelling.amount_fen, credential=THIRD).reason == "MEMBER_UNKNOWN"
        assert world.rows("SELECT count(*) FROM outbox WHERE kind = 'claim'") == [(1,)]

    @pytest.mark.parametrize(
        ("until", "minor"), [("2026-07-08", 15_000), ("2026-07-07", 10_000), ("", 15_000)]
    )
    def test_a_tier_counts_until_its_last_day(self, world: World, until: str, minor: int) -> None:
        extra = {
            "member": "m-third",
            "credentials": [world.hash(THIRD)],
            "tier": "platinum",
            "tier_valid_until": until,
        }
        world.adopt_members(2, extra)
        assert world.pay("R-1", world.fuel().amount_fen, credential=THIRD).points_minor == minor

    def test_a_tier_that_the_rules_do_not_know_is_the_lowest(self, world: World) -> None:
        world.adopt_members(2, {"member": "m-third", "credentials": [world.hash(THIRD)], "tier": "ruby"})
        assert world.pay("R-1", world.fuel().amount_fen, credential=THIRD).points_minor == 10_000


class TestCardAtTheDispenser:
    """Shown to the reader of a side, without a sale."""

    def _shown(self, world: World, credential: Credential, *nozzles: str, just_now: bool = True) -> Answer:
        shown = Monotonic(1) if just_now else None
        return world.book(CredentialShown("0", nozzles, credential, shown)).answer

    def test_it_belongs_to_the_next_fuelling_there(self, world: World) -> None:
        assert self._shown(world, GOLD, "08").durable
        fuelling = world.fuel(50_000)
        world.pay("R-1", fuelling.amount_fen)
        assert members(world) == ["m-gold"]

    @pytest.mark.parametrize(
        ("nozzles", "just_now", "reason", "subject"),
        [
            (("08",), False, "SHOWN_LONG_AGO", "cbc/08"),
            (("99",), True, "UNMAPPED_READER", "cbc/99"),
            ((), True, "UNMAPPED_READER", "cbc/"),
        ],
    )
    def test_it_is_let_go_where_nobody_knows_whose_fuelling_it_is(
        self, world: World, nozzles: tuple[str, ...], just_now: bool, reason: str, subject: str
    ) -> None:
        answer = self._shown(world, GOLD, *nozzles, just_now=just_now)
        assert answer.durable
        assert world.alarms() == {(reason, subject): 1}
        fuelling = world.fuel(50_000)
        world.pay("R-1", fuelling.amount_fen)
        assert members(world) == [""]

    def test_a_payment_card_is_refused_and_counted(self, world: World) -> None:
        answer = self._shown(world, Credential(CredentialKind.CARD, "4111 1111 1111 1111"), "08")
        assert (answer.outcome, answer.reason) == (Outcome.REFUSED, "PAYMENT_CARD_REFUSED")
        assert world.alarms() == {("PAYMENT_CARD_REFUSED", "cbc/08"): 1}
