"""What takes longest begins first, so that at the end no worker is left alone with it."""

import pytest

LONGEST = (
    "test_power_cuts.py",
    "test_kills.py",
    "test_losing_cases_of_the_peer.py",
    "test_station_machine.py",
    "test_put_back.py",
    "test_demo.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))
