"""Unit: is a recording read back as it was written, refused when it is none, and played to a session?"""

import pytest

from drivers.blueprint import codec
from drivers.blueprint.options import BlueprintOptions
from drivers.blueprint.session import BlueprintSession
from drivers.events import Answer, DeviceBack, Fuelling, Monotonic, Outcome
from drivers.replay import (
    LONGEST_LINE,
    LONGEST_MS,
    Chunk,
    RecordingRefused,
    load_recording,
    play,
    read_recording,
    write_chunk,
)

SALE = codec.encode_sale(codec.Sale("0007", "01", "003012", "023644", "0785", "0000123456"))
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
        read_recording([write_chunk(RECORDING[0]), f"{line}\n"])


def test_of_a_recording_that_a_power_cut_ended_all_but_the_last_line_is_kept() -> None:
    whole = "".join(f"{write_chunk(chunk)}\n" for chunk in RECORDING)
    first = len(write_chunk(RECORDING[0])) + 1
    for end in range(first, len(whole)):
        recording = load_recording(whole[:end].splitlines(keepends=True))
        kept = whole[:end].count("\n") + (whole[end] == "\n")
        assert (recording.chunks, recording.is_torn) == (
            RECORDING[:kept],
            whole[end - 1] != "\n" and whole[end] != "\n",
        )
    with pytest.raises(RecordingRefused, match="line 1"):
        load_recording([whole[:20]])


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "nothing in it"),
        (["\n"], "nothing in it"),
        (['{"recording": 2}'], r"newer version \(format 2, and this program reads 1\): update"),
        (['{"recording": true}'], "another format"),
        (["[" * LONGEST_LINE], "line 1"),
        (["0" * (LONGEST_LINE + 1)], "longer than any line"),
        ([f'{{"at_ms": {LONGEST_MS + 1}, "from": "host", "hex": ""}}'], "at_ms"),
    ],
)
def test_what_no_recorder_writes_is_refused_at_once(lines: list[str], told: str) -> None:
    """A player would run every timer of a thousand years, and read a line without end into memory."""
    with pytest.raises(RecordingRefused, match=told):
        load_recording(lines)


def test_time_may_not_run_backwards() -> None:
    with pytest.raises(RecordingRefused, match="backwards"):
        read_recording([write_chunk(RECORDING[1]), write_chunk(RECORDING[0])])


def test_a_recording_plays_into_a_session() -> None:
    session = BlueprintSession("1", BlueprintOptions())
    chunks = [Chunk(Monotonic(5), "device", b"x\n"), Chunk(Monotonic(20), "device", SALE)]
    played = play(chunks, session, lambda event: Answer(Outcome.DONE, durable=True))
    assert played.sent[0] == codec.encode(codec.READ)
    assert [type(event) for event in played.events] == [DeviceBack, Fuelling]
    assert played.sent[-1] == codec.encode("K,0007")
