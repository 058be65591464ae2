"""unit, property: does `explain` show what Modbus frames say, and every byte of any input?"""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.checksums import crc16_modbus
from drivers.modbus import DRIVER
from drivers.modbus.options import ModbusOptions
from drivers.views import NOISE, Check, View
from tests.unit.drivers.modbus.modbus_table import Table, options

C5000 = options("compac-c5000")
COUNTER = {"pulses_per_litre_milli": 100_000}
EVERY = (
    None,
    C5000,
    options("compac-c5000", "tcp"),
    options("ring-buffer"),
    options("cas-2700", "tcp"),
    options("pneumercator-tms"),
    options("pulse-counter", **COUNTER),
    options("blank"),
)


def rtu(*body: int) -> bytes:
    return bytes(body) + crc16_modbus(bytes(body)).to_bytes(2, "little")


def tcp(transaction: int, unit: int, *pdu: int) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + bytes(pdu)


def shown(view: View) -> dict[str, tuple[str, str]]:
    return {detail.name: (detail.raw, detail.meaning) for detail in view.details}


def explain(data: bytes, chosen: ModbusOptions | None = C5000) -> tuple[View, ...]:
    return DRIVER.explain(data, chosen)


def test_a_question_and_its_answer_with_the_maps_names() -> None:
    question, words = rtu(1, 3, 0, 124, 0, 8), (1, 0, 30_120, 3, 0x9242, 21, 0, 9)
    answer = rtu(1, 3, 16, *struct.pack(">8H", *words))
    asked, answered = explain(question + answer)
    assert (asked.title, asked.sender, asked.check) == ("read holding registers", "host", Check.OK)
    assert shown(asked) == {"unit": ("01", "1"), "address": ("007C", "124"), "count": ("0008", "8")}
    assert (answered.sender, answered.check) == ("device", Check.OK)
    assert shown(answered) == {
        "unit": ("01", "1"),
        "end_of_sale": ("1", "1"),
        "volume": ("30120", "30120 ml"),
        "amount": ("234050", "23405 fen"),
        "last_temperature": ("21", "21"),
        "pressure_1": ("0", "0"),
        "pressure_2": ("9", "9"),
    }


def test_an_answer_alone_is_known_by_its_length_or_stays_raw() -> None:
    answer = rtu(1, 3, 16, *struct.pack(">8H", 1, 0, 30_120, 3, 0x9242, 21, 0, 9))
    assert shown(explain(answer)[0])["volume"] == ("30120", "30120 ml")
    assert shown(explain(answer, None)[0])["word 2"] == ("75A8", "30120")
    assert shown(explain(rtu(1, 3, 2, 0, 5))[0])["word 0"] == ("0005", "5")


def test_an_answer_to_another_question_is_not_given_its_names() -> None:
    answer = rtu(2, 3, 2, 0, 5)
    _, answered = explain(rtu(1, 3, 0, 124, 0, 1) + answer)
    assert shown(answered) == {"unit": ("02", "2"), "word 0": ("0005", "5")}
    _, answered = explain(rtu(1, 3, 0, 124, 0, 2) + rtu(1, 3, 2, 0, 5))
    assert shown(answered) == {"unit": ("01", "1"), "word 0": ("0005", "5")}


def test_both_ways_on_tcp_where_nothing_is_checked() -> None:
    chosen = options("compac-c5000", "tcp")
    data = tcp(7, 1, 3, 0, 101, 0, 1) + tcp(7, 1, 3, 2, 3, 9) + tcp(8, 1, 0x83, 6) + tcp(9, 1, 43, 14, 1, 0)
    asked, answered, refused, other = explain(data, chosen)
    assert {view.check for view in (asked, answered, refused, other)} == {Check.NONE}
    assert [view.sender for view in (asked, answered, refused, other)] == ["host", "device", "device", ""]
    assert shown(answered)["unit_price"] == ("777", "7770 milli a litre")
    assert shown(answered)["transaction"] == ("0007", "7")
    assert (refused.title, shown(refused)["exception"]) == ("refuses function 3", ("06", "busy"))
    assert (other.title, shown(other)["content"][0]) == ("function 43", "0E 01 00")
    assert [view.title for view in explain(data, None)] == [v.title for v in explain(data, chosen)]


def test_an_acknowledgement_of_the_ring_and_its_echo() -> None:
    (written,) = explain(rtu(1, 6, 0, 1, 0, 42), options("ring-buffer"))
    assert (written.title, written.sender) == ("write one holding register", "")
    assert shown(written)["acknowledged"] == ("42", "42")
    many, told = explain(rtu(1, 16, 0, 1, 0, 1, 2, 0, 42) + rtu(1, 16, 0, 1, 0, 1), options("ring-buffer"))
    assert (many.sender, told.sender) == ("host", "device")
    assert shown(many)["acknowledged"] == ("42", "42")


