"""House: is every text translated, with the same placeholders, and compiled as it stands in its catalogue?"""

from gettext import NullTranslations
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message

from agent.language import LOCALE, Language, translator
from tests.house.texts import TRANSLATED, catalogue, extracted, missing, parsed, written


def _read(language: str) -> Catalog:
    return parsed(catalogue(language).read_bytes(), language)


def _key(message: Message) -> tuple[str | None, object]:
    return message.context, message.id


def _forms(text: object) -> list[str]:
    return [str(form) for form in text] if isinstance(text, tuple | list) else [str(text)]


def _placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def _problems(translated: Catalog, texts: Catalog) -> list[str]:
    """What keeps a catalogue from saying every text of the code."""
    problems = [f"not translated: {text}" for text in missing(translated)]
    problems += [f"fuzzy: {message.id}" for message in translated if message.id and message.fuzzy]
    there, wanted = ({_key(m): m for m in each if m.id} for each in (translated, texts))
    problems += [f"not in the catalogue: {key}" for key in wanted.keys() - there.keys()]
    problems += [f"nobody says it: {key}" for key in there.keys() - wanted.keys()]
    for key, message in there.items():
        placeholders = [_placeholders(text) for text in (*_forms(message.id), *_forms(message.string))]
        if any(names != placeholders[0] for names in placeholders):
            problems.append(f"other placeholders: {key}")
    return problems


def _said(message: Message, texts: NullTranslations) -> str:
    """What the programme says for a message; of two numbers the plural."""
    if isinstance(message.id, tuple):
        return texts.ngettext(*message.id, 2)
    if message.context:
        return texts.pgettext(message.context, message.id)
    return texts.gettext(message.id)


def test_there_is_a_catalogue_for_every_language() -> None:
    assert {path.parts[-3] for path in LOCALE.rglob("*.po")} == set(TRANSLATED)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_is_complete(language: str) -> None:
    texts = extracted()
    assert len(texts) > 100
    assert _problems(_read(language), texts) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_the_programme_reads_is_what_the_catalogue_says(language: Language) -> None:
    texts = translator(language)
    for message in _read(language):
        if message.id:
            assert _said(message, texts) == _forms(message.string)[-1]


def test_the_rule_can_fail() -> None:
    texts = Catalog(locale="zh")
    for text in ("one {a}", "two", "three", "new", ("{n} x", "{n} xs")):
        texts.add(text)
    translated = Catalog(locale="zh")
    translated.add("one {a}", "一 {b}")
    translated.add("two", "")
    translated.add("three", "三", flags=["fuzzy"])
    translated.add(("{n} x", "{n} xs"), ("个",))
    translated.add("four", "四", context="number")
    found = _problems(parsed(written(translated), "zh"), texts)
    assert [problem.split(":")[0] for problem in found] == [
        "not translated",
        "fuzzy",
        "not in the catalogue",
        "nobody says it",
        "other placeholders",
        "other placeholders",
    ]
