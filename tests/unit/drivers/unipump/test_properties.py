"""Property: no bytes make UniPump raise, grow or close, and what was sold is what is reported."""

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.events import Answer, Monotonic, Outcome
from drivers.unipump import codec, layouts
from drivers.unipump.codec import Reader
from drivers.unipump.options import UnipumpOptions
from drivers.unipump.session import UnipumpSession
from drivers.unipump.simulator import UnipumpSimulator
from drivers.unipump.view import explain
from drivers.views import Check
from tests.unit.drivers.unipump.controller_desk import ControllerDesk, said

RECORD = b"T011000010000777" + b"00007770"
WORDS = [b"S010", b"U010", b"S017", b"A01100000100", RECORD, b"T011000000000777" + b"00000000", b"E", b""]
TRAFFIC = [codec.encode(1, word) for word in WORDS] + [b"\x10\x02", b"\x10\x03", b"\x10", b"\x10\x10"]
TRAFFIC += [codec.encode(1, b"C011" + b"0" * 19 + b"7"), codec.encode(1, b"X" + b"\xff" * 54)]
PIECES = st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(TRAFFIC)), max_size=60)


@given(PIECES)
@settings(deadline=None, max_examples=100)
def test_any_bytes_are_survived_and_close_nothing_that_holds_fuel(pieces: list[bytes]) -> None:
    session = UnipumpSession("1", UnipumpOptions(closes=True))
    refused = Answer(Outcome.UNAVAILABLE, durable=False)
    closed_zero = codec.encode(1, codec.close("01"))
    for step, piece in enumerate(pieces):
        now = Monotonic(step * 100)
        session.receive(piece.replace(TRAFFIC[5], b""), now)
        session.handle_timer(now)
        while (event := session.next_event()) is not None:
            session.confirm(event, refused, now)
        assert session.bytes_to_send(now) != closed_zero


@given(PIECES, st.integers(1, 40))
@settings(deadline=None, max_examples=60)
def test_pieces_do_not_matter(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    whole, cut = Reader(), Reader()
    expected = list(whole.feed(data))
    heard = [frame for at in range(0, len(data), size) for frame in cut.feed(data[at : at + size])]
    assert heard == expected
    assert whole.bad_frames == cut.bad_frames


@given(st.integers(1, 16), st.binary(min_size=1, max_size=80))
@settings(deadline=None)
def test_what_is_framed_is_read_back(point: int, data: bytes) -> None:
    assert list(Reader().feed(b"\x10noise" + codec.encode(point, data))) == [codec.Frame(0x30 + point, data)]


@given(PIECES)
@settings(deadline=None, max_examples=100)
def test_views_hide_nothing_and_believe_only_whole_frames(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    views = explain(data, UnipumpOptions())
    assert b"".join(view.data for view in views) == data
    believed = [frame for view in views if view.check is Check.OK for frame in Reader().feed(view.data)]
    assert len(believed) == sum(view.check is Check.OK for view in views)
    assert [frame for frame in Reader().feed(data) if frame not in believed] == []


@given(st.integers(0, 23 * 8 - 1))
@settings(deadline=None)
def test_one_wrong_bit_is_never_believed(bit: int) -> None:
    frame = bytearray(codec.encode(1, RECORD))
    frame[2 + bit // 8] ^= 1 << bit % 8
    assert [codec.parse_reply(heard.data) for heard in Reader().feed(bytes(frame))] == []


@given(
    point=st.integers(1, 3),
    nozzle=st.integers(1, 6),
    volume_cl=st.integers(1, 99_999_999),
    amount_fen=st.integers(0, 99_999_999),
    price_fen=st.integers(0, 9_999),
    total_cl=st.integers(0, 10**10 - 1),
)
@settings(deadline=None, max_examples=25)
def test_what_was_sold_is_what_is_reported(
    point: int, nozzle: int, volume_cl: int, amount_fen: int, price_fen: int, total_cl: int
) -> None:
    desk = ControllerDesk(UnipumpSimulator(3), closes=True, point_count=3, poll_ms=200)
    desk.simulator.start_totalizer(f"{point}/{nozzle}", total_cl)
    desk.simulator.sell(f"{point}/{nozzle}", volume_cl, amount_fen, price_fen, desk.now)
    desk.run(5_000)
    (fuelling,) = desk.fuellings
    assert fuelling.nozzle == f"{point}/{nozzle}"
    assert (fuelling.volume_ml, fuelling.amount_fen) == (volume_cl * 10, amount_fen)
    assert fuelling.unit_price_milli == price_fen * 10
    assert fuelling.totalizer_after_ml == (total_cl + volume_cl) % 10**10 * 10
    assert desk.simulator.backlog() == 0
    assert desk.simulator.forbidden_heard == []


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_any_data_is_understood_or_refused(data: bytes) -> None:
    layouts.recognise(data)
    codec.parse_reply(data)
    assert said(codec.encode(1, b"S")) == "ask state"
