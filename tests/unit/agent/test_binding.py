"""Unit: does a payment find its one fuelling, and is it never guessed?"""

import json
from dataclasses import replace

import pytest

from agent.handlers.bind_sale import let_lapse
from agent.handlers.told import Told
from agent.messages import ids
from drivers.events import BasketLine, Monotonic, Outcome
from tests.unit.agent.stations import DISPLAY_LINE, last_sale
from tests.world import BASIC, GOLD, STRANGER, World, paid

MINUTE = 60
CHOCOLATE = BasketLine("chocolate", 2_000, 1_250)


def lapse(world: World) -> int:
    return world.run(lambda tx, at: let_lapse(tx, world.site, at))


def state(world: World, pos_sale_id: str = "R-1") -> object:
    [(found,)] = world.rows("SELECT state FROM pos_sale WHERE pos_sale_id = ?", pos_sale_id)
    return found


class TestOneFits:
    @pytest.mark.parametrize("off_fen", [-1, 0, 1])
    def test_within_one_fen_it_is_bound_and_earns(self, world: World, off_fen: int) -> None:
        fuelling = world.fuel(50_000)
        answer = world.pay("R-1", fuelling.amount_fen + off_fen, credential=GOLD)
        assert (answer.outcome, answer.reason, answer.points_minor) == (Outcome.DONE, "", 12_000)
        assert answer.balance_minor == 112_000
        assert answer.fact_id == ids.text(world.newest_fact().fact_id)

    @pytest.mark.parametrize("off_fen", [-2, 2])
    def test_two_fen_off_is_another_sale(self, world: World, off_fen: int) -> None:
        fuelling = world.fuel(50_000)
        answer = world.pay("R-1", fuelling.amount_fen + off_fen, credential=GOLD)
        assert (answer.outcome, answer.reason) == (Outcome.WAITING, "NO_FUELLING_YET")
        assert world.count("award") == 0

    def test_it_is_looked_for_at_its_own_point(self, world: World) -> None:
        shown = last_sale(50_000, 900_000, ended=Monotonic(0))
        world.book(shown, DISPLAY_LINE)
        assert world.pay("R-1", shown.amount_fen, point="1").outcome is Outcome.WAITING
        assert world.pay("R-2", shown.amount_fen, point="2", credential=GOLD).points_minor == 14_400

    def test_thirty_minutes_old_is_the_limit(self, world: World) -> None:
        first = world.fuel(50_000)
        world.wait(30 * MINUTE)
        assert world.pay("R-1", first.amount_fen).outcome is Outcome.DONE
        second = world.fuel(40_000)
        world.wait(30 * MINUTE + 1)
        assert world.pay("R-2", second.amount_fen).outcome is Outcome.WAITING

    def test_both_nozzles_of_a_point_count(self, world: World) -> None:
        fuelling = world.fuel(50_000, "09")
        assert world.pay("R-1", fuelling.amount_fen, credential=BASIC).points_minor == 12_000

    def test_a_fuelling_is_bound_once(self, world: World) -> None:
        fuelling = world.fuel(50_000)
        world.pay("R-1", fuelling.amount_fen, credential=GOLD)
        assert world.pay("R-2", fuelling.amount_fen, credential=BASIC).outcome is Outcome.WAITING
        assert world.count("award") == world.count("binding") == 1

    def test_what_is_paid_is_what_shop_rules_see(self, world: World) -> None:
        fuelling = world.fuel(50_000)
        answer = world.pay("R-1", fuelling.amount_fen, credential=BASIC, lines=(CHOCOLATE, CHOCOLATE))
        assert answer.points_minor == 10_000 + 2_500

    def test_a_tender_that_earns_nothing_is_an_award_of_nothing(self, world: World) -> None:
        fuelling = world.fuel(50_000)
        answer = world.pay("R-1", fuelling.amount_fen, credential=GOLD, tender="fleet-card")
        assert (answer.outcome, answer.reason, answer.points_minor) == (Outcome.DONE, "TENDER_EXCLUDED", 0)
        assert (world.count("award"), world.count("ledger_entry"), world.count("lot")) == (1, 0, 0)


