"""Unit: does every known AZT 2.0 frame decode to what its source says, and is what we say such a frame?"""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.azt2 import codec, words
from drivers.azt2.codec import Frame, Said, Short
from drivers.azt2.words import Command

FILE = Path(__file__).parents[3] / "vectors" / "vectors.json"
VECTORS = {
    vector["id"]: vector
    for vector in json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    if vector["protocol"] == "azt2"
}
NAMES = {
    Command.STATE: "status",
    Command.AUTHORISE: "authorize",
    Command.SALE: "full data",
    Command.CONFIRM: "confirm sale",
    0x54: "dose litres",
}
SHORT = {Short.DONE: "ACK", Short.UNSUPPORTED: "NAK: unsupported", Short.NOT_NOW: "CAN: not now"}


def _decoded(said: Said) -> dict[str, Any]:
    if isinstance(said, Short):
        return {"short": SHORT[said]}
    asked = words.asked(said)
    if asked is not None:
        decoded: dict[str, Any] = {"channel": asked.channel_no, "cmd": NAMES[asked.command_code]}
        return decoded | ({"digits": said.plain[2:7].decode("ascii")} if asked.command_code == 0x54 else {})
    state = words.state(said)
    assert state is not None
    return {"state": state.code} | ({"reason": state.reason} if state.reason else {})


def _said(name: str) -> Said:
    (said,) = codec.Reader().feed(bytes.fromhex(VECTORS[name]["hex"]))
    return said


@pytest.mark.parametrize("name", VECTORS)
def test_a_known_frame_decodes_to_all_that_is_said_of_it(name: str) -> None:
    assert _decoded(_said(name)) == VECTORS[name]["decoded"]


def test_all_ten_are_here() -> None:
    assert len(VECTORS) == 10


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("azt-status-req-ch1", Command.STATE),
        ("azt-full-data-req-ch1", Command.SALE),
        ("azt-confirm-ch1", Command.CONFIRM),
    ],
)
def test_what_we_say_is_what_is_known(name: str, command: Command) -> None:
    assert codec.ask(1, command).hex(" ").upper() == VECTORS[name]["hex"]


@pytest.mark.parametrize(
    ("channel", "start", "byte"),
    [
        (1, 0x02, 0x21),
        (15, 0x02, 0x2F),
        (16, 0x07, 0x21),
        (29, 0x07, 0x2E),
        (30, 0x08, 0x20),
        (224, 0x14, 0x2E),
    ],
)
def test_channels_above_fifteen_change_the_start_byte(channel: int, start: int, byte: int) -> None:
    data = codec.ask(channel, Command.STATE)
    assert data[1:4] == bytes((start, byte, byte ^ 0x7F))
    (frame,) = codec.Reader().feed(data)
    assert isinstance(frame, Frame)
    assert frame.channel == channel


@pytest.mark.parametrize("text", ["0", "225", "-1", "A"])
def test_what_is_no_channel_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"channel|invalid literal"):
        codec.channel_of(text)
