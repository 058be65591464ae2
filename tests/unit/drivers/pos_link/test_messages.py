"""Unit and property: do messages of the POS link survive the wire, and is every bad field refused by name?"""

import re
from dataclasses import replace
from pathlib import Path
from unicodedata import east_asian_width

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drivers.pos_link
from drivers.events import (
    Answer,
    BasketLine,
    Candidate,
    CandidateChosen,
    Credential,
    CredentialKind,
    MemberIdentified,
    MemberPresented,
    Notice,
    Outcome,
    PosRequest,
    SalePaid,
    SaleRefunded,
)
from drivers.pos_link.codec import FS, MAX_DATA_BYTES, Framer, Intact
from drivers.pos_link.fields import REMEDIES, VERSIONS, Field, Layout, Refusal
from drivers.pos_link.replies import (
    ANSWER,
    REPLIES,
    STORED,
    Shown,
    Told,
    read_reply,
    write_answer,
    write_refusal,
    write_show,
)
from drivers.pos_link.requests import REQUESTS, Hello, Request, read_request, write_request

NOTES = (Path(drivers.pos_link.__file__).parent / "NOTES.md").read_text(encoding="utf-8")
ENCODINGS = st.sampled_from(["gb18030", "utf-8"])
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")


def fields_of(framed: bytes | Refusal) -> tuple[bytes, ...]:
    assert isinstance(framed, bytes), framed
    (token,) = Framer().feed(framed)
    assert isinstance(token, Intact)
    return token.fields


def width(line: str) -> int:
    return sum(1 + (east_asian_width(character) in ("W", "F")) for character in line)


def fits_paper(line: str) -> bool:
    """58 mm paper: 32 columns, and 96 bytes in either encoding."""
    return width(line) <= 32 and all(len(line.encode(name)) <= 96 for name in ("gb18030", "utf-8"))


def words(most: int, least: int = 1) -> st.SearchStrategy[str]:
    return st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=least, max_size=most)


CREDENTIALS = st.builds(Credential, st.sampled_from(CredentialKind), words(64))
FEN = st.integers(0, 10**10 - 1)
LINES = st.builds(BasketLine, words(60), st.integers(0, 10**9 - 1), FEN)
SALES = st.builds(
    SalePaid,
    register=st.just("1"),
    pos_sale_id=words(40),
    point=words(16),
    fuel_amount_fen=FEN,
    tender=words(20),
    lines=st.lists(LINES, max_size=4).map(tuple),
    credential=st.none() | CREDENTIALS,
)
SHOP_SALES = SALES.map(lambda sale: replace(sale, point=None, fuel_amount_fen=0))
BODIES = st.one_of(
    st.builds(Hello, st.just("1"), st.sampled_from(VERSIONS), words(20)),
    st.builds(MemberPresented, st.just("1"), words(16), CREDENTIALS),
    SALES,
    SHOP_SALES,
    st.builds(CandidateChosen, st.just("1"), words(40), words(64)),
    st.builds(MemberIdentified, st.just("1"), words(40), CREDENTIALS),
    st.builds(SaleRefunded, st.just("1"), words(40), words(40), FEN),
)


@given(number=st.integers(1, 999_999), body=BODIES, encoding=ENCODINGS)
@settings(deadline=None)
def test_every_request_arrives_as_it_was_meant(number: int, body: Hello | PosRequest, encoding: str) -> None:
    raw = fields_of(write_request(number, body, encoding))
    assert read_request(raw, "1", encoding) == Request(number, body)


FIGURES = st.none() | st.integers(-(10**13), 10**14)
CANDIDATES = st.builds(
    Candidate,
    fact_id=words(22),
    nozzle=words(4, 0),
    product=words(8, 0),
    volume_ml=st.integers(0, 10**9 - 1),
    amount_fen=FEN,
    ended_ago_s=st.integers(0, 9_999_999),
)
LINE_WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=32).filter(fits_paper)
SLIPS = st.lists(LINE_WORDS, max_size=12).map(tuple)
ANSWERS = st.builds(
    Answer,
    outcome=st.sampled_from(Outcome),
    durable=st.booleans(),
    reason=words(40, 0),
    fact_id=words(64, 0),
    points_minor=FIGURES,
    balance_minor=FIGURES,
    balance_as_of_ms=FIGURES,
    provisional=st.booleans(),
    text=words(120, 0),
)
WITH_CANDIDATES = st.builds(replace, ANSWERS, candidates=st.lists(CANDIDATES, max_size=8).map(tuple))
WITH_SLIP = st.builds(replace, ANSWERS, slip=SLIPS, reason=words(10, 0), fact_id=words(22, 0))
REPLIED = WITH_CANDIDATES | WITH_SLIP


