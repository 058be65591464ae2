"""What the programme says, in which language: gettext, with English in the code and the rest in `locale/`.

`make texts` extracts every text that stands in a call of `message`, `counted`, `gettext`, `ngettext`
or `pgettext`, and compiles the translations. A text without one is said in English.
"""

from functools import cache
from gettext import GNUTranslations, NullTranslations
from pathlib import Path
from typing import Final, Literal

Language = Literal["en", "zh"]
Text = str | tuple[str, str]
"""An English text to be translated when it is said; the pair is its singular and its plural."""

LOCALE: Final = Path(__file__).with_name("locale")
DOMAIN: Final = "forecourt"


@cache
def translator(language: Language) -> NullTranslations:
    """Gives the texts in this language (gettext, ngettext, pgettext). Reads its catalogue once."""
    if language == "en":
        return NullTranslations()
    with (LOCALE / language / "LC_MESSAGES" / f"{DOMAIN}.mo").open("rb") as catalogue:
        return GNUTranslations(catalogue)


def message(text: str) -> str:
    """Marks a text in a table: `make texts` finds it, `translator` translates it when it is said."""
    return text


def counted(singular: str, plural: str) -> tuple[str, str]:
    """As `message`, for a text with a number."""
    return singular, plural
