"""Unit: is a line whose devices only listen opened so that nobody can speak, with tap and echo as settled?"""

from dataclasses import replace
from typing import Any

import pytest

from agent.app import parts
from agent.app.parts import StartRefused, port_spec
from config.settings import Line
from drivers import blueprint, catalogue
from drivers.bus import Audience, Bus
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


@pytest.mark.parametrize("listens", [True, False])
def test_who_listens_is_an_audience_and_who_asks_takes_turns(
    monkeypatch: pytest.MonkeyPatch, listens: bool
) -> None:
    monkeypatch.setattr(catalogue, "find", lambda name: replace(blueprint.DRIVER, listens=lambda _: listens))
    assert isinstance(parts._session(_line()), Audience if listens else Bus)


def test_a_line_on_which_some_listen_and_some_are_asked_is_refused() -> None:
    """Whoever asks there would be a second master beside the one that the others listen to."""
    modes = ("listen", "master")
    devices = [{"key": mode, "address": str(n), "options": {"mode": mode}} for n, mode in enumerate(modes, 1)]
    refused = parts._session(_line(driver="hengshan", device=devices))
    assert isinstance(refused, StartRefused)
    assert refused.code == "DRIVER_OPTION"
    assert "some of its devices only listen" in refused.text


@pytest.mark.parametrize("port", ["udp://230.0.0.1:14001", "/dev/ttyS1 -> /dev/ttyS2"])
def test_who_asks_has_no_place_where_nothing_can_be_said(port: str) -> None:
    device = [{"key": "a", "address": "1", "options": {"mode": "master"}}]
    refused = parts._session(_line(driver="hengshan", device=device, port=port))
    assert isinstance(refused, StartRefused)
    assert refused.code == "PORT_ONLY_HEARD"
    listens = [{"key": "a", "address": "1", "options": {"mode": "listen"}}]
    assert not isinstance(parts._session(_line(driver="hengshan", device=listens, port=port)), StartRefused)
