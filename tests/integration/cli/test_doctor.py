"""Integration: does `doctor` find what is wrong with a station, say what to do, and choose its exit code?"""

import json
import os
import re
import shutil
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from agent.cli.exits import Exit
from agent.clock import ClockQuality, Instant
from agent.messages.bodies import Adopted
from agent.store.database import Store
from agent.store.outbox import SERVICE
from tests.integration.cli.small_station import CLOCK, Shown, SmallStation, forecourt

DAY_MS = 86_400_000


@pytest.fixture
def stopped(own_station: SmallStation, tmp_path: Path) -> Path:
    """The settings of a station at rest whose devices and broker answer; its database is a copy."""
    if own_station.agent_runs:
        own_station.stage.end("agent")
    state = tmp_path / "state"
    shutil.copytree(own_station.stage.directory / "state", state)
    config = tmp_path / "station.toml"
    text = own_station.stage.config.read_text()
    config.write_text(text.replace(str(own_station.stage.directory / "state"), str(state)))
    return config


def _doctor(config: Path, *options: str, **environment: str) -> tuple[int, dict[str, Any]]:
    shown = forecourt("doctor", "--json", "--config", str(config), *options, **environment)
    told = json.loads(shown.stdout)
    assert told["exit"] == shown.returncode
    assert told["ok"] == (shown.returncode == 0)
    for finding in told["findings"]:
        assert bool(finding["code"]) == bool(finding["remedy"]) == (finding["level"] != "ok")
    return shown.returncode, {f["code"]: f for f in told["findings"] if f["code"]} | {
        f["name"]: f for f in told["findings"] if not f["code"]
    }


def _changed(config: Path, old: str, new: str) -> Path:
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    return config


def _database(config: Path) -> sqlite3.Connection:
    return sqlite3.connect(config.parent / "state" / "station.db")


def test_a_station_that_is_well(own_station: SmallStation) -> None:
    """Before its agent is stopped by the tests below; its link to the broker outlives the visit."""
    own_station.start_agent()
    before = own_station.stage.status()["road"]
    code, found = _doctor(own_station.stage.config)
    after = own_station.stage.status()["road"]
    assert code == Exit.FINE, found
    assert {"agent", "line island-1", "line till", "free disk", "database", "headquarters"} <= found.keys()
    assert "publish to fs/v1/st-cli/metrics" in found
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert after["refused"] == before["refused"]
    assert after["mode_for_ms"] > before["mode_for_ms"]


def test_people_read_evidence_and_remedy(own_station: SmallStation, stopped: Path) -> None:
    shown: Shown = forecourt("doctor", "--config", str(stopped))
    assert shown.returncode == Exit.REFUSED
    assert re.search(r"^FAIL  agent +AGENT_NOT_RUNNING: nobody answers", shown.stdout, re.MULTILINE)
    assert "-> `systemctl start forecourt`" in shown.stdout
    assert re.search(r"^ok    line island-1 .*every device answered$", shown.stdout, re.MULTILINE)
    assert re.search(r"\d+ fine, \d+ warnings, 1 failures\n$", shown.stdout)


def test_no_publish_leaves_the_message_out(stopped: Path) -> None:
    _, found = _doctor(stopped, "--no-publish")
    assert any(name.startswith("MQTT mqtt://") for name in found)
    assert not any(name.startswith("publish") for name in found)


def test_a_missing_port(stopped: Path) -> None:
    port = re.search(r'port = "(.*/cbc)"', stopped.read_text())
    assert port is not None
    code, found = _doctor(_changed(stopped, port[1], str(stopped.parent / "unplugged")))
    assert code == Exit.DEVICE
    assert found["PORT_MISSING"]["name"] == "line island-1"
    assert "plug the converter in" in found["PORT_MISSING"]["remedy"]


def test_a_dead_broker(own_station: SmallStation, stopped: Path) -> None:
    assert own_station.stage.relay is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"mqtt://127.0.0.1:{listener.getsockname()[1]}"
    code, found = _doctor(_changed(stopped, own_station.stage.relay.url, nobody))
    assert code == Exit.HQ
    assert found["CONNECTION_REFUSED"]["part"] == "hq"


def test_wrong_settings(stopped: Path) -> None:
    code, found = _doctor(_changed(stopped, "[hq]", "[hq]\nkeepalive = 3"))
    assert code == Exit.REFUSED
    assert found["KEY_UNKNOWN"]["remedy"] == "did you mean `keepalive_s`?"
    code, found = _doctor(stopped.parent / "none.toml")
    assert (code, "FILE_MISSING" in found) == (Exit.REFUSED, True)


def test_a_wrong_driver_option_leaves_the_rest_to_be_seen(stopped: Path) -> None:
    code, found = _doctor(_changed(stopped, 'register_id = "till-1"', 'register_id = ""'))
    assert code == Exit.REFUSED
    assert {"DRIVER_OPTION", "database", "free disk"} <= found.keys()


