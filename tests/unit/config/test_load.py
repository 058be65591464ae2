"""Unit: does `load_settings` take values from the right source and keep secrets to itself?"""

import base64
import json
from pathlib import Path

import pytest

from config.describe import EXAMPLE_FILE, shown
from config.load import load_settings
from config.refusal import ConfigRefused
from config.settings import Settings
from tests.unit.config.samples import KEY_HEX, STATION_TOML, station_file


def _loaded(path: Path, secrets_needed: bool = False) -> Settings:
    settings = load_settings(path, secrets_needed=secrets_needed)
    assert isinstance(settings, Settings), settings.lines
    return settings


def _credentials(folder: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    directory = folder / "credentials"
    directory.mkdir()
    for name, text in files.items():
        (directory / name.replace("DOT", ".")).write_text(text)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(directory))


def test_a_small_file_is_filled_up_with_defaults(tmp_path: Path) -> None:
    settings = _loaded(station_file(tmp_path))
    assert (settings.language, settings.hq.keepalive_s, settings.hq.window) == ("zh", 20, 20)
    assert settings.binding.presentation_s == 300
    assert settings.station.state_dir == Path("/var/lib/forecourt")
    assert settings.line[0].device[0].key == settings.point[0].nozzle[0].device == "dispenser-1"
    assert settings.point[0].award_on == "payment"
    assert settings.hq.public_key_bytes()["hq-1"][:3] == base64.b64decode("repl")
    assert len(settings.hq.public_key_bytes()["hq-1"]) == 32


def test_the_later_source_wins_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = STATION_TOML.replace("[hq]", "[hq]\nkeepalive_s = 31\nwindow = 32\nthreshold = 1")
    path = station_file(tmp_path, text)
    _credentials(tmp_path, monkeypatch, hq__keepalive_s="41\n", hq__window="42\n")
    monkeypatch.setenv("FORECOURT_HQ__WINDOW", "52")
    hq = _loaded(path).hq
    assert (hq.keepalive_s, hq.window, hq.threshold) == (41, 52, 1)
    assert hq.brokers == ("mqtts://mqtt.example.org:8883",)


def test_the_environment_reaches_every_kind_of_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = station_file(tmp_path)
    monkeypatch.setenv("FORECOURT_LANGUAGE", "en")
    monkeypatch.setenv("FORECOURT_STATION__STATE_DIR", "/srv/forecourt")
    monkeypatch.setenv("FORECOURT_HQ__BROKERS", '["mqtt://127.0.0.1:1883", "mqtt://[::1]:1884"]')
    line = {"name": "n", "driver": "d", "port": "socket://127.0.0.1:502", "parity": "even"}
    line["device"] = [{"key": "dispenser-1", "address": "7"}]  # type: ignore[assignment]
    monkeypatch.setenv("FORECOURT_LINE", json.dumps([line]))
    settings = _loaded(path)
    assert settings.language == "en"
    assert settings.station.state_dir == Path("/srv/forecourt")
    assert settings.hq.brokers == ("mqtt://127.0.0.1:1883", "mqtt://[::1]:1884")
    assert (settings.line[0].parity, settings.line[0].device[0].address) == ("even", "7")


@pytest.mark.parametrize(
    "port",
    [
        "ifsf://192.168.1.5:3500?device=1",
        "ifsf://192.168.1.5:3500?device=9,10&node=2&from=192.168.1.20&to=192.168.1.255&udp=3485",
    ],
)
def test_the_place_where_an_ifsf_device_finds_us_is_a_port(tmp_path: Path, port: str) -> None:
    assert _loaded(station_file(tmp_path, STATION_TOML.replace("/dev/ttyS1", port))).line[0].port == port


def test_a_credential_with_a_dot_is_a_file_not_a_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _credentials(tmp_path, monkeypatch, stationDOTkey="-----BEGIN PRIVATE KEY-----")
    key_file = tmp_path / "credentials" / "station.key"
    lines = f'cert_file = "{key_file}"\nkey_file = "{key_file}"\n'
    settings = _loaded(station_file(tmp_path, STATION_TOML.replace("[hq]\n", "[hq]\n" + lines)))
    assert settings.hq.key_file == key_file


@pytest.mark.parametrize("text", [KEY_HEX, KEY_HEX.upper(), "Wlpa" * 10 + "Wlo", "Wlpa" * 10 + "Wlo=\n"])
def test_the_key_is_read_in_hex_and_base64url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    _credentials(tmp_path, monkeypatch, credential_key_k1=text)
    key = _loaded(station_file(tmp_path), secrets_needed=True).credential_key_k1
    assert key is not None
    assert key.get_secret_value() == bytes.fromhex(KEY_HEX)


def test_the_key_may_come_from_a_file_for_tests(tmp_path: Path) -> None:
    (tmp_path / "k1").write_text(KEY_HEX + "\n")
    path = station_file(tmp_path, f'credential_key_k1_file = "{tmp_path}/k1"\n' + STATION_TOML)
    assert _loaded(path).credential_key_k1 is None, "who needs no secret does not read it"
    key = _loaded(path, secrets_needed=True).credential_key_k1
    assert key is not None
    assert key.get_secret_value() == bytes.fromhex(KEY_HEX)


def test_the_service_does_not_start_without_the_key(tmp_path: Path) -> None:
    path = station_file(tmp_path)
    assert isinstance(load_settings(path), Settings)
    refused = load_settings(path, secrets_needed=True)
    assert isinstance(refused, ConfigRefused)
    assert [(p.code, p.key) for p in refused.problems] == [("SECRET_MISSING", "credential_key_k1")]


def test_secrets_are_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _credentials(tmp_path, monkeypatch, credential_key_k1=KEY_HEX)
    settings = _loaded(station_file(tmp_path), secrets_needed=True)
    visible = repr(settings) + str(settings) + json.dumps(shown(settings)) + settings.model_dump_json()
    for spelling in (KEY_HEX, "Z" * 32, "WlpaWlpa", repr(bytes.fromhex(KEY_HEX))):
        assert spelling not in visible
    assert shown(settings)["credential_key_k1"] == "set"
    assert shown(settings)["station_key"] == "not set"
    assert shown(settings)["hq"]["brokers"] == ["mqtts://mqtt.example.org:8883"]


def test_settings_cannot_be_changed_after_loading(tmp_path: Path) -> None:
    settings = _loaded(station_file(tmp_path))
    with pytest.raises(ValueError, match="frozen"):
        settings.hq.window = 1  # type: ignore[misc]


def test_the_shipped_example_loads_with_everything_switched_on(tmp_path: Path) -> None:
    text = EXAMPLE_FILE.read_text(encoding="utf-8")
    _loaded(station_file(tmp_path, text))
    for name in ("hq-ca.pem", "station.pem", "station.key"):
        (tmp_path / name).touch()
    is_set = [line.startswith("# [[") or (" = " in line and "`" not in line) for line in text.splitlines()]
    everything = "\n".join(
        line.removeprefix("# ") if switched_on else line
        for line, switched_on in zip(text.splitlines(), is_set, strict=True)
    )
    everything = everything.replace("/etc/forecourt", str(tmp_path)).replace('"gauge-1"', '"dispenser-1"')
    settings = _loaded(station_file(tmp_path, everything))
    assert settings.tank[0].device == settings.line[0].device[0].key
    assert settings.hq.key_file == tmp_path / "station.key"
    assert settings.line[0].device[0].options == {}
