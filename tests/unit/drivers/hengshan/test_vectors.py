"""Unit: does every known Hengshan frame decode to what its source says, and is what we say such a frame?"""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.hengshan import codec, words
from drivers.hengshan.codec import Frame, Reader

FILE = Path(__file__).parents[3] / "vectors" / "vectors.json"
VECTORS = {
    vector["id"]: vector
    for vector in json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    if vector["protocol"] == "hengshan-fa"
}
SAID_OF_COMMANDS = {
    "06": codec.TOTALS,
    "14 confirm sale": codec.CONFIRM,
    "12 stop": codec.STOP,
    "11 authorize, fill up": codec.PRESET,
    "03": codec.SALE,
}
OURS = {
    "hengshan-fa-totals-req-3-frame6": Frame(3, 6, codec.TOTALS),
    "hengshan-fa-confirm-2-frame7": Frame(2, 7, codec.CONFIRM),
    "hengshan-fa-read-sale-1-ttc5": Frame(1, 1, codec.SALE, words.number_bytes(5)),
}


def _frame(vector: dict[str, Any]) -> Frame:
    (frame,) = Reader().feed(bytes.fromhex(vector["hex"]))
    return frame


@pytest.mark.parametrize("name", VECTORS)
def test_a_known_frame_decodes_to_all_that_is_said_of_it(name: str) -> None:
    vector = VECTORS[name]
    frame, wanted = _frame(vector), dict(vector["decoded"])
    wanted.pop("note", None)
    decoded: dict[str, Any] = {"fp": frame.address, "frame": frame.number, "cmd": wanted["cmd"]}
    if (number := words.asked_number(frame)) is not None:
        decoded["ttc"] = number
    assert decoded == wanted
    assert frame.code == SAID_OF_COMMANDS[wanted["cmd"]]
    assert not frame.checks_doubled
    assert words.sender(frame) in ("host", ""), "all known ones are said by a host"


def test_all_five_are_here_and_three_of_them_are_ours_to_say() -> None:
    assert len(VECTORS) == 5
    for name, frame in OURS.items():
        assert codec.encode(frame).hex(" ").upper() == VECTORS[name]["hex"]
    acting = {name for name, vector in VECTORS.items() if _frame(vector).code in words.ACTING}
    assert acting == set(VECTORS) - set(OURS)


def test_the_authorisation_says_fill_up() -> None:
    assert _frame(VECTORS["hengshan-fa-authorize-2-frame4"]).data == b"\x02\x00\x00\x00\x00"


def test_both_forms_of_a_check_value_are_read_where_a_question_holds_an_fa() -> None:
    question = Frame(1, 1, codec.SALE, words.number_bytes(250))
    other = Frame(1, 1, codec.SALE, words.number_bytes(250), checks_doubled=True)
    assert codec.encode(question)[:-2] == codec.encode(other)[:-2]
    assert codec.encode(question) != codec.encode(other)
    for frame in (question, other):
        assert list(Reader().feed(codec.encode(frame))) == [frame]


def test_an_answer_with_the_other_form_is_not_believed() -> None:
    record = Frame(1, 1, codec.SALE, words.number_bytes(250) + bytes(21), checks_doubled=True)
    reader = Reader()
    assert list(reader.feed(codec.encode(record))) == []
    assert reader.bad_frames == 1
