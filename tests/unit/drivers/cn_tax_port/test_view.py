"""Unit: do people see what a tax-port frame says, raw and scaled, and whether its check value holds?"""

import pytest

from drivers.cn_tax_port import DRIVER, codec
from drivers.cn_tax_port.codec import Command
from drivers.cn_tax_port.options import TaxPortOptions
from drivers.views import NOISE, Check, View

OPTIONS = TaxPortOptions()
LATEST = b"\x01" + b"311259" + b"003000" + b"023310" + b"0777"


def _view(command: int, body: bytes) -> View:
    (view,) = DRIVER.explain(codec.encode(command, body), OPTIONS)
    return view


def _shown(view: View) -> dict[str, tuple[str, str]]:
    return {detail.name: (detail.raw, detail.meaning) for detail in view.details}


def test_the_latest_sale_shows_digits_and_units() -> None:
    view = _view(Command.LATEST, LATEST)
    assert (view.title, view.sender, view.check) == ("latest sale", "device", Check.OK)
    assert _shown(view) == {
        "status": ("01", "1"),
        "day": ("31", ""),
        "hour": ("12", ""),
        "minute": ("59", ""),
        "volume": ("003000", "30000 ml"),
        "amount": ("023310", "23310 minor units (fen)"),
        "unit price": ("0777", "7770 milli a litre"),
    }


def test_options_scale() -> None:
    options = TaxPortOptions(volume_decimals=3, totalizer_decimals=1)
    (view,) = DRIVER.explain(codec.encode(Command.LATEST, LATEST), options)
    assert _shown(view)["volume"] == ("003000", "3000 ml")
    (view,) = DRIVER.explain(codec.encode(Command.GRAND, b"\x01" + b"000000103000" * 2), options)
    assert _shown(view)["total volume"] == ("000000103000", "10300000 ml")


@pytest.mark.parametrize(
    ("command", "body", "title", "sender"),
    [
        (Command.TAX, b"\x01", "ask tax record", "host"),
        (Command.TAX, b"\x00" + b"0" * 10, "tax record of a port without tax set-up", "device"),
        (Command.TAX, b"\x01" + b"0" * 31, "tax record", "device"),
        (Command.TAX, b"0" * 17, "tax record, second part", "device"),
        (Command.TAX, b"0" * 19, "tax record, second part", "device"),
        (Command.LATEST, b"\x01\x01", "ask latest sale", "host"),
        (Command.LATEST, LATEST + b"\x00\x00", "latest sale", "device"),
        (Command.LATEST, b"\x00", "nothing to tell", "device"),
        (Command.DAY, b"\x0120250131\x01", "ask day total", "host"),
        (Command.DAY, b"\x0120250131" + b"0" * 20, "day total", "device"),
        (Command.MONTH, b"\x01202501\x01", "ask month total", "host"),
        (Command.MONTH, b"\x01202501" + b"0" * 20, "month total", "device"),
        (Command.GRAND, b"\x01\x00\x01", "ask grand total", "host"),
        (Command.GRAND, b"\x01" + b"0" * 24, "grand total", "device"),
        (Command.GRAND, b"12345", "unknown", ""),
        (0x42, b"\x01", "unknown", ""),
    ],
)
def test_a_frame_is_what_command_and_length_say(command: int, body: bytes, title: str, sender: str) -> None:
    view = _view(command, body)
    assert (view.title, view.sender, view.check) == (title, sender, Check.OK)


def test_damage_and_noise_are_kept() -> None:
    good = codec.encode(Command.LATEST, LATEST)
    damaged = good[:8] + b"9" + good[9:]
    data = b"ab" + good + damaged + b"\xbb\x00" + codec.ask_latest(1) + good[:9]
    views = DRIVER.explain(data, OPTIONS)
    assert [(view.title, view.check) for view in views] == [
        (NOISE, Check.NONE),
        ("latest sale", Check.OK),
        ("damaged frame", Check.WRONG),
        (NOISE, Check.NONE),
        ("ask latest sale", Check.OK),
        (NOISE, Check.NONE),
    ]
    assert b"".join(view.data for view in views) == data


def test_the_questions_for_a_scan_only_read() -> None:
    asks = DRIVER.asks("1", TaxPortOptions(guns=(1, 2)))
    titles = [DRIVER.explain(ask.data, OPTIONS)[0].title for ask in asks]
    assert titles == [
        "ask latest sale",
        "ask latest sale",
        "ask tax record",
        "ask grand total",
        "ask grand total",
    ]
    assert [ask.is_totals for ask in asks] == [False, False, False, True, True]
