"""Unit: does the slip say what it must, in words that fit the paper and the printer's code page?"""

from dataclasses import replace
from datetime import date, datetime
from string import Formatter
from typing import get_args
from unicodedata import east_asian_width
from zoneinfo import ZoneInfo

import pytest
from babel.messages.pofile import read_po

from agent.handlers import wording
from agent.handlers.credentials import CredentialKey
from agent.handlers.site import Site
from agent.handlers.slip import COLUMNS, Lapsing, SlipFacts, columns, slip, wrapped
from agent.language import LOCALE, Language

CODE_PAGE = {"en": "cp437", "zh": "gbk"}
LONGEST = {
    "points": "-9999999999.99",
    "balance": "-9999999999.99",
    "date": "2026-12-31",
    "point": "pump-island-12",
    "yuan": "99999999.99",
    "litres": "9999999",
    "tier": "platinum",
}
FACTS = SlipFacts(
    points_minor=14_400,
    balance_minor=124_400,
    as_of=datetime(2026, 7, 9, 10, 15),  # noqa: DTZ001  # civil, as it is printed
    provisional=True,
    reason="",
    pending_until=None,
    expiring=None,
    ratio=None,
    code="7K3Q9-ZDM2P-C",
)


def site_in(language: Language) -> Site:
    return Site(
        station="station-0042",
        programme="demo-cn",
        zone=ZoneInfo("Asia/Shanghai"),
        language=language,
        credential_key=CredentialKey(bytes(32)),
        devices={},
        places={},
    )


def every_text() -> dict[str, list[str]]:
    """Every text of the catalogue, and every sentence of a handler with the longest values."""
    with (LOCALE / "zh" / "LC_MESSAGES" / "forecourt.po").open("rb") as file:
        messages = [message for message in read_po(file, locale="zh") if message.id]
    texts = {
        "en": [form for m in messages for form in (m.id if isinstance(m.id, tuple) else (m.id,))],
        "zh": [form for m in messages for form in (m.string if isinstance(m.string, tuple) else (m.string,))],
    }
    for language, said in texts.items():
        said += [wording.sentence(code, language, **LONGEST) for code in wording._SENTENCES | wording._NEWS]
    return texts


def test_what_a_customer_gets() -> None:
    assert slip(site_in("en"), FACTS) == (
        "Points: +144",
        "Balance: 1244",
        "as of 2026-07-09 10:15",
        "to be confirmed",
        "Code: 7K3Q9-ZDM2P-C",
    )
    assert slip(site_in("zh"), FACTS) == (
        "本次积分：+144 分",
        "积分余额：1244 分",
        "截至 2026-07-09 10:15",
        "待总部确认",
        "交易码：7K3Q9-ZDM2P-C",
    )


@pytest.mark.parametrize(
    ("language", "said"), [("en", ("to be confirmed", "confirmed")), ("zh", ("待总部确认", "总部已确认"))]
)
def test_s163_provisional_and_confirmed_are_different_words(
    language: Language, said: tuple[str, str]
) -> None:
    provisional = slip(site_in(language), FACTS)
    confirmed = slip(site_in(language), replace(FACTS, provisional=False))
    differences = [pair for pair in zip(provisional, confirmed, strict=True) if pair[0] != pair[1]]
    assert differences == [said]


def test_a_full_slip_in_its_order() -> None:
    full = replace(
        FACTS,
        pending_until=date(2026, 7, 11),
        expiring=Lapsing(5_000, date(2026, 7, 31)),
        ratio=wording.sentence("RATE_PROTECTED", "en", points="1000", yuan="10", date="2027-12-31"),
    )
    assert slip(site_in("en"), full) == (
        "Points: +144",
        "Balance: 1244",
        "as of 2026-07-09 10:15",
        "to be confirmed",
        "144 points from 2026-07-11",
        "50 points lapse on 2026-07-31",
        "1000 points are worth 10 yuan,",
        "protected until 2027-12-31",
        "Code: 7K3Q9-ZDM2P-C",
    )


def test_a_sale_without_points_says_why() -> None:
    unknown = replace(FACTS, points_minor=0, balance_minor=None, as_of=None, reason="TENDER_EXCLUDED")
    assert slip(site_in("en"), unknown) == (
        "This way of paying earns no",
        "points",
        "Code: 7K3Q9-ZDM2P-C",
    )


