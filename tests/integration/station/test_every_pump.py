"""Integration: with every pump driver on a real port, is each sale booked once, whatever is killed or pulled?

The kit of `drivers/conformance/` asks the same of a session with a simulated till. Here the books are asked:
SQLite, the identity that a fact gets from a record, and an agent that starts again with a retained display.
"""

from pathlib import Path

import pytest

from tests.integration.station.every_pump import EveryPump, every_pump, wrongs

SEED = 20261122


def _sell_through_trouble(station: EveryPump, mishap_pairs: int) -> None:
    """At first and at last nothing happens, so that everybody knows where the meters stand."""
    everybody = station.pumps
    keepers = [pump for pump in everybody if pump.way.keeps]
    for mishap in (None, *(station.kill, station.unplug) * mishap_pairs, None, None):
        station.sell_everywhere()
        if mishap is not None:
            station.pass_time()
            mishap()
            station.wait_until_heard()
        station.wait_until_idle()
        station.wait_until_booked(everybody if mishap is None else keepers)
    books = station.books()
    assert [wrong for pump in everybody for wrong in wrongs(pump, books[pump.way.name])] == []


def test_every_pump_through_kills_and_pulled_cables(tmp_path: Path) -> None:
    with every_pump(tmp_path, SEED) as station:
        _sell_through_trouble(station, 1)


@pytest.mark.storm
@pytest.mark.timeout(1_800)
def test_every_pump_through_many_kills_and_pulled_cables(tmp_path: Path) -> None:
    with every_pump(tmp_path, SEED) as station:
        _sell_through_trouble(station, 30)
