"""What cashiers and customers read: one sentence per outcome, in the station's language."""

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
    "EXPIRES_SOON": counted("{points} point lapses on {date}", "{points} points lapse on {date}"),
    "PENDING": counted("{points} point from {date}", "{points} points from {date}"),
    "MEMBER_FROZEN": message("Your membership is frozen: you earn points but cannot spend them for now"),
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


def points_text(minor: int, scale: int) -> str:
    """Points with as many decimals as the scale has, whole points without: 14400 → "144", 9998 → "99.98"."""
    whole, rest = divmod(abs(minor), scale)
    decimals = f".{rest:0{len(str(scale)) - 1}d}" if rest else ""
    return f"{'-' if minor < 0 else ''}{whole}{decimals}"


def receipt(site: Site, code: str, minor: int, balance: Balance | None) -> str:
    """The answer's sentence: points, balance, and whether HQ has confirmed them."""
    text = sentence(code, site.language, points=points_text(minor, site.points_scale))
    if balance is None:
        return text
    text += sentence("BALANCE", site.language, balance=points_text(balance.minor, site.points_scale))
    return text + (sentence("PROVISIONAL", site.language) if balance.provisional else "")
