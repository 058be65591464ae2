"""Unit and property: does the POS link cut frames out of any bytes, and what do its two checks promise?"""

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.pos_link.codec import (
    MAX_DATA_BYTES,
    Control,
    Damaged,
    Framer,
    Intact,
    Token,
    check,
    frame,
    lrc,
)

FIELDS = (b"REFUND", b"9", b"R1", b"A1024", b"400")
FRAME = b"\x02REFUND\x1c9\x1cR1\x1cA1024\x1c400\x1c2800\x03\x33"


def tokens(data: bytes) -> list[Token]:
    return Framer().feed(data)


def flipped(data: bytes, *bits: int) -> bytes:
    damaged = bytearray(data)
    for bit in bits:
        damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_the_check_is_crc_16_modbus_in_hex() -> None:
    assert check(b"123456789") == b"4B37"


def test_a_frame_has_these_bytes() -> None:
    assert frame(FIELDS) == FRAME
    assert tokens(FRAME) == [Intact(FIELDS)]


@pytest.mark.parametrize("control", list(Control))
def test_a_control_byte_alone_is_a_control(control: Control) -> None:
    assert tokens(bytes([control])) == [control]


@pytest.mark.parametrize("control", list(Control))
def test_a_control_byte_inside_a_frame_is_damage_and_never_a_control(control: Control) -> None:
    assert tokens(FRAME[:5] + bytes([control]) + FRAME[5:]) == [Damaged("BAD_FRAME", "byte")]


def test_the_lrc_may_look_like_any_control_byte() -> None:
    seen = set()
    for number in range(2_000):
        data = frame((b"CHOOSE", b"%d" % number))
        seen.add(data[-1])
        assert tokens(data) == [Intact((b"CHOOSE", b"%d" % number))]
    assert seen & set(Control)


def test_a_second_stx_starts_the_frame_anew() -> None:
    assert tokens(FRAME[:7] + FRAME) == [Intact(FIELDS)]


def test_bytes_outside_frames_are_counted_as_noise() -> None:
    framer = Framer()
    assert framer.feed(b"??" + FRAME + b"!") == [Intact(FIELDS)]
    assert framer.noise_bytes == 3


def test_a_wrong_check_with_a_right_lrc_is_damage() -> None:
    data = FRAME[1:-6] + b"2801"
    assert tokens(b"\x02" + data + b"\x03" + bytes([lrc(data)])) == [Damaged("BAD_FRAME", "check")]


@pytest.mark.parametrize("data", [b"", b"0000", b"PAID", b"\x1c", b"PAID\x1c7"])
def test_a_frame_without_its_check_field_is_damage(data: bytes) -> None:
    assert tokens(b"\x02" + data + b"\x03" + bytes([lrc(data)])) == [Damaged("BAD_FRAME", "check")]


def test_the_longest_frame_passes_and_one_byte_more_does_not() -> None:
    room = MAX_DATA_BYTES - len(b"PAID\x1c") - len(b"\x1c0000")
    longest, longer = frame((b"PAID", b"x" * room)), frame((b"PAID", b"x" * (room + 1)))
    assert len(longest) == MAX_DATA_BYTES + 3
    assert tokens(longest) == [Intact((b"PAID", b"x" * room))]
    assert tokens(longer + FRAME) == [Damaged("MESSAGE_TOO_LONG", "length"), Intact(FIELDS)]


def test_no_flip_of_one_bit_gives_another_message() -> None:
    for bit in range(len(FRAME) * 8):
        assert not any(isinstance(token, Intact) for token in tokens(flipped(FRAME, bit))), bit


def test_no_flip_of_two_bits_gives_another_message_though_the_lrc_alone_would_pass_some() -> None:
    passed_by_lrc = 0
    for pair in combinations(range(8, (len(FRAME) - 2) * 8), 2):
        damaged = flipped(FRAME, *pair)
        found = tokens(damaged)
        assert not any(isinstance(token, Intact) for token in found), pair
        passed_by_lrc += Damaged("BAD_FRAME", "check") in found
    assert passed_by_lrc > 1_000


def test_no_character_of_either_encoding_contains_a_control_byte() -> None:
    every = "".join(map(chr, [*range(0x20, 0xD800), *range(0xE000, 0x110000)]))
    for encoding in ("gb18030", "utf-8"):
        raw = every.encode(encoding)
        assert min(raw) >= 0x20
        assert raw.decode(encoding) == every


@given(data=st.binary(max_size=400), cuts=st.lists(st.integers(0, 400), max_size=6))
@settings(deadline=None)
def test_pieces_of_any_bytes_give_the_same_tokens_as_the_whole(data: bytes, cuts: list[int]) -> None:
    framer = Framer()
    edges = [0, *sorted(cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    assert [token for piece in pieces for token in framer.feed(piece)] == tokens(data)


@given(
    fields=st.lists(st.binary().map(lambda raw: bytes(b for b in raw if b >= 0x20)), min_size=1, max_size=9)
)
@settings(deadline=None)
def test_fields_come_back_as_they_went(fields: list[bytes]) -> None:
    assert tokens(frame(fields)) == [Intact(tuple(fields))]
