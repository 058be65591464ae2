"""Unit and property: is the printer's language cut into pieces without taking a command's bytes for text?"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.escpos_tap.codec import Cutter
from drivers.escpos_tap.commands import LARGEST_PICTURE_BYTES, Kind
from drivers.escpos_tap.options import EscposTapOptions
from drivers.escpos_tap.simulator import BARCODE, CUT, DRAWER, PATTERNS, PICTURE, PLAIN, QUESTION, START
from drivers.escpos_tap.view import explain, redact
from drivers.events import SalePaid
from drivers.tripwire import holds_card
from drivers.views import NOISE
from tests.unit.drivers.escpos_tap.receipt_desk import Desk
from tests.unit.drivers.machinery.card_numbers import card_number

OPTIONS = EscposTapOptions(register_id="1", patterns=PATTERNS)
COMMANDS = [
    (b"\x1b@", Kind.LINE_END),
    (b"\x1b!A", Kind.COMMAND),
    (b"\x1ba1", Kind.COMMAND),
    (b"\x1btA", Kind.COMMAND),
    (b"\x1bEA", Kind.COMMAND),
    (b"\x1bdA", Kind.LINE_END),
    (b"\x1bJA", Kind.LINE_END),
    (b"\x1bpABC", Kind.DRAWER),
    (b"\x1bc3A", Kind.COMMAND),
    (b"\x1bDABC\x00", Kind.COMMAND),
    (b"\x1bi", Kind.CUT),
    (b"\x1d!A", Kind.COMMAND),
    (b"\x1bKA", Kind.LINE_END),
    (b"\x1b\x0c", Kind.LINE_END),
    (b"\x1b$AB", Kind.MOVE),
    (b"\x1b\\AB", Kind.MOVE),
    (b"\x1b-A", Kind.COMMAND),
    (b"\x1bGA", Kind.COMMAND),
    (b"\x1b2", Kind.COMMAND),
    (b"\x1b3A", Kind.COMMAND),
    (b"\x1b{A", Kind.COMMAND),
    (b"\x1bRA", Kind.COMMAND),
    (b"\x1bMA", Kind.COMMAND),
    (b"\x1b A", Kind.COMMAND),
    (b"\x1bWABCDEFGH", Kind.COMMAND),
    (b"\x1b=A", Kind.COMMAND),
    (b"\x1bBAB", Kind.COMMAND),
    (b"\x1b(A\x02\x00AB", Kind.COMMAND),
    (b"\x1bm", Kind.CUT),
    (b"\x1dBA", Kind.COMMAND),
    (b"\x1dHA", Kind.COMMAND),
    (b"\x1dhA", Kind.COMMAND),
    (b"\x1dwA", Kind.COMMAND),
    (b"\x1dfA", Kind.COMMAND),
    (b"\x1dLAB", Kind.COMMAND),
    (b"\x1dWAB", Kind.COMMAND),
    (b"\x1dg0ABC", Kind.COMMAND),
    (b"\x1d/A", Kind.COMMAND),
    (b"\x1dV0", Kind.CUT),
    (b"\x1dVaZ", Kind.CUT),
    (b"\x1dV\x01", Kind.CUT),
    (b"\x1dVAZ", Kind.CUT),
    (b"\x1dV\x42\x00", Kind.CUT),
    (b"\x1dk\x04ABC123\x00", Kind.BARCODE),
    (b"\x1dkI\x05{B123", Kind.BARCODE),
    (b"\x1dv00\x02\x00\x03\x00ABCDEF", Kind.PICTURE),
    (b"\x1b*\x21\x02\x00ABCDEF", Kind.PICTURE),
    (b"\x1b*\x00\x06\x00ABCDEF", Kind.PICTURE),
    (b"\x1d*\x01\x01ABCDEFGH", Kind.PICTURE),
    (b"\x1dQ00\x02\x00\x03\x00ABCDEF", Kind.PICTURE),
    (b"\x1dv0A\x00\x01\x01\x00" + b"C" * 256, Kind.PICTURE),
    (b"\x1d(k\x04\x001PAB", Kind.COMMAND),
    (b"\x1d(H\x06\x0000ABCD", Kind.QUESTION),
    (b"\x1d(L\x06\x000p0000", Kind.PICTURE),
    (b"\x1d8L\x04\x00\x00\x00ABCD", Kind.PICTURE),
    (b"\x1c&", Kind.COMMAND),
    (b"\x1c.", Kind.COMMAND),
    (b"\x1c!A", Kind.COMMAND),
    (b"\x1cSAB", Kind.COMMAND),
    (b"\x1cCA", Kind.COMMAND),
    (b"\x1c-A", Kind.COMMAND),
    (b"\x1cWA", Kind.COMMAND),
    (b"\x1c?AB", Kind.COMMAND),
    (b"\x1cp\x01A", Kind.PICTURE),
    (b"\x1c2AB" + b"C" * 72, Kind.COMMAND),
    (b"\x10\x04A", Kind.QUESTION),
    (b"\x10\x04\x07A", Kind.QUESTION),
    (b"\x10\x05A", Kind.QUESTION),
    (b"\x10\x14\x01AB", Kind.COMMAND),
    (b"\x10\x14\x07A", Kind.QUESTION),
    (b"\x10\x14\x08ABCDEFG", Kind.COMMAND),
    (b"\x1drA", Kind.QUESTION),
    (b"\x1bv", Kind.QUESTION),
]


@pytest.mark.parametrize(("command", "kind"), COMMANDS, ids=lambda value: repr(value)[:40])
def test_a_command_is_as_long_as_it_is(command: bytes, kind: Kind) -> None:
    pieces = Cutter().feed(b"before" + command + b"behind")
    assert [(piece.kind, piece.size_bytes) for piece in pieces] == [
        (Kind.TEXT, 6),
        (kind, len(command)),
        (Kind.TEXT, 6),
    ]
    assert pieces[2].data == b"behind"


def test_a_picture_that_is_too_large_to_be_one_is_not_waited_for() -> None:
    assert LARGEST_PICTURE_BYTES < 0xFFFF * 0xFFFF
    pieces = Cutter().feed(b"\x1dv0\x00\xff\xff\xff\xffABC\n")
    assert (pieces[0].kind, pieces[-1].kind) == (Kind.UNKNOWN, Kind.LINE_END)


@given(st.binary(max_size=300), st.lists(st.integers(1, 20), max_size=60))
@settings(deadline=None, max_examples=100)
def test_any_bytes_in_any_pieces_are_cut_alike_and_held_in_bounds(data: bytes, sizes: list[int]) -> None:
    for short, command in ((b"a", CUT), (b"b", PICTURE), (b"c", BARCODE), (b"d", QUESTION)):
        data = data.replace(short, command)

    def told(cutter: Cutter, parts: list[bytes]) -> list[tuple[Kind, bytes]]:
        found: list[tuple[Kind, bytes]] = []
        for part in parts:
            for piece in cutter.feed(part):
                if found and piece.kind is found[-1][0] is Kind.TEXT:
                    found[-1] = (Kind.TEXT, found[-1][1] + piece.data)
                else:
                    found.append((piece.kind, piece.data))
            assert len(cutter._held) <= 16
        return found

    parts, at = [], 0
    for size in [*sizes, len(data) + 1]:
        parts.append(data[at : at + size])
        at += size
    assert told(Cutter(), parts) == told(Cutter(), [data])


@given(st.binary(max_size=400))
@settings(deadline=None, max_examples=60)
def test_any_bytes_are_explained_whole_and_redacted_in_their_length(data: bytes) -> None:
    assert b"".join(view.data for view in explain(data, OPTIONS)) == data
    assert len(redact(data, OPTIONS)) == len(data)


def test_a_receipt_is_explained_piece_by_piece() -> None:
    data = (
        START + "合计: 1.00".encode("gb18030") + b"\n" + PLAIN + PICTURE + BARCODE + DRAWER + CUT + b"\x1dk"
    )
    views = explain(data, OPTIONS)
    assert b"".join(view.data for view in views) == data
    titles = [view.title for view in views]
    assert titles[-4:] == ["open the drawer", "end of line", "cut: end of the receipt", NOISE]
    (text,) = [view for view in views if view.title == "text"]
    assert [(detail.name, detail.raw) for detail in text.details] == [
        ("text", "合计: 1.00"),
        ("total", "1.00"),
    ]


def test_a_line_is_explained_as_the_template_sees_it_and_without_its_end_it_is_none() -> None:
    line = "油品".encode("gb18030") + b"\x1bE\x01\x1b$\x40\x01" + b"234.05\n"
    (view,) = explain(line, OPTIONS)
    assert (view.data, view.details[0].raw, view.details[1].raw) == (line, "油品 234.05", "234.05")
    assert [view.title for view in explain(line[:-1], OPTIONS)] == [NOISE]


NAME = "李小明"
NAMED = (
    f"收银员：{NAME} 工号 0417",
    "单号：A000001",
    f"枪号: 03 加油员 {NAME}",
    "油品   234.05",
    "合计: 234.05",
    "微信  234.05",
    f"会员 13800138000 {NAME}",
)


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_a_recording_gives_the_same_sale_and_nothing_else_that_was_printed(encoding: str) -> None:
    """What no pattern finds is not kept: names, staff numbers, telephone numbers, pictures, bar codes."""
    options = EscposTapOptions.model_validate(
        {"register_id": "1", "patterns": PATTERNS, "encoding": encoding}
    )
    words = "".join(f"{line}\n" for line in NAMED).encode(encoding)
    data = START + words + PLAIN + b"\x1dv00\x01\x00\x08\x00" + b"NAME" * 2 + BARCODE + DRAWER + CUT
    clean = redact(data, options)
    assert len(clean) == len(data)
    for secret in (NAME.encode(encoding), b"0417", b"13800138000", b"NAME", b"B0042"):
        assert secret in data
        assert secret not in clean
    desks = [Desk(encoding=encoding), Desk(encoding=encoding)]
    for desk, said in zip(desks, (data, clean), strict=True):
        desk.feed(said)
    assert desks[1].reported == desks[0].reported == [SalePaid("1", "A000001", "3", 23_405, "微信")]
    assert [view.title for view in explain(clean, options)] == [view.title for view in explain(data, options)]


def test_wherever_a_recording_is_cut_no_name_is_left_in_it() -> None:
    """A line that is not whole is left out by who records; what is taken for whole must be clean."""
    data = START + "".join(f"{line}\n" for line in NAMED).encode("gb18030") + CUT
    for cut in range(len(data)):
        kept = b""
        for part in (data[:cut], data[cut:]):
            views = [view for view in explain(part, OPTIONS) if view.title != NOISE]
            kept += b"".join(redact(view.data, OPTIONS) for view in views)
        for letter in NAME:
            assert letter.encode("gb18030") not in kept, cut


def test_no_card_number_is_left_in_a_redacted_receipt() -> None:
    rng = random.Random(5)
    for _ in range(200):
        card = card_number(rng)
        data = f"卡号 {card} 有效\n单号: {card}\n合计: 1.00".encode("gb18030") + CUT
        clean = redact(data, OPTIONS)
        assert not holds_card(clean.decode("gb18030", "replace"))
        assert "合计: 1.00".encode("gb18030") in clean
