"""Unit: do people see what AZT 2.0 frames say, raw and scaled, whose they are and whether they are whole?"""

import pytest

from drivers.azt2 import DRIVER, codec
from drivers.azt2.codec import Short
from drivers.azt2.options import AztOptions
from drivers.azt2.words import Command
from drivers.views import NOISE, Check, View
from tests.unit.drivers.azt2.azt_bench import answer

OPTIONS = AztOptions()


def _shown(view: View) -> dict[str, tuple[str, str]]:
    return {detail.name: (detail.raw, detail.meaning) for detail in view.details}


def test_a_sale_shows_digits_and_units_and_whose_it_is() -> None:
    question, reply = DRIVER.explain(codec.ask(17, Command.SALE) + answer("0300001500005000"), OPTIONS)
    assert (question.title, question.sender, question.check) == (
        "question or command: sale",
        "host",
        Check.OK,
    )
    assert _shown(question) == {"channel": ("07 22", "17"), "command": ("35", "sale")}
    assert (reply.title, reply.sender, reply.check) == ("sale", "device", Check.OK)
    assert _shown(reply) == {
        "channel": ("", "17, as was asked"),
        "volume": ("03000", "30000 ml"),
        "amount": ("0150000", "150000 minor units (fen)"),
        "unit price": ("5000", "50000 milli a litre"),
    }


@pytest.mark.parametrize(
    ("reply", "title", "shown"),
    [
        ("41", "state", ("reason", ("1", "more than preset, or not authorised"))),
        ("4?:", "state", ("flags", ("A", ""))),
        ("401", "state", ("flags", ("1", "the pump has an error"))),
        ("0300001500005000", "sale", ("volume", ("03000", "30000 ml"))),
        ("00001030000000000001", "totals", ("total volume", ("0000103000", "1030000 ml"))),
        ("001234", "running volume", ("volume so far", ("001234", "12340 ml"))),
        ("00000200", "reply", ("data", ("00000200", ""))),
    ],
)
def test_a_reply_alone_is_what_its_length_says(
    reply: str, title: str, shown: tuple[str, tuple[str, str]]
) -> None:
    (view,) = DRIVER.explain(answer(reply), OPTIONS)
    assert (view.title, view.sender, view.check) == (title, "device", Check.OK)
    assert _shown(view)[shown[0]] == shown[1]


def test_a_reply_of_an_unexpected_form_is_shown_as_it_is() -> None:
    views = DRIVER.explain(codec.ask(1, Command.SALE) + answer("030000150000500000"), OPTIONS)
    assert views[1].title == "reply: sale"
    assert _shown(views[1])["data"] == ("030000150000500000", "")
    views = DRIVER.explain(codec.ask(1, Command.NUMBER) + answer("000123"), OPTIONS)
    assert _shown(views[1])["number"] == ("000123", "123")


def test_commands_that_act_are_named() -> None:
    views = DRIVER.explain(codec.ask(1, 0x54, b"010000") + codec.ask(1, Command.AUTHORISE), OPTIONS)
    assert [view.title for view in views] == [
        "question or command: preset volume",
        "question or command: authorise",
    ]
    assert _shown(views[0])["data"] == ("010000", "")
    (to_all,) = DRIVER.explain(codec.encode(codec.Frame(2, b"W1234")), OPTIONS)
    assert (to_all.title, to_all.sender) == ("set general parameters of all", "host")


def test_short_replies_have_no_check_value() -> None:
    for short, title in (
        (Short.DONE, "done"),
        (Short.UNSUPPORTED, "command not supported"),
        (Short.NOT_NOW, "not possible now"),
    ):
        (view,) = DRIVER.explain(answer(short), OPTIONS)
        assert (view.title, view.sender, view.check) == (title, "device", Check.NONE)


def test_damage_and_noise_are_kept() -> None:
    good = codec.ask(1, Command.STATE)
    damaged = good[:4] + b"\x32" + good[5:]
    data = b"ab" + good + damaged + answer("0") + b"\x7f\x02\x34"
    views = DRIVER.explain(data, OPTIONS)
    assert [(view.title, view.check) for view in views] == [
        (NOISE, Check.NONE),
        ("question or command: state", Check.OK),
        ("damaged frame", Check.WRONG),
        (NOISE, Check.NONE),
        ("state", Check.OK),
        (NOISE, Check.NONE),
    ]
    assert b"".join(view.data for view in views) == data


def test_the_questions_for_a_scan_only_read() -> None:
    asks = DRIVER.asks("1", AztOptions(mode="master"))
    titles = [DRIVER.explain(ask.data, OPTIONS)[0].title for ask in asks]
    assert [title.removeprefix("question or command: ") for title in titles] == ["state", "version", "totals"]
    assert [ask.is_totals for ask in asks] == [False, False, True]
