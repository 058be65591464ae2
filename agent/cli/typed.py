"""What a person types at a simulated device: sales, and for a POS the cashier's actions."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from drivers.events import Credential, CredentialKind
from drivers.pos_link.simulator import PosSimulator

SALE_FORM = "LITRES,AMOUNT,PRICE such as 30.12,236.44,7.85"
CASHIER_FORMS = """\
present POINT KIND VALUE | pay SALE POINT AMOUNT TENDER [KIND VALUE] | identify SALE KIND VALUE
choose SALE FACT | refund REFUND SALE AMOUNT      KIND: card, phone_code, plate or tag"""

_SALE = re.compile(r"([0-9]+(?:\.[0-9]{1,3})?),([0-9]+(?:\.[0-9]{1,2})?),([0-9]+(?:\.[0-9]{1,3})?)")


class Mistyped(Exception):
    """`code` is stable, the message says how to write it."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Wish:
    """One sale that a device shall make."""

    volume_ml: int
    amount_fen: int
    price_milli: int


def wish(text: str) -> Wish:
    """ "30.12,236.44,7.85": litres, amount, price of a litre. Raises `Mistyped`."""
    found = _SALE.fullmatch(text.replace(" ", ""))
    if found is None:
        raise Mistyped("BAD_SALE", f"{text}: write {SALE_FORM}")
    return Wish(_scaled(found[1], 3), _scaled(found[2], 2), _scaled(found[3], 3))


def driver_options(pairs: Iterable[str]) -> dict[str, Any]:
    """ "map=ring-buffer" as a table, values as in TOML, only that a plain text needs no quotes. Raises
    `Mistyped`."""
    options: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise Mistyped("BAD_OPTION", f"{pair}: write NAME=VALUE")
        options[name] = _value(pair, value)
    return options


def _value(pair: str, text: str) -> Any:
    if text[:1] in ("[", "{", '"', "'"):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError as error:
            example = "nozzles=[1,2] or points={ '4' = 'left' }, in quotes for the shell"
            raise Mistyped("BAD_OPTION", f"{pair}: {error}; write it like {example}") from error
    is_number = text.isdecimal() and (text == "0" or text[0] != "0")
    return int(text) if is_number else {"true": True, "false": False}.get(text, text)


def cashier(pos: PosSimulator, line: str) -> int:
    """Let the cashier do what `line` says; returns the message number. Raises `Mistyped`."""
    try:
        match line.split():
            case ["present", point, kind, value]:
                return pos.present(point, Credential(CredentialKind(kind), value))
            case ["pay", sale, point, amount, tender]:
                return pos.pay(sale, point, _scaled(amount, 2), tender)
            case ["pay", sale, point, amount, tender, kind, value]:
                shown = Credential(CredentialKind(kind), value)
                return pos.pay(sale, point, _scaled(amount, 2), tender, (), shown)
            case ["identify", sale, kind, value]:
                return pos.identify(sale, Credential(CredentialKind(kind), value))
            case ["choose", sale, fact]:
                return pos.choose(sale, fact)
            case ["refund", refund, sale, amount]:
                return pos.refund(refund, sale, _scaled(amount, 2))
    except ValueError as error:
        raise Mistyped("BAD_ACTION", f"{error}; write {CASHIER_FORMS}") from error
    raise Mistyped("BAD_ACTION", f"{line}: write {CASHIER_FORMS}")


def _scaled(text: str, places: int) -> int:
    """A decimal number with at most `places` decimals as an integer of the smallest. Raises ValueError."""
    whole, _, decimals = text.partition(".")
    if not (whole + decimals).isdecimal() or len(decimals) > places:
        raise ValueError(f"{text} is not a number with at most {places} decimals")
    return int(whole + decimals.ljust(places, "0"))