@given(number=st.integers(0, 999_999), answer=REPLIED, encoding=ENCODINGS)
@settings(deadline=None)
def test_every_answer_arrives_as_it_was_meant(number: int, answer: Answer, encoding: str) -> None:
    raw = fields_of(write_answer(number, answer, encoding))
    understood = replace(answer, durable=answer.outcome in STORED)
    assert read_reply(raw, "1", encoding) == Told(number, understood)


@given(number=st.integers(0, 999_999), answer=REPLIED, encoding=ENCODINGS)
@settings(deadline=None)
def test_a_pos_of_version_1_reads_every_answer_and_misses_only_the_slip(
    number: int, answer: Answer, encoding: str
) -> None:
    raw = fields_of(write_answer(number, answer, encoding, version=1))
    understood = replace(answer, durable=answer.outcome in STORED, slip=())
    for pos_version in VERSIONS:  # a newer POS reads what an older agent says
        assert read_reply(raw, "1", encoding, pos_version) == Told(number, understood, version=1)
    of_today = read_reply(fields_of(write_answer(number, answer, encoding)), "1", encoding, 1)
    assert of_today == Refusal("FIELD_COUNT", "candidates", number)  # why it is never sent one


NOTICES = st.builds(
    Notice,
    register=st.just("1"),
    pos_sale_id=words(40, 0),
    point=words(16, 0),
    points_minor=st.integers(-(10**13), 10**14),
    balance_minor=st.integers(-(10**13), 10**14),
    balance_as_of_ms=st.integers(0, 10**14),
    provisional=st.booleans(),
    text=words(120, 0),
    slip=SLIPS,
)


@given(number=st.integers(1, 999_999), notice=NOTICES, encoding=ENCODINGS)
@settings(deadline=None)
def test_every_notice_arrives_as_it_was_meant(number: int, notice: Notice, encoding: str) -> None:
    raw = fields_of(write_show(number, notice, encoding))
    assert read_reply(raw, "1", encoding) == Shown(number, notice)
    older = fields_of(write_show(number, notice, encoding, version=1))
    for pos_version in VERSIONS:
        understood = Shown(number, replace(notice, slip=()), version=1)
        assert read_reply(older, "1", encoding, pos_version) == understood


@given(slip=st.lists(st.text(max_size=60), max_size=15).map(tuple), encoding=ENCODINGS)
@settings(deadline=None)
def test_any_slip_of_ours_can_be_sent_and_is_cut_to_the_paper(slip: tuple[str, ...], encoding: str) -> None:
    answer = Answer(Outcome.DONE, durable=True, slip=slip)
    told = read_reply(fields_of(write_answer(1, answer, encoding)), "1", encoding)
    assert isinstance(told, Told)
    assert len(told.answer.slip) == min(len(slip), 12)
    for line, meant in zip(told.answer.slip, slip, strict=False):
        whole = CONTROL.sub(" ", meant)
        assert whole.startswith(line)
        if line != whole:
            one_more = whole[: len(line) + 1]
            assert width(one_more) > 32 or len(one_more.encode(encoding)) > 96


def test_a_wide_character_that_has_half_a_place_left_is_not_printed() -> None:
    answer = Answer(Outcome.DONE, durable=True, slip=("1" + "积" * 16, "积" * 16, "x" * 33))
    told = read_reply(fields_of(write_answer(1, answer, "gb18030")), "1", "gb18030")
    assert isinstance(told, Told)
    assert told.answer.slip == ("1" + "积" * 15, "积" * 16, "x" * 32)


def test_the_longest_notice_with_the_longest_slip_is_sent_whole() -> None:
    slip = ("€" * 32,) * 12  # 3 bytes in UTF-8, one column
    notice = Notice(
        *("1", "𠀀" * 40, "𠀀" * 16, -(10**18), -(10**18), 10**14, True, "𠀀" * 120),
        slip=slip,
    )
    shown = read_reply(fields_of(write_show(999_999, notice, "utf-8")), "1", "utf-8")
    assert shown == Shown(999_999, notice)


def test_lines_that_do_not_fit_the_frame_are_left_out_from_the_end_after_all_candidates() -> None:
    candidate = Candidate("f" * 64, "01", "92", 1_000, 800, 5)
    lines = tuple(f"{index:02d}" + "€" * 30 for index in range(12))
    answer = Answer(
        *(Outcome.DONE, True, "𠀀" * 40, "𠀀" * 64),
        candidates=(candidate,),
        text="𠀀" * 120,
        slip=lines,
    )
    told = read_reply(fields_of(write_answer(999_999, answer, "utf-8")), "1", "utf-8")
    assert isinstance(told, Told)
    assert told.answer.candidates == ()
    assert 8 <= len(told.answer.slip) < 12
    assert told.answer.slip == lines[: len(told.answer.slip)]


