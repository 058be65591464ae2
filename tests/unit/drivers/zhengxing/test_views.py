"""Unit, property: does `explain` say what the frames mean, and show every byte?"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.events import Monotonic
from drivers.views import Check, View
from drivers.zhengxing import DRIVER
from drivers.zhengxing.codec import encode
from drivers.zhengxing.commands import BOTH, Command, lengths
from drivers.zhengxing.options import ZhengxingOptions
from tests.unit.drivers.zhengxing.zhengxing_bench import IDLE, WAITS, sale_body

OPTIONS = ZhengxingOptions()
STATE = bytes((WAITS,))


def _views(data: bytes) -> tuple[View, ...]:
    views = DRIVER.explain(data, OPTIONS)
    assert b"".join(view.data for view in views) == data
    return views


def _details(data: bytes) -> dict[str, tuple[str, str]]:
    (view,) = _views(data)
    assert view.check is Check.OK
    return {detail.name: (detail.raw, detail.meaning) for detail in view.details}


def test_a_sale_in_digits_and_in_units() -> None:
    data = encode(Command.SALE, 3, STATE + sale_body(1_234, 9_255, chain="0042"))
    assert DRIVER.explain(data, OPTIONS)[0].sender == "device"
    details = _details(data)
    assert details["point"] == ("03", "fuelling point 3")
    assert details["state"] == ("73", "idle, a sale waits")
    assert details["volume"] == ("1234", "12340 ml")
    assert details["amount"] == ("9255", "9255 fen")
    assert details["unit price"] == ("0750", "7500 milli a litre")
    assert details["chain number"] == ("0042", "42")


def test_totals_and_a_fuelling_in_progress() -> None:
    totals = (750_000).to_bytes(4, "big") + (100_000).to_bytes(4, "big") + bytes(4)
    details = _details(encode(Command.TOTALS, 1, STATE + totals))
    assert details["volume total"] == ("100000", "1000000 ml")
    assert details["money total"] == ("750000", "750000 fen")
    running = bytes.fromhex("0001230009220000")
    details = _details(encode(Command.RUNNING, 1, bytes((0xA8,)) + running))
    assert details["state"] == ("A8", "fuelling, nozzle lifted")
    assert details["volume"] == ("000123", "1230 ml")
    assert details["amount"] == ("000922", "922 fen")


def test_what_a_controller_says() -> None:
    preset, mode, price = _views(
        encode(Command.PRESET_AMOUNT, 1, bytes.fromhex("010000000001"))
        + encode(Command.MODE, 1, b"\xaa")
        + encode(Command.SET_PRICE, 1, b"\x07\x50")
    )
    assert [view.title for view in (preset, mode, price)] == ["preset amount", "control mode", "set price"]
    assert {view.sender for view in (preset, mode, price)} == {"host"}
    assert ("amount", "010000", "10000 fen") in [
        (each.name, each.raw, each.meaning) for each in preset.details
    ]
    (ask,) = _views(bytes.fromhex("FC0D010C"))
    assert (ask.title, ask.sender) == ("read state", "host")
    (acknowledge,) = _views(bytes.fromhex("FC1701000117"))
    assert acknowledge.details[1].raw == "0001"


def test_digits_that_are_none_have_no_meaning() -> None:
    details = _details(encode(Command.SALE, 1, STATE + sale_body(1, 1, price="ffff", chain="abcd")))
    assert details["unit price"] == ("ffff", "")
    assert details["chain number"] == ("abcd", "not a number")


def test_a_damaged_frame_is_told_from_noise() -> None:
    right = encode(Command.STATE, 1, bytes((IDLE,)))
    damaged = right[:3] + b"\x00" + right[4:]
    views = _views(b"\x01\x02" + damaged + right + b"\xfc\x99\xfc")
    assert [view.check for view in views] == [Check.NONE, Check.WRONG, Check.OK, Check.NONE]
    assert views[1].data == damaged


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=20),
            st.builds(
                lambda command, point, body: encode(command, point, body),
                st.sampled_from(Command),
                st.integers(0, 255),
                st.binary(max_size=33),
            ),
        ),
        max_size=6,
    )
)
@settings(deadline=None, max_examples=150)
def test_every_byte_is_shown_and_ok_is_only_said_where_the_check_value_holds(pieces: list[bytes]) -> None:
    for view in _views(b"".join(pieces)):
        check = 0
        for byte in view.data[1:]:
            check ^= byte
        if view.check is Check.OK:
            assert check == 0
            assert len(view.data) in lengths(view.data[1], BOTH)


@pytest.mark.parametrize("command", Command)
def test_any_body_of_any_command_is_explained(command: Command) -> None:
    for length in lengths(command, BOTH):
        for fill in (b"\x00", b"\xff", b"\x9a"):
            (view,) = _views(encode(command, 1, fill * (length - 4)))
            assert view.check is Check.OK


def test_the_record_of_the_driver() -> None:
    master = ZhengxingOptions(mode="master", addresses=(1, 2))
    assert DRIVER.listens(OPTIONS)
    assert not DRIVER.listens(master)
    assert DRIVER.asks("1", OPTIONS) == ()
    asks = DRIVER.asks("1", master)
    assert asks[0].data == bytes.fromhex("FC0D010C")
    assert [ask.data[2] for ask in asks if ask.is_totals] == [1, 2]
    for options in (OPTIONS, master):
        simulator = DRIVER.open_simulator("1", options)
        assert DRIVER.sell is not None
        DRIVER.sell(simulator, "", 10_000, 7_500, 7_500, Monotonic(0))
        (sold,) = simulator.sales()  # type: ignore[attr-defined]
        assert (sold[0], sold[1].volume_count, sold[1].price) == (1, 1_000, b"\x07\x50")
    for ask in asks:
        (view,) = _views(ask.data)
        assert view.sender == "host"
        assert view.title.startswith("read ")
