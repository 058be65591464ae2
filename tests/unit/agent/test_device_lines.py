"""Unit: is a line whose devices only listen opened so that nobody can speak, with tap and echo as settled?"""

from dataclasses import replace
from typing import Any

import pytest

from agent.app import parts
from agent.app.parts import port_spec
from config.settings import Line
from drivers import blueprint, catalogue
from drivers.ports import PortSpec


def _line(**values: Any) -> Line:
    devices = [{"key": f"d{number}", "address": str(number)} for number in (1, 2)]
    return Line.model_validate(
        {"name": "a", "driver": "blueprint", "port": "/dev/ttyS1", "device": devices, **values}
    )


def test_the_port_is_opened_as_the_settings_say() -> None:
    plain = port_spec(_line(), listens=False)
    assert plain == PortSpec("/dev/ttyS1")
    settled = port_spec(_line(tap="/dev/ttyS2", echo=True, parity="even", baud=2_400), listens=True)
    assert settled == PortSpec(
        "/dev/ttyS1", 2_400, parity="even", listen_only=True, tap="/dev/ttyS2", echo=True
    )


def test_a_tap_is_a_port_too() -> None:
    with pytest.raises(ValueError, match="tap"):
        _line(tap="ttyS2")


@pytest.mark.parametrize("answers", [(True, True), (True, False), (False, False)])
def test_a_line_listens_only_if_all_its_devices_do(
    monkeypatch: pytest.MonkeyPatch, answers: tuple[bool, bool]
) -> None:
    told = iter(answers)
    driver = replace(blueprint.DRIVER, listens=lambda options: next(told))
    monkeypatch.setattr(catalogue, "find", lambda name: driver)
    assert parts._listens(_line()) is all(answers)