@given(text=st.text(max_size=300), encoding=ENCODINGS)
@settings(deadline=None)
def test_any_text_of_ours_can_be_sent_with_controls_as_spaces_and_cut(text: str, encoding: str) -> None:
    answer = Answer(Outcome.DONE, durable=True, text=text)
    told = read_reply(fields_of(write_answer(1, answer, encoding)), "1", encoding)
    assert isinstance(told, Told)
    assert told.answer.text == CONTROL.sub(" ", text[:120])


def test_candidates_that_do_not_fit_are_left_out_from_the_end() -> None:
    many = tuple(Candidate("𠀀" * 64, "01", "𠀀" * 24, 1_000, 800, index) for index in range(12))
    framed = write_answer(1, Answer(Outcome.AMBIGUOUS, durable=True, candidates=many), "gb18030")
    told = read_reply(fields_of(framed), "1", "gb18030")
    assert isinstance(told, Told)
    assert 0 < len(told.answer.candidates) < 8
    assert told.answer.candidates == many[: len(told.answer.candidates)]
    assert len(framed) <= MAX_DATA_BYTES + 3


@pytest.mark.parametrize("ago_s", [-5, 10**9])
def test_a_clock_that_stepped_cannot_stop_the_answer(ago_s: int) -> None:
    candidate = Candidate("f", "01", "92", 1, 1, ago_s)
    told = read_reply(
        fields_of(write_answer(1, Answer(Outcome.AMBIGUOUS, durable=True, candidates=(candidate,)), "utf-8")),
        "1",
        "utf-8",
    )
    assert isinstance(told, Told)
    assert told.answer.candidates[0].ended_ago_s == min(max(ago_s, 0), 9_999_999)


PAID = [b"PAID", b"7", b"A1", b"3", b"100", b"CASH", b"", b"", b"1", b"gum", b"1000", b"400"]


def paid(**changes: bytes) -> list[bytes]:
    names = [
        "type",
        "number",
        *(field.name for field in REQUESTS["PAID"].fields),
        "product",
        "quantity",
        "fen",
    ]
    return [changes.get(name, value) for name, value in zip(names, PAID, strict=True)]


def test_the_sale_that_the_bad_ones_are_made_from_is_good() -> None:
    assert isinstance(read_request(PAID, "1", "gb18030"), Request)


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        ([b""], Refusal("MALFORMED_FIELD", "number", 0)),
        (paid(number=b""), Refusal("MALFORMED_FIELD", "number", 0)),
        (paid(number=b"0"), Refusal("MALFORMED_FIELD", "number", 0)),
        (paid(number=b"-7"), Refusal("MALFORMED_FIELD", "number", 0)),
        (paid(number=b"1000000"), Refusal("MALFORMED_FIELD", "number", 0)),
        (paid(number="７".encode("gb18030")), Refusal("MALFORMED_FIELD", "number", 0)),
        (paid(type=b"paid"), Refusal("UNKNOWN_MESSAGE", "type", 7)),
        (paid(type=b"ANSWER"), Refusal("UNKNOWN_MESSAGE", "type", 7)),
        (paid(type=b"\xff\xff"), Refusal("UNKNOWN_MESSAGE", "type", 7)),
        (paid(pos_sale_id=b""), Refusal("FIELD_MISSING", "pos_sale_id", 7)),
        (paid(pos_sale_id=b"x" * 41), Refusal("FIELD_TOO_LONG", "pos_sale_id", 7)),
        (paid(pos_sale_id=b"a\x7f"), Refusal("MALFORMED_FIELD", "pos_sale_id", 7)),
        (paid(product=b"\xc2\x85"[:1]), Refusal("MALFORMED_FIELD", "product", 7)),
        (paid(product="\x85".encode("gb18030")), Refusal("MALFORMED_FIELD", "product", 7)),
        (paid(point=b""), Refusal("FIELD_MISSING", "point", 7)),
        (paid(fuel_amount_fen=b""), Refusal("FIELD_MISSING", "fuel_amount_fen", 7)),
        (paid(fuel_amount_fen=b"-1"), Refusal("MALFORMED_FIELD", "fuel_amount_fen", 7)),
        (paid(fuel_amount_fen=b"1.00"), Refusal("MALFORMED_FIELD", "fuel_amount_fen", 7)),
        (paid(fuel_amount_fen=b"0" * 11), Refusal("FIELD_TOO_LONG", "fuel_amount_fen", 7)),
        (paid(tender=b""), Refusal("FIELD_MISSING", "tender", 7)),
        (paid(credential_kind=b"card"), Refusal("FIELD_MISSING", "credential", 7)),
        (paid(credential=b"8801"), Refusal("FIELD_MISSING", "credential_kind", 7)),
        (paid(credential_kind=b"bank", credential=b"8801"), Refusal("MALFORMED_FIELD", "credential_kind", 7)),
        (paid(lines=b"2"), Refusal("FIELD_COUNT", "lines", 7)),
        (paid(lines=b"0"), Refusal("FIELD_COUNT", "lines", 7)),
        (paid(lines=b"61"), Refusal("TOO_MANY_ROWS", "lines", 7)),
        (paid(quantity=b"1,5"), Refusal("MALFORMED_FIELD", "quantity_milli", 7)),
        (PAID[:5], Refusal("FIELD_COUNT", "tender", 7)),
        (PAID[:-1], Refusal("FIELD_COUNT", "lines", 7)),
        ([*PAID, b""], Refusal("FIELD_COUNT", "lines", 7)),
        ([b"CHOOSE", b"8", b"A1", b"f", b"x"], Refusal("FIELD_COUNT", "fact_id", 8)),
        ([b"HELLO", b"1", b"2", b"1", b"x"], Refusal("WRONG_REGISTER", "register", 1)),
        ([b"HELLO", b"1", b"1", b"0", b"x"], Refusal("WRONG_VERSION", "version", 1)),
        ([b"HELLO", b"1", b"1", b"3", b"x"], Refusal("WRONG_VERSION", "version", 1)),
    ],
)
def test_a_bad_field_is_refused_by_name(raw: list[bytes], refusal: Refusal) -> None:
    assert read_request(raw, "1", "gb18030") == refusal