def test_points_that_were_taken_back_have_their_sign() -> None:
    assert slip(site_in("en"), replace(FACTS, points_minor=-2_050))[0] == "Points: -20.50"
    assert slip(site_in("en"), replace(FACTS, points_minor=0))[0] == "Points: 0"


def test_one_point_is_singular() -> None:
    one = replace(FACTS, expiring=Lapsing(100, date(2026, 7, 31)))
    assert "1 point lapses on 2026-07-31" in slip(site_in("en"), one)


@pytest.mark.parametrize("language", get_args(Language))
@pytest.mark.parametrize("reason", ["", "NO_RULE"])
def test_the_largest_slip_fits_the_paper_and_the_road_to_the_pos(language: Language, reason: str) -> None:
    """The POS profile carries twelve lines of 96 bytes."""
    largest = SlipFacts(
        points_minor=-(10**12),
        balance_minor=-(10**12) + 1,
        as_of=datetime(2026, 12, 31, 23, 59),  # noqa: DTZ001
        provisional=True,
        reason=reason,
        pending_until=None if reason else date(2026, 12, 31),
        expiring=Lapsing(10**12 - 1, date(2026, 12, 31)),
        ratio=wording.sentence("RATE_PROTECTED", language, **LONGEST),
        code="ZZZZZ-ZZZZZ-Z",
    )
    lines = slip(site_in(language), largest)
    assert len(lines) <= 12
    for line in lines:
        assert 0 < len(line.encode(CODE_PAGE[language])) <= COLUMNS
        assert len(line.encode()) <= 96


@pytest.mark.parametrize("language", get_args(Language))
def test_every_text_fits_the_code_page(language: Language) -> None:
    texts = every_text()[language]
    assert len(texts) > 170
    for text in texts:
        text.encode(CODE_PAGE[language])


@pytest.mark.parametrize("language", get_args(Language))
def test_every_text_wraps_to_the_paper_without_a_split_word(language: Language) -> None:
    for text in every_text()[language]:
        lines = wrapped(text, COLUMNS)
        for line in lines:
            assert len(line.encode(CODE_PAGE[language])) <= COLUMNS, text
        assert "".join("".join(lines).split()) == "".join(text.split())
        assert all(unbroken in " ".join(lines) for unbroken in words(text)), text
        assert not any(line.startswith(tuple("，。、；：？！）”")) for line in lines[1:]), text
        assert not any(line.endswith(("（", "“")) for line in lines), text


def words(text: str) -> list[str]:
    """Its Latin words and numbers, found in another way than the slip finds them."""
    spaced = "".join(c if east_asian_width(c) in ("N", "Na") else " " for c in text)
    return spaced.split()


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 32, [""]),
        ("余额 -1234567.89 分", 10, ["余额", "-1234567.8", "9 分"]),
        ("余额 -123456.78 分", 10, ["余额", "-123456.78", "分"]),
        ("会员已注销，不再积分", 10, ["会员已注", "销，不再积", "分"]),
        ("会员已注（不再积分）", 10, ["会员已注", "（不再积", "分）"]),
        ("one two  three", 7, ["one two", "three"]),
        ("30 分钟内", 5, ["30 分", "钟内"]),
    ],
)
def test_wrapping(text: str, width: int, lines: list[str]) -> None:
    assert wrapped(text, width) == lines


def test_columns_count_chinese_twice() -> None:
    assert [columns(text) for text in ("", "abc", "积分", "积 1", "（×）")] == [0, 3, 4, 4, 6]


def test_the_lint_can_fail() -> None:
    with pytest.raises(UnicodeEncodeError):
        "×".encode(CODE_PAGE["en"])
    with pytest.raises(UnicodeEncodeError):
        "𠮷".encode(CODE_PAGE["zh"])
    assert words("余额 -12 分（abc）") == ["-12", "abc"]


def test_every_placeholder_has_a_longest_value() -> None:
    texts = [
        text
        for value in (wording._SENTENCES | wording._NEWS).values()
        for text in ((value,) if isinstance(value, str) else value)
    ]
    named = {name for text in texts for _, name, _, _ in Formatter().parse(text) if name}
    assert named == LONGEST.keys()


def test_pieces_are_never_lost() -> None:
    text = "按规则“summer-2026”计算，（1000 分）可抵 10 元。"
    for width in range(2, 60):
        lines = wrapped(text, width)
        assert all(columns(line) <= width for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert all(lines)
