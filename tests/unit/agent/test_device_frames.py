"""Unit: do bytes in any pieces become the frames that passed, and is the quality of a line counted right?"""

import random

import pytest

from agent.cli.device_frames import (
    BURST_BYTES,
    LONGEST_BYTES,
    TORN_MS,
    Frame,
    FrameReader,
    Quality,
    pause_ms,
    with_frame,
    with_time,
)
from drivers.blueprint import codec
from drivers.blueprint.options import BlueprintOptions
from drivers.blueprint.view import explain
from drivers.views import NOISE, Check, View, noise

READ, NOTHING, KEEP = (codec.encode(body) for body in (codec.READ, codec.NOTHING, "K,0001"))
PAUSE = 34


def _reader() -> FrameReader:
    return FrameReader(lambda data: explain(data, BlueprintOptions()), PAUSE)


def _titles(frames: list[Frame]) -> list[str]:
    return [frame.view.title for frame in frames]


def test_a_frame_is_given_once_its_pause_has_come() -> None:
    reader = _reader()
    assert reader.feed(READ[:3], 100, None) == []
    assert reader.feed(READ[3:], 116, None) == []
    assert reader.tick(116 + PAUSE - 1) == []
    frames = reader.tick(116 + PAUSE)
    assert [(f.at_ms, f.end, f.view.data, f.view.check) for f in frames] == [(116, "host", READ, Check.OK)]
    assert reader.tick(10_000) == reader.flush() == []


def test_who_spoke_is_known_where_we_speak_and_else_told_by_the_protocol() -> None:
    reader = _reader()
    frames = reader.feed(KEEP, 0, "host") + reader.feed(KEEP, 5, "device") + reader.feed(READ, 9, None)
    frames += reader.flush()
    assert [(frame.end, frame.view.data) for frame in frames] == [
        ("host", KEEP),
        ("device", KEEP),
        ("host", READ),
    ]


def test_the_tail_of_a_torn_frame_waits_for_its_rest_and_no_longer() -> None:
    reader = _reader()
    reader.feed(NOTHING + READ[:4], 0, None)
    assert _titles(reader.tick(PAUSE)) == ["no sale waits"]
    assert reader.tick(TORN_MS - 1) == []
    reader.feed(READ[4:], TORN_MS - 1, None)
    assert _titles(reader.tick(2 * TORN_MS)) == ["read the oldest sale"]
    reader.feed(READ[:4], 1_000, None)
    torn = reader.tick(1_000 + TORN_MS)
    assert [(frame.view.title, frame.view.data) for frame in torn] == [(NOISE, READ[:4])]


def test_a_line_without_pauses_is_shown_all_the_same() -> None:
    reader, frames = _reader(), []
    for number in range(2 * BURST_BYTES // len(READ)):
        frames += reader.feed(READ, number, None)
    assert len(frames) >= BURST_BYTES // len(READ)
    assert {frame.view.data for frame in frames} == {READ}
    endless = _reader()
    kept = sum(len(f.view.data) for _ in range(10) for f in endless.feed(b"z" * 1_000, 0, None))
    assert 10_000 - LONGEST_BYTES <= kept <= 10_000


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_or_invented_in_any_pieces(seed: int) -> None:
    rng = random.Random(seed)
    parts = [rng.choice([READ, NOTHING, KEEP, rng.randbytes(rng.randint(1, 30))]) for _ in range(60)]
    data, reader, frames, at = b"".join(parts), _reader(), [], 0
    rest = data
    while rest:
        size = rng.randint(1, 40)
        frames += reader.feed(rest[:size], at, rng.choice(["host", "device", None]))
        rest, at = rest[size:], at + rng.choice([0, 1, 16, 50, 300])
        frames += reader.tick(at)
    frames += reader.flush()
    assert b"".join(frame.view.data for frame in frames) == data
    assert [frame.at_ms for frame in frames] == sorted(frame.at_ms for frame in frames)


def test_slow_wires_have_longer_pauses() -> None:
    assert (pause_ms(9_600), pause_ms(300), pause_ms(115_200)) == (34, 163, 30)


def test_quality_counts_frames_bytes_and_silences() -> None:
    good, bad = View(b"12345678", "sale", "device", Check.OK), View(b"1234", "damaged", "", Check.WRONG)
    quality = Quality()
    for frame in (
        Frame(400, "device", good),
        Frame(600, "device", bad),
        Frame(3_000, "device", noise(b"zz")),
    ):
        quality = with_frame(quality, frame)
    quality = with_time(quality, 3_500)
    assert (quality.frames, quality.right_frames, quality.wrong_frames) == (2, 1, 1)
    assert (quality.heard_bytes, quality.explained_bytes, quality.bytes_per_s) == (14, 12, 4)
    assert (quality.silences, quality.longest_silence_ms, quality.lasted_ms) == (1, 2_400, 3_500)


def test_each_frame_has_the_time_of_its_own_last_byte() -> None:
    """A long exchange without a pause must not shrink to one moment: a recording of it is played again."""
    reader = _reader()
    for number in range(10):
        reader.feed(READ, 20 * number, "host")
        reader.feed(NOTHING[:3], 20 * number + 5, "device")
        reader.feed(NOTHING[3:], 20 * number + 9, "device")
    frames = reader.flush()
    assert [frame.at_ms for frame in frames] == [20 * n + offset for n in range(10) for offset in (0, 9)]
    assert [frame.end for frame in frames] == ["host", "device"] * 10