class TestSeveralFit:
    def test_the_cashier_gets_the_list_and_nobody_guesses(self, world: World) -> None:
        world.fuel(50_000)
        world.wait(5 * MINUTE)
        second = world.fuel(50_000, "09")
        answer = world.pay("R-1", second.amount_fen, credential=GOLD)
        assert (answer.outcome, answer.reason, answer.durable) == (
            Outcome.AMBIGUOUS,
            "SEVERAL_FUELLINGS",
            True,
        )
        shown = [(c.nozzle, c.product, c.volume_ml, c.amount_fen, c.ended_ago_s) for c in answer.candidates]
        assert shown == [("08", "petrol-92", 50_000, 39_250, 300), ("09", "petrol-95", 50_000, 39_250, 0)]
        assert (world.count("binding"), world.count("award")) == (0, 0)

    def test_the_choice_is_bound_and_earns(self, world: World) -> None:
        first = world.fuel(50_000)
        world.fuel(50_000, "09")
        listed = world.pay("R-1", first.amount_fen, credential=BASIC).candidates
        answer = world.choose("R-1", listed[0].fact_id)
        assert (answer.outcome, answer.points_minor, answer.fact_id) == (
            Outcome.DONE,
            10_000,
            listed[0].fact_id,
        )
        again = world.choose("R-1", listed[0].fact_id)
        assert (again.outcome, again.points_minor) == (Outcome.REPEATED, 10_000)
        other = world.choose("R-1", listed[1].fact_id)
        assert (other.outcome, other.reason) == (Outcome.REFUSED, "SALE_NOT_WAITING")
        assert world.count("award") == 1

    def test_half_an_hour_later_the_list_can_still_be_chosen_from(self, world: World) -> None:
        """The age of a fuelling counts at payment: a slow cashier must not lose the customer's points."""
        first = world.fuel(50_000)
        world.fuel(50_000, "09")
        world.wait(20 * MINUTE)
        listed = world.pay("R-1", first.amount_fen, credential=BASIC).candidates
        world.wait(20 * MINUTE)
        assert world.choose("R-1", listed[0].fact_id).points_minor == 10_000

    def test_only_what_was_listed_can_be_chosen(self, world: World) -> None:
        smaller = world.fuel(20_000)
        not_listed = ids.text(world.newest_fact().fact_id)
        first = world.fuel(50_000)
        world.fuel(50_000)
        world.pay("R-1", first.amount_fen)
        for wrong in (not_listed, "", "no id at all", ids.text(bytes(16))):
            assert world.choose("R-1", wrong).reason == "NOT_A_CANDIDATE"
        assert world.choose("R-9", not_listed).reason == "SALE_UNKNOWN"
        assert world.pay("R-2", smaller.amount_fen).outcome is Outcome.DONE

    def test_the_list_shrinks_when_another_sale_takes_one(self, world: World) -> None:
        first = world.fuel(50_000)
        world.fuel(50_000, "09")
        listed = world.pay("R-1", first.amount_fen).candidates
        world.pay("R-2", first.amount_fen)
        world.choose("R-2", listed[0].fact_id)
        assert world.choose("R-1", listed[0].fact_id).reason == "NOT_A_CANDIDATE"
        left = world.pay("R-1", first.amount_fen)
        assert (left.outcome, [c.fact_id for c in left.candidates]) == (
            Outcome.AMBIGUOUS,
            [listed[1].fact_id],
        )

    def test_a_long_list_shows_the_newest_eight(self, world: World) -> None:
        for _ in range(10):
            fuelling = world.fuel(50_000)
        listed = world.pay("R-1", fuelling.amount_fen).candidates
        assert len(listed) == 8
        assert listed[-1].fact_id == ids.text(world.newest_fact().fact_id)


