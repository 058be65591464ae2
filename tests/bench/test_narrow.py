"""Integration: does a backlog come through 64 kbit/s in the time that was promised?

Thirty days of 1,500 sales in at most 15 minutes, the agent grown by at most 20 MiB: that is the storm. One
day of them has a thirtieth of the time.
"""

from pathlib import Path

import pytest

from tests.bench.narrow import drained_narrowly, why_not

SALES_A_DAY = 1_500
DAY_S = 15 * 60 / 30
MOST_GROWTH_KIB = 20 * 1024


@pytest.fixture(autouse=True)
def can_be_shaped() -> None:
    if reason := why_not():
        pytest.skip(reason)


def _comes_through(directory: Path, days: int) -> None:
    figures = drained_narrowly(directory, days * SALES_A_DAY)
    assert figures["items"] == 2 * days * SALES_A_DAY
    assert figures["payload_bytes"] / 8_000 < figures["seconds"], "the road was not narrow"
    assert figures["seconds"] <= days * DAY_S
    assert figures["grown_kib"] <= MOST_GROWTH_KIB
    assert not {"SILENCE", "HALF_OPEN", "HQ_SILENT"} & figures["refused"].keys(), "it was slow, not gone"


def test_one_day(tmp_path: Path) -> None:
    _comes_through(tmp_path, days=1)


@pytest.mark.storm
@pytest.mark.timeout(1_500)
def test_thirty_days(tmp_path: Path) -> None:
    _comes_through(tmp_path, days=30)
