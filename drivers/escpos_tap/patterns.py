"""The patterns of a site's receipt template: regular expressions whose named groups say what was found.

A pattern meets text that a stranger's till printed, on the thread that also hears the next receipt. So it is
looked at when the settings are read: no repetition inside a repetition, few of them, no references back. On a
line of at most `LONGEST_LINE` letters the worst pattern that passes then takes about 25 ms (measured).
"""

import re
from typing import Annotated

from pydantic import AfterValidator

LONGEST_LINE = 64
"""A printer for 80 mm paper has 48 columns, 64 of its small letters."""
LONGEST_PATTERN = 200
MOST_REPETITIONS = 4
"""One more if the pattern begins with ^."""
GROUPS = (
    *("sale", "date", "register", "total", "fuel", "pump", "tender", "paid", "change"),
    *("product", "quantity", "amount", "refund_of", "refund_date", "ignore"),
)


def checked(pattern: str) -> str:
    """The pattern itself. Raises ValueError with what to change."""
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"a pattern has at most {LONGEST_PATTERN} characters")
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    names = set(compiled.groupindex)
    if not names or not names <= set(GROUPS):
        raise ValueError(f"name the groups of a pattern with words of these: {', '.join(GROUPS)}")
    if "amount" in names and "product" not in names:
        raise ValueError("an amount belongs to a product: add (?P<product>...)")
    _refuse_slow(pattern)
    return pattern


Pattern = Annotated[str, AfterValidator(checked)]


def _refuse_slow(pattern: str) -> None:
    if re.search(r"\\[1-9]|\(\?P=|\(\?\(", pattern):
        raise ValueError("a pattern may not refer back to what it found")
    if re.search(r"\(\?[a-zA-Z]*x", pattern):
        raise ValueError("a pattern may not be verbose: (?x)")
    bare = re.sub(r"\[\^?\]?(?:\\.|[^\]\\])*\]", "c", re.sub(r"\\.", "e", pattern))
    repetitions = 0
    holds_one = [False]
    for place, mark in enumerate(bare):
        if mark == "(":
            holds_one.append(False)
        elif mark == ")":
            inside = holds_one.pop()
            if inside and _repeats(bare, place + 1):
                raise ValueError("a repetition may not stand inside a repeated group")
            holds_one[-1] |= inside
        elif _repeats(bare, place) == "open":
            repetitions += 1
            holds_one[-1] = True
    most = MOST_REPETITIONS + bare.startswith("^")
    if repetitions > most:
        raise ValueError(f"a pattern has at most {most} of *, + and {{n,}}, one more behind a leading ^")


def _repeats(bare: str, place: int) -> str:
    """Whether a repetition begins here: "open" for * + {n,} {n,m}, "fixed" for {n}, "" for none."""
    mark = bare[place : place + 1]
    if mark in ("*", "+"):
        return "open" if place and bare[place - 1] not in "*+?}(" else ""
    found = re.match(r"\{(\d*)(,?)\d*\}", bare[place:]) if mark == "{" else None
    if found is None or found[1] + found[2] in ("0", "1"):
        return ""
    return "open" if found[2] else "fixed"
