"""unit: are the shipped maps what their sources say, and is a wrong map refused with a clear line?"""

from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.modbus.map_files import load_map, shipped_maps
from drivers.modbus.maps import Block, LastSaleMap, MapRefused, RingMap, parse_map
from drivers.modbus.options import ModbusOptions
from tests.unit.drivers.modbus.modbus_table import options

MAPS = Path(__file__).parents[4] / "drivers" / "modbus" / "maps"


def test_both_maps_are_shipped_and_load() -> None:
    assert shipped_maps() == ("compac-c5000", "ring-buffer")
    assert isinstance(load_map("compac-c5000"), LastSaleMap)
    assert isinstance(load_map("ring-buffer"), RingMap)


def test_the_c5000_map_has_the_addresses_of_the_manual() -> None:
    """devices.md 10, [pub]: 101 price, 102 current, 106 and 109 totals, 124 flag, 125 and 127 last sale."""
    found = load_map("compac-c5000")
    assert isinstance(found, LastSaleMap)
    roles = found.roles
    places = {name: getattr(roles, name).address for name in type(roles).model_fields}
    assert places == {
        "end_of_sale": 124,
        "volume": 125,
        "amount": 127,
        "unit_price": 101,
        "current_volume": 102,
        "total_volume": 106,
        "total_amount": 109,
    }
    assert (found.sale, found.meter) == (Block(address=124, count=8), Block(address=101, count=11))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("count = 8", "count = 2", "volume lies outside the block sale"),
        ("count = 11", "count = 8", "total_amount lies outside the block meter"),
        ("count = 8", "count = 11", "must differ in length"),
        ('type = "u16" }\nvolume', 'type = "float" }\nvolume', "register.end_of_sale.type"),
        ("address_base = 0", "address_base = 2", "address_base"),
        ("function = 3", "function = 16", "function"),
        ("poll_ms = 250", 'poll_ms = "250"', "poll_ms"),
        ("poll_ms = 250", "pol_ms = 250", "pol_ms: Extra inputs"),
        ('kind = "last_sale"', 'kind = "spiral"', "spiral"),
        ("function = 3", "function =", "not TOML"),
    ],
)
def test_a_wrong_map_is_refused_by_name_and_key(old: str, new: str, said: str) -> None:
    text = (MAPS / "compac-c5000.toml").read_text("utf-8")
    assert old in text
    with pytest.raises(MapRefused) as refusal:
        parse_map("site.toml", text.replace(old, new, 1))
    assert said in str(refusal.value)
    assert str(refusal.value).startswith("site.toml: ")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("records = 16", "records = 15", "records must divide"),
        ("record_count = 12", "record_count = 11", "sequence_again lies outside the block record"),
        ('newest = { address = 0, type = "u16" }', 'newest = { address = 2, type = "u32" }', "one width"),
        ("ring_address = 100", "ring_address = 65500", "lies outside the addresses"),
        ("address_base = 0", "address_base = 1", "lies outside the addresses"),
    ],
)
def test_a_wrong_ring_is_refused(old: str, new: str, said: str) -> None:
    text = (MAPS / "ring-buffer.toml").read_text("utf-8")
    assert old in text
    with pytest.raises(MapRefused, match=said):
        parse_map("site.toml", text.replace(old, new, 1))


def test_a_site_uses_its_own_file(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text((MAPS / "ring-buffer.toml").read_text("utf-8").replace("records = 16", "records = 64"))
    found = options(str(site)).register_map()
    assert isinstance(found, RingMap)
    assert found.records == 64


def test_options_refuse_a_map_that_does_not_exist() -> None:
    with pytest.raises(ValidationError, match=r"no map named 'compac'.*compac-c5000, ring-buffer"):
        options("compac")
    with pytest.raises(ValidationError, match="cannot be read"):
        options("/nowhere/site.toml")


def test_options_override_word_order_poll_and_decimals() -> None:
    chosen = options(
        "compac-c5000",
        word_order="low_first",
        poll_ms=500,
        volume_decimals=2,
        amount_decimals=1,
        price_decimals=3,
        total_decimals=0,
        total_amount_decimals=1,
    )
    found = chosen.register_map()
    assert isinstance(found, LastSaleMap)
    roles = found.roles
    assert (found.word_order, found.poll_ms) == ("low_first", 500)
    assert (roles.volume.decimals, roles.current_volume.decimals, roles.amount.decimals) == (2, 2, 1)
    assert roles.total_amount is not None
    assert (roles.unit_price.decimals, roles.total_volume.decimals, roles.total_amount.decimals) == (3, 0, 1)


def test_options_are_strict() -> None:
    for wrong in ({"baud": "9600"}, {"transport": "ascii"}, {"unit": 1}, {"answer_ms": 1_001}):
        with pytest.raises(ValidationError):
            ModbusOptions.model_validate({"map": "compac-c5000", "transport": "rtu", **wrong})
