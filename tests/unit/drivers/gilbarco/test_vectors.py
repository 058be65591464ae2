"""Unit: does every published or logged Two-Wire frame decode to what its source says?"""

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.gilbarco import codec, reading, words
from drivers.gilbarco.codec import Block, Command, Reader, State, Word
from drivers.gilbarco.options import GilbarcoOptions
from drivers.gilbarco.simulator import block

FILE = Path(__file__).parents[3] / "vectors" / "vectors.json"
VECTORS = {
    vector["id"]: vector
    for vector in json.loads(FILE.read_text(encoding="utf-8"))["vectors"]
    if vector["protocol"] == "gilbarco-two-wire"
}
LOGGED_TOTALS = bytes.fromhex(
    "FF F6E0 F9E7E5E2E1E5E1E2E0 FAE3E8E0E4E3E4E2E0 F4E0E4E4E1 F5E0E0E0E0"
    "F6E1 F9E0E0E0E0E0E0E0E0 FAE0E0E0E0E0E0E0E0 F4E0E0E0E0 F5E0E0E0E0"
    "F6E2 F9E0E0E0E0E0E0E0E0 FAE0E0E0E0E0E0E0E0 F4E0E0E0E0 F5E0E0E0E0 FBE5F0"
)
"""An answer to 51, logged by the project that the vectors are from."""
LOGGED_SALE = bytes.fromhex("FFF1F8EBE1E0E0E2F6E2F4F7E0E7E0E1F9E0E6E3E3E2E0FAE0E0E0E5E2E0FBECF0")
"""From another open project."""
LOGGED_DAMAGE = bytes.fromhex("FFF1F8EBE3E0E0E2F6E0F4F7E0E5E1E8F9E0E7E2E1E0FAE0E0E0E0E1FBEEF0")
"""From the same: two digits are lost, and the LRC is wrong."""


def _heard(data: bytes) -> Word | Block:
    (heard,) = Reader().feed(data)
    return heard


def _decoded(vector: dict[str, Any]) -> dict[str, Any]:
    heard = _heard(bytes.fromhex(vector["hex"]))
    if isinstance(heard, Word):
        if vector["direction"] == "to-device":
            return {"cmd": int(Command(heard.high)), "pump": heard.pump}
        return {"state": f"{State(heard.high):X}", "pump": heard.pump}
    if (sale := words.sale(heard.data)) is not None:
        assert (len(sale.volume), len(sale.amount)) == (6, 6)
        return {
            "ppu_digits": sale.price,
            "volume_digits": sale.volume,
            "money_digits": sale.amount,
            "grade": int(sale.grade),
        }
    found = {field.marker_code: field for field in words.fields(heard.data)}
    assert words.has_right_length(heard.data)
    assert words.PRICE_LEVEL_1 in found
    return {
        "ppu_digits": found[words.PRICE].digits,
        "grade": int(found[words.GRADE].digits or ""),
        "level": 1,
    }


@pytest.mark.parametrize("name", VECTORS)
def test_a_published_frame_decodes(name: str) -> None:
    told = {key: value for key, value in VECTORS[name]["decoded"].items() if key != "note"}
    assert _decoded(VECTORS[name]) == told


def test_all_five_are_here_and_our_questions_are_among_them() -> None:
    assert len(VECTORS) == 5
    assert codec.question(Command.STATE, 1).hex() == VECTORS["gilbarco-status-req-pump1"]["hex"]
    assert codec.question(Command.SALE, 1).hex() == VECTORS["gilbarco-transaction-req-pump1"]["hex"]
    assert codec.question(Command.TOTALS, 16) == b"\x50"


def test_the_simulators_blocks_are_written_the_same() -> None:
    for data in (LOGGED_TOTALS, LOGGED_SALE, bytes.fromhex(VECTORS["gilbarco-set-price-1000"]["hex"])):
        assert block(data[1:-3]) == data


def test_logged_totals_and_sales_decode() -> None:
    assert words.totals(LOGGED_TOTALS) == (
        words.GradeTotals("0", "02151257", "02434083"),
        words.GradeTotals("1", "00000000", "00000000"),
        words.GradeTotals("2", "00000000", "00000000"),
    )
    assert words.sale(LOGGED_TOTALS) is None
    assert words.sale(LOGGED_SALE) == words.Sale("2", "023360", "025000", "1070")
    assert words.totals(LOGGED_SALE) == ()


def test_a_logged_frame_with_two_lost_digits_is_not_believed() -> None:
    reader = Reader()
    assert list(reader.feed(LOGGED_DAMAGE)) == []
    assert reader.bad_blocks == 1
    mended = LOGGED_DAMAGE[:-2] + b"\xe0\xf0"
    assert codec.is_whole(mended)
    assert words.sale(mended) is None


@pytest.mark.parametrize(
    ("frame", "decimals", "expected"),
    [
        (bytes.fromhex(VECTORS["gilbarco-transaction"]["hex"]), {}, (71_620, 5_450, 761)),
        (LOGGED_SALE, {"amount_decimals": 3}, (23_360, 2_500, 1_070)),
    ],
)
def test_both_scales_that_were_seen(
    frame: bytes, decimals: dict[str, int], expected: tuple[int, int, int]
) -> None:
    options = GilbarcoOptions.model_validate(decimals)
    sale = words.sale(frame)
    assert sale is not None
    meter = reading.Meter("00007162", 71_620, None, 10**9)
    fuelling = reading.as_fuelling(sale, 16, meter, None, (), "1", options)
    assert (fuelling.volume_ml, fuelling.amount_fen, fuelling.unit_price_milli) == expected
    assert fuelling.raw.volume == sale.volume
    assert fuelling.nozzle == f"16/{sale.grade}"
    assert fuelling.flags == ()


def test_a_fraction_of_the_minor_unit_is_flagged() -> None:
    sale, meter = words.Sale("0", "010000", "007505", "0750"), reading.Meter("", None, None, None)
    fuelling = reading.as_fuelling(sale, 1, meter, None, (), "1", GilbarcoOptions(amount_decimals=3))
    assert (fuelling.amount_fen, fuelling.flags) == (751, ("AMOUNT_BELOW_MINOR",))


def test_arithmetic_tells_a_wrong_scale() -> None:
    sale = words.sale(bytes.fromhex(VECTORS["gilbarco-transaction"]["hex"]))
    assert sale is not None
    assert reading.price_fits(sale, GilbarcoOptions())
    assert not reading.price_fits(sale, GilbarcoOptions(price_decimals=2))


def test_wide_sales_and_totals_of_twelve_digits() -> None:
    volume, amount, price = (bytes((0xE1,)) * 8, bytes((0xE2,)) * 8, bytes((0xE3,)) * 6)
    wide = block(b"\xf6\xe0\xf4\xf7" + price + b"\xf9" + volume + b"\xfa" + amount)
    assert words.sale(wide) == words.Sale("0", "1" * 8, "2" * 8, "3" * 6)
    mixed = block(b"\xf6\xe0\xf4\xf7" + price + b"\xf9" + volume[:6] + b"\xfa" + amount)
    assert words.sale(mixed) is None
    twelve = block(
        b"\xf6\xe1\xf9" + b"\xe4" * 12 + b"\xfa" + b"\xe5" * 12 + b"\xf4" + price + b"\xf5" + price
    )
    assert len(twelve) == 42 + 4
    assert words.totals(twelve) == (words.GradeTotals("1", "4" * 12, "5" * 12),)
