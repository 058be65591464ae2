"""What takes longest begins first, so that at the end no worker is left alone with it."""

import pytest

LONGEST = (
    "test_power_cuts.py",
    "test_every_pump.py",
    "test_kills.py",
    "test_losing_cases_of_the_peer.py",
    "test_station_machine.py",
    "test_put_back.py",
    "test_demo.py",
    "test_headquarters_restored.py",
    "test_bench.py",
    "test_storm_of_kills.py",
    "test_modbus_slaves.py",
    "test_attacks_clock.py",
    "test_crowd.py",
    "test_storm_of_workers.py",
    "test_fuzzed_envelopes.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))
