"""unit and property: are questions and replies the bytes of the specification, in any stream of bytes?"""

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.checksums import crc16_modbus
from drivers.modbus import codec
from drivers.modbus.codec import Decoder, Question, Reply, Transport

VECTORS = Path(__file__).parents[3] / "vectors" / "vectors.json"


def rtu(body: bytes) -> bytes:
    return body + crc16_modbus(body).to_bytes(2, "little")


def tcp(transaction: int, body: bytes) -> bytes:
    return struct.pack(">HHH", transaction, 0, len(body)) + body


def test_the_published_block_read_is_what_we_send() -> None:
    vectors = json.loads(VECTORS.read_text("utf-8"))["vectors"]
    vector = next(v for v in vectors if v["id"] == "modbus-c5000-end-of-sale-block")
    asked = vector["decoded"]
    question = codec.read(asked["unit"], asked["fn"], asked["start"], asked["count"])
    assert codec.encode(question, "rtu") == bytes.fromhex(vector["hex"])


@pytest.mark.parametrize(
    ("question", "body"),
    [
        (codec.read(1, 4, 101, 11), "01 04 00 65 00 0B"),
        (codec.write(7, 1, (515,)), "07 06 00 01 02 03"),
        (codec.write(7, 1, (1, 515)), "07 10 00 01 00 02 04 00 01 02 03"),
    ],
)
def test_questions_on_both_transports(question: Question, body: str) -> None:
    assert codec.encode(question, "rtu") == rtu(bytes.fromhex(body))
    assert codec.encode(question, "tcp", 0x1234) == tcp(0x1234, bytes.fromhex(body))


BODIES = {
    "03 03 04 00 01 9C BD": Reply(0, 3, 3, 0, (1, 0x9CBD), 0, 2),
    "01 04 02 00 07": Reply(0, 1, 4, 0, (7,), 0, 1),
    "07 06 00 01 02 03": Reply(0, 7, 6, 0, (515,), 1, 1),
    "07 10 00 01 00 02": Reply(0, 7, 16, 0, (), 1, 2),
    "01 83 06": Reply(0, 1, 3, 6),
}


@pytest.mark.parametrize("body", BODIES)
def test_replies_on_both_transports(body: str) -> None:
    expected = BODIES[body]
    assert Decoder("rtu").feed(rtu(bytes.fromhex(body))) == [expected]
    heard = Decoder("tcp").feed(tcp(9, bytes.fromhex(body)))
    assert [(r.transaction, r.unit, r.function, r.exception, r.registers) for r in heard] == [
        (9, expected.unit, expected.function, expected.exception, expected.registers)
    ]


@pytest.mark.parametrize(
    ("transport", "frame"),
    [
        ("rtu", rtu(bytes.fromhex("01 03 02 00 07"))[:-1] + b"\x00"),
        ("rtu", rtu(bytes.fromhex("01 03 03 00 07 01"))),
        ("tcp", tcp(1, bytes.fromhex("01 03 04 00 07"))),
        ("tcp", tcp(1, bytes.fromhex("01 83 00"))),
    ],
)
def test_a_broken_frame_is_counted_and_no_reply(transport: Transport, frame: bytes) -> None:
    decoder = Decoder(transport)
    assert decoder.feed(frame) == []
    assert decoder.bad_frames >= 1


def test_a_reply_right_behind_what_looked_like_one_is_heard() -> None:
    frame = rtu(bytes.fromhex("01 03 02 00 07"))
    assert Decoder("rtu").feed(bytes.fromhex("01 83 02") + frame) == [Reply(0, 1, 3, 0, (7,), 0, 1)]


def test_a_reply_fits_only_its_question() -> None:
    question = codec.read(1, 3, 124, 8)
    assert Reply(0, 1, 3, 0, tuple(range(8))).fits(question)
    assert Reply(0, 1, 3, exception=6).fits(question)
    assert not Reply(0, 2, 3, 0, tuple(range(8))).fits(question)
    assert not Reply(0, 1, 4, 0, tuple(range(8))).fits(question)
    assert not Reply(0, 1, 3, 0, tuple(range(7))).fits(question)
    one, many = codec.write(1, 5, (9,)), codec.write(1, 5, (9, 10))
    assert Reply(0, 1, 6, 0, (9,), 5, 1).fits(one)
    assert not Reply(0, 1, 6, 0, (8,), 5, 1).fits(one)
    assert not Reply(0, 1, 6, 0, (9,), 4, 1).fits(one)
    assert Reply(0, 1, 16, 0, (), 5, 2).fits(many)
    assert not Reply(0, 1, 16, 0, (), 5, 3).fits(many)


TRANSPORTS = st.sampled_from(["tcp", "rtu"])
WORDS = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=125)


def a_frame(transport: Transport, words: list[int]) -> bytes:
    body = struct.pack(f">BBB{len(words)}H", 1, 3, 2 * len(words), *words)
    return rtu(body) if transport == "rtu" else tcp(77, body)


@settings(deadline=None)
@given(TRANSPORTS, st.lists(st.one_of(st.binary(max_size=300), WORDS), max_size=4))
def test_byte_by_byte_is_the_same_as_at_once(transport: Transport, parts: list[bytes | list[int]]) -> None:
    stream = b"".join(part if isinstance(part, bytes) else a_frame(transport, part) for part in parts)
    whole, single = Decoder(transport), Decoder(transport)
    at_once = whole.feed(stream)
    one_by_one = [reply for byte in stream for reply in single.feed(bytes((byte,)))]
    assert one_by_one == at_once
    assert single.bad_frames == whole.bad_frames


@settings(deadline=None)
@given(TRANSPORTS, st.lists(st.binary(max_size=400), max_size=6))
def test_no_bytes_raise_or_pile_up(transport: Transport, pieces: list[bytes]) -> None:
    decoder = Decoder(transport)
    for piece in pieces:
        decoder.feed(piece)
        assert len(decoder._kept) <= 260


@settings(deadline=None)
@given(TRANSPORTS, WORDS)
def test_a_reply_after_a_clear_is_heard_whole(transport: Transport, words: list[int]) -> None:
    decoder = Decoder(transport)
    decoder.feed(a_frame(transport, [0xFFFF] * 125)[:200])
    decoder.clear()
    assert [reply.registers for reply in decoder.feed(a_frame(transport, words))] == [tuple(words)]
