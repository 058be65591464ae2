"""Integration: do garbage, torn, late and repeated frames on every wire of a station lose or double nothing?

Each is counted by a reason code in `status`; after each test every device has its records confirmed,
and station and headquarters hold each sale once.
"""

import random

import pytest

from agent.cli.demo.visits import MEMBERS
from drivers.checksums import xor_lrc
from drivers.companytec.codec import checked
from drivers.events import BasketLine, SalePaid
from drivers.pos_link.codec import ETX, MAX_DATA_BYTES, STX, frame
from drivers.pos_link.requests import write_request
from tests.integration.station.odd_station import REGISTER, Pieces, odd_station

MEMBER = MEMBERS[0][2]
DISTURBED = 3
"""So many answers of each device are mangled per sale, mostly the one that carries the sale among them."""
MANY = 1_000
"""More answers than a test lasts."""


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with odd_station(tmp_path_factory.mktemp("odd")) as station:
        yield station


@pytest.fixture
def station(opened):
    yield opened
    opened.calm_wires()
    opened.sell_everywhere()
    opened.is_unharmed()


def garbage(said: bytes) -> Pieces:
    """Noise before and after, from a seed that is the message itself."""
    rng = random.Random(said)
    yield 0, rng.randbytes(20) + said + rng.randbytes(20)


