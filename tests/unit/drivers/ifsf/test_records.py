"""Unit: does a record mean what the frames of the PetroChina adapter say, in the agent's units?"""

import pytest

from drivers.events import DeviceTime
from drivers.ifsf import DRIVER
from drivers.ifsf.codec import Kind, Message, parse
from drivers.ifsf.options import IfsfOptions
from drivers.ifsf.reading import Record, as_fuelling, record_of
from drivers.ifsf.view import explain
from drivers.views import Check

ONLINE = bytes.fromhex(
    "02010104003C0040 0421213694 0505 0600000363 0605 0600000121 0704 04000300 080101 0A0400000003"
    "CC07 0A000002122284 CD07 0A000002122405 EA04 04000024 EB04 04000024"
)
OFFLINE = bytes.fromhex(
    "020101040025003B 0421213699 C800 0505 0600001200 0605 0600000200 0704 04000600 080101 0A0400000003"
    "CA04 20171124 CB03 144543 EA04 04000024 EB04 04000024"
)


def _record(frame: bytes) -> Record:
    message = parse(frame)
    assert message is not None
    record = record_of(message)
    assert record is not None
    return record


def _answer(data: str, place: str = "21210007") -> Message:
    return Message(b"\x02\x01", b"\x01\x01", Kind.ANSWER, 1, bytes.fromhex(place), bytes.fromhex(data))


def test_an_online_sale_with_totals() -> None:
    fuelling = as_fuelling(_record(ONLINE), "4", IfsfOptions(), ended=None)
    assert (fuelling.nozzle, fuelling.sequence_no) == ("11", 3_694)
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.unit_price_milli) == (1_210, 363, 3_000)
    assert fuelling.totalizer_before_ml == 21_222_840
    assert fuelling.totalizer_after_ml == 21_224_050
    assert (fuelling.totalizer_step_ml, fuelling.totalizer_modulus_ml) == (10, 10**13)
    assert fuelling.raw.totalizer_after == "0a000002122405"
    assert (fuelling.device_time, fuelling.flags) == (None, ())


def test_an_offline_sale_with_date_and_time() -> None:
    fuelling = as_fuelling(_record(OFFLINE), "4", IfsfOptions(), ended=None)
    assert fuelling.device_time == DeviceTime(2017, 11, 24, 14, 45, 43)
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.sequence_no) == (2_000, 1_200, 3_699)


@pytest.mark.parametrize(
    ("data", "flag"),
    [
        ("0505060000077706050600000100080101", "PRICE_ODD"),
        ("050506000007770605060000010007040100077f080101", "PRICE_ODD"),
        ("0505040007777706050600000100070404000777080101", "AMOUNT_BELOW_MINOR"),
        ("0505060000077706050600000100070404000777080101cd070a00000000ff00", "TOTALIZER_ODD"),
    ],
)
def test_odd_digits_are_a_flag(data: str, flag: str) -> None:
    record = record_of(_answer(data))
    assert record is not None
    assert as_fuelling(record, "1", IfsfOptions(), ended=None).flags == (flag,)


def test_a_number_that_is_no_number_is_a_flag() -> None:
    record = record_of(_answer("0505060000077706050600000100070404000777080101", "2121aa07"))
    assert record is not None
    fuelling = as_fuelling(record, "1", IfsfOptions(), ended=None)
    assert (fuelling.sequence_no, fuelling.flags) == (None, ("SEQUENCE_ODD",))


def test_a_number_that_differs_from_its_address_is_no_sale() -> None:
    assert record_of(_answer("01020008050506000007770605060000010007040400077708 0101")) is None
    assert record_of(_answer("01020007050506000007770605060000010007040400077708 0101")) is not None
    assert record_of(_answer("140103150100", "21")) is None


def test_a_volume_without_digits_is_unreadable_and_zero_is_no_volume() -> None:
    unreadable = record_of(_answer("050506000007770605090000010007040400077708 0101"))
    zero = record_of(_answer("0505060000000006050000000000"))
    assert unreadable is not None
    assert zero is not None
    assert not unreadable.is_readable()
    assert zero.is_readable()
    assert not zero.has_volume()


def test_views_show_digits_and_units() -> None:
    (view,) = explain(ONLINE, IfsfOptions())
    assert (view.title, view.sender, view.check) == ("answer point 1 sale 3694", "device", Check.NONE)
    shown = {detail.name: (detail.raw, detail.meaning) for detail in view.details}
    assert shown["volume"] == ("06 00 00 01 21", "1210 ml")
    assert shown["amount"] == ("06 00 00 03 63", "363 fen")
    assert shown["price"] == ("04 00 03 00", "3000 milli a litre")
    assert shown["total after"] == ("0a 00 00 02 12 24 05", "21224050 ml")


def test_a_turn_and_a_wrong_sum_are_shown() -> None:
    frame = bytes.fromhex("FD010002010000000401221415FC30303534FB")
    damaged = frame[:-2] + b"5" + frame[-1:]
    views = explain(frame + b"\xff\x01" + damaged + b"\xfe", IfsfOptions(transport="serial"))
    assert [view.title for view in views] == [
        "read point 2",
        "turn passed to dispenser 1",
        "damaged frame",
        "turn ends",
    ]
    assert [view.check for view in views] == [Check.OK, Check.NONE, Check.WRONG, Check.NONE]


def test_a_heartbeat_is_shown() -> None:
    (view,) = explain(bytes.fromhex("C0A80365 0D9E 0104 01 01"), IfsfOptions())
    assert (view.title, view.sender) == ("heartbeat", "device")
    shown = {detail.name: detail.meaning for detail in view.details}
    assert shown["listens at"] == "192.168.3.101:3486"
    assert (shown["configuration needed"], shown["refresh"]) == ("yes", "no")


@pytest.mark.parametrize("transport", ["tcp", "serial"])
def test_what_a_scan_asks_only_reads(transport: str) -> None:
    options = IfsfOptions(transport=transport)  # type: ignore[arg-type]
    asks = DRIVER.asks("1", options)
    views = [explain(ask.data, options)[0] for ask in asks]
    assert [view.title for view in views] == [
        "read point 1",
        "read point 1 nozzle 1",
        "read point 2 nozzle 1",
    ]
    assert [ask.is_totals for ask in asks] == [False, True, True]
    device = DRIVER.open_simulator("1", options)
    for ask in asks:
        device.receive(ask.data, 0)  # type: ignore[arg-type]
    titles = [view.title for view in explain(device.bytes_to_send(0), options)]  # type: ignore[arg-type]
    assert titles[0] == "answer point 1"
    assert "answer point 2 nozzle 1" in titles


def test_the_driver_can_make_its_simulator_sell() -> None:
    device = DRIVER.open_simulator("3", IfsfOptions(points=(1, 2, 3)))
    assert DRIVER.sell is not None
    DRIVER.sell(device, "", 12_340, 9_588, 7_770, 0)  # type: ignore[arg-type]
    DRIVER.sell(device, "32", 12_340, 9_588, 7_770, 0)  # type: ignore[arg-type]
    assert [(sale.point_no, sale.nozzle_no, sale.volume_cl) for sale in device.sold] == [  # type: ignore[attr-defined]
        (1, 1, 1_234),
        (3, 2, 1_234),
    ]
