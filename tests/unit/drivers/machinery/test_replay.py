"""Unit: is a recording read back as it was written, refused when it is none, and played to a session?"""

import pytest

from drivers.companytec.options import CompanytecOptions
from drivers.companytec.session import CompanytecSession
from drivers.events import Answer, DeviceBack, Fuelling, Monotonic, Outcome
from drivers.replay import Chunk, RecordingRefused, play, read_recording, write_chunk

SALE = b"(A00038600386010003E001C08121640020683000008078900B3CF6CCFFF1FD792068300F3)"
RECORDING = [
    Chunk(Monotonic(0), "host", b"(&T99P3C)"),
    Chunk(Monotonic(20), "device", b"(TP9900000000"),
    Chunk(Monotonic(30), "device", b"19)"),
]


def test_a_recording_comes_back_as_it_was_written() -> None:
    lines = [write_chunk(chunk) for chunk in RECORDING]
    assert lines[0] == '{"at_ms": 0, "from": "host", "hex": "2826543939503343' + '29"}'
    assert read_recording([*lines, "", "  \n"]) == RECORDING


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "{}",
        "[]",
        '{"at_ms": -1, "from": "host", "hex": ""}',
        '{"at_ms": 1, "from": "us", "hex": ""}',
        '{"at_ms": 1, "from": "host", "hex": "0"}',
        '{"at_ms": "1", "from": "host", "hex": ""}',
    ],
)
def test_what_is_no_recording_is_refused_by_line(line: str) -> None:
    with pytest.raises(RecordingRefused, match="line 2"):
        read_recording([write_chunk(RECORDING[0]), line])


def test_time_may_not_run_backwards() -> None:
    with pytest.raises(RecordingRefused, match="backwards"):
        read_recording([write_chunk(RECORDING[1]), write_chunk(RECORDING[0])])


def test_a_recording_plays_into_a_session() -> None:
    session = CompanytecSession("1", CompanytecOptions(record="identified", read_twice=False))
    chunks = [Chunk(Monotonic(600), "device", b"x"), Chunk(Monotonic(1_200), "device", SALE)]
    played = play(chunks, session, lambda event: Answer(Outcome.DONE, durable=True))
    assert played.sent[0] == b"(&T99P3C)"
    assert b"(&A67)" in played.sent
    assert [type(event) for event in played.events] == [Fuelling, DeviceBack]
    assert played.sent[-1] == b"(&I)"
