"""Unit: does a recording keep what it must, leave out what it may not keep, and say whose it is?"""

import io
import json

import pytest

from agent.cli.device_choice import chosen
from agent.cli.device_frames import Frame
from agent.cli.device_record import Recorder, recorded
from drivers.blueprint import codec
from drivers.blueprint.session import BlueprintSession
from drivers.events import Answer, DeviceBack, Monotonic, Outcome
from drivers.replay import (
    Chunk,
    Header,
    RecordingRefused,
    load_recording,
    play,
    read_recording,
    write_chunk,
    write_header,
)
from drivers.views import Check, View, noise

HEADER = Header("blueprint", "1", {"poll_ms": 100}, 9_600, 8, "none", 1, asked=True, redacted=False)
CARD = View(b"<4111222233334444>", "card", "device", Check.OK)


def _hidden(data: bytes) -> bytes:
    return b"<" + b"*" * (len(data) - 2) + b">"


def test_whole_frames_are_redacted_and_torn_ones_told_by_their_length() -> None:
    torn = View(CARD.data[:9], "damaged", "device", Check.WRONG)
    views = (CARD, torn, noise(CARD.data[:7]))
    chunks = [recorded(Frame(7, "device", view), _hidden) for view in views]
    assert chunks == [
        Chunk(Monotonic(7), "device", b"<****************>"),
        Chunk(Monotonic(7), "device", b"", 9),
        Chunk(Monotonic(7), "device", b"", 7),
    ]
    assert "34313131" not in "".join(map(write_chunk, chunks))


def test_without_anything_to_hide_every_byte_is_kept() -> None:
    assert recorded(Frame(7, "host", noise(b"\x00")), None) == Chunk(Monotonic(7), "host", b"\x00")


def test_a_card_in_what_is_no_frame_is_never_kept() -> None:
    """Another driver's wire, recorded by mistake."""
    torn = noise(b"card 4111 1111 1111 1111")
    assert recorded(Frame(7, "device", torn), None) == Chunk(Monotonic(7), "device", b"", 24)
    frame = View(torn.data, "sale", "device", Check.OK)
    assert recorded(Frame(7, "device", frame), None).data == torn.data, "digits of a meter are no card"


def test_a_recording_ends_before_its_limit() -> None:
    file = io.StringIO()
    recorder = Recorder(file, chosen("blueprint", {}), 500)
    recorder.begin(HEADER)
    frame = Frame(5, "device", View(codec.encode(codec.NOTHING), "no sale waits", "device", Check.OK))
    for _ in range(20):
        recorder.take(frame)
    text = file.getvalue()
    assert recorder.is_full
    assert len(text) == recorder.written_bytes <= 500
    assert recorder.quality.frames == len(load_recording(text.splitlines()).chunks) > 2


def test_header_and_what_was_left_out_come_back_as_written() -> None:
    chunks = [Chunk(Monotonic(1), "host", b"ab"), Chunk(Monotonic(2), "device", b"", 12)]
    lines = [write_header(HEADER), "", *map(write_chunk, chunks)]
    recording = load_recording(lines)
    assert (recording.header, recording.chunks) == (HEADER, chunks)
    assert read_recording(lines) == chunks
    assert load_recording(lines[1:]).header is None


@pytest.mark.parametrize(
    "change",
    [
        {"recording": 2},
        {"driver": 7},
        {"baud": True},
        {"baud": 0},
        {"parity": "mark"},
        {"station": "st-1"},
        {"options": []},
    ],
)
def test_a_header_that_is_none_is_refused(change: dict[str, object]) -> None:
    line = json.dumps({**json.loads(write_header(HEADER)), **change})
    with pytest.raises(RecordingRefused, match="line 1"):
        load_recording([line])


def test_a_header_comes_first_and_once_and_lengths_are_numbers() -> None:
    chunk, header = write_chunk(Chunk(Monotonic(1), "host", b"ab")), write_header(HEADER)
    for lines in (
        [chunk, header],
        [header, header],
        [header, chunk.replace('"hex": "6162"', '"left_out_bytes": -1')],
    ):
        with pytest.raises(RecordingRefused, match="line 2"):
            load_recording(lines)


def test_only_who_listens_to_both_is_fed_what_the_host_said() -> None:
    nothing = codec.encode(codec.NOTHING)
    chunks = [Chunk(Monotonic(10), "host", nothing), Chunk(Monotonic(20), "device", b"", 7)]

    def events(*, hears_host: bool) -> list[type]:
        session = BlueprintSession("1", chosen("blueprint", {}).options)
        told = play(
            chunks, session, lambda _: Answer(Outcome.UNAVAILABLE, durable=False), hears_host=hears_host
        )
        return [type(event) for event in told.events]

    assert events(hears_host=True) == [DeviceBack]
    assert events(hears_host=False) == []