class TestNoneFitsYet:
    def prepaid(self, world: World, **changes: object) -> Told:
        world.pay("R-1", 39_250, **({"credential": GOLD} | changes))
        world.wait(2 * MINUTE)
        return world.book(world.fuelling(50_000))

    def test_a_later_fuelling_binds_it_and_tells_the_register(self, world: World) -> None:
        told = self.prepaid(world)
        [notice] = told.notices
        assert (notice.register, notice.pos_sale_id, notice.point) == ("till-1", "R-1", "1")
        assert (notice.points_minor, notice.balance_minor, notice.provisional) == (12_000, 112_000, True)
        assert "120 points" in notice.text
        assert state(world) == "BOUND"

    def test_the_fuelling_s_own_answer_says_nothing_of_the_sale(self, world: World) -> None:
        assert self.prepaid(world).answer.points_minor is None

    def test_a_fuelling_of_another_amount_leaves_it_waiting(self, world: World) -> None:
        world.pay("R-1", 39_250)
        assert world.book(world.fuelling(20_000)).notices == ()
        assert state(world) == "CANDIDATE"

    def test_two_waiting_sales_for_one_fuelling_are_ambiguous(self, world: World) -> None:
        world.pay("R-1", 39_250, credential=GOLD)
        world.pay("R-2", 39_250, credential=BASIC)
        assert world.book(world.fuelling(50_000)).notices == ()
        assert (state(world, "R-1"), state(world, "R-2")) == ("AMBIGUOUS", "AMBIGUOUS")
        assert world.count("binding") == 0
        listed = world.pay("R-2", 39_250, credential=BASIC)
        assert (listed.outcome, len(listed.candidates)) == (Outcome.AMBIGUOUS, 1)
        assert world.choose("R-2", listed.candidates[0].fact_id).points_minor == 10_000

    def test_a_sale_that_must_be_chosen_stays_so_when_a_third_fuelling_fits(self, world: World) -> None:
        world.fuel(50_000)
        world.fuel(50_000)
        world.pay("R-1", 39_250)
        assert world.book(world.fuelling(50_000)).notices == ()
        assert state(world) == "AMBIGUOUS"
        assert len(world.pay("R-1", 39_250).candidates) == 3

    def test_the_other_of_two_ambiguous_sales_gets_the_next_fuelling(self, world: World) -> None:
        """Once the first has chosen, one waiting sale and one unbound fuelling are left: no guess."""
        world.pay("R-1", 39_250, credential=GOLD)
        world.pay("R-2", 39_250, credential=BASIC)
        world.fuel(50_000)
        world.choose("R-1", ids.text(world.newest_fact().fact_id))
        [notice] = world.book(world.fuelling(50_000)).notices
        assert (notice.pos_sale_id, notice.points_minor) == ("R-2", 10_000)

    def test_a_record_of_long_ago_is_not_what_was_just_paid(self, world: World) -> None:
        """Read late from the device's memory: the event is two hours old, the payment two minutes."""
        world.pay("R-1", 39_250)
        world.wait(2 * MINUTE)
        world.book(world.fuelling(50_000), ended_ago_ms=2 * 3_600_000)
        assert (world.count("binding"), state(world)) == (0, "CANDIDATE")

    def test_an_ambiguous_sale_is_never_given_a_record_that_does_not_fit_it(self, world: World) -> None:
        world.fuel(50_000)
        world.fuel(50_000)
        listed = world.pay("R-1", 39_250).candidates
        world.pay("R-2", 39_250)
        world.choose("R-2", listed[0].fact_id)
        world.book(world.fuelling(50_000), ended_ago_ms=2 * 3_600_000)
        assert world.count("binding") == 1
        assert world.choose("R-1", listed[1].fact_id).fact_id == listed[1].fact_id

    def test_it_waits_thirty_minutes(self, world: World) -> None:
        world.pay("R-1", 39_250)
        world.wait(30 * MINUTE)
        assert lapse(world) == 0
        world.wait(1)
        assert world.book(world.fuelling(50_000)).notices == ()
        assert lapse(world) == 1
        assert state(world) == "UNBOUND"
        assert world.alarms() == {("SALE_WITHOUT_FUELLING", "point 1"): 1}
        assert lapse(world) == 0

    def test_a_lapsed_sale_stays_unbound(self, world: World) -> None:
        world.pay("R-1", 39_250)
        world.wait(31 * MINUTE)
        lapse(world)
        world.fuel(50_000)
        fact_id = ids.text(world.newest_fact().fact_id)
        assert world.choose("R-1", fact_id).reason == "SALE_NOT_WAITING"
        assert world.identify("R-1", GOLD).reason == "TOO_LATE"
        assert world.count("binding") == 0

    def test_the_shop_goods_of_a_lapsed_sale_become_a_fact(self, world: World) -> None:
        world.pay("R-1", 39_250, credential=BASIC, lines=(CHOCOLATE,))
        world.wait(31 * MINUTE)
        lapse(world)
        assert state(world) == "BOUND"
        assert world.rows("SELECT kind, amount_fen FROM fact") == [("basket", 1_250)]
        assert world.rows("SELECT member, minor FROM award") == [("m-basic", 1_200)]


