"""Unit: are ids derived from the fact alone, unambiguously, and the same for ever?"""

from collections.abc import Callable
from hashlib import sha256

import pytest

from agent.messages import ids


def fuelling_id(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "station": "station-0042",
        "device_key": "cbc",
        "nozzle": "08",
        "device_epoch": 1,
        "sequence_no": 7,
        "totalizer_after": "105000",
        "volume": "5000",
        "amount": "39250",
        "unit_price": "7850",
    }
    return ids.fuelling_id(**(fields | changes))  # type: ignore[arg-type]


def gap_id(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "station": "station-0042",
        "device_key": "cbc",
        "nozzle": "08",
        "device_epoch": 1,
        "before_ml": 1_000_000,
        "after_ml": 1_012_340,
    }
    return ids.gap_id(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "fixed"),
    [
        (fuelling_id, "0e621acef9f2387d59b5812d150ea808"),
        (lambda: fuelling_id(sequence_no=None), "704616c9a0e029c100916557d988e69e"),
        (lambda: fuelling_id(station="加油站-7", totalizer_after=""), "acf61641a5b5a9ea01b05e66616960dd"),
        (lambda: ids.basket_id("station-0042", "till-1", "R-1"), "73d927119593bd3121238078b518c846"),
        (lambda: ids.award_id("demo-cn", bytes(range(16))), "319b2af643ea835b0374a486d25fe85a"),
        (gap_id, "867697fb6c5b4ec4af9e38dfe9070bfd"),
    ],
)
def test_ids_never_change(made: Callable[[], bytes], fixed: str) -> None:
    """Stored and sent by every station since the first release: another value is another fact."""
    assert made().hex() == fixed


def test_an_id_is_the_hash_that_the_decision_describes() -> None:
    """The kind's byte, then every field after two bytes of its length, in the stated order."""
    fields = ("station-0042", "cbc", "08", "1", "7", "105000", "5000", "39250", "7850")
    written = b"\x00" + b"".join(len(f.encode()).to_bytes(2, "big") + f.encode() for f in fields)
    assert fuelling_id() == sha256(written).digest()[:16]


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("station", "station-0043"),
        ("device_key", "cbc2"),
        ("nozzle", "09"),
        ("device_epoch", 2),
        ("sequence_no", 8),
        ("sequence_no", None),
        ("totalizer_after", "105001"),
        ("volume", "5001"),
        ("amount", "39251"),
        ("unit_price", "7851"),
    ],
)
def test_every_field_counts(name: str, other: object) -> None:
    assert fuelling_id(**{name: other}) != fuelling_id()


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("station", "station-0043"),
        ("device_key", "cbc2"),
        ("nozzle", "09"),
        ("device_epoch", 2),
        ("before_ml", 1_000_010),
        ("after_ml", 1_012_350),
    ],
)
def test_every_field_of_a_gap_counts(name: str, other: object) -> None:
    assert gap_id(**{name: other}) != gap_id()


def test_digits_cannot_wander_from_one_field_into_the_next() -> None:
    """Without length prefixes these lists of fields would be one and the same text."""
    assert fuelling_id(volume="50", amount="00") != fuelling_id(volume="500", amount="0")
    assert fuelling_id(device_key="cbc0", nozzle="8") != fuelling_id(device_key="cbc", nozzle="08")
    assert ids.basket_id("s", "ab", "c") != ids.basket_id("s", "a", "bc")
    assert ids.basket_id("s", "", "c") != ids.basket_id("s", "c", "")


def test_leading_zeros_are_digits_too() -> None:
    """Raw digits, as given: a device that shows 00500 is not the one that shows 500."""
    assert fuelling_id(volume="00500") != fuelling_id(volume="500")


def test_kinds_are_separate_worlds() -> None:
    assert ids.basket_id("a", "b", "c") != ids._hash(b"\x00", ("a", "b", "c"))


def test_text_form_round_trips() -> None:
    identity = bytes(range(240, 256))
    assert ids.text(identity) == "8PHy8_T19vf4-fr7_P3-_w"
    assert ids.from_text(ids.text(identity)) == identity


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "abc",
        "8PHy8_T19vf4-fr7_P3-_x",
        "8PHy8_T19vf4-fr7_P3-_w==",
        "8PHy8_T19vf4-fr7_P3-_w\n",
        "加" * 22,
        "!" * 22,
    ],
)
def test_what_is_no_id_is_none(wrong: str) -> None:
    assert ids.from_text(wrong) is None
