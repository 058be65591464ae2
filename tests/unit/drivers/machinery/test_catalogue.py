"""Unit: is every driver found, lazily and under its own name?"""

import subprocess
import sys
from pathlib import Path

import pytest

from drivers import catalogue


def test_every_driver_is_found_under_its_name() -> None:
    assert {"companytec", "modbus", "pos_link"} <= set(catalogue.names())
    assert [driver.name for driver in catalogue.all()] == list(catalogue.names())
    assert catalogue.find("blueprint").name == "blueprint"
    assert "blueprint" not in catalogue.names()


def test_an_unknown_driver_is_told_what_exists() -> None:
    with pytest.raises(catalogue.UnknownDriver, match="no driver 'pigeon'; known: .*companytec, .*pos_link"):
        catalogue.find("pigeon")


def test_looking_at_the_catalogue_imports_no_driver() -> None:
    code = (
        "import sys; from drivers import catalogue; catalogue.names();"
        "print([m for m in sys.modules if m.startswith('drivers.') and m.count('.') > 1 or m == 'serial'])"
    )
    root = Path(catalogue.__file__).parents[1]
    heard = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert heard.stdout.strip() == "[]"

