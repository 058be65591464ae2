"""Unit: is what a technician types what the driver gets, and what a device says harmless on a terminal?"""

import random
from typing import Any

import pytest

from agent.cli.device_choice import chosen, told
from agent.cli.device_show import event_line, view_lines
from agent.cli.typed import Mistyped, driver_options
from drivers.events import TankDelivery
from drivers.ports import PortRefused
from drivers.views import Check, Detail, View
from tests.unit.agent.taped import SETTINGS, set_up


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("map=ring-buffer", "ring-buffer"),
        ("poll_ms=200", 200),
        ("register_id=01", "01"),
        ("closes=true", True),
        ("pumps=[1, 2]", [1, 2]),
        ("nozzles=['04', \"08\"]", ["04", "08"]),
        ("points={ '4' = 'left' }", {"4": "left"}),
        ("register_id='1'", "1"),
        ("patterns=['^a=(?P<sale>[0-9]+)$']", ["^a=(?P<sale>[0-9]+)$"]),
    ],
)
def test_values_are_written_as_in_the_settings(pair: str, value: Any) -> None:
    assert driver_options([pair]) == {pair.partition("=")[0]: value}


@pytest.mark.parametrize("pair", ["pumps=[1,", "points={4", "name", "=1", "pumps=[1] [2]"])
def test_what_is_no_value_is_told_with_how_to_write_it(pair: str) -> None:
    with pytest.raises(Mistyped) as mistyped:
        driver_options([pair])
    assert mistyped.value.code == "BAD_OPTION"


def test_digits_are_a_text_where_the_driver_wants_one() -> None:
    assert chosen("pos_link", {"register_id": 1}).typed == {"register_id": "1"}
    hidden = chosen("veeder_root", {"security_code": 770_631})
    assert hidden.options.security_code.get_secret_value() == "770631"
    with pytest.raises(Mistyped, match="gilbarco takes mode, pumps"):
        chosen("gilbarco", {"pumps": 1})


def test_an_address_that_no_device_has_is_refused_before_a_port_is_opened() -> None:
    with pytest.raises(Mistyped) as mistyped:
        chosen("dart", {}, "zonk")
    assert mistyped.value.code == "DRIVER_ADDRESS"


def test_who_stands_at_the_cabinet_is_told_what_the_service_need_not_know() -> None:
    assert "sudo" in told(PortRefused("PORT_FORBIDDEN", "/dev/ttyS0", "no", "group dialout"))
    assert "systemctl stop forecourt" in told(PortRefused("PORT_BUSY", "/dev/ttyS0", "no", "stop it"))


# what is shown


def test_what_a_device_says_is_shown_and_never_obeyed() -> None:
    """A terminal clears itself, or worse, on what stands behind an escape."""
    evil = "\x1b[2J\x9b31m\r\n"
    view = View(b"x", "t", "device", Check.OK, (Detail("text", evil, evil),))
    assert all(line.isprintable() for line in view_lines(view))
    assert r"\x1b[2J\x9b31m\x0d\x0a" in "".join(view_lines(view))
    delivery = TankDelivery("1", f"1{evil}", evil, None, None, 1, 2, 3)
    assert event_line(delivery).isprintable()


@pytest.mark.parametrize("name", SETTINGS)
def test_no_driver_writes_control_characters_on_a_terminal(name: str) -> None:
    who, rng = set_up(name), random.Random(6)
    questions = [q.data for q in who.driver.asks(who.address, who.options)]
    for number in range(300):
        data = rng.randbytes(rng.randrange(1, 80))
        if questions and number % 2:
            data = bytes(byte ^ (rng.random() < 0.05) for byte in rng.choice(questions)) + data
        for view in who.driver.explain(data, who.options):
            assert all(line.isprintable() for line in view_lines(view)), (name, data.hex())
