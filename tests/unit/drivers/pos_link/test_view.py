"""Unit and property: are the link's bytes explained and redacted without a byte lost or a length changed?"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.events import BasketLine, Credential, CredentialKind, MemberPresented, SalePaid
from drivers.pos_link.codec import Framer, Intact, frame, lrc
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.requests import read_request, write_request
from drivers.pos_link.view import explain, redact
from drivers.tripwire import holds_card
from drivers.views import NOISE, Check
from tests.unit.drivers.machinery.card_numbers import card_number

OPTIONS = PosLinkOptions(register_id="1")
UTF_8 = PosLinkOptions(register_id="1", encoding="utf-8")
MEMBER = Credential(CredentialKind.PLATE, "鲁A12345")
PAID = SalePaid("1", "A1024", "3", 23_405, "现金", (BasketLine("矿泉水", 2_000, 400),), MEMBER)


def said(body: SalePaid | MemberPresented, encoding: str = "gb18030") -> bytes:
    framed = write_request(7, body, encoding)
    assert isinstance(framed, bytes)
    return framed


def test_a_sale_is_explained_field_by_field_with_units() -> None:
    (view,) = explain(said(PAID), OPTIONS)
    assert (view.title, view.sender, view.check) == ("PAID", "device", Check.OK)
    details = {detail.name: (detail.raw, detail.meaning) for detail in view.details}
    assert details["fuel_amount_fen"] == ("23405", "23405 fen")
    assert details["1. quantity_milli"] == ("2000", "2000 thousandths")
    assert details["tender"] == ("现金", "")


def test_an_answer_is_said_by_the_host_and_a_flip_is_seen() -> None:
    answer = frame((b"ANSWER", b"7", b"done", *[b""] * 3, b"234", b"1734", b"1", b"confirmed", b"", b"0"))
    (view,) = explain(answer, OPTIONS)
    assert (view.title, view.sender, view.check) == ("ANSWER", "host", Check.OK)
    for place in range(1, len(answer) - 1):
        flipped = bytearray(answer)
        flipped[place] ^= 0x10
        assert all(view.check is not Check.OK for view in explain(bytes(flipped), OPTIONS)), place


@pytest.mark.parametrize(
    ("spoilt", "part"),
    [
        (frame((b"SHOW", b"1"))[:-1] + b"?", "LRC"),
        (b"\x02SHOW\x1c1\x1c0000\x03" + bytes([lrc(b"SHOW\x1c1\x1c0000")]), "check"),
        (frame((b"SH\x06W", b"1")), "byte"),
    ],
)
def test_a_damaged_frame_says_what_is_wrong_with_it(spoilt: bytes, part: str) -> None:
    (view,) = explain(spoilt, OPTIONS)
    assert (view.check, [detail.raw for detail in view.details]) == (Check.WRONG, [part])


def test_single_bytes_have_their_names_and_the_rest_is_noise() -> None:
    views = explain(b"\x05\x06abc\x15\x04", OPTIONS)
    assert [view.title.split(":")[0] for view in views] == ["ENQ", "ACK", NOISE, "NAK", "EOT"]


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([said(PAID), b"\x02", b"\x03", b"\x05"]))))
@settings(deadline=None, max_examples=100)
def test_no_byte_is_lost_and_redaction_keeps_the_length(parts: list[bytes]) -> None:
    data = b"".join(parts)
    assert b"".join(view.data for view in explain(data, OPTIONS)) == data
    assert len(redact(data, OPTIONS)) == len(data)


@pytest.mark.parametrize("options", [OPTIONS, UTF_8])
def test_a_redacted_frame_is_right_and_says_nothing_of_the_member(options: PosLinkOptions) -> None:
    data = said(PAID, options.encoding)
    clean = redact(b"\x05" + data, options)[1:]
    assert len(clean) == len(data)
    (token,) = Framer().feed(clean)
    assert isinstance(token, Intact)
    request = read_request(token.fields, "1", options.encoding)
    assert getattr(request, "body", None) is not None
    assert "鲁A12345".encode(options.encoding) not in clean
    assert "矿泉水".encode(options.encoding) in clean


def test_no_card_number_is_left_in_any_field() -> None:
    rng = random.Random(3)
    for _ in range(300):
        card = card_number(rng)
        sale = SalePaid("1", card, "3", 1, f"V{card}"[:20], (BasketLine(f"x {card}", 1, 1),), MEMBER)
        clean = redact(said(sale), OPTIONS).decode("gb18030")
        assert not holds_card("\n".join(clean.split("\x1c")).replace("\n", "\x1c")), card
