"""Integration: does the demo hold on both brokers, and does it say so in the form that is promised?"""

import json
import subprocess
import sys

import pytest

KEYS = {
    "sales",
    "facts",
    "hq_facts",
    "awards",
    "hq_awards",
    "unbound",
    "unknown_member",
    "points_station_minor",
    "points_hq_minor",
    "lost",
    "twice",
    "mismatches",
    "kills",
    "offline_s",
    "latency_ms",
    "bytes_per_sale",
    "broker",
}


@pytest.mark.parametrize("broker", ["mosquitto", "iotcore"])
def test_the_demo_holds_through_cut_and_kills(broker, tmp_path):
    command = [sys.executable, "-m", "agent.cli", "demo", "--json", "--broker", broker]
    command += ["--seconds", "14", "--sales", "24", "--keep", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["problems"] == [], done.stderr
    assert done.returncode == 0
    assert result.keys() >= KEYS
    assert result["broker"] == broker
    cars = 24 + 1  # the ambiguous visit is two
    assert result["sales"] == result["facts"] == result["hq_facts"] == cars
    assert result["awards"] == result["hq_awards"] > 0
    assert (result["lost"], result["twice"], result["mismatches"]) == (0, 0, 0)
    assert result["kills"] == 2
    assert result["offline_s"] > 0
    assert result["unknown_member"] >= 1
    assert result["latency_ms"].keys() == {"p50", "p99"}
