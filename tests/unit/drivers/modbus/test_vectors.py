"""unit: are our frames those of the shared vectors? (tests/vectors)"""

import json
from pathlib import Path

import pytest

from drivers.modbus import DRIVER, codec
from drivers.views import Check

VECTORS = [
    vector
    for vector in json.loads((Path(__file__).parents[3] / "vectors" / "vectors.json").read_text("utf-8"))[
        "vectors"
    ]
    if vector["protocol"] == "modbus-rtu"
]


def test_there_are_vectors() -> None:
    assert VECTORS


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_a_vector_is_read_and_said(vector: dict[str, object]) -> None:
    frame, decoded = bytes.fromhex(str(vector["hex"])), vector["decoded"]
    assert isinstance(decoded, dict)
    assert set(decoded) == {"unit", "fn", "start", "count"}
    question = codec.read(decoded["unit"], decoded["fn"], decoded["start"], decoded["count"])
    assert codec.encode(question, "rtu") == frame
    (view,) = DRIVER.explain(frame, None)
    assert (view.check, view.sender) == (Check.OK, "host")
    meant = {detail.name: detail.meaning for detail in view.details}
    assert meant == {name: str(decoded[key]) for name, key in
                     (("unit", "unit"), ("address", "start"), ("count", "count"))}  # fmt: skip
    assert view.title == "read holding registers"
