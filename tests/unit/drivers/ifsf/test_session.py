"""Unit: does the IFSF session clear only what is safe, whatever else happens to a sale?"""

from dataclasses import replace

import pytest

from drivers.bus import Bus
from drivers.events import Answer, DeviceBack, DeviceSilent, DriverEvent, Fuelling, FuellingStarted, Monotonic
from drivers.ifsf import DRIVER
from drivers.ifsf.codec import Kind, Message, encode, parse
from drivers.ifsf.options import IfsfOptions
from drivers.ifsf.session import IfsfSession
from drivers.ifsf.simulator import IfsfSimulator
from tests.unit.drivers.ifsf.ifsf_desk import NOT_NOW, YES, Desk

LIST_1, SHELF = "21200000", "20210000"


def _running(**options: object) -> Desk:
    desk = Desk(**options)
    desk.run(500)
    return desk


def _offline(**options: object) -> Desk:
    """A dispenser that sold two while nobody was there."""
    desk = Desk(IfsfSimulator(offline_after_ms=1_000), **options)
    desk.run(500)
    cut, desk.wire = desk.wire, lambda data: []
    desk.run(6_500)
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.simulator.sell(2, 1, 2_000, 15_540, 7_770)
    desk.wire = cut
    return desk


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"finds": "slots"},
        {"transport": "serial"},
        {"transport": "serial", "finds": "slots", "additions": False, "offline": False},
    ],
)
def test_sales_of_both_points_are_reported_once_and_cleared(options: dict[str, object]) -> None:
    desk = _running(**options)
    sold = [desk.simulator.sell(1 + at % 2, 1, 100 + at, 777, 7_770) for at in range(6)]
    desk.run(6_000)
    assert sorted(fuelling.volume_ml for fuelling in desk.fuellings) == [sale.volume_cl * 10 for sale in sold]
    assert desk.simulator.backlog() == 0
    assert len(desk.simulator.released) == len(desk.writes()) == 6


def test_nothing_is_cleared_while_the_till_cannot_keep_it() -> None:
    desk = _running()
    desk.till = lambda event: NOT_NOW
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(4_000)
    assert desk.writes() == []
    assert len(desk.fuellings) > 3
    assert len({fuelling.raw for fuelling in desk.fuellings}) == 1
    desk.till = lambda event: YES
    desk.run(2_000)
    assert desk.writes() == [("21210001", "1e00")]


def test_a_lost_ack_of_a_clear_is_no_second_report() -> None:
    desk = _running()
    honest, lost = desk.simulator.bytes_to_send, list[bytes]()

    def lose_the_first_ack(now: Monotonic) -> bytes:
        data = honest(now)
        if desk.simulator.released and not lost:
            lost.append(data)
            return b""
        return data

    desk.simulator.bytes_to_send = lose_the_first_ack  # type: ignore[method-assign]
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(4_000)
    assert lost
    assert len(desk.fuellings) == 1
    assert desk.simulator.backlog() == 0


def test_a_lost_clear_is_said_again_after_another_reading_and_not_reported_again() -> None:
    desk = _running()
    lost: list[bytes] = []

    def lose_first_clear(data: bytes) -> list[bytes]:
        if data.endswith(b"\x1e\x00") and not lost:
            lost.append(data)
            return []
        return [data]

    desk.wire = lose_first_clear
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(4_000)
    assert len(desk.fuellings) == 1
    assert desk.simulator.backlog() == 0
    said = desk.said()
    first, second = (at for at, message in enumerate(said) if message.kind is Kind.WRITE)
    read_between = [message.place.hex() for message in said[first + 1 : second] if message.kind is Kind.READ]
    assert "21210001" in read_between, "a clear follows a reading of what it clears"


def test_after_a_restart_what_was_not_cleared_is_reported_with_the_same_digits() -> None:
    before = _running()
    before.wire = lambda data: [] if data.endswith(b"\x1e\x00") else [data]
    before.simulator.sell(1, 2, 1_000, 7_770, 7_770)
    before.run(2_000)
    after = Desk(before.simulator)
    after.run(2_000)
    assert before.fuellings[0].raw == after.fuellings[0].raw
    assert before.fuellings[0].raw.totalizer_after == "0a000000001000"
    assert after.simulator.backlog() == 0


