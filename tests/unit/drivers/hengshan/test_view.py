"""Unit: do people see what a Hengshan frame says, raw and scaled, who says it, and whether it is whole?"""

import pytest

from drivers.hengshan import DRIVER, codec, words
from drivers.hengshan.codec import Frame
from drivers.hengshan.options import HengshanOptions
from drivers.hengshan.simulator import frame
from drivers.views import NOISE, Check, Sender, View

OPTIONS = HengshanOptions()
NUMBER = words.number_bytes(41)


def _view(command: int, data: bytes = b"", options: HengshanOptions = OPTIONS) -> View:
    (view,) = DRIVER.explain(frame(2, 16, command, data), options)
    return view


def _shown(view: View) -> dict[str, tuple[str, str]]:
    return {detail.name: (detail.raw, detail.meaning) for detail in view.details}


def test_a_sale_shows_digits_and_units_and_what_nobody_knows() -> None:
    data = (
        NUMBER + b"\x01\x02" + b"\x03\x09" + b"\x11" * 9 + b"\x22\x00\x03\xe8" + b"\x33\x00\x1e\x5a" + b"\x44"
    )
    view = _view(codec.SALE, data)
    assert (view.title, view.sender, view.check) == ("sale: answer", "device", Check.OK)
    assert _shown(view) == {
        "address": ("02", "fuelling point 2"),
        "frame number": ("10", "16"),
        "number of the sale, supposedly": ("00 00 00 29", "41"),
        "unit price": ("03 09", "7770 milli a litre"),
        "volume": ("00 03 E8", "10000 ml"),
        "amount": ("00 1E 5A", "7770 fen"),
        "not known": ("01 02 11 11 11 11 11 11 11 11 11 22 33", ""),
        "not known, behind it": ("44", ""),
    }


def test_totals_and_the_flow_are_scaled_by_the_options() -> None:
    options = HengshanOptions(totalizer_decimals=3, volume_decimals=1)
    totals = _shown(_view(codec.TOTALS, b"\x01\x03\x09" + NUMBER + b"\x00\x00\x03\xe8", options))
    assert totals["total"] == ("00 00 03 E8", "1000 ml")
    assert totals["number of the newest sale"] == ("00 00 00 29", "41")
    flow = _shown(_view(codec.STATE, b"\x03" + b"\x00\x00\x00\x0a" + b"\x00\x00\x00\x4d", options))
    assert flow["state"] == ("03", "fuelling")
    assert flow["volume"] == ("00 00 00 0A", "1000 ml")
    assert flow["amount"] == ("00 00 00 4D", "77 fen")


@pytest.mark.parametrize(
    ("command", "data", "title", "sender"),
    [
        (codec.DEVICE_INFORMATION, b"", "device information: question", "host"),
        (codec.DEVICE_INFORMATION, b"TK", "device information: answer", "device"),
        (codec.STATE, b"\x20\x26\x03\x14\x09\x08\x07", "state: question", "host"),
        (codec.STATE, b"\x05", "state: answer", "device"),
        (codec.STATE, b"\x00" + bytes(6), "state: answer", "device"),
        (codec.TOTALS, b"", "totals: question", "host"),
        (codec.SALE, NUMBER, "sale: question, or no such sale", ""),
        (codec.CONFIRM, b"", "confirm sale: question", "host"),
        (codec.CONFIRM, b"\x55", "confirm sale: answer", "device"),
        (codec.PRESET, b"\x00\x00\x00\x27\x10", "authorise: question", "host"),
        (codec.PRESET, b"\x55", "authorise: answer", "device"),
        (codec.STOP, b"", "stop: question", "host"),
        (codec.STOP, b"\x55", "stop: answer", "device"),
        (codec.PRICE, b"\x01\x03\x09\x00\x00", "set price: question", "host"),
        (codec.PRICE, b"\x55", "set price: answer", "device"),
        (0x77, b"\x01", "unknown command 77", ""),
    ],
)
def test_who_says_it_is_told_by_the_layout(command: int, data: bytes, title: str, sender: Sender) -> None:
    view = _view(command, data)
    assert (view.title, view.sender, view.check) == (title, sender, Check.OK)


def test_what_a_host_says_is_shown_too() -> None:
    assert (
        _shown(_view(codec.STATE, b"\x20\x26\x03\x14\x09\x08\x07"))["time of day"][1] == "2026-03-14 09:08:07"
    )
    preset = _shown(_view(codec.PRESET, b"\x00\x00\x00\x27\x10"))
    assert (preset["order"], preset["value"]) == (("00", "an amount"), ("00 00 27 10", "10000"))
    assert _shown(_view(codec.PRICE, b"\x01\x03\x09\x00\x02"))["price"] == ("03 09", "777")


def test_the_same_number_twice_is_a_question_and_its_answer() -> None:
    question, answer, other = DRIVER.explain(
        frame(2, 1, codec.SALE, NUMBER) * 2 + frame(2, 1, codec.SALE, words.number_bytes(42)), OPTIONS
    )
    assert (question.sender, answer.sender, other.sender) == ("", "device", "")
    assert _shown(answer)["number of the sale"] == ("00 00 00 29", "41: no such sale")


def test_the_other_form_of_the_check_value_is_named() -> None:
    data = codec.encode(Frame(1, 1, codec.SALE, words.number_bytes(250), checks_doubled=True))
    (view,) = DRIVER.explain(data, OPTIONS)
    assert view.check is Check.OK
    assert _shown(view)["check value"] == ("", "over the doubled bytes")


def test_damage_and_noise_are_kept() -> None:
    good = frame(1, 1, codec.TOTALS, b"")
    damaged = good[:2] + b"\x02" + good[3:]
    data = b"ab" + good + damaged + good[:5] + good + b"\xfa\x00half"
    views = DRIVER.explain(data, OPTIONS)
    assert [(view.title, view.check) for view in views] == [
        (NOISE, Check.NONE),
        ("totals: question", Check.OK),
        ("damaged frame", Check.WRONG),
        (NOISE, Check.NONE),
        ("totals: question", Check.OK),
        (NOISE, Check.NONE),
    ]
    assert b"".join(view.data for view in views) == data


def test_the_questions_for_a_scan_change_nothing() -> None:
    asks = DRIVER.asks("3", HengshanOptions(mode="master"))
    views = [DRIVER.explain(ask.data, OPTIONS)[0] for ask in asks]
    assert [view.title for view in views] == ["totals: question", "device information: question"]
    assert [ask.is_totals for ask in asks] == [True, False]
    assert all(_shown(view)["address"][1] == "fuelling point 3" for view in views)


@pytest.mark.parametrize("text", ["0", "256", "x"])
def test_an_address_is_a_byte(text: str) -> None:
    with pytest.raises(ValueError, match=r"no address of a fuelling point|invalid literal"):
        codec.address_of(text)
