"""Unit: are receipts read by the site's template, questions answered, and everything else left alone?"""

import random
import time

import pytest
from pydantic import ValidationError

from drivers.escpos_tap.options import EscposTapOptions
from drivers.escpos_tap.session import GAP_MS, MOST_LINES, MOST_REPLY_BYTES
from drivers.escpos_tap.simulator import BARCODE, CUT, DRAWER, PATTERNS, PICTURE, PLAIN, QUESTION, START
from drivers.events import BasketLine, DeviceBack, SalePaid, SaleRefunded
from drivers.tripwire import holds_card, sift
from tests.unit.drivers.escpos_tap.receipt_desk import Desk
from tests.unit.drivers.machinery.card_numbers import card_number

FUEL = ("单号：A000001", "枪号: 03", "油品   234.05", "合计: 234.05", "微信  234.05")
FUEL_PAID = SalePaid("1", "A000001", "3", 23_405, "微信")


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_a_receipt_with_everything_on_it_is_a_sale_when_it_is_cut_off(encoding: str) -> None:
    desk = Desk(encoding=encoding)
    desk.feed(START + "测试加油站".encode(encoding) + b"\n" + PLAIN + PICTURE)
    desk.print(
        *FUEL[:1], "矿泉水 x2  4.00", *FUEL[1:3], "合计: 238.05", "现金  300.00", "找零  61.95", cut=b""
    )
    desk.feed(BARCODE + DRAWER)
    assert desk.reported == []
    desk.feed(CUT)
    goods = (BasketLine("矿泉水", 2_000, 400),)
    assert desk.reported == [SalePaid("1", "A000001", "3", 23_405, "现金", goods)]
    assert desk.others == [DeviceBack("printer")]


def test_a_second_printer_says_that_it_is_ready_and_a_pass_through_says_nothing() -> None:
    for form, ready in (("second_printer", b"\x12"), ("pass_through", b"")):
        desk = Desk(form=form)
        assert [desk.feed(b"\x10\x04" + bytes([n])) for n in (1, 2, 3, 4)] == [ready] * 4
        assert desk.feed(b"\x1dr1") == (b"\x00" if ready else b"")
        assert desk.feed(b"\x1da\xff") == (b"\x10\x00\x00\x00" if ready else b"")
        assert desk.feed(b"\x1da\x00\x1dI\x01\x10\x05\x01") == b""
        assert desk.count("UNANSWERED_QUESTION") == (3 if ready else 0)


def test_a_question_in_the_middle_of_a_line_is_answered_and_not_printed() -> None:
    desk = Desk()
    text = "\n".join(FUEL).encode("gb18030") + b"\n"
    assert desk.feed(text[:7] + QUESTION + text[7:] + CUT) == b"\x12"
    assert desk.reported == [FUEL_PAID]


def test_a_question_between_any_two_bytes_of_the_text_changes_nothing() -> None:
    """Real-time questions come when the POS likes, also between the two bytes of a Chinese letter."""
    text = "\n".join(FUEL).encode("gb18030") + b"\n"
    for place in range(len(text)):
        desk = Desk()
        assert desk.feed(text[:place]) == b""
        assert desk.feed(QUESTION[:2]) == b""
        assert desk.feed(QUESTION[2:] + text[place:] + CUT) == b"\x12"
        assert desk.reported == [FUEL_PAID], place


def test_words_in_other_columns_do_not_grow_together() -> None:
    """ "2" and "4.00" printed at two positions of one line are not 24.00."""
    desk = Desk()
    goods = "矿泉水".encode("gb18030") + b"\x1b$\x80\x00x2\x1b\\\x20\x004.00\n"
    desk.feed(b"\x1b$\x00\x00" + goods)
    desk.print("单号：A000001", "合计: 4.00", "微信  4.00")
    assert desk.reported == [SalePaid("1", "A000001", None, 0, "微信", (BasketLine("矿泉水", 2_000, 400),))]


