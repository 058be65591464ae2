"""Unit and property: do lines mean what the vectors and the published text say, and does no byte get lost?"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.events import BasketLine, SalePaid
from drivers.verifone_journal.codec import (
    LONGEST_LINE_BYTES,
    PREFIX,
    Cashier,
    End,
    Item,
    Reader,
    Remark,
    Tender,
    Total,
    read_line,
)
from drivers.verifone_journal.options import VerifoneJournalOptions
from drivers.verifone_journal.view import explain, redact
from drivers.views import NOISE
from tests.unit.drivers.verifone_journal.journal_desk import Desk, cashier, item, named, number, stamped

FILE = Path(__file__).parents[3] / "vectors" / "vectors.json"
VECTORS = [
    vector
    for vector in json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    if vector["protocol"] == "verifone-journal"
]
OPTIONS = VerifoneJournalOptions()
RUBY = VerifoneJournalOptions(dialect="ruby")


def _yuan(amount_fen: int) -> str:
    return f"{amount_fen // 100}.{amount_fen % 100:02d}"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_every_vector_decodes_to_what_it_says(vector: dict[str, Any]) -> None:
    decoded: dict[str, Any] = {"lines": [], "tenders": []}
    for line in Reader().feed(vector["ascii"].encode("ascii")):
        record = read_line(line, 2)
        assert record is not None
        decoded["register"] = record.register
        match record.meaning:
            case Item(description, quantity_count, amount_fen, pump):
                fuel = {"pump": int(pump)} if pump else {}
                decoded["lines"].append(
                    {"desc": description, "qty": quantity_count, "amount": _yuan(amount_fen), **fuel}
                )
            case Total(amount_fen):
                decoded["total"] = _yuan(amount_fen)
            case Tender(name, amount_fen):
                decoded["tenders"].append({"name": name, "amount": _yuan(amount_fen)})
            case End(_, transaction):
                decoded["tran"] = transaction
    assert decoded == vector["decoded"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_the_vector_is_one_sale(vector: dict[str, Any]) -> None:
    desk = Desk()
    desk.feed(vector["ascii"].encode("ascii"))
    goods = (BasketLine("COFFEE 16 OZ", 1_000, 179),)
    assert desk.reported == [SalePaid("101", "R101D240314T1000001", "3", 2_500, "CASH", goods)]


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        (stamped("ID CHECK SKIPPED"), Remark()),
        (stamped("Trans#1028402 MANUAL ENTRY OVERRIDE"), Remark()),
        (cashier(), Cashier()),
        (number(1015207), End("150818", "1015207")),
        (stamped(f"ST#1{'':19}DR#1 TRAN#1028401"), End("150818", "1028401")),
        (named("PREAUTH", "10.00"), Tender("PREAUTH", 1_000)),
        (item("MILK #2 PERCENT", "2.99"), Item("MILK #2 PERCENT", 1, 299)),
        (item("PLUS CR # 7", "2.99"), Item("PLUS CR # 7", 1, 299, "7")),
    ],
)
def test_what_a_line_says(line: str, meaning: object) -> None:
    record = read_line(line.encode("ascii"), 2)
    assert record is not None
    assert record.meaning == meaning


@pytest.mark.parametrize("line", [item("COFFEE", "1.79"), named("TOTAL", "1.79"), number(1015207)])
def test_a_line_that_lost_or_gained_a_byte_is_not_believed(line: str) -> None:
    whole = read_line(line.encode("ascii"), 2)
    assert whole is not None
    for place in range(len(line)):
        shorter, longer = line[:place] + line[place + 1 :], f"{line[:place]} {line[place:]}"
        for damaged in (shorter, longer):
            record = read_line(damaged.encode("ascii"), 2)
            assert record is None or record.meaning == Remark(), damaged


@pytest.mark.parametrize(
    "line",
    [
        "13/18/15 22:12:21 101 ID CHECK SKIPPED",
        "08/18/15 24:12:21 101 ID CHECK SKIPPED",
        "08/18/15 22:12:21 1x1 ID CHECK SKIPPED",
        "ID CHECK SKIPPED",
        "",
        stamped("x" * 41),
        stamped(" " * 27 + "       1.7.9 "),
        stamped("caf\x00"),
    ],
)
def test_what_is_no_line_is_none(line: str) -> None:
    assert read_line(line.encode("latin-1"), 2) is None


@given(st.binary(max_size=600), st.lists(st.integers(1, 40)))
@settings(deadline=None, max_examples=60)
def test_any_bytes_in_any_pieces_give_the_same_lines_in_bounds(data: bytes, sizes: list[int]) -> None:
    data = data.replace(b"a", b"\n").replace(b"b", PREFIX)
    whole, pieces, reader, at = Reader().feed(data), [], Reader(), 0
    for size in [*sizes, len(data) + 1]:
        pieces += reader.feed(data[at : at + size])
        at += size
        assert len(reader._buffer) <= LONGEST_LINE_BYTES + len(PREFIX)
    short = [line for line in whole if len(line) < LONGEST_LINE_BYTES - 40]
    assert [line for line in pieces if len(line) < LONGEST_LINE_BYTES - 40] == short


TEXT = "\n".join(
    (item("UNLD CA #03", "25.00", 7), named("TOTAL", "25.00"), number(7), cashier("LI XIAOMING"))
)


def test_the_views_are_the_bytes_and_say_what_they_mean() -> None:
    data = PREFIX + TEXT.encode() + b"\n\xff\xfe junk\r\n"
    views = explain(data, OPTIONS)
    assert b"".join(view.data for view in views) == data
    titles = [view.title for view in views if view.title not in ("end of line", "begin of a record")]
    assert titles == ["fuel", "total", "ticket number", "cashier (the name is not kept)", NOISE]
    fuel = {detail.name: (detail.raw, detail.meaning) for detail in views[1].details}
    assert fuel["amount"] == ("2500", "2500 fen")
    assert fuel["pump"] == ("3", "fuelling point 3")


@given(st.binary(max_size=300), st.sampled_from([OPTIONS, RUBY]))
@settings(deadline=None, max_examples=60)
def test_any_bytes_are_explained_whole(data: bytes, options: VerifoneJournalOptions) -> None:
    data = data.replace(b"a", TEXT.encode()).replace(b"b", PREFIX)
    assert b"".join(view.data for view in explain(data, options)) == data
    assert len(redact(data, options)) == len(data)


def test_redaction_takes_names_members_and_cards_and_no_amount() -> None:
    data = f"{TEXT}\n{stamped('  LOYALTY 6012345678')}\n{stamped('4111 1111 1111 1111')}\n".encode()
    clean = redact(data, OPTIONS)
    assert len(clean) == len(data)
    assert b"XIAOMING" not in clean
    assert b"6012345678" not in clean
    assert b"4111" not in clean
    assert b"25.00" in clean


NAME = "LI XIAOMING"
NAMED = {
    "journal": (
        stamped(f"SERVED BY {NAME}"),
        item("UNLD CA #03", "25.00", 7),
        named("TOTAL", "25.00"),
        named("CASH", "30.00"),
        number(1015206),
        cashier(NAME),
        f"CSH: {NAME}",
    ),
    "ruby": (
        f"      {NAME}",
        "\x01%%UNLD CA #03 00333  7    25.00",
        "         Sub Total        25.00",
        "!!           TOTAL        25.00!",
        "             Cash  $      25.00",
        "REG# 0001 CSH# 987 DR# 01  TRAN# 1015206",
        "08/18/15  22:12:21           ST# GVG02",
        f" YOUR CASHIER: {NAME}",
    ),
}


@pytest.mark.parametrize("dialect", NAMED)
def test_a_recording_gives_the_same_sales_and_nobodys_name(dialect: str) -> None:
    options = VerifoneJournalOptions.model_validate({"dialect": dialect})
    data = "".join(f"{line}\n" for line in NAMED[dialect]).encode("ascii")
    clean = redact(data, options)
    assert len(clean) == len(data)
    assert not any(word in clean for word in (b"LI", b"XIAOMING", b"987"))
    whole, redacted = Desk(dialect=dialect), Desk(dialect=dialect)
    whole.feed(data)
    redacted.feed(clean)
    assert redacted.reported == whole.reported != []


@pytest.mark.parametrize("dialect", NAMED)
def test_wherever_a_recording_is_cut_no_name_is_left_in_it(dialect: str) -> None:
    """A frame that is not whole is left out by who records; what is taken for whole must be clean."""
    options = VerifoneJournalOptions.model_validate({"dialect": dialect})
    data = "".join(f"{line}\n" for line in NAMED[dialect]).encode("ascii")
    for cut in range(len(data)):
        kept = b""
        for part in (data[:cut], data[cut:]):
            views = [view for view in explain(part, options) if view.title != NOISE]
            kept += b"".join(redact(view.data, options) for view in views)
        assert b"XIAO" not in kept, cut
        assert b"MING" not in kept, cut


@pytest.mark.parametrize("dialect", NAMED)
def test_no_name_stays_in_memory_once_its_line_is_over(dialect: str) -> None:
    desk = Desk(dialect=dialect)
    desk.say(*NAMED[dialect])
    seen = [vars(desk.session), vars(desk.session._reader), vars(desk.session._desk)]
    seen += [vars(part) for part in (desk.session._ruby, *desk.session._tickets.values()) if part]
    assert "XIAOMING" not in repr(seen)
    assert desk.reported
