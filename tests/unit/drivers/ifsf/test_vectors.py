"""Unit: do the captured serial frames mean what their collection says, and do we write them the same?"""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.events import Monotonic
from drivers.ifsf import questions
from drivers.ifsf.codec import Kind, Message, encode, field_map, fields, parse
from drivers.ifsf.options import IfsfOptions
from drivers.ifsf.questions import CLEAR
from drivers.ifsf.reading import as_fuelling, record_of
from drivers.ifsf.simulator import IfsfSimulator
from drivers.ifsf.view import explain
from drivers.ifsf.wrapper import TAIL_BYTES, frame_of, is_intact
from drivers.views import Check

COLLECTION = Path(__file__).parents[3] / "vectors" / "vectors.json"
VECTORS: dict[str, dict[str, Any]] = {
    vector["id"]: vector
    for vector in json.loads(COLLECTION.read_text(encoding="utf-8"))["vectors"]
    if vector["protocol"] == "ifsf-serial"
}
KINDS = {
    Kind.READ: "read",
    Kind.ANSWER: "answer",
    Kind.WRITE: "write",
    Kind.PUSH: "unsolicited",
    Kind.ACK: "ack",
}
SERIAL = IfsfOptions(transport="serial")
CONSOLE, DISPENSER = b"\x02\x01", b"\x01\x00"


def _frame(name: str) -> bytes:
    return bytes.fromhex(VECTORS[name]["hex"])


def _message(name: str) -> Message:
    message = parse(_frame(name)[1:-TAIL_BYTES])
    assert message is not None
    return message


def _place(message: Message) -> str:
    address, number = message.place[:2], message.place[2:]
    return address.hex(" ") + (f" {number.hex()}" if number else "")


def _point_moved(value: bytes) -> str:
    """`04 00 65 74 00` as "65.74": written down here a second time, from the notes."""
    digits, before = value[1:].hex(), value[0]
    return f"{int(digits[:before])}.{digits[before:].rstrip('0')}"


def _decoded(message: Message) -> dict[str, Any]:
    decoded: dict[str, Any] = {"m_st": KINDS[message.kind], "db": _place(message)}
    if message.kind is Kind.READ:
        return decoded | {"ids": [f"{id_no:02X}" for id_no in message.data]}
    if len(message.place) == 4:
        decoded["seq"] = message.place[2:].hex()
    if message.kind is Kind.ACK:
        return decoded
    found = field_map(message)
    if message.kind is Kind.WRITE and CLEAR in found:
        decoded["cmd"] = "clear"
    names = {0x05: "amount", 0x06: "volume", 0x07: "unit_price"}
    decoded |= {name: _point_moved(found[id_no]) for id_no, name in names.items() if id_no in found}
    bytes_of = {0x08: "nozzle", 0x0C: "error", 0x15: "state"}
    decoded |= {name: found[id_no][0] for id_no, name in bytes_of.items() if found.get(id_no)}
    pairs = fields(message.data)
    assert pairs is not None
    return decoded | {"data": {f"{id_no:02X}": value.hex().upper() for id_no, value in pairs}}


def test_all_nine_are_here() -> None:
    assert len(VECTORS) == 9


@pytest.mark.parametrize("name", VECTORS)
def test_a_captured_frame_decodes(name: str) -> None:
    documented, decoded = VECTORS[name]["decoded"], _decoded(_message(name))
    assert decoded | documented == decoded, "a documented value is missing or different"


@pytest.mark.parametrize("name", VECTORS)
def test_a_captured_frame_is_written_the_same(name: str) -> None:
    assert is_intact(_frame(name))
    assert frame_of(encode(_message(name))) == _frame(name)


@pytest.mark.parametrize("name", VECTORS)
def test_a_captured_frame_is_one_view_with_its_sender(name: str) -> None:
    (view,) = explain(_frame(name), SERIAL)
    assert (view.data, view.check) == (_frame(name), Check.OK)
    assert view.sender == {"from-device": "device", "to-device": "host"}[VECTORS[name]["direction"]]


def test_our_clear_is_the_captured_one() -> None:
    said = questions.clear(b"\x21\x21\x00\x20").message(DISPENSER, CONSOLE, token_no=0)
    assert frame_of(encode(said)) == _frame("ifsf-clear")


def test_the_captured_sale_in_the_agents_units() -> None:
    record = record_of(_message("ifsf-transaction"))
    assert record is not None
    fuelling = as_fuelling(record, "1", SERIAL, ended=None)
    assert (fuelling.nozzle, fuelling.sequence_no, fuelling.flags) == ("11", 19, ())
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.unit_price_milli) == (25_670, 6_574, 2_561)
    assert (fuelling.volume_step_ml, fuelling.amount_step_fen) == (10, 1)
    assert (fuelling.raw.volume, fuelling.raw.totalizer_after) == ("0400256700", "")
    assert fuelling.totalizer_after_ml is None


def test_the_simulator_says_what_the_captured_device_said() -> None:
    """Its way of writing is its own, so this is no echo of the codec."""
    simulator = IfsfSimulator(1, transport="serial", first_sequences=(19,))
    simulator.sell(1, 1, 2_567, 6_574, 2_561)
    ask = Message(DISPENSER, CONSOLE, Kind.READ, 2, b"\x21\x21\x00\x19", bytes.fromhex("010506 07080C15"))
    simulator.receive(frame_of(encode(ask)) + b"\xff\x01", Monotonic(0))
    said = simulator.bytes_to_send(Monotonic(0))
    assert _frame("ifsf-unsolicited-payable") in said
    assert said.endswith(_frame("ifsf-transaction") + b"\xfe")