def test_a_flood_of_questions_gets_bounded_answers() -> None:
    desk = Desk()
    assert desk.feed(QUESTION * 10_000) == b"\x12" * MOST_REPLY_BYTES


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (("欢迎光临",), "RECEIPT_UNMATCHED"),
        (("单号: A1", "微信 1.00"), "RECEIPT_UNMATCHED"),
        (("单号: A1", "合计: 1.0", "微信 1.00"), "RECEIPT_UNMATCHED"),
        (("单号: A1", "水 x1 1.00", "合计: 1.00"), "RECEIPT_UNMATCHED"),
        (("单号: A1", "单号: A2", "水 x1 1.00", "合计: 1.00", "微信 1.00"), "RECEIPT_AMBIGUOUS"),
        (("单号: A1", "枪号: 1", "水 x1 1.00", "合计: 1.00", "微信 1.00"), "RECEIPT_AMBIGUOUS"),
        (("单号: A1", "水 x1 1.00", "合计: 2.00", "微信 2.00"), "NOT_ADDING_UP"),
        (("单号: A1", "水 x1 1.00", "合计: 1.00", "微信 2.00"), "NOT_ADDING_UP"),
        (("单号: A1", "水 x1 1.00", "合计: 1.00", "现金 2.00", "找零 0.50"), "NOT_ADDING_UP"),
        (("重印", *FUEL), "RECEIPT_IGNORED"),
        (("单号: A1", "合计: -1.00"), "REFUND_NOT_NAMED"),
        (("x",) * (MOST_LINES + 1), "RECEIPT_TOO_LONG"),
    ],
)
def test_what_is_no_whole_sale_is_dropped_under_its_name(lines: tuple[str, ...], code: str) -> None:
    desk = Desk()
    desk.print(*lines)
    assert desk.reported == []
    assert desk.count(code) == 1
    desk.print(*FUEL)
    assert desk.reported == [FUEL_PAID]


def test_a_receipt_that_is_a_picture_is_counted_and_an_empty_one_is_not() -> None:
    desk = Desk()
    desk.feed(CUT + DRAWER + CUT)
    assert desk.count("RECEIPT_UNREADABLE") == 0
    desk.feed(PICTURE * 20 + CUT)
    assert desk.count("RECEIPT_UNREADABLE") == 1


def test_a_reprint_is_a_duplicate_and_a_refund_names_its_sale() -> None:
    desk = Desk()
    desk.print(*FUEL)
    desk.print(*FUEL)
    desk.print("单号: A2", "原单: A000001", "合计: -4.00")
    assert desk.reported == [FUEL_PAID, SaleRefunded("1", "A2", "A000001", 400)]
    assert desk.count("DUPLICATE") == 1


def test_date_and_register_of_the_receipt_are_part_of_the_sale() -> None:
    patterns = (r"^POS (?P<register>[0-9]+) (?P<date>[0-9-]{10})", *PATTERNS)
    desk = Desk(patterns=patterns)
    desk.print("POS 07 2026-08-01", *FUEL)
    (sale,) = desk.reported
    assert isinstance(sale, SalePaid)
    assert (sale.register, sale.pos_sale_id) == ("07", "2026-08-01 A000001")


DATED = (r"^POS (?P<register>[0-9]+) (?P<date>[0-9-]{10})", r"^原日期 (?P<refund_date>[0-9-]{10})", *PATTERNS)


@pytest.mark.parametrize("first", ["POS 07", "P0S 07 2026-08-01"])
def test_a_sale_whose_date_or_register_cannot_be_read_gets_no_second_id(first: str) -> None:
    desk = Desk(patterns=DATED)
    desk.print(first, *FUEL)
    assert desk.reported == []
    assert desk.count("RECEIPT_UNMATCHED") == 1


def test_where_numbers_begin_again_each_day_a_refund_names_its_day_or_nothing() -> None:
    desk = Desk(patterns=DATED)
    refund = ("POS 07 2026-08-02", "单号: A2", "原单: A000001", "合计: -4.00")
    desk.print(*refund)
    assert desk.reported == []
    assert desk.count("REFUND_NOT_NAMED") == 1
    desk.print(*refund, "原日期 2026-08-01")
    assert desk.reported == [SaleRefunded("07", "2026-08-02 A2", "2026-08-01 A000001", 400)]


def test_what_the_receipt_calls_a_pump_is_a_point_of_the_site() -> None:
    desk = Desk(points={"03": "island-2"})
    desk.print(*FUEL)
    (sale,) = desk.reported
    assert isinstance(sale, SalePaid)
    assert sale.point == "island-2"