class TestHeardAgain:
    def test_the_same_sale_gets_the_same_answer(self, world: World) -> None:
        fuelling = world.fuel(50_000)
        first = world.pay("R-1", fuelling.amount_fen, credential=GOLD)
        world.wait(3_600)
        assert world.pay("R-1", fuelling.amount_fen, credential=GOLD) == replace(
            first, outcome=Outcome.REPEATED
        )
        assert world.count("award") == 1

    def test_waiting_and_ambiguous_sales_too(self, world: World) -> None:
        assert world.pay("R-1", 39_250) == world.pay("R-1", 39_250)
        world.fuel(20_000)
        second = world.fuel(20_000)
        assert world.pay("R-2", second.amount_fen) == world.pay("R-2", second.amount_fen)
        assert world.count("pos_sale") == 2

    @pytest.mark.parametrize(
        "other",
        [
            paid("R-1", 39_251),
            paid("R-1", 39_250, point="2"),
            paid("R-1", 39_250, tender="wechat"),
            paid("R-1", 39_250, lines=(CHOCOLATE,)),
        ],
    )
    def test_another_sale_under_the_same_id_is_refused(self, world: World, other: object) -> None:
        world.fuel(50_000)
        world.pay("R-1", 39_250)
        answer = world.book(other).answer  # type: ignore[arg-type]
        assert (answer.outcome, answer.reason, answer.durable) == (Outcome.REFUSED, "POS_SALE_CONFLICT", True)
        assert world.alarms() == {("POS_SALE_CONFLICT", "register till-1"): 1}

    def test_registers_count_their_sales_separately(self, world: World) -> None:
        world.pay("R-1", 39_250)
        assert world.pay("R-1", 20_000, register="till-2").outcome is Outcome.WAITING
        assert world.count("pos_sale") == 2


class TestRefusals:
    def test_a_point_that_is_not_there(self, world: World) -> None:
        answer = world.pay("R-1", 39_250, point="7")
        assert (answer.reason, answer.text) == ("UNKNOWN_POINT", "There is no fuelling point 7")
        assert world.count("pos_sale") == 0

    def test_an_empty_sale(self, world: World) -> None:
        assert world.pay("R-1", 0).reason == "EMPTY_SALE"
        assert world.count("pos_sale") == 0


class TestShopOnly:
    def test_it_is_a_fact_and_earns(self, world: World) -> None:
        answer = world.pay("R-1", 0, point=None, credential=BASIC, lines=(CHOCOLATE,))
        assert (answer.outcome, answer.points_minor) == (Outcome.DONE, 1_200)
        expected = ids.basket_id("station-0042", "till-1", "R-1")
        assert world.rows("SELECT fact_id, kind, amount_fen, point FROM fact") == [
            (expected, "basket", 1_250, "")
        ]

    def test_heard_again_it_is_one(self, world: World) -> None:
        first = world.pay("R-1", 0, point=None, credential=BASIC, lines=(CHOCOLATE,))
        again = world.pay("R-1", 0, point=None, credential=BASIC, lines=(CHOCOLATE,))
        assert again == replace(first, outcome=Outcome.REPEATED)
        assert (world.count("fact"), world.count("award")) == (1, 1)


