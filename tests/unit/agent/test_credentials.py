"""Unit: does one card give one hash however it is typed, and is a payment card never taken?"""

import pytest

from agent.handlers.credentials import CredentialKey, is_payment_card
from drivers.events import Credential, CredentialKind

KEY = CredentialKey(b"k" * 32)


def card(value: str) -> str | None:
    return KEY.hash(Credential(CredentialKind.CARD, value))


def test_the_hash_never_changes() -> None:
    """Every station and HQ compute it; HMAC-SHA256 of "card", 0x00, "CGOLD1", first 16 bytes."""
    assert card("C-GOLD-1") == "k1:2Wh-WROJqTbGtKAd6jMfOA"


@pytest.mark.parametrize(
    "typed", ["c-gold-1", "C GOLD 1", "Ｃ－ＧＯＬＤ－１", "C.GOLD/1", " cgold1 ", "C·GOLD·1"]
)
def test_spelling_does_not_matter(typed: str) -> None:
    assert card(typed) == card("C-GOLD-1")


def test_kind_key_and_value_matter() -> None:
    plate = KEY.hash(Credential(CredentialKind.PLATE, "C-GOLD-1"))
    other_key = CredentialKey(b"j" * 32).hash(Credential(CredentialKind.CARD, "C-GOLD-1"))
    assert len({card("C-GOLD-1"), plate, other_key, card("C-GOLD-2")}) == 4


def test_the_key_id_stands_in_front() -> None:
    hashed = CredentialKey(b"k" * 32, "k2").hash(Credential(CredentialKind.TAG, "T1"))
    assert hashed is not None
    assert hashed.startswith("k2:")


@pytest.mark.parametrize(
    "number",
    [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "４１１１１１１１１１１１１１１１",
        "6225880137060000009",
    ],
)
def test_a_payment_card_is_refused_however_it_is_written(number: str) -> None:
    assert card(number) is None


@pytest.mark.parametrize(
    ("number", "is_card"),
    [
        ("4222222222222", True),  # 13 digits
        ("411111111111", False),  # 12
        ("4111111111111112", False),  # Luhn fails
        ("411111111111111A", False),
        ("00000000000000000000", False),  # 20
        ("0000000000000000000", True),  # 19 zeros pass Luhn
    ],
)
def test_thirteen_to_nineteen_digits_that_pass_luhn(number: str, is_card: bool) -> None:
    assert is_payment_card(number) is is_card


@pytest.mark.parametrize("nothing", ["", " ", "--"])
def test_nothing_is_no_credential(nothing: str) -> None:
    assert card(nothing) is None


def test_neither_key_nor_value_is_in_a_representation() -> None:
    assert "kkk" not in repr(KEY)
    assert "GOLD" not in repr(Credential(CredentialKind.CARD, "C-GOLD-1"))
