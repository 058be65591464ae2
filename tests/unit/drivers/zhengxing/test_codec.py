"""Unit, property: are questions and replies told apart, in any pieces, at every fuelling point?"""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.zhengxing import words
from drivers.zhengxing.codec import Frame, Reader, encode, point_of
from drivers.zhengxing.commands import BOTH, DEVICE, Command, lengths
from tests.unit.drivers.zhengxing.zhengxing_bench import sale_body


def _heard(data: bytes, sides: frozenset[str] = BOTH) -> list[Frame]:
    reader = Reader(sides)  # type: ignore[arg-type]
    return [frame for at in range(len(data)) for frame in reader.feed(data[at : at + 1])]


@given(
    point=st.integers(1, 99),
    code=st.sampled_from(sorted(words.STATES)),
    bits=st.sampled_from((0x00, 0x10, 0x20, 0x30, 0x60, 0x70, 0x80, 0x90, 0xA0, 0xB0)),
    chain=st.integers(0, 9_999),
    volume_count=st.integers(0, 2**20 - 1),
    amount_count=st.integers(0, 2**20 - 1),
)
@example(point=5, code=8, bits=0, chain=1, volume_count=1, amount_count=1)
@example(point=6, code=3, bits=0x10, chain=1, volume_count=1, amount_count=1)
@example(point=1, code=3, bits=0x10, chain=16, volume_count=1, amount_count=1)
@settings(deadline=None, max_examples=60)
def test_a_conversation_is_heard_as_it_was_said(
    point: int, code: int, bits: int, chain: int, volume_count: int, amount_count: int
) -> None:
    state, number = bytes((code | bits,)), bytes.fromhex(f"{chain:04d}")
    said = [
        ("host", Command.MODE, b"\xaa"),
        ("device", Command.MODE, state),
        ("host", Command.STATE, b""),
        ("device", Command.STATE, state),
        ("host", Command.PRESET_AMOUNT, b"\x01\x00\x00\x00" + number),
        ("device", Command.PRESET_AMOUNT, state + b"\xbb"),
        ("host", Command.PRESET_VOLUME, b"\x00\x50\x00" + number),
        ("device", Command.PRESET_VOLUME, state + b"\xcc"),
        ("host", Command.SET_PRICE, b"\x07\x50"),
        ("device", Command.SET_PRICE, state + b"\xbb"),
        ("host", Command.RUNNING, b""),
        ("device", Command.RUNNING, state + bytes(8)),
        ("host", Command.TOTALS, b""),
        ("device", Command.TOTALS, state + bytes(12)),
        ("host", Command.SALE, b""),
        ("device", Command.SALE, state + sale_body(volume_count, amount_count)),
        ("host", Command.ACKNOWLEDGE, number),
        ("device", Command.ACKNOWLEDGE, state),
        ("host", Command.SALE, b""),
        ("device", Command.NOTHING, state),
    ]
    wire = b"".join(encode(command, point, body) for _, command, body in said)
    heard = _heard(wire + b"\xfc")
    assert [(frame.sender, frame.command, frame.data[3:-1]) for frame in heard] == said
    sale = words.sale(heard[15])
    assert (sale.volume_count, sale.amount_count, sale.price) == (volume_count, amount_count, "0750")


def test_no_sale_may_be_said_in_five_bytes_or_in_36() -> None:
    for body in (b"\x63", b"\x63" + bytes(31)):
        (frame,) = _heard(encode(Command.NOTHING, 1, body), DEVICE)
        assert frame.command is Command.NOTHING


def test_behind_torn_and_unknown_bytes_the_next_frame_is_heard() -> None:
    reader = Reader(BOTH)
    torn = encode(Command.SALE, 1, b"\x73" + sale_body(100, 750))[:-4]
    damaged = bytes.fromhex("FC 0D 01 73 7E")
    right = bytes.fromhex("FC 0D 01 73 7F")
    heard = list(reader.feed(b"\x00\xfc\x99" + torn + damaged + right * 9))
    assert [frame.data for frame in heard] == [right] * 9
    assert reader.bad_frames == 2
    assert reader.noise_bytes == 3 + len(torn) + len(damaged)


@given(st.lists(st.binary(max_size=60), max_size=20))
@settings(deadline=None, max_examples=60)
def test_any_bytes_leave_at_most_one_frame_in_the_buffer(pieces: list[bytes]) -> None:
    reader = Reader(BOTH)
    for piece in pieces:
        for frame in reader.feed(piece):
            assert len(frame.data) in lengths(frame.command, BOTH)
    assert len(reader._buffer) <= 36


@pytest.mark.parametrize("address", ["0", "100", "x", ""])
def test_what_is_no_point_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"point|invalid literal"):
        point_of(address)
