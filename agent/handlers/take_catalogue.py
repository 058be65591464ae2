"""HQ's own words for what slip and till say, held to the same rule as ours (feature S-108)."""

from string import Formatter

from agent.clock import Instant
from agent.handlers.site import Site
from agent.handlers.slip import fits
from agent.handlers.verdict import Verdict
from agent.handlers.wording import values_of
from agent.messages.down import Catalogue
from agent.store.database import Transaction
from sync.down import Down

LONGEST = {
    "points": "-9999999.99",
    "balance": "-9999999.99",
    "date": "2026-12-31",
    "point": "island-12",
    "yuan": "99999.99",
    "litres": "99999",
    "tier": "platinum",
}
"""What a sentence is measured with."""


def take_catalogue(body: Catalogue, tx: Transaction, site: Site, at: Instant, down: Down) -> Verdict:
    """Wordings of codes that this version does not have are left out, and said so in the detail.

    Reasons: CATALOGUE_OLD, CATALOGUE_VALUES (other values in braces than our sentence has),
    CATALOGUE_TOO_LONG (see `slip.fits`).
    """
    here = tx.catalogue.version("catalogue")
    if body.version <= here:
        return Verdict("CATALOGUE_OLD", f"version {here} is here")
    taken = []
    for code, language, text in body.texts:
        ours = values_of(code)
        if ours is None:
            continue
        if (theirs := _values_in(text)) is None or not theirs <= ours:
            return Verdict(
                "CATALOGUE_VALUES", f"{code} in {language}: its values are {', '.join(sorted(ours))}"
            )
        if not text or not fits(text.format(**LONGEST), language):
            return Verdict("CATALOGUE_TOO_LONG", f"{code} in {language} does not fit a slip")
        taken.append((code, language, text))
    tx.catalogue.replace_all(taken)
    tx.catalogue.take("catalogue", body.version, at.wall_ms)
    left_out = len(body.texts) - len(taken)
    return Verdict(detail=f"{left_out} wordings of codes that are not known here" if left_out else "")


def _values_in(text: str) -> frozenset[str] | None:
    """The names in braces; None where braces hold anything but a name."""
    try:
        pieces = [(name, spec, conversion) for _, name, spec, conversion in Formatter().parse(text)]
    except ValueError:
        return None
    if any(spec or conversion for _, spec, conversion in pieces):
        return None
    return frozenset(name for name, _, _ in pieces if name is not None)