def test_all_that_waits_is_read_before_anything_is_cleared() -> None:
    desk = Desk()
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.simulator.sell(1, 1, 2_000, 15_540, 7_770)
    writes_at_report = []
    desk.till = lambda event: (writes_at_report.append(len(desk.writes())), YES)[1]
    desk.run(3_000)
    assert len(desk.fuellings) == 2
    assert max(writes_at_report) == 0
    assert len(desk.writes()) == 2


def test_where_a_controller_clears_we_only_read_and_report_once() -> None:
    desk = _running(clears=False)
    sale = desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(12_000)
    assert len(desk.fuellings) == 1
    assert {message.kind for message in desk.said()} == {Kind.READ}
    desk.simulator.clear_by_other(sale)
    desk.simulator.sell(1, 1, 2_000, 15_540, 7_770)
    desk.run(3_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [1, 2]


def test_a_sale_that_another_controller_holds_is_reported_and_left_to_it() -> None:
    desk = Desk()
    sale = desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.simulator.lock(sale)
    desk.run(12_000)
    assert len(desk.fuellings) == 1
    assert desk.writes() == []
    desk.simulator.unlock(sale)
    desk.run(1_000)
    assert desk.writes() == [("21210001", "1e00")]
    assert len(desk.fuellings) == 1


def test_a_sale_that_disappears_between_two_readings_does_no_harm() -> None:
    desk = _running()
    sale = desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.wire = lambda data: (desk.simulator.clear_by_other(sale), [data])[1] if sale_asked(data) else [data]

    def sale_asked(data: bytes) -> bool:
        return data[9:13] == b"\x21\x21\x00\x01" and desk.simulator.backlog() > 0

    desk.run(3_000)
    assert desk.fuellings == []
    assert desk.writes() == []


def test_zero_volume_is_cleared_and_is_no_fuelling() -> None:
    desk = _running()
    desk.simulator.sell(1, 1, 0, 0, 7_770)
    desk.run(2_000)
    assert desk.fuellings == []
    assert desk.session.counters()["ZERO_VOLUME"] == 1
    assert desk.simulator.backlog() == 0


@pytest.mark.parametrize(
    ("changed", "flag"),
    [
        ({"nozzle_no": 9}, "NOZZLE_ODD"),
        ({"nozzle_no": 0}, "NOZZLE_ODD"),
        ({"error_code": 3}, "DEVICE_ERROR"),
        ({"clock": bytes.fromhex("20260231101010")}, "DEVICE_TIME_ODD"),
        ({"clock": b"\xff" * 7}, "DEVICE_TIME_ODD"),
    ],
)
def test_odd_but_readable_is_reported_with_a_flag_and_cleared(changed: dict[str, object], flag: str) -> None:
    desk = _running()
    nozzle_no = changed.pop("nozzle_no", 1)
    desk.simulator.sell(1, nozzle_no, 1_000, 7_770, 7_770, **changed)  # type: ignore[arg-type]
    desk.run(2_000)
    assert [fuelling.flags for fuelling in desk.fuellings] == [(flag,)]
    assert (desk.fuellings[0].device_time is None) == (flag == "DEVICE_TIME_ODD")
    assert desk.simulator.backlog() == 0


def test_an_unreadable_volume_is_neither_reported_nor_cleared_and_the_next_sale_is() -> None:
    desk = _running()
    broken = desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    honest = desk.simulator._figure
    desk.simulator._figure = (  # type: ignore[method-assign]
        lambda value: b"\x06\xff\xff\xff\xff" if value == broken.volume_cl else honest(value)
    )
    desk.simulator.sell(1, 1, 2_000, 15_540, 7_770)
    desk.run(8_000)
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [20_000]
    assert desk.session.counters()["UNREADABLE_RECORD"] >= 1
    assert desk.simulator.backlog() == 1


def test_a_sequence_number_wraps() -> None:
    desk = Desk(IfsfSimulator(first_sequences=(9_998, 1)))
    for _ in range(4):
        desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(4_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [9_998, 9_999, 1, 2]


def test_offline_sales_are_reported_in_order_and_removed_one_by_one() -> None:
    desk = _offline()
    desk.run(3_000)
    assert [(fuelling.nozzle, fuelling.volume_ml) for fuelling in desk.fuellings] == [
        ("11", 10_000),
        ("21", 20_000),
    ]
    assert desk.writes() == [("21210001", "c900"), ("22210001", "c900")]
    assert desk.session.counters()["OFFLINE_REMOVED"] == 2
    assert all(fuelling.ended is None for fuelling in desk.fuellings)


def test_an_offline_sale_is_not_removed_while_the_till_cannot_keep_it() -> None:
    desk = _offline()
    desk.till = lambda event: NOT_NOW
    desk.run(3_000)
    assert desk.writes() == []
    desk.till = lambda event: YES
    desk.run(3_000)
    assert len(desk.writes()) == 2


def test_offline_sales_stay_where_a_controller_clears() -> None:
    desk = _offline(clears=False)
    desk.run(20_000)
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [10_000], "only the oldest is shown"
    assert desk.writes() == []


def test_the_same_sale_online_and_on_the_shelf_has_the_same_digits() -> None:
    desk = Desk(IfsfSimulator(offline_after_ms=1_000), clears=False)
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(1_000)
    cut, desk.wire = desk.wire, lambda data: []
    desk.run(6_500)
    desk.wire = cut
    desk.run(2_000)
    online, offline = desk.fuellings
    assert (online.raw, online.nozzle, online.sequence_no) == (
        offline.raw,
        offline.nozzle,
        offline.sequence_no,
    )


def test_what_the_device_wants_acknowledged_is_acknowledged() -> None:
    desk = Desk(IfsfSimulator(wants_receipts=True))
    desk.run(300)
    desk.simulator.lift(2, 1)
    desk.run(300)
    receipts = [message for message in desk.said() if message.kind is Kind.ACK]
    assert [(receipt.place, receipt.data) for receipt in receipts] == [(b"\x22", b"\0")]
    assert len(desk.simulator.receipts_heard) == 1


@pytest.mark.parametrize("hears_pushes", [True, False])
def test_start_and_end_of_a_fuelling_are_seen(hears_pushes: bool) -> None:
    desk = _running()
    if not hears_pushes:
        desk.simulator._push = lambda place, data: None  # type: ignore[method-assign]
    desk.simulator.lift(1, 2)
    desk.run(1_000)
    assert [event for event in desk.events if isinstance(event, FuellingStarted)] == [
        FuellingStarted("1", "12")
    ]
    desk.simulator.begin(1)
    desk.run(5_000)
    hung_up = desk.now
    desk.simulator.sell(1, 2, 1_000, 7_770, 7_770)
    desk.run(1_500)
    (fuelling,) = desk.fuellings
    assert fuelling.ended is not None
    assert 0 <= fuelling.ended - hung_up <= 550


def test_the_seen_end_survives_an_answer_that_was_not_durable() -> None:
    desk = _running()
    desk.simulator.lift(1, 2)
    desk.simulator.begin(1)
    desk.run(2_000)
    answers = [NOT_NOW, NOT_NOW, YES]
    desk.till = lambda event: answers.pop(0) if event in desk.fuellings else YES
    desk.simulator.sell(1, 2, 1_000, 7_770, 7_770)
    desk.run(3_000)
    assert len(desk.fuellings) == 3
    assert len({fuelling.ended for fuelling in desk.fuellings}) == 1
    assert desk.fuellings[0].ended is not None


def test_a_sale_of_a_fuelling_that_nobody_watched_has_no_end() -> None:
    desk = _running()
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(2_000)
    assert desk.fuellings[0].ended is None


def test_a_damaged_reading_is_not_believed() -> None:
    desk = _running()
    honest, damaged = desk.session.receive, list[bytes]()

    def damage(data: bytes, now: Monotonic) -> None:
        if b"\x00\x00\x10\x00" in data and len(damaged) < 2:
            damaged.append(data)
            data = data.replace(
                b"\x00\x00\x10\x00", b"\x00\x00\x12\x00" if damaged[1:] else b"\x00\x00\x11\x00"
            )
        honest(data, now)

    desk.session.receive = damage  # type: ignore[method-assign]
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(3_000)
    assert len(damaged) == 2
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [10_000]
    assert desk.session.counters()["READINGS_DIFFER"] >= 1


def test_an_answer_with_an_old_token_is_late_and_is_not_believed() -> None:
    desk = _running()
    late = Message(b"\x02\x01", b"\x01\x01", Kind.ANSWER, 31, b"\x21", b"\x14\x01\x08\x15\x01\x01")
    desk.session.receive(encode(late), desk.now)
    assert desk.session.counters()["LATE_ANSWER"] == 1
    assert not any(isinstance(event, FuellingStarted) for event in desk.events)


def test_messages_of_other_nodes_and_for_other_controllers_are_not_ours() -> None:
    desk = _running()
    heard_before = desk.session.counters()["HEARD"]
    for to, sender in ((b"\x02\x01", b"\x01\x02"), (b"\x02\x02", b"\x01\x01")):
        push = Message(to, sender, Kind.PUSH, 0, b"\x21", b"\x64\x00\x14\x01\x04\x15\x01\x01")
        desk.session.receive(encode(push), desk.now)
    assert desk.session.counters()["HEARD"] == heard_before
    assert not any(isinstance(event, FuellingStarted) for event in desk.events)


def test_a_device_without_lists_or_offline_sales_is_still_asked_for_its_state() -> None:
    desk = Desk()
    honest = desk.simulator._read

    def refuse_lists(asked: Message) -> None:
        if asked.place.hex() in (LIST_1, SHELF, "22200000"):
            desk.simulator._refuse(asked, 6)
        else:
            honest(asked)

    desk.simulator._read = refuse_lists  # type: ignore[method-assign]
    desk.run(2_000)
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(3_000)
    assert desk.session.counters()["REFUSED"] > 0
    assert len(desk.fuellings) == 1, "found by the device's own message"


def test_silence_and_return_are_reported_once_each() -> None:
    desk = _running()
    wire, desk.wire = desk.wire, lambda data: []
    desk.run(9_000)
    assert sum(isinstance(event, DeviceSilent) for event in desk.events) == 1
    desk.wire = wire
    desk.run(2_000)
    assert sum(isinstance(event, DeviceBack) for event in desk.events) == 2
    assert desk.session.counters()["SILENT"] == 1


def test_a_pulled_plug_forgets_what_was_to_be_cleared() -> None:
    desk = _running()
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    pulled_at: list[int] = []
    desk.till = lambda event: (desk.session.disconnected(desk.now), pulled_at.append(len(desk.sent)), YES)[-1]
    desk.run(3_000)
    said = desk.said()
    first_write = next(at for at, message in enumerate(said) if message.kind is Kind.WRITE)
    read_since = {message.place.hex() for message in said[pulled_at[0] : first_write]}
    assert read_since >= {LIST_1, "21210001"}, "what waits is looked for, and what is cleared is read anew"
    assert desk.simulator.backlog() == 0


def test_a_shared_wire_is_ours_only_while_a_question_is_out() -> None:
    desk = _running()
    desk.wire = lambda data: []
    desk.run(600)
    assert desk.session.awaiting()
    desk.run(2_000)
    desk.session.disconnected(desk.now)
    assert not desk.session.awaiting()


@pytest.mark.parametrize("address", ["0", "128", "300", "-1", "01", " 1", "1_0", "１", "", "one"])
@pytest.mark.parametrize("transport", ["tcp", "serial"])
def test_an_address_that_no_dispenser_has_is_refused(address: str, transport: str) -> None:
    """Two spellings of one node on a line would report each of its sales as two."""
    options = IfsfOptions.model_validate({"transport": transport})
    with pytest.raises(ValueError, match="no node of a dispenser"):
        IfsfSession(address, options)
    assert DRIVER.asks(address, options) == ()


def test_what_another_node_says_on_the_same_connection_is_no_damage() -> None:
    """An adapter speaks for all its nodes on one connection."""
    desk = _running()
    push = Message(b"\x02\x01", b"\x01\x02", Kind.PUSH, 0, b"\x21", b"\x14\x01\x04\x15\x01\x01")
    ours = Message(b"\x02\x01", b"\x01\x01", Kind.PUSH, 0, b"\x22", b"\x14\x01\x04\x15\x01\x01")
    data = encode(push) + encode(ours) + encode(push)
    for piece in (data[:5], data[5:30], data[30:]):
        desk.session.receive(piece, desk.now)
    assert desk.session.counters()["BAD_FRAME"] == 0
    assert desk.session.counters()["OTHER_NODE"] == 2
    desk.run(50)
    assert [event for event in desk.events if isinstance(event, FuellingStarted)] == [
        FuellingStarted("1", "21")
    ]


def test_two_nodes_behind_one_connection_are_both_served() -> None:
    devices = {number: IfsfSimulator(number) for number in (1, 2)}
    sessions = {number: IfsfSession(str(number), IfsfOptions(points=(1,))) for number in devices}
    bus, events = Bus(list(sessions.values())), list[DriverEvent]()
    for at in range(0, 8_000, 5):
        now = Monotonic(at)
        if at in (1_000, 3_000):
            for number, device in devices.items():
                device.sell(1, 1, 1_000 * number, 7_770, 7_770)
        for device in devices.values():
            if data := device.bytes_to_send(now):
                bus.receive(data, now)
        if (timer := bus.next_timer()) is not None and timer <= now:
            bus.handle_timer(now)
        while (event := bus.next_event()) is not None:
            events.append(event)
            bus.confirm(event, YES, now)
        if data := bus.bytes_to_send(now):
            for device in devices.values():
                device.receive(data, now)
    heard = sorted((event.address, event.volume_ml) for event in events if isinstance(event, Fuelling))
    assert heard == [("1", 10_000), ("1", 10_000), ("2", 20_000), ("2", 20_000)]
    assert all(device.backlog() == 0 for device in devices.values())
    assert sum(session.counters()["OTHER_NODE"] for session in sessions.values()) > 0
    assert not any(session.counters()["BAD_FRAME"] for session in sessions.values())


@pytest.mark.parametrize("finds", ["list", "slots"])
def test_the_slowest_options_lose_an_answer_without_a_silence(finds: str) -> None:
    """Each bound on its own, and all at once: an idle dispenser that answers is never called silent."""
    slowest = {name: _greatest(name) for name in ("poll_ms", "list_ms", "answer_ms", "gap_ms")}
    desk = Desk(points=(1,), finds=finds, offline=False, **slowest)
    desk.run(20_000)
    lost: list[bytes] = []

    def lose_one(data: bytes) -> list[bytes]:
        lost.append(data)
        desk.wire = lambda data: [data]
        return []

    desk.wire = lose_one
    desk.run(20_000)
    assert lost
    assert not any(isinstance(event, DeviceSilent) for event in desk.events)


def _greatest(name: str) -> int:
    bounds = IfsfOptions.model_fields[name].metadata
    (bound,) = (each.le for each in bounds if hasattr(each, "le"))
    return int(bound)


def test_a_device_that_gives_no_list_has_its_sales_cleared_all_the_same() -> None:
    """It is told of by the device alone, so what was read there is read there again, and then cleared."""
    desk = _without_lists()
    sold = [desk.simulator.sell(1, 1, 1_000 + at, 7_770, 7_770) for at in range(4)]
    desk.run(4_000)
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [sale.volume_cl * 10 for sale in sold]
    assert desk.simulator.backlog() == 0


def test_a_device_that_gives_no_list_has_a_sale_reported_until_the_till_keeps_it() -> None:
    desk = _without_lists()
    desk.till = lambda event: NOT_NOW
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(4_000)
    assert len(desk.fuellings) > 3
    assert desk.writes() == []
    desk.till = lambda event: YES
    desk.run(2_000)
    assert desk.writes() == [("21210001", "1e00")]


def test_a_lost_clear_is_said_again_also_where_there_is_no_list() -> None:
    desk, lost = _without_lists(), list[bytes]()

    def lose_first_clear(data: bytes) -> list[bytes]:
        if data.endswith(b"\x1e\x00") and not lost:
            lost.append(data)
            return []
        return [data]

    desk.wire = lose_first_clear
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(4_000)
    assert len(desk.fuellings) == 1
    assert desk.simulator.backlog() == 0


def _without_lists() -> Desk:
    desk = Desk()
    honest = desk.simulator._read

    def refuse_lists(asked: Message) -> None:
        if asked.place.hex() in (LIST_1, SHELF, "22200000"):
            desk.simulator._refuse(asked, 6)
        else:
            honest(asked)

    desk.simulator._read = refuse_lists  # type: ignore[method-assign]
    desk.run(2_000)
    return desk


@pytest.mark.parametrize("ack", [b"\x00", b"\x00\x1e\x03"])
def test_a_device_that_says_yes_to_a_clear_and_keeps_the_sale_is_not_stormed(ack: bytes) -> None:
    desk = _running()
    desk.simulator._write = lambda asked: desk.simulator._ack(asked, ack)  # type: ignore[method-assign]
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(10_000)
    assert len(desk.fuellings) == 1, "the till hears of it once"
    assert 2 <= len(desk.writes()) <= 25, "it is tried again, at the pace of looks"
    assert (desk.session.counters()["REFUSED"] > 0) == (ack != b"\x00")


def test_a_number_that_comes_again_is_another_sale() -> None:
    """The first stood there when we began, and somebody else cleared it."""
    desk = Desk(IfsfSimulator(first_sequences=(9_999, 1)), clears=False)
    standing = desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(2_000)
    desk.simulator.clear_by_other(standing)
    desk.run(2_000)
    desk.simulator.set_next_sequence(1, 9_999)
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(2_000)
    first, again = desk.fuellings
    assert (first.sequence_no, again.sequence_no) == (9_999, 9_999)
    assert first.raw != again.raw, "the totalizer tells them apart"


def test_where_nobody_clears_the_point_stops() -> None:
    """As NOTES.md and the option say."""
    desk = Desk(IfsfSimulator(unpaid_limit=2), clears=False)
    for _ in range(4):
        desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(30_000)
    assert [fuelling.sequence_no for fuelling in desk.fuellings] == [1, 2], "the pump sells no more"
    assert desk.session.counters()["CLEARED"] == 0


def test_numbers_that_a_device_makes_up_take_no_memory() -> None:
    desk = _running()
    for number in range(3_000):
        place = bytes.fromhex(f"2121{number:04d}")
        push = Message(b"\x02\x01", b"\x01\x01", Kind.PUSH, 0, place, b"\x64\x00\x15\x01\x02")
        desk.session.receive(encode(push), desk.now)
    assert len(desk.session._agenda.book._unread) <= 64


def test_an_end_that_was_seen_is_not_given_to_a_later_sale_of_the_same_number() -> None:
    desk = _running()
    desk.simulator.lift(1, 2)
    desk.simulator.begin(1)
    desk.run(2_000)
    desk.simulator.sell(1, 2, 1_000, 7_770, 7_770)
    desk.run(2_000)
    assert desk.fuellings[0].ended is not None
    desk.simulator.set_next_sequence(1, 1)
    desk.run(60_000)
    desk.simulator.sell(1, 2, 2_000, 15_540, 7_770)
    desk.run(2_000)
    assert desk.fuellings[1].sequence_no == 1
    assert desk.fuellings[1].ended is None


def test_a_damaged_offline_sale_is_not_believed() -> None:
    desk, damaged = _offline(), list[bytes]()
    honest = desk.session.receive

    def damage(data: bytes, now: Monotonic) -> None:
        if b"\xc8\x00" in data and not damaged:
            damaged.append(data)
            data = data.replace(b"\x00\x00\x10\x00", b"\x00\x00\x11\x00")
        honest(data, now)

    desk.session.receive = damage  # type: ignore[method-assign]
    desk.run(4_000)
    assert damaged
    assert [fuelling.volume_ml for fuelling in desk.fuellings] == [10_000, 20_000]


def test_an_answer_with_an_old_token_does_not_answer_the_question_that_is_out() -> None:
    session = IfsfSession("1", IfsfOptions(points=(1,), offline=False))
    asked = parse(session.bytes_to_send(Monotonic(0)))
    assert asked is not None
    old = Message(b"\x02\x01", b"\x01\x01", Kind.ACK, asked.token_no + 1, asked.place, b"\x00")
    session.receive(encode(old), Monotonic(10))
    assert session.awaiting()
    assert session.counters()["LATE_ANSWER"] == 1
    session.receive(encode(replace(old, token_no=asked.token_no)), Monotonic(20))
    assert not session.awaiting()


def test_nothing_is_cleared_while_the_device_is_silent() -> None:
    """What was read before a silence is read anew after it."""
    desk = _running()
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.simulator.sell(1, 1, 2_000, 15_540, 7_770)
    while not desk.session._agenda.book.next_clearable():
        desk.run(5)
    desk.wire = lambda data: []
    desk.run(30_000)
    silent_at = next(at for at, event in enumerate(desk.events) if isinstance(event, DeviceSilent))
    assert silent_at
    assert len(desk.writes()) <= 1, "the one that was due"
    desk.wire = lambda data: [data]
    desk.run(3_000)
    assert desk.simulator.backlog() == 0
    assert len(desk.fuellings) == 2


@pytest.mark.parametrize("finds", ["list", "slots"])
def test_what_is_cleared_is_not_read_again(finds: str) -> None:
    """Buffers keep a cleared sale, devices tell that it is cleared, and a list may hold it, too."""
    desk = _running(finds=finds)
    point = desk.simulator._kept.points[1]
    honest = desk.simulator._read

    def with_cleared_ones(asked: Message) -> None:
        if asked.place.hex() == LIST_1:
            for sale in point.history:
                fields = desk.simulator._sale_fields(sale, asked.data)
                desk.simulator._answer(asked, b"\x21\x21" + bytes.fromhex(f"{sale.sequence_no:04d}"), fields)
        honest(asked)

    desk.simulator._read = with_cleared_ones  # type: ignore[method-assign]
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    desk.run(2_000)
    assert desk.simulator.backlog() == 0
    desk.run(20_000)
    said = desk.said()
    cleared_at = next(at for at, message in enumerate(said) if message.kind is Kind.WRITE)
    later = said[cleared_at + 1 :]
    assert {message.kind for message in later} == {Kind.READ}
    assert [message.place.hex() for message in later if message.place[:2] == b"\x21\x21"] == []


@pytest.mark.parametrize(
    "heard",
    [
        b"\x55" * 20,
        encode(Message(b"\x02\x01", b"\x01\x02", Kind.PUSH, 0, b"\x21", b"\x14\x01\x04\x15\x01\x01")),
    ],
)
def test_before_a_clear_comes_a_look_that_nothing_strange_disturbed(heard: bytes) -> None:
    """It may have been a sale that is not read yet. Where it never stops, the pump must go on."""
    desk = _running(list_ms=60_000)

    def till(event: DriverEvent) -> Answer:
        desk.session.receive(heard, desk.now)
        return YES

    desk.till = till
    desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
    while not desk.fuellings:
        desk.run(5)
    reported_at = len(desk.sent)
    desk.run(2_000)
    places = [message.place.hex() for message in desk.said()[reported_at:]]
    cleared_at = next(at for at, said in enumerate(desk.said()[reported_at:]) if said.kind is Kind.WRITE)
    assert LIST_1 in places[:cleared_at]
    desk.wire = lambda data: (desk.session.receive(heard, desk.now), [data])[1]
    desk.simulator.sell(1, 1, 2_000, 15_540, 7_770)
    desk.run(10_000)
    assert desk.simulator.backlog() == 0


def test_half_a_message_costs_one_answer_and_no_more() -> None:
    desk = _running(list_ms=60_000)
    desk.session.receive(b"\x02\x01\x01\x01\x00\x80\x02\x00\x01\x21", desk.now)
    desk.run(3_000)
    assert desk.session.counters()["NO_ANSWER"] == 1
    assert desk.session.counters()["BAD_FRAME"] == 1


@pytest.mark.parametrize("what", ["silence", "cut"])
def test_an_end_that_nobody_saw_is_none(what: str) -> None:
    desk = _running()
    desk.simulator._push = lambda place, data: None  # type: ignore[method-assign]
    desk.simulator.lift(1, 2)
    desk.simulator.begin(1)
    desk.run(3_000)
    if what == "silence":
        desk.wire = lambda data: []
        desk.simulator.sell(1, 2, 1_000, 7_770, 7_770)
        desk.run(3_500)
        desk.wire = lambda data: [data]
    else:
        desk.simulator.sell(1, 2, 1_000, 7_770, 7_770)
        desk.session.disconnected(desk.now)
    desk.run(3_000)
    (fuelling,) = desk.fuellings
    assert fuelling.ended is None


def test_a_shelf_that_says_removed_and_keeps_it_is_not_stormed() -> None:
    desk = _offline(offline_ms=2_000)
    desk.simulator._write = lambda asked: desk.simulator._ack(asked, b"\x00")  # type: ignore[method-assign]
    desk.run(20_000)
    assert len(desk.fuellings) == 1, "the till hears of it once"
    assert 2 <= len(desk.writes()) <= 12


def test_sales_that_others_clear_take_no_memory() -> None:
    desk = Desk(clears=False)
    for _ in range(80):
        sale = desk.simulator.sell(1, 1, 1_000, 7_770, 7_770)
        desk.run(200)
        desk.simulator.clear_by_other(sale)
    assert len(desk.fuellings) == 80
    assert len(desk.session._agenda.book._safe) <= 64
