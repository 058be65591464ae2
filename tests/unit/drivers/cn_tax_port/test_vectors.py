"""Unit: does every known tax-port frame decode to what its source says, and is what we say such a frame?"""

import json
from pathlib import Path

import pytest

from drivers.cn_tax_port import codec, layouts
from drivers.cn_tax_port.codec import Command
from tests.unit.drivers.cn_tax_port.tax_desk import only_frame

FILE = Path(__file__).parents[3] / "vectors" / "vectors.json"
VECTORS = {
    vector["id"]: vector
    for vector in json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    if vector["protocol"] == "cn-tax-port"
}
TITLES = {"ask latest sale": "latest sale", "ask grand total": "grand total"}


@pytest.mark.parametrize("name", VECTORS)
def test_a_known_frame_decodes_to_all_that_is_said_of_it(name: str) -> None:
    frame = only_frame(bytes.fromhex(VECTORS[name]["hex"]))
    known = layouts.recognise(frame)
    assert known is not None
    layout, fields = known
    decoded: dict[str, object] = {
        "gun": fields["gun#"][0],
        "cmd": f"{frame.code:02X} {TITLES[layout.title]}",
    }
    if "mode#" in fields:
        decoded["mode"] = fields["mode#"][0]
    assert decoded == VECTORS[name]["decoded"]
    assert layout.sender == "host"


def test_what_we_say_is_what_is_known() -> None:
    said = {
        "cn-tax-latest-sale-gun1": codec.ask_latest(1),
        "cn-tax-grand-total-gun1": codec.ask_grand(1),
    }
    assert {name: data.hex(" ").upper() for name, data in said.items()} == {
        name: vector["hex"] for name, vector in VECTORS.items()
    }


def test_the_lengths_of_answers_are_those_of_the_one_known_program() -> None:
    latest = codec.encode(Command.LATEST, b"\x01" + b"0" * 22)
    assert (len(latest), len(codec.encode(Command.LATEST, b"\x01" + b"0" * 24))) == (28, 30)
    assert len(codec.encode(Command.GRAND, b"\x01" + b"0" * 24)) == 30
    assert latest[1] == 26, "from FF to the check value"
