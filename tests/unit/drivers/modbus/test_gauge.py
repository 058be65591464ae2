"""unit: does a tank gauge's map give readings as its source describes them, at their pace, and only reads?"""

import pytest
from pydantic import ValidationError

from drivers.events import TankRead
from drivers.modbus.gauge import in_ours, tank_read
from drivers.modbus.map_files import load_map
from drivers.modbus.maps import GaugeMap, MapRefused, parse_map
from tests.unit.drivers.modbus.modbus_table import Table, options
from tests.unit.drivers.modbus.test_maps import MAPS


def gauge(name: str) -> GaugeMap:
    found = load_map(name)
    assert isinstance(found, GaugeMap)
    return found


def reads(stage: Table) -> list[TankRead]:
    return [event for event in stage.events if isinstance(event, TankRead)]


def test_a_pneumercator_tank_by_hand() -> None:
    """devices.md 10: status, height, gross, net, percent, temperature, water, ullage, two registers each."""
    words = [0, 0, 0, 1_512, 0, 0x4E20, 0, 19_800, 0, 640, 0xFFFF, 0xFF9C, 0, 12, 0, 11_000]
    assert tank_read("5", 3, words, gauge("pneumercator-tms")) == TankRead(
        address="5",
        tank="3",
        product="",
        raw_volume="20000",
        volume_ml=20_000_000,
        tc_volume_ml=19_800_000,
        ullage_ml=11_000_000,
        height_um=1_512_000,
        water_um=12_000,
        temperature_mc=-10_000,
    )


def test_a_cas_2700_tank_by_hand() -> None:
    words = [3, 1, 12_000, 11_900, 8_000, 1_210, 7, 0xFFFE, 30, *[0] * 4, 1, *[0] * 26, 5]
    assert tank_read("1", 1, words, gauge("cas-2700")) == TankRead(
        address="1",
        tank="1",
        product="3",
        raw_volume="12000",
        volume_ml=12_000_000,
        tc_volume_ml=11_900_000,
        ullage_ml=8_000_000,
        height_um=1_210_000,
        water_um=7_000,
        temperature_mc=-2_000,
        alarms=("ALARM_5", "ALARM_32"),
    )


def test_a_volume_below_zero_is_no_reading() -> None:
    assert tank_read("1", 1, [*[0] * 4, 0xFFFF, 0xFFFF, *[0] * 10], gauge("pneumercator-tms")) is None


@pytest.mark.parametrize(
    ("count", "decimals", "unit", "ours"),
    [
        (1_000, 0, "us_gal", 3_785_412),
        (595, 1, "in", 1_511_300),
        (595, 1, "f", 15_278),
        (32, 0, "f", 0),
        (-40, 0, "f", -40_000),
        (-5, 1, "c", -500),
    ],
)
def test_units_of_other_countries(count: int, decimals: int, unit: str, ours: int) -> None:
    assert in_ours(count, decimals, unit) == ours


def test_twelve_tanks_take_two_questions_of_different_length() -> None:
    stage = Table(options("pneumercator-tms"))
    stage.device.tanks = {tank: {"volume": 1_000 * tank} for tank in range(1, 13)}
    stage.run(3_000)
    assert [(read.tank, read.volume_ml) for read in reads(stage)] == [
        (str(tank), 1_000_000 * tank) for tank in range(1, 13)
    ]
    assert [tuple(frame[1:6]) for _, frame in stage.asked[:2]] == [(3, 0, 1, 0, 112), (3, 0, 113, 0, 80)]


def test_the_site_says_how_many_tanks_there_are() -> None:
    stage = Table(options("pneumercator-tms", tanks=2))
    stage.run(3_000)
    assert {read.tank for read in reads(stage)} == {"1", "2"}
    assert {tuple(frame[1:6]) for _, frame in stage.asked} == {(3, 0, 1, 0, 32)}
    for name, tanks in (("pneumercator-tms", 13), ("cas-2700", 2), ("ring-buffer", 1)):
        with pytest.raises(ValidationError, match=f"has no {tanks} tanks"):
            options(name, tanks=tanks)


def test_a_reading_now_and_then_and_at_once_when_an_alarm_comes_or_goes() -> None:
    stage = Table(options("cas-2700"))
    stage.run(29_000)
    assert len(reads(stage)) == 1
    stage.run(10_000)
    assert len(reads(stage)) == 2
    stage.device.alarms = {40_012}
    stage.run(3_000)
    assert reads(stage)[2].alarms == ("ALARM_3",)
    stage.device.alarms = set()
    stage.run(3_000)
    assert reads(stage)[3].alarms == ()


def test_a_tank_is_told_of_at_once_when_its_gauge_comes_back() -> None:
    stage = Table(options("cas-2700"))
    stage.run(3_000)
    stage.is_cut = True
    stage.run(8_000)
    stage.is_cut = False
    stage.run(3_000)
    assert len(reads(stage)) == 2


def test_what_is_sold_is_missing_in_the_tank() -> None:
    stage = Table(options("cas-2700"))
    stage.device.sell(30_000, 0, 0, stage.now)
    stage.run(3_000)
    assert reads(stage)[0].volume_ml == 19_970_000


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tank_stride = 16", "tank_stride = 15", "would overlap"),
        ("tanks = 12", "tanks = 14", "must differ in length"),
        ("tanks = 12", "tanks = 40", "two questions"),
        ("ullage = { address = 14", "ullage = { address = 15", "ullage lies outside the block tank"),
        ("tank_address = 40002", "tank_address = 40000", "lies outside the addresses"),
        ('volume_unit = "l"', 'volume_unit = "pint"', "volume_unit"),
        ("[register]", "[alarms]\naddress = 15\ncount = 2\n[register]", "alarms lie outside"),
    ],
)
def test_a_wrong_gauge_is_refused(old: str, new: str, said: str) -> None:
    text = (MAPS / "pneumercator-tms.toml").read_text("utf-8")
    assert f"\n{old}" in text
    with pytest.raises(MapRefused, match=said):
        parse_map("site.toml", text.replace(f"\n{old}", f"\n{new}", 1))