SHOW = [b"SHOW", b"7", b"A1", b"3", b"1", b"2", b"3", b"confirmed", b""]


@pytest.mark.parametrize(
    ("tail", "refusal"),
    [
        ([b"1"], ("FIELD_COUNT", "slip")),
        ([b"0", b"x"], ("FIELD_COUNT", "slip")),
        ([b"1", b"x", b"y"], ("FIELD_COUNT", "slip")),
        ([b""], ("FIELD_MISSING", "slip")),
        ([b"x"], ("MALFORMED_FIELD", "slip")),
        ([b"-1"], ("MALFORMED_FIELD", "slip")),
        ([b"013"], ("FIELD_TOO_LONG", "slip")),
        ([b"13", *[b"x"] * 13], ("TOO_MANY_ROWS", "slip")),
        ([b"1", b"x" * 33], ("FIELD_TOO_LONG", "line")),
        ([b"1", ("积" * 16 + "1").encode("gb18030")], ("FIELD_TOO_LONG", "line")),
        ([b"1", ("\u0e01" * 25).encode("gb18030")], ("FIELD_TOO_LONG", "line")),  # 25 columns, 100 bytes
        ([b"1", b"\xff\xff"], ("MALFORMED_FIELD", "line")),
        ([b"1", b"a\x7f"], ("MALFORMED_FIELD", "line")),
    ],
)
def test_a_bad_slip_is_refused_by_name(tail: list[bytes], refusal: tuple[str, str]) -> None:
    assert isinstance(read_reply(SHOW, "1", "gb18030"), Shown)
    assert read_reply([*SHOW, *tail], "1", "gb18030") == Refusal(*refusal, 7)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (MemberPresented("1", "3\x1c4", Credential(CredentialKind.TAG, "x")), ("MALFORMED_FIELD", "point")),
        (MemberPresented("1", "3", Credential(CredentialKind.TAG, "\n")), ("MALFORMED_FIELD", "credential")),
        (CandidateChosen("1", "A\ud800", "f"), ("MALFORMED_FIELD", "pos_sale_id")),
        (SaleRefunded("1", "R", "A", -1), ("MALFORMED_FIELD", "amount_fen")),
        (SaleRefunded("1", "R", "A", 10**10), ("FIELD_TOO_LONG", "amount_fen")),
        (SalePaid("1", "A", None, 0, "CASH", (BasketLine("x", 1, 1),) * 61), ("TOO_MANY_ROWS", "lines")),
        (SalePaid("1", "A", None, 0, "CASH", (BasketLine("油" * 60, 1, 1),) * 20), ("MESSAGE_TOO_LONG", "")),
    ],
)
def test_a_message_that_would_be_refused_cannot_be_written(
    body: PosRequest, refusal: tuple[str, str]
) -> None:
    code, field = refusal
    assert write_request(5, body, "gb18030") == Refusal(code, field, 5)


