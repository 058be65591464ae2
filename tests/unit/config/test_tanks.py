"""Unit: are tanks read from station.toml, and impossible ones refused?"""

from pathlib import Path

import pytest

from config.describe import SECRET_OPTIONS, example_toml, shown
from config.load import load_settings
from config.refusal import ConfigRefused
from config.settings import Settings
from drivers import catalogue
from tests.unit.config.samples import STATION_TOML, station_file

GAUGE = """
[[line]]
name = "gauges"
driver = "veeder_root"
port = "socket://192.0.2.7:10001"
[[line.device]]
key = "gauge-1"
address = "1"

[[tank]]
id = "tank-1"
device = "gauge-1"
tank = "1"
product = "92"
"""


def test_a_tank_with_its_gauge(tmp_path: Path) -> None:
    settings = load_settings(station_file(tmp_path, STATION_TOML + GAUGE))
    assert isinstance(settings, Settings)
    (tank,) = settings.tank
    assert (tank.id, tank.device, tank.tank, tank.product, tank.tolerance_ml) == (
        *("tank-1", "gauge-1", "1", "92"),
        100_000,
    )


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('device = "gauge-1"', 'device = "gauge-2"', "tank.1.device"),
        ('product = "92"\n', 'product = "95"\n', "tank.1.product"),
        ('tank = "1"\n', 'tank = "1"\ntolerance_ml = 0\n', "tank.1.tolerance_ml"),
    ],
)
def test_a_tank_that_cannot_be(tmp_path: Path, old: str, new: str, key: str) -> None:
    changed = GAUGE.replace(old, new)
    assert changed != GAUGE
    refused = load_settings(station_file(tmp_path, STATION_TOML + changed))
    assert isinstance(refused, ConfigRefused)
    assert [problem.key for problem in refused.problems] == [key]


def test_tanks_differ(tmp_path: Path) -> None:
    twice = GAUGE + GAUGE[GAUGE.index("[[tank]]") :]
    refused = load_settings(station_file(tmp_path, STATION_TOML + twice))
    assert isinstance(refused, ConfigRefused)
    assert [problem.key for problem in refused.problems] == ["tank.2.id", "tank.2"]


def test_a_security_code_is_not_shown(tmp_path: Path) -> None:
    with_code = GAUGE.replace(
        'address = "1"', 'address = "1"\noptions = { security_code = "s3cr3t", poll_s = 5 }'
    )
    settings = load_settings(station_file(tmp_path, STATION_TOML + with_code))
    assert isinstance(settings, Settings)
    assert shown(settings)["line"][1]["device"][0]["options"] == {"security_code": "set", "poll_s": 5}
    assert settings.line[1].device[0].options["security_code"] == "s3cr3t"


def test_every_secret_option_of_a_driver_is_known_as_one() -> None:
    secrets = {
        name
        for driver in catalogue.all()
        for name, field in driver.options.model_fields.items()
        if "Secret" in str(field.annotation)
    }
    assert secrets == SECRET_OPTIONS


def test_the_example_shows_a_tank_and_sets_none() -> None:
    shown = example_toml()
    assert "# [[tank]]\n" in shown
    assert "\n[[tank]]" not in shown
    assert '# id = "tank-1"' in shown
