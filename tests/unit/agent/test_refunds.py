"""Unit: does a refund take back exactly the points it should, once, in however many parts?"""

import json
from contextlib import closing
from dataclasses import replace

import pytest

from agent.clock import Instant
from agent.handlers.bind_sale import let_lapse
from agent.points.ledger import redemption_postings
from agent.points.lots import spend
from agent.store.database import Transaction
from agent.store.integrity import verify
from agent.store.reading import connect
from drivers.events import BasketLine, Fuelling, Outcome, SaleRefunded
from tests.world import BASIC, GOLD, STRANGER, World


def sell(world: World, volume_ml: int = 50_000, sale: str = "R-1", **changes: object) -> int:
    """One paid fuelling of the basic member; returns what it cost."""
    fuelling = world.fuel(volume_ml, "08", **changes)
    assert world.pay(sale, fuelling.amount_fen, credential=BASIC).points_minor is not None
    return fuelling.amount_fen


def lots(world: World) -> list[tuple[object, ...]]:
    return world.rows("SELECT remaining_minor, state FROM lot ORDER BY rowid")


def test_g9_three_parts_of_ten_litres_worth_twenty_points(world: World) -> None:
    sell(world, 10_000, unit_price_milli=10_000, amount_fen=10_000)
    taken = [world.refund(f"F-{n}", "R-1", fen).points_minor for n, fen in enumerate((3_330, 3_330, 3_340))]
    assert taken == [-666, -666, -668]
    assert world.balance_minor("m-basic") == 0
    assert lots(world) == [(0, "reversed")]
    assert world.rows("SELECT kind, count(*) FROM ledger_entry GROUP BY kind") == [
        ("award", 1),
        ("refund", 3),
    ]


def test_the_answer_and_the_item_for_hq(world: World) -> None:
    fen = sell(world)
    answer = world.refund("F-1", "R-1", fen)
    assert (answer.outcome, answer.points_minor, answer.balance_minor) == (Outcome.DONE, -10_000, 0)
    assert answer.text == "Refunded, 100 points taken back, balance 0 (to be confirmed by headquarters)"
    [(body,)] = world.rows("SELECT body FROM outbox WHERE kind = 'refund'")
    assert body == (
        b'{"kind":"refund","of":1,"award":2,"till":"till-1","refund_id":"F-1","pos_sale_id":"R-1","amount_fen":39250,'
        b'"refunded_fen":39250,"total_fen":39250,"minor":10000,"at_ms":%d}' % world.at_ms
    )


def test_a_repeated_refund_changes_nothing(world: World) -> None:
    sell(world)
    first = world.refund("F-1", "R-1", 10_000)
    again = world.refund("F-1", "R-1", 10_000)
    assert again == replace(first, outcome=Outcome.REPEATED)
    assert (world.count("refund"), world.count("ledger_entry")) == (1, 2)


@pytest.mark.parametrize(("sale", "fen"), [("R-1", 10_001), ("R-2", 10_000)])
def test_a_used_refund_id_for_another_refund_is_refused(world: World, sale: str, fen: int) -> None:
    sell(world)
    sell(world, 20_000, "R-2")
    world.refund("F-1", "R-1", 10_000)
    assert world.refund("F-1", sale, fen).reason == "REFUND_CONFLICT"
    assert world.count("refund") == 1


@pytest.mark.parametrize("fen", [39_251, 0, -1])
def test_more_than_was_paid_or_nothing_is_refused(world: World, fen: int) -> None:
    sell(world)
    assert world.refund("F-1", "R-1", fen).reason == "REFUND_TOO_LARGE"
    assert world.count("refund") == 0


def test_parts_together_cannot_exceed_the_sale(world: World) -> None:
    fen = sell(world)
    world.refund("F-1", "R-1", fen - 100)
    assert world.refund("F-2", "R-1", 101).reason == "REFUND_TOO_LARGE"
    assert world.refund("F-3", "R-1", 100).outcome is Outcome.DONE
    assert world.balance_minor("m-basic") == 0


def test_a_sale_nobody_made(world: World) -> None:
    assert world.refund("F-1", "R-9", 100).reason == "SALE_UNKNOWN"
    assert world.alarms() == {("SALE_UNKNOWN", "register till-1"): 1}


PREPAID_FEN, FUELLED_FEN, REST_FEN = 10_000, 8_400, 1_600
"""A hundred paid in advance, 84.00 taken, the rest given back at the register."""


def prepaid_fuelling(world: World, amount_fen: int = FUELLED_FEN) -> Fuelling:
    return world.fuelling(amount_fen, unit_price_milli=10_000, amount_fen=amount_fen)


