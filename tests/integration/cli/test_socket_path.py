"""Unit: does `status` find the control socket where the full settings say it is?"""

from pathlib import Path

import pytest
import typer

from agent.cli.station import DEFAULT_SOCKET, settings_of, socket_of
from config.settings import Station
from tests.house.sources import ROOT

EXAMPLE = (ROOT / "config" / "station.example.toml").read_text(encoding="utf-8")
KEY = "A" * 43
VARIABLE = "FORECOURT_STATION__CONTROL_SOCKET"


def _config(folder: Path, socket: str) -> Path:
    config = folder / "station.toml"
    text = EXAMPLE.replace("replace-me-with-the-public-key-of-HQ-------", KEY)
    config.write_text(text.replace('# control_socket = "/run/forecourt/control.sock"', socket))
    return config


def test_the_default_is_that_of_the_settings() -> None:
    assert str(Station.model_fields["control_socket"].default) == DEFAULT_SOCKET


@pytest.mark.parametrize(
    ("written", "environment"),
    [
        ("", {}),
        ('control_socket = "/run/other.sock"', {}),
        ('control_socket = "/run/other.sock"', {VARIABLE: "/run/third.sock"}),
        ("", {VARIABLE.lower(): "/run/third.sock"}),
        ("", {"FORECOURT_STATION": '{"control_socket": "/run/third.sock"}'}),
    ],
)
def test_the_short_way_ends_where_the_long_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, environment: dict[str, str]
) -> None:
    config = _config(tmp_path, written)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert socket_of(config) == settings_of(config).station.control_socket


@pytest.mark.parametrize("written", ["control_socket = 5", 'control_socket = "here"', "control_socket ="])
def test_what_is_wrong_is_left_to_the_long_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], written: str
) -> None:
    with pytest.raises(typer.Exit) as ended:
        socket_of(_config(tmp_path, written))
    assert ended.value.exit_code == 1
    assert "station.toml" in capsys.readouterr().err
