"""Unit: do people see what a UniPump frame says, raw and scaled, and whether its check value holds?"""

import pytest

from drivers.unipump import DRIVER, codec
from drivers.unipump.options import UnipumpOptions
from drivers.views import NOISE, Check, View

OPTIONS = UnipumpOptions()


def _view(data: bytes, point: int = 1) -> View:
    (view,) = DRIVER.explain(codec.encode(point, data), OPTIONS)
    return view


def _shown(view: View) -> dict[str, tuple[str, str]]:
    return {detail.name: (detail.raw, detail.meaning) for detail in view.details}


def test_a_finished_transaction_shows_digits_and_units() -> None:
    view = _view(b"T072" + b"00003012" + b"0777" + b"00023403", point=3)
    assert (view.title, view.sender, view.check) == ("finished transaction", "device", Check.OK)
    assert _shown(view) == {
        "address": ("33", "point or probe 3"),
        "transaction": ("07", ""),
        "nozzle": ("2", ""),
        "volume": ("00003012", "30120 ml"),
        "unit price": ("0777", "7770 milli a litre"),
        "amount": ("00023403", "23403 fen"),
    }


def test_options_scale() -> None:
    options = UnipumpOptions(volume_decimals=3, price_decimals=3)
    (view,) = DRIVER.explain(codec.encode(1, b"T072" + b"00003012" + b"0777" + b"00023403"), options)
    assert _shown(view)["volume"] == ("00003012", "3012 ml")
    assert _shown(view)["unit price"] == ("0777", "777 milli a litre")


@pytest.mark.parametrize(
    ("data", "title", "sender"),
    [
        (b"S", "ask state", "host"),
        (b"S110", "state, locked to us", "device"),
        (b"U110", "state, not locked to us", "device"),
        (b"U", "unlock", "host"),
        (b"T1", "ask totals", "host"),
        (b"C07", "close transaction", "host"),
        (b"C071" + b"0" * 20, "totals", "device"),
        (b"A01100000100", "fuel flows", "device"),
        (b"A1L00001000" + b"1234", "authorise", "host"),
        (b"EA1;L;1000;1234;", "authorise, extended", "host"),
        (b"ET7;1;1000;777;7770", "finished transaction, extended", "device"),
        (b"EC7;1;12345;6789;", "totals, extended", "device"),
        (b"EP1;2;3;4;5;6", "prices, extended", "device"),
        (b"P" + b"0777" * 6, "prices", "device"),
        (b"p" + b"0777" * 6, "set prices", "host"),
        (b"H", "halt", "host"),
        (b"Q?", "unknown", ""),
    ],
)
def test_a_letter_means_what_its_direction_says(data: bytes, title: str, sender: str) -> None:
    view = _view(data)
    assert (view.title, view.sender, view.check) == (title, sender, Check.OK)


def test_a_state_is_told_in_words() -> None:
    assert _shown(_view(b"S260"))["state"] == ("6", "transaction completed")


def test_an_extended_transaction_with_an_empty_field_is_shown() -> None:
    shown = _shown(_view(b"ET7;1;1000;;7770"))
    assert shown["volume"] == ("1000", "10000 ml")
    assert shown["unit price"] == ("", "")


def test_a_tank_measurement_shows_what_the_probe_measures() -> None:
    data = b"X\xe0\x80" + b"012345" + b"00123" + b"-105" + b"000000" + b"00000" + b"000000" * 2 + b"0000"
    shown = _shown(_view(data + b"0000042"))
    assert shown["product height"] == ("012345", "1234.5 mm")
    assert shown["water height"] == ("00123", "12.3 mm")
    assert shown["temperature"] == ("-105", "-10.5 degrees Celsius")
    assert shown["product volume"] == ("000000", "not measured")
    assert shown["mass"] == ("0000042", "4.2 kg")
    assert shown["present"] == ("E0", "product height, water height, temperature")
    assert _view(data).title == "tank measurement", "older firmware gives no mass"


def test_damage_and_noise_are_kept() -> None:
    good = codec.encode(1, b"S")
    damaged = good[:3] + b"T" + good[4:]
    views = DRIVER.explain(b"ab" + good + damaged + b"\x10\x02half", OPTIONS)
    assert [(view.title, view.check) for view in views] == [
        (NOISE, Check.NONE),
        ("ask state", Check.OK),
        ("damaged frame", Check.WRONG),
        (NOISE, Check.NONE),
    ]
    assert b"".join(view.data for view in views) == b"ab" + good + damaged + b"\x10\x02half"


def test_the_questions_for_a_scan_change_nothing() -> None:
    asks = DRIVER.asks("1", UnipumpOptions(point_count=2))
    titles = [DRIVER.explain(ask.data, OPTIONS)[0].title for ask in asks]
    assert titles == ["ask state", "ask state", "ask totals", "ask totals"]
    assert [ask.is_totals for ask in asks] == [False, False, True, True]
