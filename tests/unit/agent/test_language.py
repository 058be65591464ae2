"""Unit: does a text come out in the language that was asked for, with the right number?"""

import pytest

from agent.language import Language, translator


@pytest.mark.parametrize(("language", "said"), [("en", "This sale is not known"), ("zh", "没有此单")])
def test_a_text_is_said_in_its_language(language: Language, said: str) -> None:
    assert translator(language).gettext("This sale is not known") == said


def test_english_has_two_numbers_and_chinese_one() -> None:
    texts = "{quantity} litre", "{quantity} litres"
    assert [translator("en").ngettext(*texts, n) for n in (0, 1, 2)] == [texts[1], texts[0], texts[1]]
    assert {translator("zh").ngettext(*texts, n) for n in (0, 1, 2)} == {"加油 {quantity} 升"}


def test_one_word_in_two_contexts_is_two_texts() -> None:
    chinese = translator("zh")
    assert chinese.pgettext("per", "litre") == "升"
    assert chinese.pgettext("tier", "gold") == "金卡"
    assert chinese.pgettext("weekday", "gold") == "gold"


def test_an_unknown_text_is_said_in_english() -> None:
    assert translator("zh").gettext("never said") == "never said"


def test_a_catalogue_is_read_once() -> None:
    assert translator("zh") is translator("zh")
