"""Unit: are journal lines put together to the sales that were rung up, and to nothing else?"""

import random

import pytest

from drivers.events import BasketLine, DeviceBack, DeviceSilent, SalePaid, SaleRefunded
from drivers.feed import AGAIN_MS, MOST_WAITING, SILENT_AFTER_MS
from drivers.tripwire import holds_card, sift
from tests.unit.drivers.machinery.card_numbers import card_number
from tests.unit.drivers.verifone_journal.journal_desk import (
    NOT_NOW,
    Desk,
    cashier,
    item,
    named,
    number,
    stamped,
)

COFFEE = (item("COFFEE 16 OZ", "1.79"), named("TOTAL", "1.79"), named("CASH", "2.00"))
COFFEE_PAID = SalePaid(
    "101", "R101D150818T1015206", None, 0, "CASH", (BasketLine("COFFEE 16 OZ", 1_000, 179),)
)


def test_fuel_and_goods_of_one_ticket_are_one_sale() -> None:
    desk = Desk()
    desk.say(item("UNLD CA #03", "25.00", 7), *COFFEE[:1], named("TOTAL", "26.79"), named("DEBIT", "26.79"))
    assert desk.reported == []
    desk.say(number(1015206), cashier())
    assert desk.reported == [
        SalePaid("101", "R101D150818T1015206", "3", 2_500, "DEBIT", (BasketLine("COFFEE 16 OZ", 1_000, 179),))
    ]


def test_records_that_share_a_line_feed_are_told_apart_by_their_prefix() -> None:
    desk = Desk()
    desk.say_serial(*COFFEE, number(1015206), cashier(), *COFFEE, number(1015207), cashier())
    assert [sale.pos_sale_id for sale in desk.reported if isinstance(sale, SalePaid)] == [
        "R101D150818T1015206",
        "R101D150818T1015207",
    ]
    assert desk.count("BAD_FRAME") == 0


def test_the_commander_form_of_the_number_is_read_even_if_nothing_follows_it() -> None:
    desk = Desk()
    desk.say_serial(*COFFEE)
    desk.feed(b"\x1bc0\x01\x1b!\x00" + stamped(f"ST#1{'':19}DR#1 TRAN#1015206").encode())
    assert desk.reported == []
    desk.pass_time(1_000)
    assert desk.reported == [COFFEE_PAID]


def test_another_ticket_of_the_same_number_is_left_to_the_till_to_refuse() -> None:
    desk = Desk()
    desk.say(*COFFEE, number(1015206), cashier())
    desk.say(item("MILK", "2.99"), named("TOTAL", "2.99"), named("DEBIT", "2.99"), number(1015206), cashier())
    assert len(desk.reported) == 2
    assert (desk.count("DUPLICATE"), desk.count("ID_CONFLICT")) == (0, 1)


def test_the_same_ticket_again_is_not_reported_again() -> None:
    desk = Desk()
    for _ in range(3):
        desk.say(*COFFEE, number(1015206), cashier())
    assert desk.reported == [COFFEE_PAID]
    assert desk.count("DUPLICATE") == 2


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((*COFFEE, item("MILK", "2.99")), "INCOMPLETE"),
        ((item("COFFEE", "1.79"), named("TOTAL", "1.80"), named("CASH", "1.80")), "NOT_ADDING_UP"),
        ((item("COFFEE", "1.79"), named("TOTAL", "1.79"), named("DEBIT", "2.00")), "NOT_ADDING_UP"),
        ((item("COFFEE", "1.79"), named("TOTAL", "1.79"), named("CASH", "1.00")), "NOT_ADDING_UP"),
        (
            (item("TEA", "1.79"), named("TOTAL", "1.79"), named("CASH", "1.00"), named("DEBIT", "1.80")),
            "NOT_ADDING_UP",
        ),
        ((item("COFFEE", "1.79"), named("TOTAL", "1.79"), stamped("VOID TICKET 1015206")), "VOIDED"),
        ((item("COFFEE", "1.79"), stamped("  TRANSACTION SUSPENDED # 1015206")), "VOIDED"),
        ((item("COFFEE", "1.79"), named("CASH", "1.79")), "NOT_A_SALE"),
        ((named("TOTAL", "1.79"), named("CASH", "1.79")), "NOT_A_SALE"),
        ((), "NOT_A_SALE"),
        ((item("COFFEE", "-1.79"), named("TOTAL", "-1.79"), named("CASH", "-1.79")), "REFUND_NOT_NAMED"),
        (
            (item("UNLD CA #03", "-0.16", 7), named("TOTAL", "-0.16"), named("CASH", "-0.16")),
            "REST_WITHOUT_PREPAY",
        ),
    ],
)
def test_what_is_no_whole_sale_is_dropped_under_its_name_and_the_next_is_read(
    lines: tuple[str, ...], code: str
) -> None:
    desk = Desk()
    desk.say(*lines, number(1015205), cashier())
    assert desk.reported == []
    assert desk.count(code) == 1
    desk.say(*COFFEE, number(1015206), cashier())
    assert desk.reported == [COFFEE_PAID]


