"""Unit: do people see what TLS frames mean, all of the bytes, and never a security code?"""

import random
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.veeder_root import DRIVER, codec
from drivers.veeder_root.options import VeederRootOptions
from drivers.veeder_root.simulator import VeederRootSimulator
from drivers.veeder_root.view import explain, redact
from drivers.views import NOISE, Check, View
from tests.unit.drivers.veeder_root.test_codec import CAPTURED_INVENTORY

OPTIONS = VeederRootOptions()
CODED = b"\x01s3cr3ti20100\x03"


def _only(data: bytes) -> View:
    (view,) = explain(data, OPTIONS)
    return view


def _meanings(view: View) -> dict[str, str]:
    return {detail.name: f"{detail.raw}: {detail.meaning}" for detail in view.details}


def test_an_inventory_with_digits_and_meaning() -> None:
    view = _only(b"\x01" + CAPTURED_INVENTORY.encode() + b"\x03")
    assert (view.title, view.sender, view.check) == ("how the tanks stand", "device", Check.OK)
    meanings = _meanings(view)
    assert meanings["volume"] == "4446B667: 794850 ml"
    assert meanings["height"] == "438D6F71: 282871 thousandths of a millimetre"
    assert meanings["temperature"] == "41468A6C: 12409 thousandths of a degree Celsius"
    assert meanings["time"] == "1502261742: 2015-02-26 17:42"
    assert meanings["status"] == "0000: quiet"


def test_damage_is_said() -> None:
    assert _only(b"\x01" + CAPTURED_INVENTORY[:-1].encode() + b"3\x03").check is Check.WRONG
    assert _only(b"\x019999FF1B\x03").title == "not understood"
    assert _only(b"\x019999FF1C\x03").check is Check.WRONG


def test_another_layout_is_shown_as_it_is() -> None:
    text = "i201002601010000" + "01X" + "&&"
    view = _only(b"\x01" + (text + codec.check_value(text)).encode() + b"\x03")
    assert (view.check, _meanings(view)["text"]) == (Check.OK, "01X: another layout")


def test_questions_of_a_host() -> None:
    for data in (b"\x01i20102\x03", b"\x01i20102\r\n"):
        view = _only(data)
        assert (view.title, view.sender, view.check) == ("ask: how the tanks stand", "host", Check.NONE)
        assert _meanings(view)["tank"] == "02: 2"
    assert _only(b"\x01S60201DIESEL\x03").title == "set: S602"


def test_every_answer_of_the_simulator_is_explained() -> None:
    simulator = VeederRootSimulator()
    simulator.tanks[1].alarms.append("04")
    simulator.deliver(1, 1_000_000, simulator._now)
    titles = []
    for ask in DRIVER.asks("1", OPTIONS):
        simulator.receive(ask.data, simulator._now)
        view = _only(simulator.bytes_to_send(simulator._now))
        titles.append(view.title)
        assert view.details
        assert view.sender == "device"
    assert titles == [
        "alarms of the console",
        "how the tanks stand",
        "how the tanks stand, printed",
        "last deliveries",
        "alarms of the tanks",
    ]
    assert [ask.is_totals for ask in DRIVER.asks("1", OPTIONS)] == [False, True, False, False, False]


def test_a_security_code_is_in_no_detail_and_is_taken_out_of_bytes() -> None:
    view = _only(CODED)
    assert "s3cr3t" not in repr((view.title, view.details))
    assert redact(CODED, OPTIONS) == b"\x01******i20100\x03"
    assert redact(b"noise" + CODED + CODED, OPTIONS).count(b"s3cr3t") == 0
    text = "s3cr3ti10100" + "2601010000" + "&&"
    echoed = b"\x01" + (text + codec.check_value(text)).encode() + b"\x03"
    hidden = redact(echoed, OPTIONS)
    assert b"s3cr3t" not in hidden
    assert len(hidden) == len(echoed)
    assert hidden[-5:-1].decode() == codec.check_value(hidden[1:-5].decode())
    plain = b"\x01" + CAPTURED_INVENTORY.encode() + b"\x03\x01i20100\x03"
    assert redact(plain, OPTIONS) == plain


@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30),
            st.sampled_from([b"\x01", b"\x03", b"&&", CODED, b"\x01i20100\r\n", b"\x019999FF1B\x03"]),
            st.just(b"\x01" + CAPTURED_INVENTORY.encode() + b"\x03"),
        ),
        max_size=12,
    ).map(b"".join)
)
@settings(deadline=None, max_examples=150)
def test_nothing_is_hidden_and_nothing_raises(data: bytes) -> None:
    views = explain(data, OPTIONS)
    assert b"".join(view.data for view in views) == data
    assert all(view.data for view in views)
    assert not any(a.title == b.title == NOISE for a, b in pairwise(views))
    assert len(redact(data, OPTIONS)) == len(data)


def test_a_damaged_traffic_is_explained_too() -> None:
    rng, simulator = random.Random(7), VeederRootSimulator()
    for ask in DRIVER.asks("1", OPTIONS):
        simulator.receive(ask.data, simulator._now)
        reply = simulator.bytes_to_send(simulator._now)
        for _ in range(60):
            damaged = bytearray(reply)
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
            views = explain(bytes(damaged), OPTIONS)
            assert b"".join(view.data for view in views) == bytes(damaged)
            if ask.data[1:2] == b"i":
                assert all(view.check is not Check.OK for view in views)
