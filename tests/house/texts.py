"""Extracts the texts from the code and brings every translation up to date (`make texts`).

Run as `python -m tests.house.texts`: writes `agent/locale/LANGUAGE/LC_MESSAGES/forecourt.po` with what is
still to be translated left empty, and the compiled `.mo` beside it, which the programme reads.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from agent.language import DOMAIN, LOCALE, Language
from tests.house.sources import ROOT

TRANSLATED = tuple(language for language in get_args(Language) if language != "en")
KEYWORDS = {
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "message": None,
    "counted": (1, 2),
    "word": ((1, "c"), 2),
}


def extracted() -> Catalog:
    """Every text of the code, with the files that say it."""
    found = Catalog(project="forecourt-agent", charset="utf-8")
    for file, _, text, _, context in extract_from_dir(ROOT / "agent", keywords=KEYWORDS):
        found.add(text, locations=[(f"agent/{file}", None)], context=context)
    return found


def catalogue(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def parsed(text: bytes, language: str) -> Catalog:
    read = read_po(io.BytesIO(text), locale=language, domain=DOMAIN)
    read.project, read.version = "forecourt-agent", "1"
    read.msgid_bugs_address = read.last_translator = read.language_team = "forecourt-agent"
    return read


def updated(translated: Catalog) -> Catalog:
    """The catalogue with the texts of today: new ones empty, and without those that nobody says any more."""
    translated.update(extracted(), no_fuzzy_matching=True, update_creation_date=False)
    translated.obsolete.clear()
    return translated


def written(translated: Catalog) -> bytes:
    file = io.BytesIO()
    write_po(file, translated, width=0, sort_by_file=True, include_lineno=False)
    return file.getvalue()


def compiled(translated: Catalog) -> bytes:
    file = io.BytesIO()
    write_mo(file, translated)
    return file.getvalue()


def missing(translated: Catalog) -> Iterator[str]:
    """Texts without a translation."""
    for message in translated:
        strings = message.string if isinstance(message.string, tuple | list) else [message.string]
        if message.id and not all(strings):
            yield str(message.id)


def main() -> None:
    for language in TRANSLATED:
        path = catalogue(language)
        translated = updated(parsed(path.read_bytes(), language))
        path.write_bytes(written(translated))
        path.with_suffix(".mo").write_bytes(compiled(translated))
        sys.stdout.write(f"{path.relative_to(ROOT)}: {len(translated)} texts\n")
        for text in missing(translated):
            sys.stdout.write(f"  to be translated: {text}\n")


if __name__ == "__main__":
    main()
