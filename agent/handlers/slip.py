"""What the POS prints on the customer's slip: lines for 58 mm paper.

Such a printer has 32 columns, of which a Chinese character takes two, and one code page: GBK for
Chinese, CP437 for English.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from gettext import NullTranslations
from typing import Final
from unicodedata import east_asian_width

from agent.handlers.site import Site
from agent.handlers.wording import points_text, said
from agent.language import translator
from agent.messages.snapshot import Progress

COLUMNS: Final = 32

_OPENING, _CLOSING = "（“‘《【", "，。、；：？！）”’》】"
_PIECE = re.compile(rf"(?!\Z)\s*[{_OPENING}]*(?:[!-~À-ɏ]+|[^\s{_OPENING}])?[{_CLOSING}]*\s*")
"""What must stay on one line: a word, or a Chinese character, with its punctuation and blanks."""


@dataclass(frozen=True, slots=True)
class Lapsing:
    """Points, minor units, and the last day on which they are worth something."""

    minor: int
    last_day: date


@dataclass(frozen=True, slots=True)
class SlipFacts:
    """What a slip says. Points in minor units; times and dates civil, in the programme's zone.

    `points_minor`: given, or negative: taken back. `reason`: why there are none, a code of `wording`
    that needs no values, else "". `balance_minor` with `as_of`: None where it is not known here.
    `provisional`: headquarters has not confirmed them yet; `delayed`: and nobody can say when it will.
    `pending_until`: the first day on which these points can be spent; None: at once, or there are none.
    `expiring`: points that lapse soon, and their last day. `ratio`: the sentence RATE_PROTECTED or RATE, or
    None. `code`: `ids.slip_code` of the fact.
    """

    points_minor: int
    balance_minor: int | None
    as_of: datetime | None
    provisional: bool
    reason: str
    pending_until: date | None
    expiring: Lapsing | None
    ratio: str | None
    code: str
    delayed: bool = False


def slip(site: Site, facts: SlipFacts) -> tuple[str, ...]:
    """The lines in the order of what a customer looks for, none wider than `COLUMNS`."""
    return tuple(line for text in _texts(site, facts) for line in wrapped(text, COLUMNS))


def _texts(site: Site, facts: SlipFacts) -> Iterator[str]:
    texts, scale = translator(site.language), site.points_scale
    if facts.reason:
        yield said(site, facts.reason)
    else:
        sign = "+" if facts.points_minor > 0 else ""
        yield texts.gettext("Points: {points}").format(points=sign + points_text(facts.points_minor, scale))
    if facts.balance_minor is not None:
        yield texts.gettext("Balance: {points}").format(points=points_text(facts.balance_minor, scale))
    if facts.as_of is not None:
        yield texts.gettext("as of {time}").format(time=facts.as_of.strftime("%Y-%m-%d %H:%M"))
    if facts.balance_minor is not None or not facts.reason:
        yield _confirmation(facts, texts)
    if facts.pending_until is not None:
        yield _dated(site, "PENDING", facts.points_minor, facts.pending_until)
    if facts.expiring is not None:
        yield _dated(site, "EXPIRES_SOON", facts.expiring.minor, facts.expiring.last_day)
    if facts.ratio is not None:
        yield facts.ratio
    yield texts.gettext("Code: {code}").format(code=facts.code)


def _confirmation(facts: SlipFacts, texts: NullTranslations) -> str:
    if not facts.provisional:
        return texts.gettext("confirmed")
    return texts.gettext("confirmation delayed") if facts.delayed else texts.gettext("to be confirmed")


def _dated(site: Site, code: str, minor: int, day: date) -> str:
    return said(site, code, points=points_text(minor, site.points_scale), date=day.isoformat())


def to_next_tier(progress: Progress, site: Site) -> Iterator[str]:
    """How many litres or yuan are missing, in whole ones rounded up, by what HQ last told (S-096, S-154)."""
    missing_ml = progress.needed_ml - progress.volume_ml
    missing_fen = progress.needed_fen - progress.amount_fen
    if missing_ml > 0:
        yield said(site, "TIER_IN_LITRES", litres=str(-(-missing_ml // 1000)), tier=progress.tier)
    if missing_fen > 0:
        yield said(site, "TIER_IN_YUAN", yuan=str(-(-missing_fen // 100)), tier=progress.tier)


MOST_LINES: Final = 3
"""Of one sentence: a slip has twelve, and a till's display no more than three."""
_CODE_PAGES: Final = {"zh": "gbk", "en": "cp437"}


def fits(text: str, language: str) -> bool:
    """Whether paper and display can show a sentence: in the printer's code page, on few enough lines."""
    try:
        text.encode(_CODE_PAGES[language])
    except UnicodeEncodeError:
        return False
    lines = wrapped(text, COLUMNS)
    return text.isprintable() and len(lines) <= MOST_LINES and all(columns(line) <= COLUMNS for line in lines)


def columns(text: str) -> int:
    """How wide a printer makes it: what GBK writes in two bytes takes two columns."""
    return sum(2 if east_asian_width(character) in "WFA" else 1 for character in text)


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` columns.

    A number or Latin word is never split (unless it alone is wider than a line), and no line begins
    with a closing mark or ends with an opening one.
    """
    if columns(text) <= width:
        return [text.strip()]
    lines = [""]
    for piece in _pieces(text, width):
        if columns(lines[-1] + piece.rstrip()) > width:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += piece if lines[-1] else piece.lstrip()
    lines[-1] = lines[-1].rstrip()
    return lines


def _pieces(text: str, width: int) -> Iterator[str]:
    for piece in _PIECE.findall(text):
        while columns(piece.rstrip()) > width:
            fits = next(n for n in range(len(piece), 0, -1) if columns(piece[:n]) <= width)
            yield piece[:fits]
            piece = piece[fits:]
        yield piece
