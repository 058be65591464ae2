"""Unit: do the defects of other systems that points.md 9 lists stay out of ours?

Items 5, 7 to 14 belong to parts that have tests of their own or are not built yet: 7 is G10 of
tests/unit/points; 3's loop of a hundred stands in test_refunds.py, 15 in test_secrets_stay_out.py.
"""

from dataclasses import replace

from drivers.events import BasketLine, Outcome
from tests.world import BASIC, GOLD, World


def test_item_1_the_same_sale_twice_after_a_restart_is_one_award(world: World) -> None:
    """odoo #222372, OCA #185. The kill -9 in the middle of it is in tests/integration and in power cuts."""
    record = world.fuelling(50_000)
    world.book(record)
    first = world.pay("R-1", record.amount_fen, credential=GOLD)
    world.reopen()
    assert world.book(record, ended_ago_ms=None).answer.outcome is Outcome.REPEATED
    again = world.pay("R-1", record.amount_fen, credential=GOLD)
    assert (again.outcome, again.points_minor) == (Outcome.REPEATED, first.points_minor)
    assert (world.count("fact"), world.count("award"), world.count("ledger_entry")) == (1, 1, 1)


def test_item_2_validated_offline_then_restarted_the_points_are_there_once(world: World) -> None:
    """odoo #270532: what was queued for HQ is still queued, once, with the same bytes."""
    world.pay("R-1", world.fuel(50_000).amount_fen, credential=GOLD)
    queued = world.rows("SELECT seq, kind, body, head FROM outbox WHERE stream = 'ledger' ORDER BY seq")
    world.reopen()
    assert (
        world.rows("SELECT seq, kind, body, head FROM outbox WHERE stream = 'ledger' ORDER BY seq") == queued
    )
    assert [kind for _, kind, _, _ in queued] == ["fuelling", "award"]
    assert world.balance_minor("m-gold") == 112_000


def test_item_3_a_sale_refunded_twice_is_deducted_once(world: World) -> None:
    """odoo #257854, #212922."""
    fen = world.fuel(50_000).amount_fen
    world.pay("R-1", fen, credential=GOLD)
    assert world.refund("F-1", "R-1", fen).points_minor == -12_000
    assert world.refund("F-1", "R-1", fen).outcome is Outcome.REPEATED
    assert world.refund("F-2", "R-1", fen).reason == "REFUND_TOO_LARGE"
    assert world.balance_minor("m-gold") == 100_000


def test_item_4_a_balance_that_hq_has_already_changed_is_not_changed_twice(world: World) -> None:
    """POS-Awesome #3059, with the verbs there are: earned and refunded offline, synced, shown."""
    fen = world.fuel(50_000).amount_fen
    world.pay("R-1", fen, credential=BASIC)
    world.refund("F-1", "R-1", fen // 2)
    assert world.balance_minor("m-basic") == 5_000
    world.reopen()
    assert world.balance_minor("m-basic") == 5_000
    known = world.run(lambda tx, at: tx.members.get("m-basic"))
    assert known is not None
    synced = replace(known, included_seq=world.count("ledger_entry"), balance_minor=5_000)
    world.run(lambda tx, at: tx.members.replace_all(2, bytes(32), [(synced, ())], at.wall_ms))
    assert world.balance_minor("m-basic") == 5_000


def test_item_6_a_line_voided_before_payment_earns_nothing(world: World) -> None:
    """FloCafe #720. A POS tells us of a sale when it is paid: what was voided is not in it."""
    world.present(BASIC)
    fuelling = world.fuel(10_000)
    assert (world.count("award"), world.count("ledger_entry")) == (0, 0)
    kept = BasketLine("coffee", 1_000, 1_500)
    assert world.pay("R-1", fuelling.amount_fen, lines=(kept,)).points_minor == 2_000 + 1_500


def test_item_6_a_sale_never_paid_earns_nothing(world: World) -> None:
    world.present(BASIC)
    world.fuel(10_000)
    world.wait(7_200)
    assert (world.count("fact"), world.count("award"), world.count("posting")) == (1, 0, 0)
    assert world.balance_minor("m-basic") == 0
