"""Property: no bytes make the Hengshan driver raise, grow, confirm or invent, and views hide nothing."""

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.events import Answer, Fuelling, Monotonic, Outcome
from drivers.hengshan import DRIVER, codec, words
from drivers.hengshan.codec import Cutter, Frame, Reader
from drivers.hengshan.options import HengshanOptions
from drivers.hengshan.simulator import frame
from drivers.hengshan.view import explain
from drivers.views import Check

NUMBER = words.number_bytes(250)
RECORD = NUMBER + b"\x01\x00\x03\x09" + bytes(9) + b"\x00\x00\xfa\xfa" + b"\x00\x00\x10\xfa"
SAID = [
    (codec.TOTALS, b"\x01\x03\x09" + NUMBER + b"\xfa\xfa\xfa\xfa"),
    (codec.TOTALS, b""),
    (codec.SALE, NUMBER),
    (codec.SALE, RECORD),
    (codec.STATE, b"\x03" + bytes(8)),
    (codec.STATE, b"\x20\x26\x03\x14\x10\x11\x12"),
    (codec.CONFIRM, b"\x55"),
    (codec.PRESET, b"\x01\x00\x00\x00\xfa"),
    (0x77, b"\xfa" * 30),
    (codec.PRICE, b"\x01\x02\x03\x04\x05\x06"),
]
TRAFFIC = [frame(1, number % 17, *said) for number, said in enumerate(SAID)]
TRAFFIC += [b"\xfa", b"\x00", b"\xfa\x00", b"\xfa\x00\x01\x01\xff", frame(1, 1, 3, b"")[:-1]]
TRAFFIC += [codec.encode(Frame(1, 1, codec.SALE, NUMBER, checks_doubled=True))]
PIECES = st.lists(st.one_of(st.binary(max_size=60), st.sampled_from(TRAFFIC)), max_size=60)


@given(PIECES, st.sampled_from(["listen", "master"]))
@settings(deadline=None, max_examples=150)
def test_any_bytes_are_survived_and_nothing_is_confirmed_without_the_till(
    pieces: list[bytes], mode: str
) -> None:
    session = DRIVER.open_session("1", HengshanOptions.model_validate({"mode": mode, "gap_ms": 10}))
    refused = Answer(Outcome.UNAVAILABLE, durable=False)
    for step, piece in enumerate(pieces):
        now = Monotonic(step * 100)
        session.receive(piece, now)
        session.handle_timer(now)
        while (event := session.next_event()) is not None:
            assert not isinstance(event, Fuelling) or event.raw.volume == str(0xFAFA)
            session.confirm(event, refused, now)
        said = list(Reader().feed(session.bytes_to_send(now)))
        assert codec.CONFIRM not in [each.code for each in said]
        assert mode == "master" or not said


@given(PIECES, st.integers(1, 40))
@settings(deadline=None, max_examples=60)
def test_pieces_do_not_matter(pieces: list[bytes], size: int) -> None:
    data = b"".join(pieces)
    whole, cut = Reader(), Reader()
    expected = list(whole.feed(data))
    heard = [each for at in range(0, len(data), size) for each in cut.feed(data[at : at + size])]
    assert heard == expected
    assert whole.bad_frames == cut.bad_frames


@given(PIECES)
@settings(deadline=None, max_examples=60)
def test_what_is_cut_is_the_stream(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    cutter = Cutter()
    assert b"".join(piece.raw for piece in (*cutter.feed(data), cutter.forget())) == data


@given(
    st.integers(1, 255),
    st.integers(0, 16),
    st.integers(0, 255),
    st.binary(max_size=254) | st.just(b"\xfa" * 100),
    st.binary(max_size=5),
)
@settings(deadline=None)
def test_what_is_framed_is_read_back_by_either_side(
    address: int, number: int, command: int, data: bytes, noise: bytes
) -> None:
    said = Frame(address, number, command, data)
    assert codec.encode(said) == frame(address, number, command, data)
    assert list(Reader().feed(noise + codec.encode(said) * 2))[-2:] == [said, said]


@given(st.integers(1, len(TRAFFIC[3]) * 8 - 1))
@settings(deadline=None)
def test_one_wrong_bit_is_never_believed(bit: int) -> None:
    harmed = bytearray(TRAFFIC[3])
    harmed[bit // 8] ^= 1 << bit % 8
    assert list(Reader().feed(bytes(harmed))) == []


@given(PIECES)
@settings(deadline=None, max_examples=100)
def test_views_hide_nothing_and_believe_only_whole_frames(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    views = explain(data, HengshanOptions())
    assert b"".join(view.data for view in views) == data
    believed = [each for view in views if view.check is Check.OK for each in Reader().feed(view.data)]
    assert len(believed) == sum(view.check is Check.OK for view in views)
    assert believed == list(Reader().feed(data))


@given(st.integers(0, 255), st.binary(max_size=40))
@settings(deadline=None)
def test_any_frame_is_explained(command: int, data: bytes) -> None:
    (view,) = explain(frame(1, 1, command, data), HengshanOptions())
    assert view.check is Check.OK