class TestARestGivenBack:
    def test_before_the_fuelling_is_known_the_sale_waits_for_what_was_kept(self, world: World) -> None:
        assert world.pay("R-1", PREPAID_FEN, credential=BASIC).outcome is Outcome.WAITING
        answer = world.refund("F-1", "R-1", REST_FEN)
        assert (answer.outcome, answer.points_minor, answer.fact_id) == (Outcome.DONE, 0, "")
        [notice] = world.book(prepaid_fuelling(world)).notices
        assert (notice.pos_sale_id, notice.points_minor) == ("R-1", 1_600)
        [(inputs,)] = world.rows("SELECT inputs FROM award")
        [line] = json.loads(inputs)["lines"]
        assert (line["volume_ml"], line["amount_fen"]) == (8_400, FUELLED_FEN)
        assert_sound(world)

    def test_after_the_fuelling_it_is_bound_at_once_and_the_pos_is_told(self, world: World) -> None:
        world.book(prepaid_fuelling(world))
        assert world.pay("R-1", PREPAID_FEN, credential=BASIC).outcome is Outcome.WAITING
        told = world.book(SaleRefunded("till-1", "F-1", "R-1", REST_FEN))
        assert (told.answer.outcome, told.answer.points_minor) == (Outcome.DONE, 0)
        [notice] = told.notices
        assert (notice.pos_sale_id, notice.point, notice.points_minor) == ("R-1", "1", 1_600)
        again = world.book(SaleRefunded("till-1", "F-1", "R-1", REST_FEN))
        assert (again.answer.outcome, again.notices) == (Outcome.REPEATED, ())
        assert world.pay("R-1", PREPAID_FEN, credential=BASIC).outcome is Outcome.REPEATED
        assert world.balance_minor("m-basic") == 1_600
        assert_sound(world)

    def test_what_is_refunded_later_is_a_share_of_what_was_fuelled(self, world: World) -> None:
        """Half of the 84.00 is half of the points, in the end nothing is left, and HQ computes the same."""
        world.pay("R-1", PREPAID_FEN, credential=BASIC)
        world.refund("F-1", "R-1", REST_FEN)
        world.book(prepaid_fuelling(world))
        assert world.refund("F-2", "R-1", FUELLED_FEN // 2).points_minor == -800
        assert_sound(world)
        assert world.refund("F-3", "R-1", FUELLED_FEN // 2 + 1).reason == "REFUND_TOO_LARGE"
        assert world.refund("F-4", "R-1", FUELLED_FEN // 2).points_minor == -800
        assert world.balance_minor("m-basic") == 0
        said = [json.loads(body) for (body,) in world.rows("SELECT body FROM outbox WHERE kind = 'refund'")]
        assert [(item["refunded_fen"], item["total_fen"]) for item in said] == [
            (REST_FEN, PREPAID_FEN),
            (4_200, FUELLED_FEN),
            (FUELLED_FEN, FUELLED_FEN),
        ]
        assert_sound(world)

    def test_in_two_parts_it_is_the_sum_that_counts(self, world: World) -> None:
        world.book(prepaid_fuelling(world))
        world.pay("R-1", PREPAID_FEN, credential=BASIC)
        assert world.book(SaleRefunded("till-1", "F-1", "R-1", 600)).notices == ()
        [notice] = world.book(SaleRefunded("till-1", "F-2", "R-1", 1_000)).notices
        assert notice.points_minor == 1_600

    def test_who_identifies_after_the_rest_still_earns(self, world: World) -> None:
        world.pay("R-1", PREPAID_FEN)
        world.refund("F-1", "R-1", REST_FEN)
        [notice] = world.book(prepaid_fuelling(world)).notices
        assert notice.points_minor == 0
        assert world.identify("R-1", BASIC).points_minor == 1_600

    def test_a_member_whom_only_hq_knows_claims_what_was_fuelled(self, world: World) -> None:
        world.pay("R-1", PREPAID_FEN, credential=STRANGER)
        world.refund("F-1", "R-1", REST_FEN)
        world.book(prepaid_fuelling(world))
        [(body,)] = world.rows("SELECT body FROM outbox WHERE kind = 'claim'")
        assert json.loads(body)["inputs"]["lines"][0]["amount_fen"] == FUELLED_FEN

    def test_two_fuellings_of_that_amount_are_never_guessed(self, world: World) -> None:
        world.book(prepaid_fuelling(world))
        world.book(prepaid_fuelling(world))
        world.pay("R-1", PREPAID_FEN, credential=BASIC)
        assert world.book(SaleRefunded("till-1", "F-1", "R-1", REST_FEN)).notices == ()
        listed = world.pay("R-1", PREPAID_FEN, credential=BASIC)
        assert (listed.outcome, len(listed.candidates)) == (Outcome.AMBIGUOUS, 2)
        assert world.choose("R-1", listed.candidates[1].fact_id).points_minor == 1_600

    def test_two_sales_that_now_wait_for_the_same_are_never_guessed(self, world: World) -> None:
        world.book(prepaid_fuelling(world))
        world.pay("R-1", PREPAID_FEN, credential=BASIC)
        world.pay("R-2", PREPAID_FEN + 1_000, credential=GOLD)
        world.refund("F-2", "R-2", 1_000)
        world.book(prepaid_fuelling(world, PREPAID_FEN))
        assert world.rows("SELECT DISTINCT state FROM pos_sale") == [("AMBIGUOUS",)]
        assert world.count("award") == 0

    def test_a_fuelling_that_another_sale_may_have_paid_for_is_not_taken_by_the_one_with_the_rest(
        self, world: World
    ) -> None:
        for _ in range(2):
            world.book(prepaid_fuelling(world))
        for sale in ("R-2", "R-3"):
            listed = world.pay(sale, FUELLED_FEN, credential=GOLD).candidates
        assert world.choose("R-3", listed[0].fact_id).outcome is Outcome.DONE
        world.pay("R-1", PREPAID_FEN, credential=BASIC)
        assert world.book(SaleRefunded("till-1", "F-1", "R-1", REST_FEN)).notices == ()
        states = world.rows("SELECT state FROM pos_sale ORDER BY pos_sale_id")
        assert states == [("AMBIGUOUS",), ("AMBIGUOUS",), ("BOUND",)]

    def test_the_next_sale_of_the_full_amount_is_not_mistaken_for_the_one_with_the_rest(
        self, world: World
    ) -> None:
        """Round amounts are usual in advance: the sale that kept 84.00 does not take the next 100.00."""
        world.pay("R-1", PREPAID_FEN, credential=BASIC)
        world.refund("F-1", "R-1", REST_FEN)
        world.pay("R-2", PREPAID_FEN, credential=GOLD)
        [notice] = world.book(prepaid_fuelling(world, PREPAID_FEN)).notices
        assert notice.pos_sale_id == "R-2"

    def test_all_of_it_given_back_awaits_nothing_and_the_next_sale_of_the_amount_earns(
        self, world: World
    ) -> None:
        """Rung up wrong, refunded and rung up again: one fuelling, one award, nobody has to choose."""
        world.pay("R-1", 39_250, credential=GOLD)
        answer = world.refund("F-1", "R-1", 39_250)
        assert (answer.outcome, answer.points_minor, answer.fact_id) == (Outcome.DONE, 0, "")
        assert world.book(world.fuelling(50_000)).notices == ()
        assert (world.count("award"), world.count("binding")) == (0, 0)
        assert world.pay("R-2", 39_250, credential=GOLD).points_minor == 12_000
        assert_sound(world)

    def test_all_of_it_given_back_lapses_without_an_alarm(self, world: World) -> None:
        world.pay("R-1", 39_250, credential=GOLD)
        world.pay("R-2", 10_000, credential=GOLD)
        world.refund("F-1", "R-1", 39_250)
        world.wait(31 * 60)
        assert world.run(lambda tx, at: let_lapse(tx, world.site, at)) == 2
        [(code, subject, times)] = world.rows("SELECT code, subject, times FROM alarm")
        assert (code, subject, times) == ("SALE_WITHOUT_FUELLING", "point 1", 1)

    def test_a_fuelling_without_money_is_not_that_of_a_sale_of_which_nothing_is_left(
        self, world: World
    ) -> None:
        """A pulse counter tells no amount: 0 fen are not what a sale that was called off waits for."""
        world.pay("R-1", 39_250, credential=GOLD)
        world.refund("F-1", "R-1", 39_250)
        assert world.book(world.fuelling(50_000, amount_fen=0, unit_price_milli=0)).notices == ()
        assert world.count("binding") == 0

    @pytest.mark.parametrize(("refunded_fen", "earns"), [(2_000, False), (2_001, False), (1_600, True)])
    def test_where_goods_were_sold_too_the_fuelling_may_still_be_the_whole_one(
        self, world: World, refunded_fen: int, earns: bool
    ) -> None:
        """Goods for 20.00 came back: the fuelling of 100.00 is paid for and, as ever, earns nothing."""
        world.pay("R-1", PREPAID_FEN, credential=BASIC, lines=(BasketLine("oil", 1_000, 2_000),))
        world.refund("F-1", "R-1", refunded_fen)
        notices = world.book(prepaid_fuelling(world, FUELLED_FEN if earns else PREPAID_FEN)).notices
        assert [bool(notice.points_minor) for notice in notices] == ([earns] if refunded_fen <= 2_000 else [])
        assert_sound(world)

    def test_what_was_refunded_after_the_fuelling_was_found_earns_nothing(self, world: World) -> None:
        fuelling = world.fuel()
        world.pay("R-1", fuelling.amount_fen)
        world.refund("F-1", "R-1", 1_000)
        assert world.identify("R-1", BASIC).reason == "SALE_REFUNDED"
        assert world.count("award") == 0


def assert_sound(world: World) -> None:
    with closing(connect(world.path)) as reader:
        assert verify(reader) == []


def test_a_sale_without_points_can_be_refunded(world: World) -> None:
    world.pay("R-1", world.fuel().amount_fen)
    answer = world.refund("F-1", "R-1", 39_250)
    assert (answer.outcome, answer.points_minor, answer.balance_minor) == (Outcome.DONE, 0, None)
    assert world.count("ledger_entry") == 0


def test_shop_goods_count_in_the_share(world: World) -> None:
    """Fuel 100.00 for 20 points and goods 100.00 for 100 points: half the money is half the points."""
    fuelling = world.fuel(10_000, unit_price_milli=10_000, amount_fen=10_000)
    world.pay("R-1", fuelling.amount_fen, credential=BASIC, lines=(BasketLine("coffee", 1_000, 10_000),))
    assert world.refund("F-1", "R-1", 10_000).points_minor == -6_000
    assert world.balance_minor("m-basic") == 6_000


def test_a_refunded_basket(world: World) -> None:
    lines = (BasketLine("coffee", 1_000, 3_000),)
    assert world.pay("R-1", 0, point=None, credential=BASIC, lines=lines).points_minor == 3_000
    assert world.refund("F-1", "R-1", 3_000).points_minor == -3_000
    assert world.balance_minor("m-basic") == 0


def test_every_refund_takes_from_the_lot_it_came_from(world: World) -> None:
    sell(world, 50_000, "R-1")
    sell(world, 20_000, "R-2")
    world.refund("F-1", "R-1", 39_250)
    assert lots(world) == [(0, "reversed"), (4_000, "active")]


def redeem(world: World, sale: str, minor: int) -> None:
    """What a redemption will do to the lot of a sale; it is not a verb of this station yet."""

    def take(tx: Transaction, at: Instant) -> None:
        [(lot_id,)] = world.rows(
            "SELECT award_id FROM award JOIN pos_sale USING (fact_id) WHERE pos_sale_id = ?", sale
        )
        lot = tx.lots.of(lot_id)
        assert lot is not None
        spending = spend([lot.as_lot()], minor)
        seq = tx.ledger.post("redemption", lot_id, redemption_postings(lot.member, minor), at.wall_ms)
        tx.lots.moved(lot_id, seq, -minor)
        tx.lots.change(lot.after(spending.lots[0]))

    world.run(take)


def test_what_was_spent_meanwhile_comes_from_other_lots_and_then_becomes_debt(world: World) -> None:
    sell(world, 50_000, "R-1")
    sell(world, 20_000, "R-2")
    redeem(world, "R-1", 9_000)
    assert world.refund("F-1", "R-1", 39_250).points_minor == -10_000
    assert lots(world) == [(0, "reversed"), (0, "exhausted")]
    accounts = dict(world.rows("SELECT account, minor FROM account"))
    assert accounts["member:m-basic:debt"] == -5_000


def test_the_next_points_repay_a_debt_at_once_and_hq_is_told(world: World) -> None:
    sell(world, 50_000, "R-1")
    redeem(world, "R-1", 9_000)
    world.refund("F-1", "R-1", 39_250)
    assert world.balance_minor("m-basic") == -9_000
    sell(world, 50_000, "R-2")
    accounts = dict(world.rows("SELECT account, minor FROM account"))
    assert (accounts["member:m-basic:debt"], accounts["member:m-basic:active"]) == (0, 1_000)
    [(body,)] = world.rows("SELECT body FROM outbox WHERE kind = 'award' ORDER BY seq DESC LIMIT 1")
    assert json.loads(body)["repaid_minor"] == 9_000
    with closing(connect(world.path)) as reader:
        assert verify(reader) == []


def test_a_hundred_times_bought_and_refunded_is_where_it_began(world: World) -> None:
    """points.md 9 item 3, first half: odoo #257854."""
    for number in range(100):
        sell(world, 1_000 + 10 * number, f"R-{number}")
        [(total,)] = world.rows("SELECT total_fen FROM pos_sale WHERE pos_sale_id = ?", f"R-{number}")
        assert isinstance(total, int)
        third = total // 3
        world.refund(f"F-{number}a", f"R-{number}", third)
        world.refund(f"F-{number}b", f"R-{number}", total - third)
        assert world.balance_minor("m-basic") == 0
    assert world.rows("SELECT sum(minor) FROM posting") == [(0,)]
