"""What cashiers and customers read: one sentence per outcome, in the station's language."""

from string import Formatter

from agent.handlers.site import Site
from agent.language import Language, Text, counted, message, translator
from agent.store.members import Balance

_SENTENCES: dict[str, Text] = {
    "PRESENTED": message("Member recognised at point {point}"),
    "POINTS": counted("{points} point for this sale", "{points} points for this sale"),
    "BALANCE": message(", balance {balance}"),
    "PROVISIONAL": message(" (to be confirmed by headquarters)"),
    "REFUNDED": counted("Refunded, {points} point taken back", "Refunded, {points} points taken back"),
    "CHOOSE": message("Several fuellings fit this sale: please choose"),
    "WAITING": message("Waiting for the dispenser, points follow"),
    "NO_MEMBER": message("No member: identify within 30 minutes"),
    "MEMBER_UNKNOWN": message("Member not known here yet, points follow"),
    "CREDENTIAL_REVOKED": message("This card is no longer valid, please use the new one"),
    "MEMBER_CLOSED": message("This membership is closed and earns no points"),
    "TWO_MEMBERS": message("Two members at this point: identify the one who pays"),
    "NO_RULES": message("No rules at this station yet, points follow"),
    "WRONG_SCALE": message("This nozzle is being checked, points follow"),
    "SALE_REFUNDED": message("This sale was refunded and earns no points"),
    "TENDER_EXCLUDED": message("This way of paying earns no points"),
    "NO_RULE": message("Nothing in this sale earns points"),
    "BEYOND_RANGE": message("Too large to be a sale, no points"),
    "NO_METERING_EVIDENCE": message("No metering evidence, no points"),
    "TEST_DRAW": message("Test draw, no points"),
    "RETURNED_TO_TANK": message("Fuel returned to the tank, no points"),
    "UNKNOWN_POINT": message("There is no fuelling point {point}"),
    "PAYMENT_CARD_REFUSED": message("That is a payment card, please use the member card"),
    "CREDENTIAL_EMPTY": message("No member number was read, try again"),
    "POS_SALE_CONFLICT": message("This sale id was used for another sale"),
    "EMPTY_SALE": message("An empty sale earns nothing"),
    "SALE_UNKNOWN": message("This sale is not known"),
    "NOT_A_CANDIDATE": message("That fuelling does not fit this sale"),
    "SALE_NOT_WAITING": message("This sale needs no choice any more"),
    "ALREADY_AWARDED": message("This sale's points went to another member"),
    "CLAIM_WITH_HQ": message("Headquarters is checking this sale"),
    "TOO_LATE": message("Too late to identify for this sale"),
    "REFUND_CONFLICT": message("This refund id was used for another refund"),
    "REFUND_TOO_LARGE": message("More than was paid cannot be refunded"),
    "DISK_FULL": message("The controller's disk is full, try again"),
    "TILL_BUSY": message("Busy, please try again"),
}

_NEWS: dict[str, Text] = {
    "POINTS_LAPSED": counted("{points} point lapsed on {date}", "{points} points lapsed on {date}"),
    "POINTS_TAKEN": counted(
        "Headquarters took {points} point back on {date}", "Headquarters took {points} points back on {date}"
    ),
    "POINTS_CORRECTED": counted(
        "{points} point too many was taken back on {date}",
        "{points} points too many were taken back on {date}",
    ),
    "EXPIRES_SOON": counted("{points} point lapses on {date}", "{points} points lapse on {date}"),
    "PENDING": counted("{points} point from {date}", "{points} points from {date}"),
    "MEMBER_FROZEN": message("Your membership is frozen: you earn points but cannot spend them for now"),
    "MEMBER_UNFROZEN": message("Your membership is no longer frozen: you can spend your points again"),
    "TIER_IN_LITRES": message("{litres} more litres to {tier}"),
    "TIER_IN_YUAN": message("{yuan} more yuan to {tier}"),
    "RATE_PROTECTED": message("{points} points are worth {yuan} yuan, protected until {date}"),
}
"""What a member is told about the points themselves, whatever the sale's outcome."""


def sentence(code: str, language: Language, **values: str) -> str:
    """The sentence of an outcome or of news; `values` are written into it. `points` decides its number."""
    text = _SENTENCES[code] if code in _SENTENCES else _NEWS[code]
    texts = translator(language)
    if isinstance(text, str):
        said = texts.gettext(text)
    else:
        said = texts.ngettext(*text, 1 if values["points"] == "1" else 2)
    return said.format(**values)


def said(site: Site, code: str, **values: str) -> str:
    """The same in the site's language, in headquarters' own words where it has some (feature S-108)."""
    own = site.wordings.get((code, site.language))
    return sentence(code, site.language, **values) if own is None else own.format(**values)


def values_of(code: str) -> frozenset[str] | None:
    """The names of the values in a sentence; None for a code that has none."""
    text = _SENTENCES.get(code) or _NEWS.get(code)
    if text is None:
        return None
    longest = text if isinstance(text, str) else text[1]
    return frozenset(name for _, name, _, _ in Formatter().parse(longest) if name is not None)


def points_text(minor: int, scale: int) -> str:
    """Points with as many decimals as the scale has, whole points without: 14400 → "144", 9998 → "99.98"."""
    whole, rest = divmod(abs(minor), scale)
    decimals = f".{rest:0{len(str(scale)) - 1}d}" if rest else ""
    return f"{'-' if minor < 0 else ''}{whole}{decimals}"


def receipt(site: Site, code: str, minor: int, balance: Balance | None) -> str:
    """The answer's sentence: points, balance, and whether HQ has confirmed them."""
    text = said(site, code, points=points_text(minor, site.points_scale))
    if balance is None:
        return text
    text += said(site, "BALANCE", balance=points_text(balance.minor, site.points_scale))
    return text + (said(site, "PROVISIONAL") if balance.provisional else "")
