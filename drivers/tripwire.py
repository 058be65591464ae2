"""The tripwire for payment cards: no card number reaches the till, in whatever field a driver puts it.

A card number is 13 to 19 digits that pass the Luhn check, alone or inside text, with blanks, hyphens and
the like between them or not; digits that stand together belong together, so a longer number holds none. One
in ten numbers of that length passes by chance, a receipt number or the bar code of goods too, so what trips
the wire is not always a card; what is done about it must do no harm then, and no sale is lost by it:

- free text, nozzle, point, address: every digit of the run becomes "*";
- a credential becomes sixteen zeros, which is nobody's card: the till refuses it as PAYMENT_CARD_REFUSED,
  in its own words, and books a fuelling without it;
- an id is what makes two reports the same fact, so it is replaced by one that is the same each time and
  different for each id: a keyed hash, because of a plain one every card can be tried in a night. Without a
  key the request is refused, CARD_NUMBER_REFUSED: better no sale than a card number that can be found out;
- the digits of a meter or a gauge (`RawDigits`, `raw`) are no text, and integers are no card numbers: left.

Each field is looked at by itself. Neighbours put together would trip by chance at every tenth sale, and an id
that is replaced because of what stands beside it would be another one in the refund of that sale.
"""

import hmac
import re
import unicodedata
from base64 import b32encode
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from drivers.events import Answer, Credential, DriverEvent, Outcome

SHORTEST_CARD, LONGEST_CARD = 13, 19
NOBODYS_CARD = "0000 0000 0000 0000"
"""Passes the Luhn check, is nobody's number, and is refused by the till like any other card."""

_IDENTIFIERS = frozenset({"register", "pos_sale_id", "refund_id"})
_METER_DIGITS = frozenset({"raw", "raw_volume"})
_STAND_IN_BYTES = 15
_BETWEEN = "[\\s\\-_.·•/\u200b-\u200f\u2010-\u2015\u2060\u2212\ufeff]{0,3}"
_RUN = re.compile(rf"\d(?:{_BETWEEN}\d){{{SHORTEST_CARD - 1},}}")
_DIGIT = re.compile(r"\d")
_TOGETHER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Sifted:
    """`event` without card numbers, and how many fields held one. With `refusal` it is not to be reported."""

    event: DriverEvent
    dropped_count: int = 0
    refusal: Answer | None = None


def sift(event: DriverEvent, key: bytes) -> Sifted:
    """The same event with no card number in any text of it; the very same object if there was none.

    `key` keys the stand-ins of ids; b"" if there is none.
    """
    held = tuple(_fields_with_cards(event))
    if not held:
        return Sifted(event)
    refusal = None
    if not key and any(name in _IDENTIFIERS for name in held):
        refusal = Answer(Outcome.REFUSED, durable=False, reason="CARD_NUMBER_REFUSED")
    return Sifted(_without_cards(event, key), len(held), refusal)


def holds_card(text: str) -> bool:
    """Whether 13 to 19 digits of `text`, separators between them or not, pass the Luhn check."""
    return any(_is_card(run.group()) for run in _RUN.finditer(unicodedata.normalize("NFKC", text)))


def masked(text: str) -> str:
    """`text` as it is, or with "*" for every digit of each run that holds a card number."""
    if not holds_card(text):
        return text
    return _RUN.sub(_mask, unicodedata.normalize("NFKC", text))


def stand_in(identifier: str, key: bytes) -> str:
    """A text of 29 characters that stands for an id which holds a card number, the same each time."""
    digest = hmac.digest(key, identifier.encode("utf-8", "surrogatepass"), "sha256")[:_STAND_IN_BYTES]
    return f"card-{b32encode(digest).decode().lower()}"


def _mask(run: re.Match[str]) -> str:
    return _DIGIT.sub("*", run.group()) if _is_card(run.group()) else run.group()


def _is_card(run: str) -> bool:
    """Whether some neighbouring groups of digits in `run` are one."""
    groups = _TOGETHER.findall(run)
    return any(_begins_with_card(groups[start : start + LONGEST_CARD]) for start in range(len(groups)))


def _begins_with_card(groups: list[str]) -> bool:
    digits: list[int] = []
    for group in groups:
        digits += map(int, group)
        if len(digits) > LONGEST_CARD:
            return False
        if len(digits) >= SHORTEST_CARD and _passes_luhn(digits):
            return True
    return False


def _passes_luhn(digits: list[int]) -> bool:
    doubled = (2 * digit for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(double - 9 if double > 9 else double for double in doubled)) % 10 == 0


def _fields_with_cards(value: Any, name: str = "") -> Iterator[str]:
    """The name of each field below `value` that holds a card number."""
    if name in _METER_DIGITS:
        return
    if isinstance(value, str):
        if holds_card(value):
            yield name
    elif isinstance(value, tuple):
        for item in value:
            yield from _fields_with_cards(item, name)
    elif _is_record(value):
        for slot in fields(value):
            yield from _fields_with_cards(getattr(value, slot.name), slot.name)


def _without_cards(value: Any, key: bytes, name: str = "") -> Any:
    if name in _METER_DIGITS:
        return value
    if isinstance(value, str):
        return _text_without_cards(value, key, name)
    if isinstance(value, tuple):
        return tuple(_without_cards(item, key, name) for item in value)
    if isinstance(value, Credential):
        return replace(value, value=NOBODYS_CARD) if holds_card(value.value) else value
    if _is_record(value):
        cleaned = {
            slot.name: _without_cards(getattr(value, slot.name), key, slot.name) for slot in fields(value)
        }
        return replace(value, **cleaned)
    return value


def _text_without_cards(text: str, key: bytes, name: str) -> str:
    if name in _IDENTIFIERS and key and holds_card(text):
        return stand_in(text, key)
    return masked(text)


def _is_record(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)