@pytest.mark.parametrize("code", sorted(REMEDIES))
def test_a_refusal_reaches_the_pos_with_its_field_and_remedy(code: str) -> None:
    told = read_reply(fields_of(write_refusal(Refusal(code, "point", 3), "gb18030")), "1", "gb18030")
    assert isinstance(told, Told)
    assert (told.number, told.field) == (3, "point")
    assert (told.answer.outcome, told.answer.reason) == (Outcome.REFUSED, code)
    assert told.answer.text == REMEDIES[code]


def test_the_code_for_a_credential_shows_nowhere() -> None:
    request = read_request([b"IDENTIFY", b"1", b"A1", b"card", b"8801"], "1", "gb18030")
    assert isinstance(request, Request)
    assert "8801" not in repr(request)


@given(data=st.lists(st.binary(max_size=30), min_size=1, max_size=12), encoding=ENCODINGS)
@settings(deadline=None)
def test_any_fields_are_read_or_refused_and_never_raise(data: list[bytes], encoding: str) -> None:
    for kind in (*REQUESTS, *REPLIES):
        raw = [kind.encode(), b"1", *data]
        request, reply = read_request(raw, "1", encoding), read_reply(raw, "1", encoding)
        assert isinstance(request, Request | Refusal)
        assert isinstance(reply, Told | Shown | Refusal)


# What NOTES.md prints is what the code does.


def described(field: Field) -> str:
    forms = {".*": "text", "[0-9]+": "digits", "-?[0-9]+": "signed"}
    form = "paper" if field.on_paper else forms.get(field.form.pattern)
    shape = f"{form} {field.most}" if form else "word"
    return f"{field.name} {shape}" + (" ?" if field.optional else "")


def row_of(layout: Layout) -> str:
    row = f"| {layout.kind} | " + shape_of(layout)
    if layout.later is not None:
        row += "; since version 2: " + shape_of(layout.later)
    return row + " |"


def shape_of(layout: Layout) -> str:
    shape = ", ".join(map(described, layout.fields))
    if layout.row:
        shape += f"; up to {layout.most_rows} rows of: " + ", ".join(map(described, layout.row))
    return shape


@pytest.mark.parametrize("layout", [*REQUESTS.values(), *REPLIES.values()], ids=lambda layout: layout.kind)
def test_notes_print_every_layout(layout: Layout) -> None:
    assert row_of(layout) in NOTES.splitlines()


def test_notes_name_every_reason_that_can_be_sent() -> None:
    printed = set(re.findall(r"^\| ([A-Z_]+) \| (?:refused|unavailable).* \|$", NOTES, re.MULTILINE))
    assert printed == REMEDIES.keys() - {"MESSAGE_TOO_LONG"}  # a frame that long is NAKed, not answered
    for code in printed:
        assert REMEDIES[code] in NOTES


def test_notes_print_three_examples_with_their_true_bytes() -> None:
    examples = [
        bytes.fromhex(block) for block in re.findall(r"```\n(02 (?:[0-9a-f]{2}\s)+)```", NOTES, re.MULTILINE)
    ]
    sale = SalePaid(
        register="1",
        pos_sale_id="A1024",
        point="3",
        fuel_amount_fen=23_405,
        tender="现金",
        lines=(BasketLine("矿泉水", 2_000, 400),),
        credential=Credential(CredentialKind.CARD, "8801"),
    )
    answer = Answer(
        Outcome.DONE,
        durable=True,
        points_minor=234,
        balance_minor=1_734,
        balance_as_of_ms=1_764_000_000_000,
        provisional=True,
        text="积分已到账",
    )
    with_slip = replace(answer, slip=("本次积分 2.34", "待总部确认", "7K3Q9-ZDM2P-C"))
    assert examples == [
        write_request(7, sale, "gb18030"),
        write_answer(7, with_slip, "gb18030", version=1),
        write_answer(7, with_slip, "gb18030"),
    ]
    assert read_request(fields_of(examples[0]), "1", "gb18030") == Request(7, sale)
    assert read_reply(fields_of(examples[1]), "1", "gb18030") == Told(7, answer, version=1)
    assert read_reply(fields_of(examples[2]), "1", "gb18030") == Told(7, with_slip)
    assert examples[0].count(FS) == len(REQUESTS["PAID"].fields) + len(REQUESTS["PAID"].row) + 2
    assert examples[1].count(FS) == len(ANSWER.fields) + 2
