"""Property: does any text fit the paper, whole, and with its words and numbers unbroken?"""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.handlers.slip import columns, wrapped

WORDS = st.from_regex(r"[-+]?[0-9A-Za-z][0-9A-Za-z.:-]{0,14}", fullmatch=True)
CHINESE = st.text("积分余额已到期可用（）“”，。：；×", max_size=12)
TEXTS = st.lists(st.one_of(WORDS, CHINESE, st.sampled_from([" ", "  "])), max_size=20).map("".join)


@given(TEXTS, st.integers(2, 60))
@settings(deadline=None)
def test_nothing_is_wider_or_lost(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert all(columns(line) <= width for line in lines)
    assert all(line == line.strip() for line in lines[1:])
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert lines == [""] or all(lines[1:])


@given(TEXTS)
@settings(deadline=None)
def test_what_fits_a_line_is_not_split(text: str) -> None:
    lines = wrapped(text, 32)
    left = " ".join(lines)
    for word in re.findall(r"[!-~]+", text):
        if len(word) <= 20:
            assert word in left
            left = left[left.index(word) + len(word) :]