def test_a_printer_without_a_cutter_ends_its_receipts_by_silence() -> None:
    desk = Desk(quiet_end_ms=3_000)
    desk.print(*FUEL, cut=b"")
    desk.pass_time(2_999)
    assert desk.reported == []
    desk.pass_time(1)
    assert desk.reported == [FUEL_PAID]


def test_a_command_whose_end_never_comes_makes_us_deaf_for_two_seconds_only() -> None:
    desk = Desk()
    desk.feed(b"\x1dv0\x00\xff\x00\xff\x01" + b"x" * 100)
    desk.pass_time(GAP_MS)
    desk.feed(CUT)
    desk.print(*FUEL)
    assert desk.reported == [FUEL_PAID]
    assert desk.count("BAD_FRAME") == 1


def test_a_pulled_plug_ends_the_receipt_that_was_being_printed() -> None:
    desk = Desk()
    desk.print(*FUEL, cut=b"")
    desk.feed(b"\x1dv0\x00\xff\x00\xff\x01" + b"x" * 100)
    desk.session.disconnected(desk.now)
    desk.feed(CUT)
    assert desk.reported == []
    desk.print(*FUEL)
    assert desk.reported == [FUEL_PAID], "what was left of the picture is not waited for"


@pytest.mark.parametrize(
    ("pattern", "because"),
    [
        (r"(?P<sale>(a+)+)", "inside a repeated group"),
        (r"(?P<sale>(?:\d+,)*)", "inside a repeated group"),
        (r"(?P<sale>(?:a|b*){2,})", "inside a repeated group"),
        (r"(?P<sale>(?:x(?:a*)y){3})", "inside a repeated group"),
        (r"(?P<sale>.*.*.*.*.*)", "at most 4"),
        (r"^(?P<sale>.*.*.*.*.*.*)", "at most 5"),
        (r"(?P<sale>a)\1", "refer back"),
        (r"(?P<sale>a)(?P=sale)", "refer back"),
        (r"(?x)(?P<sale>a)", "verbose"),
        (r"(?P<sale>a" + "b" * 200 + ")", "at most 200 characters"),
        (r"(?P<sale>a", "not a regular expression"),
        (r"(?P<price>a)", "name the groups"),
        (r"sale", "name the groups"),
        (r"(?P<amount>1)", "belongs to a product"),
        (r"(?P<refund_date>1)", "only where a date is part"),
    ],
)
def test_a_pattern_that_could_take_long_or_says_nothing_is_refused(pattern: str, because: str) -> None:
    with pytest.raises(ValidationError, match=because):
        EscposTapOptions(register_id="1", patterns=(pattern, *PATTERNS))


@pytest.mark.parametrize(
    "pattern",
    [r"(?P<sale>[+*]{1}\d{3}(?:-\d{2})+)", r"^(?P<product>.+?)\s+(?P<quantity>\d+)\s+(?P<amount>[\d.]+)$"],
)
def test_usual_patterns_are_taken(pattern: str) -> None:
    assert pattern in EscposTapOptions(register_id="1", patterns=(pattern, *PATTERNS)).patterns


@pytest.mark.parametrize("missing", [0, 1, 2, 3])
def test_a_template_without_what_a_sale_needs_is_refused(missing: int) -> None:
    with pytest.raises(ValidationError, match=r"no pattern finds|both or neither"):
        EscposTapOptions(register_id="1", patterns=PATTERNS[:missing] + PATTERNS[missing + 1 :])


def test_the_worst_line_for_the_worst_pattern_that_is_taken_is_read_in_moments() -> None:
    patterns = ("^(?P<sale>.*.*.*.*.*)!", "(?P<total>.*.*.*.*)!")
    desk = Desk(patterns=patterns)
    began = time.perf_counter()
    desk.print("a" * 500)
    assert time.perf_counter() - began < 2, "about 50 ms are usual"
    assert desk.count("RECEIPT_UNMATCHED") == 1


def test_no_card_number_on_a_receipt_reaches_the_till() -> None:
    rng = random.Random(6)
    desk = Desk(patterns=(r"^卡 (?P<tender>.+)", *PATTERNS))
    for serial in range(200):
        card = card_number(rng)
        lines = (f"单号: {serial}", f"{card} x1 1.00", f"{card}", "合计: 1.00", f"卡 {card}", "微信 1.00")
        desk.print(*lines)
    assert len(desk.reported) == 200
    for sale in desk.reported:
        assert not holds_card(repr(sift(sale, b"key").event))
