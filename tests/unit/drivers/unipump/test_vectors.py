"""Unit: does every known UniPump frame decode to what its source says, and is what we say such a frame?"""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.unipump import codec, layouts

FILE = Path(__file__).parents[3] / "vectors" / "vectors.json"
VECTORS = {
    vector["id"]: vector
    for vector in json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    if vector["protocol"] == "pts-unipump"
}
COMMANDS = {
    "ask state": "StatusRequest",
    "close transaction": "CloseTransaction",
    "ask version": "VersionRequest",
}
NUMBERS = {
    "nozzle": "nozzle",
    "state": "status",
    "order": "order",
    "unit_price": "price",
    "transaction": "transaction",
}
TEXTS = {"pending": "pending", "order_kind": "kind"}


def _frame(vector: dict[str, Any]) -> codec.Frame:
    (frame,) = codec.Reader().feed(bytes.fromhex(vector["hex"]))
    return frame


def _decoded(frame: codec.Frame) -> tuple[str, dict[str, Any]]:
    known = layouts.recognise(frame.data)
    assert known is not None
    layout, fields = known
    decoded: dict[str, Any] = {"fp": frame.point} if frame.address else {}
    if layout.title in COMMANDS:
        decoded["cmd"] = COMMANDS[layout.title]
    decoded |= {name: int(fields[ours]) for ours, name in NUMBERS.items() if ours in fields}
    decoded |= {name: fields[ours].decode("ascii") for ours, name in TEXTS.items() if ours in fields}
    return layout.sender, decoded


@pytest.mark.parametrize("name", VECTORS)
def test_a_known_frame_decodes_to_all_that_is_said_of_it(name: str) -> None:
    vector = VECTORS[name]
    sender, decoded = _decoded(_frame(vector))
    assert decoded == vector["decoded"]
    assert sender == {"to-device": "host", "from-device": "device"}[vector["direction"]]


def test_all_five_are_here_and_only_the_authorisation_acts() -> None:
    assert len(VECTORS) == 5
    known = {name: layouts.recognise(_frame(vector).data) for name, vector in VECTORS.items()}
    assert {name for name, found in known.items() if found and found[0].acts} == {"unipump-authorize-fp1"}


def test_the_session_hears_the_state_of_the_known_answer() -> None:
    reply = codec.parse_reply(_frame(VECTORS["unipump-status-idle"]).data)
    assert reply == codec.State(is_locked=True, nozzle="0", state="1", pending="0")


def test_what_we_say_is_what_is_known() -> None:
    assert (
        codec.encode(1, codec.state_question()).hex(" ").upper() == VECTORS["unipump-status-req-fp1"]["hex"]
    )
    assert codec.encode(1, codec.close("07")).hex(" ").upper() == VECTORS["unipump-close-07"]["hex"]


def test_a_10h_of_the_check_value_is_doubled_and_read_back() -> None:
    records = [b"T071%08d077700012345" % volume for volume in range(1_000)]
    doubled = [data for data in records if b"\x10\x10" in codec.encode(1, data)]
    assert doubled, "none has a 10h in its CRC: this test tests nothing"
    for data in doubled:
        frame = codec.encode(1, data)
        assert len(frame) > len(data) + 7, "one byte more than header, address, CRC and end"
        assert list(codec.Reader().feed(frame)) == [codec.Frame(0x31, data)]