@pytest.mark.parametrize(
    ("tender", "reason", "purpose"),
    [("test", "TEST_DRAW", "test"), ("return-to-tank", "RETURNED_TO_TANK", "return")],
)
class TestDraws:
    """Fuel that was no sale, as the tender says: bound, told to HQ, never worth points (feature S-165)."""

    def items(self, world: World) -> list[dict[str, object]]:
        rows = world.rows("SELECT body FROM outbox WHERE stream = 'ledger' ORDER BY seq")
        return [json.loads(str(body, "utf-8")) for (body,) in rows]

    def nothing_earned(self, world: World, reason: str) -> None:
        assert world.rows("SELECT reason, member, credential FROM binding") == [(reason, "", "")]
        assert (world.count("award"), world.count("ledger_entry"), world.count("lot")) == (0, 0, 0)
        assert {"award", "claim"}.isdisjoint({item["kind"] for item in self.items(world)})

    @pytest.mark.parametrize("card", ["record", "payment", "before", "after", "stranger"])
    def test_no_card_makes_it_earn(
        self, world: World, tender: str, reason: str, purpose: str, card: str
    ) -> None:
        if card == "before":
            world.present(GOLD)
        fuelling = world.fuel(50_000, credential=GOLD if card == "record" else None)
        if card == "after":
            world.present(GOLD)
        shown = {"payment": GOLD, "stranger": STRANGER}.get(card)
        answer = world.pay("R-1", fuelling.amount_fen, tender=tender, credential=shown)
        assert (answer.outcome, answer.durable, answer.reason) == (Outcome.DONE, True, reason)
        assert answer.points_minor is None
        assert state(world) == "BOUND"
        self.nothing_earned(world, reason)
        [_, draw] = self.items(world)
        assert draw == {
            "kind": "draw",
            "of": 1,
            "purpose": purpose,
            "till": "till-1",
            "pos_sale_id": "R-1",
            "at_ms": world.at_ms,
        }

    def test_a_card_shown_before_it_is_paid_goes_to_the_next_fuelling(
        self, world: World, tender: str, reason: str, purpose: str
    ) -> None:
        drawn = world.fuel(20_000)
        world.present(GOLD)
        world.pay("R-1", drawn.amount_fen, tender=tender)
        sold = world.fuel(50_000)
        assert world.pay("R-2", sold.amount_fen).points_minor == 12_000

    def test_it_is_found_like_a_sale_s_fuelling(
        self, world: World, tender: str, reason: str, purpose: str
    ) -> None:
        world.fuel(50_000)
        world.fuel(50_000, "09")
        listed = world.pay("R-1", 39_250, tender=tender)
        assert (listed.outcome, len(listed.candidates)) == (Outcome.AMBIGUOUS, 2)
        assert world.choose("R-1", listed.candidates[1].fact_id).reason == reason
        assert world.pay("R-2", 39_250, credential=GOLD).points_minor == 12_000
        assert world.rows("SELECT product FROM fact JOIN award USING (fact_id)") == [("petrol-92",)]

    def test_one_that_waits_is_bound_when_the_fuelling_comes(
        self, world: World, tender: str, reason: str, purpose: str
    ) -> None:
        assert world.pay("R-1", 39_250, tender=tender, credential=GOLD).outcome is Outcome.WAITING
        assert world.identify("R-1", GOLD).reason == reason
        [notice] = world.book(world.fuelling(50_000)).notices
        assert (notice.pos_sale_id, notice.points_minor) == ("R-1", 0)
        self.nothing_earned(world, reason)

    def test_who_says_later_who_they_are_is_told_why_not(
        self, world: World, tender: str, reason: str, purpose: str
    ) -> None:
        world.pay("R-1", world.fuel(50_000).amount_fen, tender=tender)
        for card in (GOLD, STRANGER):
            answer = world.identify("R-1", card)
            assert (answer.outcome, answer.reason) == (Outcome.REFUSED, reason)
            assert answer.text
        self.nothing_earned(world, reason)

    def test_it_stays_one_when_the_settings_change(
        self, world: World, tender: str, reason: str, purpose: str
    ) -> None:
        world.pay("R-1", world.fuel(50_000).amount_fen, tender=tender)
        none: frozenset[str] = frozenset()
        world.site = replace(world.site, test_tenders=none, return_tenders=none)
        assert world.identify("R-1", GOLD).reason == reason
        self.nothing_earned(world, reason)

    def test_heard_again_it_is_one(self, world: World, tender: str, reason: str, purpose: str) -> None:
        fuelling = world.fuel(50_000)
        first = world.pay("R-1", fuelling.amount_fen, tender=tender)
        again = world.pay("R-1", fuelling.amount_fen, tender=tender)
        assert again == replace(first, outcome=Outcome.REPEATED)
        assert [item["kind"] for item in self.items(world)] == ["fuelling", "draw"]

    def test_money_given_back_takes_no_points(
        self, world: World, tender: str, reason: str, purpose: str
    ) -> None:
        world.pay("R-1", world.fuel(50_000).amount_fen, tender=tender)
        assert world.refund("F-1", "R-1", 39_250).points_minor == 0
        assert world.pay("R-1", 39_250, tender=tender).reason == reason

    def test_goods_rung_up_so_earn_nothing_either(
        self, world: World, tender: str, reason: str, purpose: str
    ) -> None:
        answer = world.pay("R-1", 0, point=None, tender=tender, credential=GOLD, lines=(CHOCOLATE,))
        assert (answer.outcome, answer.reason) == (Outcome.DONE, reason)
        self.nothing_earned(world, reason)
        [basket] = self.items(world)
        assert (basket["kind"], basket["tender"]) == ("basket", tender)

    def test_a_nozzle_set_right_awards_none_that_were_rung_up_meanwhile(
        self, world: World, tender: str, reason: str, purpose: str
    ) -> None:
        for volume_ml in (50_000, 40_000, 30_000, 20_000):
            record = world.fuelling(volume_ml)
            world.book(replace(record, volume_ml=volume_ml // 10, volume_step_ml=1))
            world.pay(f"R-{volume_ml}", record.amount_fen, tender=tender, credential=GOLD)
        world.fuel(10_000)
        assert world.rows("SELECT DISTINCT reason FROM binding") == [(reason,)]
        assert (world.count("binding"), world.count("award")) == (4, 0)

    def test_only_the_very_word_means_it(self, world: World, tender: str, reason: str, purpose: str) -> None:
        answer = world.pay("R-1", world.fuel(50_000).amount_fen, tender=tender.upper(), credential=GOLD)
        assert (answer.reason, answer.points_minor) == ("", 12_000)

    def test_the_station_says_which_words_mean_it(
        self, world: World, tender: str, reason: str, purpose: str
    ) -> None:
        world.site = replace(world.site, test_tenders=frozenset({"自检"}), return_tenders=frozenset({"回罐"}))
        word = {"test": "自检", "return": "回罐"}[purpose]
        assert world.pay("R-1", world.fuel(50_000).amount_fen, tender=tender, credential=GOLD).reason == ""
        assert world.pay("R-2", world.fuel(20_000).amount_fen, tender=word).reason == reason

    def test_where_the_end_of_the_fuelling_awards_nobody_can_tell(
        self, world: World, tender: str, reason: str, purpose: str
    ) -> None:
        world.site = replace(world.site, award_on_fuelling=frozenset({"1"}))
        world.present(GOLD)
        fuelling = world.fuel(50_000)
        assert world.pay("R-1", fuelling.amount_fen, tender=tender).outcome is Outcome.WAITING
        assert world.rows("SELECT minor FROM award") == [(12_000,)]


class TestWithoutPos:
    def test_the_end_of_the_fuelling_settles(self, world: World) -> None:
        world.site = replace(world.site, award_on_fuelling=frozenset({"1"}))
        world.present(GOLD)
        told = world.book(world.fuelling(50_000))
        assert told.notices == ()
        assert world.rows("SELECT member, minor FROM award") == [("m-gold", 12_000)]
        world.fuel(50_000)
        assert world.count("award") == 1
        assert world.rows("SELECT reason FROM binding ORDER BY bound_at_ms, rowid") == [("",), ("NO_MEMBER",)]