def test_the_rest_of_a_prepayment_goes_back_to_the_sale_that_was_paid_in_advance() -> None:
    desk = Desk()
    prepaid = (item("PREPAY CA #03", "15.00"), named("TOTAL", "15.00"), named("CASH", "15.00"))
    desk.say(*prepaid, number(1015206), cashier())
    rest = (item("UNLD CA #03", "-0.16", 7), named("TOTAL", "-0.16"), named("CASH", "-0.16"))
    desk.say(*rest, number(1015207), cashier(), *rest, number(1015208), cashier())
    assert desk.reported == [
        SalePaid("101", "R101D150818T1015206", "3", 1_500, "CASH"),
        SaleRefunded("101", "R101D150818T1015207P3", "R101D150818T1015206", 16),
    ]
    assert desk.count("REST_WITHOUT_PREPAY") == 1


def test_the_rest_may_be_given_back_at_another_register() -> None:
    desk = Desk()
    prepaid = (item("PREPAY CA #03", "15.00"), named("TOTAL", "15.00"), named("CASH", "15.00"))
    desk.say(*prepaid, number(1015206), cashier())
    rest = (
        item("UNLD CA #03", "-0.16", 7, "102"),
        named("TOTAL", "-0.16", "102"),
        named("CASH", "-0.16", "102"),
    )
    desk.say(*rest, number(7, "102"))
    assert desk.reported[1:] == [SaleRefunded("101", "R102D150818T7P3", "R101D150818T1015206", 16)]


def test_a_fuelling_paid_afterwards_ends_the_prepayment_at_its_pump() -> None:
    desk = Desk()
    for place, label in enumerate(("PREPAY CA #03", "UNLD CA #03")):
        desk.say(item(label, "15.00"), named("TOTAL", "15.00"), named("CREDIT", "15.00"), number(1 + place))
    desk.say(item("UNLD CA #03", "-0.16", 7), named("TOTAL", "-0.16"), named("CASH", "-0.16"), number(3))
    assert desk.count("REST_WITHOUT_PREPAY") == 1


def test_two_pumps_on_one_ticket_are_two_sales_with_the_goods_once() -> None:
    desk = Desk()
    desk.say(item("UNLD CA #03", "10.00"), item("DIESEL CR #12", "20.00"), *COFFEE[:1])
    desk.say(named("TOTAL", "31.79"), named("CASH", "20.00"), named("CREDIT", "11.79"), number(1015206))
    goods = (BasketLine("COFFEE 16 OZ", 1_000, 179),)
    assert desk.reported == [
        SalePaid("101", "R101D150818T1015206", "3", 1_000, "CASH+CREDIT", goods),
        SalePaid("101", "R101D150818T1015206F2", "12", 2_000, "CASH+CREDIT"),
    ]


def test_goods_taken_back_and_reduced_on_the_same_ticket_are_netted() -> None:
    desk = Desk()
    desk.say(item("MILK", "2.99"), item("COFFEE", "1.79"), item("MILK", "-2.99"), item("COUPON", "-0.50"))
    desk.say(named("TOTAL", "1.29"), named("CREDIT", "1.29"), number(1015206))
    (sale,) = desk.reported
    assert isinstance(sale, SalePaid)
    assert sale.lines == (BasketLine("COFFEE", 1_000, 129),)


def test_registers_are_told_apart_and_only_those_of_the_settings_are_believed() -> None:
    desk = Desk(registers=("101",))
    for line in zip(
        COFFEE, (item("MILK", "2.99", 1, "102"), named("TOTAL", "2.99", "102"), "x"), strict=True
    ):
        desk.say(*line)
    desk.say(named("CASH", "2.99", "102"), number(7, "102"), cashier(register="102"))
    desk.say(number(1015206), cashier())
    assert desk.reported == [], "a line that was not understood came between"
    for line in zip(COFFEE, (item("MILK", "2.99", 1, "102"), named("TOTAL", "2.99", "102")), strict=False):
        desk.say(*line)
    desk.say(COFFEE[2], number(1015206), cashier())
    assert desk.reported == [COFFEE_PAID]
    assert desk.count("OTHER_REGISTER") == 7


@pytest.mark.parametrize(
    ("options", "total", "reported"),
    [
        ({}, "1.90", 0),
        ({"total": "items_and_tax"}, "1.90", 1),
        ({"total": "items_and_tax"}, "1.78", 0),
        ({"total": "items_and_tax", "tax_limit_bp": 600}, "1.91", 0),
        ({"total": "unchecked"}, "1.00", 1),
    ],
)
def test_what_a_total_must_be_is_the_sites_setting(
    options: dict[str, object], total: str, reported: int
) -> None:
    desk = Desk(**options)
    desk.say(cashier(), *COFFEE[:1], named("TOTAL", total), named("CREDIT", total), number(1015206))
    assert len(desk.reported) == reported


def test_a_tax_line_is_part_of_the_total() -> None:
    desk = Desk()
    desk.say(
        *COFFEE[:1], named("TAX", "0.11"), named("TOTAL", "1.90"), named("CREDIT", "1.90"), number(1015206)
    )
    assert len(desk.reported) == 1


