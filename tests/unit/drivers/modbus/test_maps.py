"""unit: are the shipped maps what their sources say, and is a wrong map refused with a clear line?"""

import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from drivers.modbus.map_files import load_map, shipped_maps
from drivers.modbus.map_parts import Block
from drivers.modbus.maps import (
    CounterMap,
    GaugeMap,
    LastSaleMap,
    LastSaleRegisters,
    MapRefused,
    RingMap,
    parse_map,
)
from drivers.modbus.options import ModbusOptions
from drivers.modbus.registers import WordOrder
from tests.unit.drivers.modbus.modbus_table import Table, as_sale, options

MAPS = Path(__file__).parents[4] / "drivers" / "modbus" / "maps"


KINDS = {
    "blank": LastSaleMap,
    "cas-2700": GaugeMap,
    "compac-c5000": LastSaleMap,
    "pneumercator-tms": GaugeMap,
    "pulse-counter": CounterMap,
    "ring-buffer": RingMap,
}


def test_all_maps_are_shipped_and_load() -> None:
    assert {name: type(load_map(name)) for name in shipped_maps()} == KINDS


def test_the_blank_explains_every_key_that_it_has_and_works_as_it_stands(tmp_path: Path) -> None:
    """A comment stands right above every line, or above the lines that it explains together."""
    text = (MAPS / "blank.toml").read_text("utf-8")
    unexplained, block = [], []
    for line in [*text.splitlines(), ""]:
        block = [*block, line] if line else []
        if line and not line.startswith("#") and not any(each.startswith("#") for each in block):
            unexplained.append(line)
    assert unexplained == []
    keys = set(tomllib.loads(text)) - {"register"}
    assert keys | {"roles"} == set(LastSaleMap.model_fields)
    assert set(tomllib.loads(text)["register"]) == set(LastSaleRegisters.model_fields)
    copy = tmp_path / "site.toml"
    copy.write_text(text, "utf-8")
    stage = Table(options(str(copy)))
    stage.run(2_000)
    stage.device.sell(30_120, 23_405, 7_770, stage.now, 2_000)
    stage.run(5_000)
    assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth
    assert stage.fuellings()[0].totalizer_modulus_ml == 1_000_000_000


def test_floats_may_be_litres_and_money_but_no_total() -> None:
    text = (MAPS / "blank.toml").read_text("utf-8")
    floats = text.replace('11, type = "u32"', '11, type = "f32"').replace(
        '13, type = "u32"', '13, type = "f32"'
    )
    with pytest.raises(MapRefused, match=r"total_volume: a total is u16, u32, bcd8 or bcd12"):
        parse_map("site.toml", text.replace('23, type = "u32"', '23, type = "f32"'))
    found = parse_map("site.toml", floats)
    assert isinstance(found, LastSaleMap)
    assert found.roles.volume.type == "f32"


def test_litres_and_money_as_floats_are_sold(tmp_path: Path) -> None:
    text = (MAPS / "blank.toml").read_text("utf-8")
    site = tmp_path / "floats.toml"
    for at in (11, 13, 21):
        assert f'{at}, type = "u32"' in text
        text = text.replace(f'{at}, type = "u32"', f'{at}, type = "f32"')
    site.write_text(text, "utf-8")
    for order in WordOrder:
        stage = Table(options(str(site), word_order=order.value))
        stage.run(2_000)
        stage.device.sell(30_120, 23_405, 7_770, stage.now, 2_000)
        stage.run(5_000)
        assert [as_sale(fuelling) for fuelling in stage.fuellings()] == stage.device.truth
        assert stage.fuellings()[0].raw.volume == "41F0F5C3"


@pytest.mark.parametrize("name", KINDS)
def test_every_map_says_its_source_and_how_far_it_is_to_be_trusted(name: str) -> None:
    found = load_map(name)
    assert found.source
    assert any(label in found.trust for label in ("[cap]", "[pub]", "[cmp]", "[one]", "[?]"))


def test_the_counter_and_the_gauges_have_the_addresses_of_their_sources() -> None:
    """devices.md 10: 10 and 11; (N - 1) x 16 + 40002 with these offsets; 40001 to 40009, then alarms."""
    counter, tanks, gateway = map(load_map, ("pulse-counter", "pneumercator-tms", "cas-2700"))
    assert isinstance(counter, CounterMap)
    assert (counter.roles.pulses.address, counter.roles.pulses.type) == (10, "u32")
    assert isinstance(tanks, GaugeMap)
    assert [tanks.on_wire(tanks.first_of(tank)) for tank in (1, 2, 12)] == [1, 17, 177]
    tank = {name: role.address for name, role in tanks.roles if role is not None}
    assert [tank[name] for name in ("height", "volume", "tc_volume")] == [2, 4, 6]
    assert [tank[name] for name in ("temperature", "water", "ullage")] == [10, 12, 14]
    assert isinstance(gateway, GaugeMap)
    printed = {name: gateway.first_of(1) + role.address for name, role in gateway.roles if role is not None}
    names = ("product", "volume", "tc_volume", "ullage", "height", "water", "temperature")
    assert [printed[name] for name in names] == [40_001, *range(40_003, 40_009)]
    assert gateway.alarms == Block(address=9, count=32)


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
    with pytest.raises(ValidationError, match=r"no map named 'compac'.*compac-c5000, pneumercator-tms"):
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


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("ring-buffer", "total_amount_decimals", "the map has no total_amount"),
        ("pneumercator-tms", "volume_decimals", "stand in its map"),
        ("pulse-counter", "total_decimals", "stand in its map"),
    ],
)
def test_decimals_that_would_change_nothing_are_refused(name: str, given: str, said: str) -> None:
    counted = {"pulses_per_litre_milli": 100_000} if name == "pulse-counter" else {}
    with pytest.raises(ValidationError, match=said):
        options(name, **{given: 1}, **counted)


def test_decimals_of_pulses_are_refused() -> None:
    text = (MAPS / "pulse-counter.toml").read_text("utf-8")
    with pytest.raises(MapRefused, match="pulses: whole ones are counted"):
        parse_map("site.toml", text.replace('type = "u32" }', 'type = "u32", decimals = 1 }'))


def test_a_total_that_would_wrap_beyond_its_registers_is_refused() -> None:
    text = (MAPS / "compac-c5000.toml").read_text("utf-8")
    with pytest.raises(MapRefused, match="wraps_at is more than u16 holds"):
        parse_map("site.toml", text.replace('101, type = "u16"', '101, type = "u16", wraps_at = 65537'))


def test_options_are_strict() -> None:
    for wrong in ({"baud": "9600"}, {"transport": "ascii"}, {"unit": 1}, {"answer_ms": 1_001}):
        with pytest.raises(ValidationError):
            ModbusOptions.model_validate({"map": "compac-c5000", "transport": "rtu", **wrong})