def torn(said: bytes) -> Pieces:
    yield 0, said[: len(said) // 2]


def flipped(said: bytes) -> Pieces:
    middle = len(said) // 2
    yield 0, said[:middle] + bytes((said[middle] ^ 0x04,)) + said[middle + 1 :]


def late(said: bytes) -> Pieces:
    """After the time in which it was waited for, and before what is asked next has its answer."""
    yield 700, said


def twice(said: bytes) -> Pieces:
    yield 0, said + said


MANGLED = {
    garbage: ("NOISE_BYTES", "NOISE_BYTES", "NOISE_BYTES"),
    torn: ("NO_ANSWER", "NO_ANSWER", "BAD_FRAME"),
    flipped: ("BAD_FRAME", "BAD_FRAME", "BAD_FRAME"),
    late: ("LATE_ANSWER", "LATE_ANSWER", "LATE_ANSWER"),
    twice: ("LATE_ANSWER", "LATE_ANSWER", "LATE_ANSWER"),
}
"""What is counted on the Modbus TCP, the Modbus RTU and the Companytec line."""


@pytest.mark.parametrize("mangle", MANGLED, ids=lambda mangle: mangle.__name__)
def test_what_all_devices_say_may_be(station, mangle):
    lines = ("island-1", "island-2", "island-3")
    counted = {f"line {line} {code}": 2 for line, code in zip(lines, MANGLED[mangle], strict=True)}
    with station.seen_in_status(counted):
        for _ in range(2):
            for device in (station.ring, station.last, station.cbc):
                device.act(lambda wire: wire.mangles.extend([mangle] * DISTURBED))
            station.sell_everywhere()


def test_a_record_whose_digits_are_none_is_not_confirmed_until_it_can_be_read(station):
    spoiling = True

    def unreadable(said: bytes) -> Pieces:
        is_record = said.startswith(b"(A") and len(said) > 60
        yield 0, checked("A" + "X" * 6 + said[8:-3].decode()) if is_record and spoiling else said

    station.cbc.act(lambda wire: wire.mangles.extend([unreadable] * MANY))
    with station.seen_in_status({"line island-3 UNREADABLE_RECORD": 2}):
        station.sell("08")
    assert station.backlog() == 1
    assert station.stage.status()["facts"] == len(station.sold()) - 1
    spoiling = False
    station.wait_until_booked()


def test_a_record_whose_two_numbers_differ_is_read_again(station):
    spoilt = []

    def overwritten(said: bytes) -> Pieces:
        is_record = len(said) == RING_ANSWER_BYTES and not spoilt
        spoilt.extend([said] if is_record else [])
        yield 0, said[:-2] + b"\xff\xfe" if is_record else said

    station.ring.act(lambda wire: wire.mangles.extend([overwritten] * MANY))
    with station.seen_in_status({"line island-1 RECORD_TORN": 1}):
        station.sell("ring")
        station.wait_until_booked()


def test_a_record_that_another_program_steps_over_is_fetched(station):
    def between_two_polls(device) -> None:
        for volume_ml in (5_010, 5_030):
            device.sell("08", volume_ml, volume_ml * 785 // 1_000, 7_850)
        device.step_by_another_program()

    with station.seen_in_status({"line island-3 MISSED_RECORD": 1}):
        station.cbc.act(between_two_polls)
        station.wait_until_booked()


def test_bytes_on_the_pos_line_that_are_no_message_are_counted(station):
    whole = paid(900_001, "never")
    heavy = bytes([STX]) + b"A" * (MAX_DATA_BYTES + 1) + bytes([ETX])
    spoilt = {
        "noise": b"what is this ~~~",
        "a wrong LRC": whole[:-1] + bytes([whole[-1] ^ 1]),
        "a wrong check": whole.replace(b"never", b"nevfq"),
        "a control byte inside": whole.replace(b"never", b"ne\x06er"),
        "too long": heavy + bytes([xor_lrc(heavy[1:])]),
        "torn": whole[: len(whole) // 2],
    }
    counted = {"NOISE_BYTES": 16, "BAD_FRAME": 4, "MESSAGE_TOO_LONG": 1}
    with station.seen_in_status({f"line pos {code}": times for code, times in counted.items()}):
        for data in spoilt.values():
            station.pos.act(lambda wire, data=data: wire.say(data))
    assert station.stage.status()["waiting_sales"] == 0


def test_messages_of_the_pos_that_nobody_can_obey_are_refused_by_name(station):
    refused = {
        "UNKNOWN_MESSAGE": [b"GIVE", b"900010"],
        "FIELD_COUNT": [b"REFUND", b"900011", b"r"],
        "FIELD_MISSING": [b"REFUND", b"900012", b"", b"s", b"1"],
        "FIELD_TOO_LONG": [b"REFUND", b"900013", b"r" * 41, b"s", b"1"],
        "TOO_MANY_ROWS": [b"PAID", b"900014", b"s", b"", b"0", b"cash", b"", b"", b"61"],
        "WRONG_VERSION": [b"HELLO", b"900015", REGISTER.encode(), b"3", b"s"],
        "MALFORMED_FIELD": [b"REFUND", b"900016", b"\xff\xff", b"s", b"1"],
    }
    with station.seen_in_status({f"line pos {code}": 1 for code in refused}):
        for fields in refused.values():
            station.pos.act(lambda wire, fields=fields: wire.say(frame(fields)))
            station.cashier.identify("nobody", MEMBER)  # the POS goes on with its own business meanwhile


def test_a_payment_that_is_said_again_and_again_is_one_sale(station):
    """The same message twice at once, once more after its answer, and the same sale under other numbers."""
    amount_fen = station.sell("08")
    station.wait_until_booked()
    message = paid(900_020, "again", "3", amount_fen)
    with station.seen_in_status({"line pos REPEATED": 2}):
        station.pos.act(lambda wire: wire.say(message + message))
        answer = station.cashier.pay("again", "3", amount_fen, MEMBER)
        station.pos.act(lambda wire: wire.say(message))
    again = station.cashier.pay("again", "3", amount_fen, MEMBER)
    assert answer.points_minor == again.points_minor > 0
    assert station.stage.status()["waiting_sales"] == 0


RING_ANSWER_BYTES = 7 + 2 + 2 * 12


def paid(number: int, pos_sale_id: str, point: str | None = None, fuel_fen: int = 0) -> bytes:
    """PAID as a POS frames it, with a member's card."""
    lines = () if fuel_fen else (BasketLine("coffee", 1_000, 1_200),)
    sale = SalePaid(REGISTER, pos_sale_id, point, fuel_fen, "cash", lines, MEMBER)
    framed = write_request(number, sale, "gb18030")
    assert isinstance(framed, bytes)
    return framed
