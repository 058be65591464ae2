"""Unit: is the older Ruby text read as the public parser's tests read it?

The lines are of that shape; the goods are ours.
"""

from drivers.events import BasketLine, SalePaid
from tests.unit.drivers.verifone_journal.journal_desk import Desk

MILK, PROMOTION = "\x01T MILK 2 P 03458  1    3.65", "\x01  Pro                  -0.15"
END = ("REG# 0001 CSH# 010 DR# 01  TRAN# 10872", "02/04/04  11:51:33           ST# GVG02")
PAID = SalePaid("1", "R1D040204T10872", None, 0, "CASH", (BasketLine("T MILK 2 P", 1_000, 350),) * 2)
WHOLE = (
    "***** ERROR CORRECTION *******",
    MILK,
    PROMOTION,
    "******************************",
    MILK,
    MILK,
    PROMOTION,
    MILK,
    PROMOTION,
    "                     ----------",
    "         Sub Total         7.00",
    PROMOTION,
    "\x01  T MILK 2 P 03462  1    3.65",
    PROMOTION,
    "              Tax         0.53",
    "              Tax         0.53",
    "!           TOTAL        7.53!",
    "             Cash  $      5.00",
    "!           TOTAL        7.53!",
    "             Cash  $      5.00",
    "             Cash  $      5.00",
    "           Change  $     -2.47",
    "                              ",
    *END,
    "       Thanks for shopping    ",
    "   Descr.     qty       amount",
    "              Cash  $      5.0",
    *END,
)


def test_starred_blocks_repeats_and_the_second_print_are_not_sold() -> None:
    desk = Desk(dialect="ruby")
    desk.say(*WHOLE)
    assert desk.reported == [PAID]
    assert desk.count("NOT_A_SALE") == 1, "the second print of the number ends a ticket without lines"


def test_the_whole_text_once_more_is_a_duplicate() -> None:
    desk = Desk(dialect="ruby")
    desk.say(*WHOLE, *WHOLE)
    assert desk.reported == [PAID]
    assert desk.count("DUPLICATE") == 1


def test_an_item_taken_back_in_a_starred_block_after_it_is_found_out_by_the_total() -> None:
    desk = Desk(dialect="ruby")
    end = (
        "         Sub Total        3.65",
        "!           TOTAL        3.65!",
        "            Credit  $     3.65",
    )
    desk.say(MILK, MILK, *WHOLE[:4], *end, *END)
    (sale,) = desk.reported
    assert isinstance(sale, SalePaid)
    assert sale.lines == (BasketLine("T MILK 2 P", 1_000, 365),)


def test_money_moved_to_the_safe_is_no_sale() -> None:
    desk = Desk(dialect="ruby")
    desk.say("!Safe Loan       !    0.50", "!  Pay Out   !   15.00 #10", *END)
    assert desk.reported == []
    assert desk.count("NOT_A_SALE") == 1


def test_no_cashier_number_is_kept_after_the_ticket() -> None:
    desk = Desk(dialect="ruby")
    desk.say(*WHOLE[:-1])
    desk.say(WHOLE[-1], "next")
    ruby = desk.session._ruby
    assert ruby is not None
    assert "CSH#" not in repr(vars(ruby))
