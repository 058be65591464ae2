"""Unit: do people read what a DART frame says, by whom, and with raw digits beside their meaning?"""

import pytest

from drivers.dart import DRIVER, codec
from drivers.dart.codec import Control, Frame
from drivers.dart.options import DartOptions
from drivers.dart.view import explain
from drivers.views import NOISE, Check, Detail, View

OPTIONS = DartOptions(price_decimals=3)
SALE = bytes.fromhex("503202080000003100000051030400164500010105B38503FA")
POLL, END = b"\x50\x20\xfa", b"\x50\x70\xfa"


def _titles(views: tuple[View, ...]) -> list[tuple[str, str]]:
    return [(view.title, view.sender) for view in views]


def test_a_captured_fuelling_with_digits_and_meanings() -> None:
    (view,) = explain(SALE, OPTIONS)
    assert (view.title, view.sender, view.check) == ("display, price and nozzle, state", "device", Check.OK)
    assert view.details == (
        Detail("address", "50", "pump side 1"),
        Detail("TX number", "2"),
        Detail("volume", "00000031", "310 ml"),
        Detail("amount", "00000051", "51 minor units (fen)"),
        Detail("unit price", "001645", "1645 milli a litre"),
        Detail("nozzle", "0", "0, in"),
        Detail("state", "05", "filling complete"),
    )


def test_who_speaks_is_told_by_the_turn_where_the_layout_does_not() -> None:
    ambiguous = codec.encode(Frame(0x50, Control.DATA, 1, b"\x01\x01\x05"))
    assert _titles(explain(ambiguous, OPTIONS)) == [("state or command: reset", "")]
    assert _titles(explain(POLL + ambiguous, OPTIONS))[1] == ("state", "device")
    assert _titles(explain(POLL + END + ambiguous, OPTIONS))[1:] == [
        ("nothing to say", "device"),
        ("command: reset", "host"),
    ]
    assert _titles(explain(b"\x51\x20\xfa" + ambiguous, OPTIONS))[1] == ("state or command: reset", "")


def test_the_controllers_frames() -> None:
    def said(body: bytes) -> View:
        return explain(END + codec.encode(Frame(0x50, Control.DATA, 0, body)), OPTIONS)[1]

    prices = said(bytes.fromhex("0506001175001180"))
    assert (prices.title, prices.sender) == ("set prices", "host")
    assert [each.meaning for each in prices.details[2:]] == ["1175 milli a litre", "1180 milli a litre"]
    assert said(b"\x65\x01\x01").title == "question: totals"
    assert said(b"\x04\x04\x00\x02\x00\x00").title == "preset amount"
    assert said(b"\x02\x02\x01\x02").title == "allow nozzles"
    assert said(b"\x09\x05\x00\x00\x12\x34\x56").title == "identity"


def test_totals_alarms_and_parameters_of_the_pump() -> None:
    body = bytes.fromhex("6510010000000002000000000200000000000501 0A".replace(" ", ""))
    (view,) = explain(codec.encode(Frame(0x51, Control.DATA, 13, body)), OPTIONS)
    assert (view.title, view.sender) == ("totals, alarm", "device")
    assert Detail("total", "0000000002", "20 ml") in view.details
    assert Detail("alarm", "0A", "power fail") in view.details
    (view,) = explain(
        codec.encode(Frame(0x51, Control.DATA, 1, b"\x07\x19" + bytes(22) + b"\2\2\3")), OPTIONS
    )
    assert Detail("price decimals", "03", "3") in view.details


@pytest.mark.parametrize("tag", [b"\x01\x23\x45\x67\x89", b"\x01\xfa\x45\xfa\xfa"])
def test_a_recording_names_no_tag(tag: bytes) -> None:
    assert DRIVER.redact is not None
    for tx_no in range(16):
        body = b"\x68\x05" + tag + b"\x01\x01\x04"
        data = b"\x99" + SALE + POLL + codec.encode(Frame(0x50, Control.DATA, tx_no, body)) + END
        clean = DRIVER.redact(data, OPTIONS)
        assert len(clean) == len(data)
        before, after = explain(data, OPTIONS), explain(clean, OPTIONS)
        assert [(view.title, view.check) for view in before] == [(view.title, view.check) for view in after]
        assert before[:3] + before[4:] == after[:3] + after[4:]
        assert after[3].title == "tag, state"
        assert tag[:1] not in clean[len(b"\x99" + SALE + POLL) + 4 :][:5]


def test_damage_and_noise_are_shown_as_such() -> None:
    damaged = bytearray(SALE)
    damaged[7] ^= 1
    views = explain(b"\x00\x01" + SALE + bytes(damaged) + b"\x99\xfa" + POLL + b"\x50", OPTIONS)
    assert [(view.title, view.check) for view in views] == [
        (NOISE, Check.NONE),
        ("display, price and nozzle, state", Check.OK),
        ("damaged frame", Check.WRONG),
        (NOISE, Check.NONE),
        ("poll", Check.NONE),
        (NOISE, Check.NONE),
    ]


def test_what_the_driver_says_of_itself() -> None:
    listening, master = DartOptions(), DartOptions(mode="master")
    assert DRIVER.listens(listening)
    assert not DRIVER.listens(master)
    assert DRIVER.asks("50", listening) == ()
    assert [ask.data for ask in DRIVER.asks("50", master)][:1] == [POLL]
    assert [view.title for ask in DRIVER.asks("50", master) for view in DRIVER.explain(ask.data, master)] == [
        "poll",
        "state or command: return state",
    ]
    assert [(each.baud, each.parity) for each in DRIVER.wirings] == [(9_600, "odd"), (19_200, "odd")]
