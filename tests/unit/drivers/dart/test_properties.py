"""Property: no bytes make DART's codec, views or sessions raise or grow, and what is written is read back."""

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.dart import codec, words
from drivers.dart.codec import Control, Frame, Reader
from drivers.dart.options import DartOptions
from drivers.dart.sequence import Heard, Sequence, next_tx_no
from drivers.dart.session import DartMaster
from drivers.dart.tap import DartTap
from drivers.dart.view import explain
from drivers.events import Answer, Fuelling, Monotonic, Outcome
from drivers.views import Check

ADDRESSES = st.integers(codec.FIRST_ADDRESS, codec.LAST_ADDRESS)
NUMBERS = st.integers(0, 15)
AWKWARD = st.lists(st.sampled_from([0x10, 0xFA, 0x03, 0x50, 0x30, 0x00]), min_size=2, max_size=40).map(bytes)
DATA = st.one_of(st.binary(min_size=2, max_size=120), AWKWARD)
FRAMES = st.one_of(
    st.builds(Frame, ADDRESSES, st.just(Control.DATA), NUMBERS, DATA),
    st.builds(
        Frame, ADDRESSES, st.sampled_from([Control.NAK, Control.EOT, Control.ACK, Control.ACKPOLL]), NUMBERS
    ),
    st.builds(Frame, ADDRESSES, st.just(Control.POLL)),
)
SAID = st.sampled_from(
    [
        b"\x50\x20\xfa",
        b"\x50\x70\xfa",
        b"\x50\xc0\xfa",
        codec.encode(
            Frame(0x50, Control.DATA, 1, b"\x02\x08\0\0\0\x31\0\0\0\x51\x03\x04\0\x16\x45\x01\x01\x01\x05")
        ),
        codec.encode(Frame(0x50, Control.DATA, 2, b"\x65\x10\x01" + bytes(15))),
        codec.encode(Frame(0x50, Control.DATA, 3, b"\x01\x01")),
    ]
)
ANY_BYTES = st.lists(st.one_of(st.binary(max_size=80), SAID), max_size=30)


@given(st.lists(FRAMES, max_size=6), st.integers(1, 9))
@settings(deadline=None, max_examples=80)
def test_what_is_written_is_read_back_in_any_pieces(frames: list[Frame], size: int) -> None:
    data = b"".join(map(codec.encode, frames))
    reader = Reader()
    read = [frame for at in range(0, len(data), size) for frame in reader.feed(data[at : at + size])]
    assert read == frames
    assert reader.bad_frames == 0


@given(st.builds(Frame, ADDRESSES, st.just(Control.DATA), NUMBERS, DATA), st.data())
@settings(deadline=None, max_examples=80)
def test_one_wrong_bit_in_a_data_frame_is_never_believed(frame: Frame, draw: st.DataObject) -> None:
    damaged = bytearray(codec.encode(frame))
    bit = draw.draw(st.integers(0, len(damaged) * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    believed = [heard for heard in Reader().feed(bytes(damaged)) if heard.control is Control.DATA]
    assert all(heard == frame or len(heard.data) < len(frame.data) for heard in believed)
    assert frame not in believed or len(damaged) == 0


@given(
    st.binary(max_size=30).filter(lambda noise: b"\xfa" not in noise and not noise.endswith(b"\x10")), FRAMES
)
@settings(deadline=None)
def test_a_frame_is_found_behind_noise(noise: bytes, frame: Frame) -> None:
    assert list(Reader().feed(noise + codec.encode(frame)))[-1:] == [frame]


@given(ANY_BYTES)
@settings(deadline=None, max_examples=80)
def test_views_hide_nothing_and_call_only_true_frames_ok(parts: list[bytes]) -> None:
    data = b"".join(parts)
    views = explain(data, DartOptions())
    assert b"".join(view.data for view in views) == data
    for view in views:
        assert (view.check is Check.OK) == any(
            frame.control is Control.DATA and codec.encode(frame) for frame in Reader().feed(view.data)
        )


@given(ANY_BYTES, st.booleans())
@settings(deadline=None, max_examples=60)
def test_any_bytes_are_survived(parts: list[bytes], masters: bool) -> None:
    options = DartOptions(mode="master" if masters else "listen")
    session = DartMaster("50", options) if masters else DartTap("50", options)
    for step, part in enumerate(parts):
        now = Monotonic(step * 50)
        session.receive(part, now)
        session.handle_timer(now)
        session.bytes_to_send(now)
        while (event := session.next_event()) is not None:
            session.confirm(event, Answer(Outcome.DONE, durable=True), now)
            assert not isinstance(event, Fuelling) or event.volume_ml > 0


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_transactions_hide_nothing(data: bytes) -> None:
    found = words.transactions(data)
    if found is not None:
        assert b"".join(bytes((trans, len(body))) + body for trans, body in found) == data
        assert len(words.words(data)) == len(found)


@given(st.integers(0, 15), st.integers(1, 40))
@settings(deadline=None)
def test_numbers_in_order_are_in_order_in_both_ways_of_wrapping(first: int, count: int) -> None:
    for wrap in (0, 1):
        sequence, tx_no = Sequence(), first
        assert sequence.hear(Frame(0x50, Control.DATA, tx_no)) is Heard.FIRST
        for _ in range(count):
            tx_no = wrap if tx_no == 15 else tx_no + 1
            frame = Frame(0x50, Control.DATA, tx_no, b"\x01\x01\x05")
            assert sequence.hear(frame) is Heard.NEXT
            assert sequence.hear(frame) is Heard.DUPLICATE
    assert next_tx_no(15) == 1
