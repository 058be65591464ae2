"""Unit: does a refund take back exactly the points it should, once, in however many parts?"""

import json
from contextlib import closing
from dataclasses import replace

import pytest

from agent.clock import Instant
from agent.points.ledger import redemption_postings
from agent.points.lots import spend
from agent.store.database import Transaction
from agent.store.integrity import verify
from agent.store.reading import connect
from drivers.events import BasketLine, Outcome
from tests.world import BASIC, GOLD, World


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


def test_refunded_before_its_fuelling_arrives_it_never_earns(world: World) -> None:
    world.pay("R-1", 39_250, credential=GOLD)
    answer = world.refund("F-1", "R-1", 39_250)
    assert (answer.outcome, answer.points_minor, answer.fact_id) == (Outcome.DONE, 0, "")
    [notice] = world.book(world.fuelling(50_000)).notices
    assert (notice.points_minor, notice.text) == (0, "This sale was refunded and earns no points")
    assert (world.count("award"), world.count("binding")) == (0, 1)
    assert world.pay("R-1", 39_250, credential=GOLD).reason == "SALE_REFUNDED"


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
