"""Unit: do people read what Two-Wire words and blocks say, by whom, with raw digits beside their meaning?"""

from drivers.events import Monotonic
from drivers.gilbarco import DRIVER
from drivers.gilbarco.controller import TappedWire
from drivers.gilbarco.options import GilbarcoOptions
from drivers.gilbarco.simulator import GilbarcoSimulator
from drivers.gilbarco.view import explain
from drivers.views import NOISE, Check, Detail, View
from tests.unit.drivers.gilbarco.gilbarco_bench import sale, totals

OPTIONS = GilbarcoOptions()
PRICE = bytes.fromhex("FFE5F4F6E0F7E0E0E0E1FBEFF0")


def _titles(views: tuple[View, ...]) -> list[tuple[str, str]]:
    return [(view.title, view.sender) for view in views]


def test_a_sale_with_digits_and_meanings() -> None:
    (view,) = explain(sale("071620", "005450", "0761", grade=2, pump=3), OPTIONS)
    assert (view.title, view.sender, view.check) == ("last sale", "device", Check.OK)
    assert view.details == (
        Detail("preset by volume", ""),
        Detail("pump or preset", "2002B"),
        Detail("grade", "2"),
        Detail("price level 1", ""),
        Detail("unit price", "0761", "761 milli a litre"),
        Detail("volume", "071620", "71620 ml"),
        Detail("amount", "005450", "5450 minor units (fen)"),
    )


def test_totals_have_decimals_of_their_own() -> None:
    (view,) = explain(totals("00000100", "02151257"), OPTIONS)
    assert (view.title, view.sender) == ("totals", "device")
    assert [each.meaning for each in view.details if each.name == "volume"] == ["1000 ml", "21512570 ml"]


def test_a_word_means_what_its_turn_says() -> None:
    assert _titles(explain(b"\x01\x61", OPTIONS)) == [("question: state", "host"), ("state: idle", "device")]
    assert _titles(explain(b"\x41\x61", OPTIONS))[1] == ("question: running money", "host")
    assert _titles(explain(b"\x61", OPTIONS)) == [("question: running money, or state: idle", "")]
    assert _titles(explain(b"\x01\x01", OPTIONS))[1] == ("question: state, or state: error", "")
    assert _titles(explain(b"\x01\x02\xb2", OPTIONS))[1:] == [
        ("question: state", "host"),
        ("state: sale complete (FEOT)", "device"),
    ]
    (view,) = explain(b"\x40", OPTIONS)
    assert view.details == (Detail("pump", "0", "pump 16"),)


def test_running_money_stands_behind_its_question() -> None:
    views = explain(b"\x41\x61\xe0\xe5\xe4\xe5\xe0\xe0\x01", OPTIONS)
    assert _titles(views)[2:] == [("running money", "device"), ("question: state", "host")]
    assert views[2].details == (Detail("amount", "005450", "5450 minor units (fen)"),)
    assert _titles(explain(b"\x01\x91\xe0\xe5\xe4\xe5\xe0\xe0", OPTIONS))[2] == (NOISE, "")


def test_what_the_host_says_besides_questions() -> None:
    assert _titles(explain(b"\x21\xd1" + PRICE + b"\x11\x31\xfc", OPTIONS)) == [
        ("a block follows", "host"),
        ("state: send the block", "device"),
        ("set price", "host"),
        ("authorise", "host"),
        ("stop", "host"),
        ("all stop", "host"),
    ]
    (view,) = explain(PRICE, OPTIONS)
    assert Detail("length", "5", "right") in view.details
    assert Detail("unit price", "1000", "1000 milli a litre") in view.details
    (preset,) = explain(bytes.fromhex("FFE6F2F8E0E0E1E0E0FBE5F0"), OPTIONS)
    assert (preset.title, preset.sender) == ("preset by money", "host")
    assert Detail("pump or preset", "00100") in preset.details


def test_damage_and_noise_are_shown_as_such() -> None:
    damaged = bytearray(sale("071620", "005450"))
    damaged[20] ^= 1
    views = explain(bytes(damaged) + b"\xf5\xe1\xff\xe2" + b"\x01", OPTIONS)
    assert [(view.title, view.check) for view in views] == [
        ("damaged block", Check.WRONG),
        (NOISE, Check.NONE),
        ("question: state", Check.NONE),
    ]


def test_what_the_driver_says_of_itself() -> None:
    listening, master = GilbarcoOptions(), GilbarcoOptions(mode="master", pumps=(1, 16))
    assert DRIVER.listens(listening)
    assert not DRIVER.listens(master)
    assert DRIVER.asks("1", listening) == ()
    asks = DRIVER.asks("1", master)
    assert [ask.data.hex() for ask in asks] == ["01", "00", "41", "40", "51", "50"]
    assert [ask.is_totals for ask in asks] == [False] * 4 + [True] * 2
    assert {view.sender for ask in asks for view in DRIVER.explain(ask.data, master)} == {"host"}
    assert [(each.baud, each.parity) for each in DRIVER.wirings] == [(5_787, "even"), (5_760, "even")]


def test_the_demo_can_sell_on_either_side() -> None:
    assert DRIVER.sell is not None
    for mode in ("listen", "master"):
        options = GilbarcoOptions.model_validate({"mode": mode, "pumps": (3, 16)})
        device = DRIVER.open_simulator("1", options)
        DRIVER.sell(device, "", 10_000, 7_770, 7_770, Monotonic(0))
        DRIVER.sell(device, "16/0", 20_000, 15_540, 7_770, Monotonic(0))
        pumps = device.pumps if isinstance(device, TappedWire) else device
        assert isinstance(pumps, GilbarcoSimulator)
        assert [(sold.pump_no, sold.volume_count, sold.amount_count) for sold in pumps.sold()] == [
            (3, 10_000, 7_770),
            (16, 20_000, 15_540),
        ]