@pytest.mark.parametrize(
    ("sql", "finding"),
    [
        ("UPDATE outbox SET body = x'7b7d' WHERE stream = 'ledger' AND seq = 1", "OUTBOX_CHAIN"),
        ("UPDATE ledger_entry SET body = x'7b7d' WHERE seq = 1", "LEDGER_CHAIN"),
        ("UPDATE ledger_entry SET body = x'00' WHERE seq = 1", "LEDGER_ROWS"),
        ("UPDATE account SET minor = minor + 1 WHERE account LIKE 'member:%'", "ACCOUNT_CACHE"),
    ],
)
def test_a_damaged_chain(stopped: Path, sql: str, finding: str) -> None:
    connection = _database(stopped)
    with connection:
        assert connection.execute(sql).rowcount >= 1
    connection.close()
    code, found = _doctor(stopped)
    assert code == Exit.STORE
    assert finding in found["CHAIN_BROKEN"]["evidence"]
    shown = forecourt("store", "verify", "--json", "--config", str(stopped))
    assert shown.returncode == Exit.STORE
    assert finding in {found["code"] for found in json.loads(shown.stdout)["findings"]}


def test_a_database_that_is_no_database(stopped: Path) -> None:
    database = stopped.parent / "state" / "station.db"
    for left_over in database.parent.glob("station.db-*"):
        left_over.unlink()  # the log alone would bring every page back
    database.write_bytes(b"no database " * 1000)
    code, found = _doctor(stopped)
    assert code == Exit.STORE
    assert "DATABASE_UNREADABLE" in found
    for command in (["status"], ["sale", "list"], ["store", "verify"]):
        shown = forecourt(*command, "--json", "--config", str(stopped))
        assert shown.returncode == Exit.STORE, command
        assert json.loads(shown.stdout)["ok"] is False


def test_no_database_yet(stopped: Path) -> None:
    shutil.rmtree(stopped.parent / "state")
    code, found = _doctor(stopped)
    assert found["DATABASE_MISSING"]["level"] == "warn"
    assert "KEY_MISSING" in found, "the station's key lived there too"
    shown = forecourt("sale", "list", "--config", str(stopped))
    assert (shown.returncode, code) == (Exit.STORE, Exit.REFUSED)
    assert shown.stderr.startswith("DATABASE_MISSING: ")


def test_low_disk(stopped: Path) -> None:
    disk = os.statvfs(stopped.parent)
    wanted_mib = 1_048_576
    is_low = disk.f_bavail * disk.f_frsize >> 20 < wanted_mib
    code, found = _doctor(stopped, FORECOURT_STORE__MIN_FREE_MIB=str(wanted_mib))
    assert (code, "DISK_LOW" in found) == ((Exit.STORE, True) if is_low else (Exit.REFUSED, False))


def test_a_clock_below_what_was_written(stopped: Path) -> None:
    """The newest row is of tomorrow: sound in itself, so only the clock can be wrong."""
    tomorrow = Instant(CLOCK.wall_ms() + DAY_MS, ClockQuality.SYNCED)
    store = Store.open(stopped.parent / "state" / "station.db", "st-cli", "demo-cn", tomorrow)
    told = Adopted(kind="adopted", what="members", version=1, sha256="0" * 64, at_ms=tomorrow.wall_ms)
    with store.transaction() as tx:
        tx.outbox.put(SERVICE, "adopted", told.encoded(), tomorrow.wall_ms)
    store.close()
    code, found = _doctor(stopped)
    assert code == Exit.REFUSED
    assert "1439 min" in found["CLOCK_BELOW_FLOOR"]["evidence"]


def test_commands_without_the_agent_say_so(stopped: Path) -> None:
    shown = forecourt("status", "--config", str(stopped))
    assert shown.returncode == Exit.REFUSED
    assert "STOPPED: the agent does not run" in shown.stdout
    assert "2026-07 42" in shown.stdout
    told = json.loads(forecourt("status", "--json", "--config", str(stopped)).stdout)
    assert (told["ok"], told["mode"], told["facts"] >= 2) == (False, "STOPPED", True)
    load = forecourt("load", str(stopped), "--config", str(stopped))
    assert (load.returncode, load.stderr.split(":")[0]) == (Exit.REFUSED, "AGENT_NOT_RUNNING")


def test_an_unplugged_device_is_seen_by_the_running_agent(own_station: SmallStation) -> None:
    own_station.start_agent()
    own_station.cbc.unplug()
    try:
        own_station.wait_for_line("island-1", port_open=False)
        shown = own_station.run("status")
        assert shown.returncode == Exit.REFUSED
        assert "DEGRADED" in shown.stdout
        code, found = _doctor(own_station.stage.config)
        assert code == Exit.DEVICE
        assert "PORT_MISSING" in found or "PORT_CLOSED" in found
    finally:
        own_station.cbc.replug()