@pytest.mark.parametrize("total", ["items_and_tax", "unchecked"])
def test_where_lines_cannot_be_counted_up_a_ticket_whose_beginning_was_not_heard_is_not_believed(
    total: str,
) -> None:
    desk = Desk(total=total)
    desk.say(*COFFEE, number(1015205), cashier())
    assert desk.count("INCOMPLETE") == 1
    desk.say(*COFFEE[:1], "a torn li", *COFFEE[1:], number(1015206), cashier())
    assert desk.count("INCOMPLETE") == 2
    desk.say(*COFFEE, number(1015207), cashier())
    assert len(desk.reported) == 1


def test_amounts_have_the_decimals_of_the_settings() -> None:
    desk = Desk(decimals=0)
    desk.say(item("COFFEE", "18"), named("TOTAL", "18"), named("CASH", "20"), number(1015206))
    (sale,) = desk.reported
    assert isinstance(sale, SalePaid)
    assert sale.lines[0].amount_fen == 1_800
    wrong = Desk()
    wrong.say(item("COFFEE", "18"), named("TOTAL", "18"), named("CASH", "20"), number(1015206))
    assert wrong.reported == []
    assert wrong.count("BAD_FRAME") == 3


def test_no_cashier_is_remembered_longer_than_the_line() -> None:
    desk = Desk()
    desk.say(*COFFEE, number(1015206), cashier("LI XIAOMING"))
    assert "XIAOMING" not in repr(vars(desk.session)) + repr(vars(desk.session._reader))
    desk.say_serial(*COFFEE, number(1015207), cashier("LI XIAOMING"))
    held = [vars(ticket) for ticket in desk.session._tickets.values()]
    assert "XIAOMING" not in repr((vars(desk.session._reader), vars(desk.session._desk), held))


def test_a_till_that_says_not_now_gets_the_same_sale_again_in_order() -> None:
    desk = Desk()
    desk.answer = NOT_NOW
    for transaction in (1, 2, 3):
        desk.say(*COFFEE, number(transaction), cashier())
    assert len(desk.reported) == 1
    for _ in range(3):
        desk.pass_time(AGAIN_MS)
    assert len(desk.reported) == 4
    assert len(set(desk.reported)) == 1
    desk.answer = desk.answer.__class__(outcome=desk.answer.outcome.DONE, durable=True)
    desk.pass_time(AGAIN_MS)
    assert [sale.pos_sale_id[-2:] for sale in desk.reported[4:] if isinstance(sale, SalePaid)] == [
        "T1",
        "T2",
        "T3",
    ]


def test_after_a_pulled_plug_no_line_and_no_ticket_is_put_together_from_two_halves() -> None:
    desk = Desk(total="unchecked")
    desk.say(cashier(), *COFFEE[:1])
    desk.feed(COFFEE[1][:40].encode())
    desk.session.disconnected(desk.now)
    desk.say(COFFEE[1][40:], *COFFEE[1:], number(1015205), cashier())
    assert desk.reported == []
    assert (desk.count("INCOMPLETE"), desk.count("BAD_FRAME")) == (1, 2)
    desk.say(*COFFEE, number(1015206), cashier())
    assert desk.reported == [COFFEE_PAID]


def test_what_waits_is_bounded_and_what_does_not_fit_is_counted() -> None:
    desk = Desk()
    desk.answer = NOT_NOW
    for transaction in range(MOST_WAITING + 5):
        desk.say(*COFFEE, number(transaction), cashier())
    assert desk.count("SALE_DROPPED") == 5


def test_a_feed_that_is_silent_for_half_a_day_is_noticed_and_so_is_its_return() -> None:
    desk = Desk()
    desk.say(*COFFEE)
    assert desk.others == [DeviceBack("pos")]
    desk.pass_time(SILENT_AFTER_MS)
    desk.say(*COFFEE)
    assert desk.others == [DeviceBack("pos"), DeviceSilent("pos", SILENT_AFTER_MS), DeviceBack("pos")]


def test_an_endless_line_takes_no_memory_and_the_next_ticket_is_read() -> None:
    desk = Desk()
    for _ in range(1_000):
        desk.feed(b"x" * 1_000)
    assert len(repr(vars(desk.session._reader))) < 2_000
    assert desk.count("BAD_FRAME") == 1
    desk.say("", *COFFEE, number(1015206), cashier())
    assert desk.reported == [COFFEE_PAID]


def test_no_card_number_in_any_line_reaches_the_till() -> None:
    rng = random.Random(4)
    desk = Desk()
    for _ in range(300):
        card = card_number(rng)
        desk.say(stamped(f"CARD {card}"[:39]), item(card[:20], "1.79"), named("TOTAL", "1.79"))
        desk.say(named(f"VISA {card}"[:27], "1.79"), number(rng.randrange(10**7)), cashier(card[:18]))
    assert len(desk.reported) > 250
    for sale in desk.reported:
        sifted = sift(sale, b"key")
        assert not holds_card(repr(sifted.event))
        assert sifted.dropped_count >= 2
