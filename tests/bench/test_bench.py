"""Integration: does `make bench` still run, and print one line for every figure? Never: how fast."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.drivers_hangup import selling_ways

ROOT = Path(__file__).parents[2]
ALWAYS = {"figure", "value", "limit", "ok", "ratio", "unit"}
LOADS = ["sqlite_3_stations_1_workers", "postgresql_2_stations_2_workers"]
COURSES = ["connects", "backlog", "sales", "by_day", "hellos", "held"]
FIGURES = {
    "wire": ["wire_to_durable_with_award", "wire_to_durable_fact_only"],
    "burst": ["burst_through_the_till"],
    "footprint": ["rss_16_modbus_dispensers", "cpu_16_modbus_dispensers"],
    "points32": ["cpu_32_points_companytec"],
    "hangup": [f"hangup_{way.name}" for way in selling_ways()],
    "startup": ["forecourt_status_start_to_end"],
    "volume": [
        "bytes_per_sale_in_a_full_batch",
        "bytes_of_a_sale_alone",
        "bytes_written_to_disk_per_sale",
    ],
    "award": ["award_by_twenty_rules"],
    "drain": ["drain_against_paho_alone", "month_drained_s", "month_drained_growth_mib"],
    "ingest": ["hq_ingest_against_bare_inserts"],
    "past": [
        "verify_ledger_entries_per_s",
        "verify_awards_per_s",
        "sale_with_a_long_past",
        "sale_of_a_member_with_many_lots",
    ],
    "load": [f"load_{course}_{case}" for case in LOADS for course in COURSES],
}


@pytest.mark.parametrize("part", FIGURES)
def test_every_part_prints_its_figures_as_ratios_with_the_raw_numbers(part: str) -> None:
    command = [sys.executable, "-m", "tests.bench", part, "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["figure"] for line in lines] == FIGURES[part]
    for line in lines:
        assert line.keys() > ALWAYS
        assert line["value"] >= 0
        assert line["ratio"] >= 0
        assert line["ok"] is None or isinstance(line["ok"], bool)
        assert f"\n{line['figure']} " in done.stderr, "the summary names it too"


def test_a_part_that_does_not_exist_is_a_mistake_of_whoever_typed_it() -> None:
    command = [sys.executable, "-m", "tests.bench", "speed"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "no part is called speed" in done.stderr
