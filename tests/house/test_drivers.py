"""House: has every driver what a driver must have?"""

from pathlib import Path

import pytest

from drivers import catalogue
from drivers.driver import Grade
from tests.house.sources import ROOT

PARTS = ("__init__.py", "codec.py", "session.py", "simulator.py", "NOTES.md")
DRIVERS = sorted(path.parent.name for path in (ROOT / "drivers").glob("*/session.py"))


def _missing_parts(folder: Path) -> list[str]:
    return [part for part in PARTS if not (folder / part).is_file()]


def test_the_catalogue_lists_every_driver() -> None:
    assert (
        {*catalogue.names(), "blueprint"} >= set(DRIVERS) >= {"blueprint", "companytec", "modbus", "pos_link"}
    )


@pytest.mark.parametrize("name", DRIVERS)
def test_a_driver_is_complete(name: str) -> None:
    assert _missing_parts(ROOT / "drivers" / name) == []
    driver = catalogue.find(name)
    assert driver.grade in Grade
    assert driver.grade is not Grade.GOLD, "gold is a month on a real forecourt"
    assert driver.evidence
    assert driver.silence_ms > 0
    assert catalogue.conformance_cases(name)


def test_the_table_of_grades_is_fresh() -> None:
    readme = (ROOT / "drivers" / "README.md").read_text(encoding="utf-8")
    assert catalogue.table([catalogue.find(name) for name in catalogue.names()]) in readme


def test_the_rule_can_fail(tmp_path: Path) -> None:
    (tmp_path / "codec.py").touch()
    assert _missing_parts(tmp_path) == ["__init__.py", "session.py", "simulator.py", "NOTES.md"]