def test_a_record_a_tank_and_a_counter_by_name() -> None:
    record = rtu(1, 3, 24, *struct.pack(">12H", 2, 0, 30_120, 0, 23_405, 7_770, 0, 1, 0x2345, 0, 0, 2))
    _, answered = explain(rtu(1, 3, 0, 124, 0, 12) + record, options("ring-buffer"))
    assert shown(answered)["slot 2 volume"] == ("30120", "30120 ml")
    assert shown(answered)["slot 2 total_volume"] == ("12345", "12345 ml")
    tank = rtu(
        1, 3, 32, *struct.pack(">16H", 0, 0, 0, 1_512, 0, 20_000, 0, 0, 0, 5, 0xFFFF, 0xFF9C, *[0] * 4)
    )
    (answered,) = explain(tank, options("pneumercator-tms", tanks=1))
    assert shown(answered)["tank 1 volume"] == ("20000", "20000000 ml")
    assert shown(answered)["tank 1 temperature"] == ("-100", "-10000 thousandths of a degree C")
    assert shown(answered)["percent"] == ("5", "0.5")
    (answered,) = explain(rtu(1, 3, 4, 0, 1, 0, 0), options("pulse-counter", **COUNTER))
    assert shown(answered)["pulses"] == ("65536", "655360 ml")


def test_digits_that_are_none_are_said_so() -> None:
    words = (777, 0, 0, 0, 0, 0x0012, 0x3A56, 0x7890, 0, 0, 0)
    (answered,) = explain(rtu(1, 3, 22, *struct.pack(">11H", *words)))
    assert shown(answered)["total_volume"] == ("00123A567890", "no number")


def test_a_flipped_bit_is_seen_and_noise_around_frames_is_kept() -> None:
    question = rtu(1, 3, 0, 124, 0, 8)
    flipped = bytes((*question[:3], question[3] ^ 4, *question[4:]))
    views = explain(b"\x00\xff" + question + flipped + question + b"\x01\x03")
    assert [(view.title, view.check) for view in views] == [
        (NOISE, Check.NONE),
        ("read holding registers", Check.OK),
        ("damaged frame", Check.WRONG),
        ("read holding registers", Check.OK),
        (NOISE, Check.NONE),
    ]


@pytest.mark.parametrize("transport", ["rtu", "tcp"])
@pytest.mark.parametrize("name", ["compac-c5000", "ring-buffer", "pneumercator-tms", "pulse-counter"])
def test_a_whole_conversation_is_frames_and_nothing_else(name: str, transport: str) -> None:
    chosen = options(name, transport, **(COUNTER if name == "pulse-counter" else {}))
    stage = Table(chosen)
    heard: list[bytes] = []
    receive, hear = stage.device.receive, stage.session.receive
    stage.device.receive = lambda data, now: (heard.append(data), receive(data, now))[1]  # type: ignore[func-returns-value,method-assign]
    stage.session.receive = lambda data, now: (heard.append(data), hear(data, now))[1]  # type: ignore[func-returns-value,method-assign]
    stage.device.sell(12_340, 9_588, 7_770, stage.now)
    stage.run(4_000)
    views = explain(b"".join(heard), chosen)
    assert [view.data for view in views] == heard
    assert {view.check for view in views} == {Check.OK if transport == "rtu" else Check.NONE}
    senders = [view.sender for view in views]
    assert senders[:2] == ["host", "device"]


PIECES = st.one_of(
    st.binary(max_size=30),
    st.binary(min_size=2, max_size=20).map(lambda body: rtu(*body)),
    st.builds(lambda n, words: rtu(1, n, 2 * len(words), *struct.pack(f">{len(words)}H", *words)),
              st.sampled_from([3, 4]), st.lists(st.integers(0, 65_535), max_size=127)),
    st.builds(lambda at, pdu: tcp(at, 1, *pdu), st.integers(0, 65_535), st.binary(min_size=1, max_size=253)),
    st.builds(lambda f, at, n: rtu(1, f, *struct.pack(">HH", at, n)), st.integers(1, 6),
              st.integers(0, 65_535), st.integers(0, 65_535)),
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.lists(PIECES, max_size=6), st.sampled_from(EVERY))
def test_any_bytes_are_shown_whole_and_ok_only_if_the_check_holds(
    pieces: list[bytes], chosen: ModbusOptions | None
) -> None:
    data = b"".join(pieces)
    views = explain(data, chosen)
    assert b"".join(view.data for view in views) == data
    for view in views:
        sound = crc16_modbus(view.data[:-2]) == int.from_bytes(view.data[-2:], "little")
        assert view.check is not Check.OK or sound
