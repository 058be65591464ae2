"""Unit: does every Zhengxing vector decode to what its source says, and do we write the same bytes?"""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.zhengxing import words
from drivers.zhengxing.codec import Frame, encode, next_piece
from drivers.zhengxing.commands import BOTH, Command

FILE = Path(__file__).parents[3] / "vectors" / "vectors.json"
VECTORS = {
    vector["id"]: vector
    for vector in json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    if vector["protocol"] == "zhengxing-fc"
}
NAMES = {
    Command.STATE: "status",
    Command.SALE: "read oldest unacknowledged sale",
    Command.ACKNOWLEDGE: "acknowledge",
    Command.AUTHORISE: "authorize",
    Command.TOTALS: "totals",
}


def _frame(data: bytes) -> Frame:
    piece = next_piece(data, BOTH, is_all=True)
    assert piece is not None
    assert piece.data == data
    assert piece.frame is not None
    return piece.frame


def _decoded(frame: Frame) -> dict[str, Any]:
    said: dict[str, Any] = {"fp": frame.point}
    if frame.sender == "device":
        state = words.state(frame)
        return said | {"state": state & 0x0F, "sale_pending": bool(state & words.SALE_WAITS)}
    if frame.command is Command.PRESET_AMOUNT:
        digits = frame.data[3:6].hex()
        return said | {"amount": f"{digits[:4]}.{digits[4:]}", "chain": frame.data[7:9].hex()}
    if frame.command is Command.ACKNOWLEDGE:
        said["chain"] = frame.data[3:5].hex()
    return said | {"cmd": NAMES[frame.command]}


def test_all_vectors_are_here() -> None:
    assert len(VECTORS) == 7


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_says_what_its_source_says(name: str) -> None:
    vector = VECTORS[name]
    frame = _frame(bytes.fromhex(vector["hex"]))
    assert _decoded(frame) == vector["decoded"]
    assert (frame.sender == "host") == (vector["direction"] == "to-device")


@pytest.mark.parametrize(
    ("name", "command", "body"),
    [
        ("zhengxing-status-req-fp1", Command.STATE, ""),
        ("zhengxing-read-sale-fp1", Command.SALE, ""),
        ("zhengxing-ack-sale-fp1-chain1", Command.ACKNOWLEDGE, "0001"),
        ("zhengxing-totals-req-fp1", Command.TOTALS, ""),
    ],
)
def test_we_write_what_a_host_says(name: str, command: Command, body: str) -> None:
    assert encode(command, 1, bytes.fromhex(body)) == bytes.fromhex(VECTORS[name]["hex"])
