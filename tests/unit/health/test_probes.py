"""Unit: does each probe tell the sound from the broken, with the right code?"""

import os
from pathlib import Path

import pytest

from agent.clock import ClockQuality
from agent.health import acknowledgement, lines
from agent.health.findings import Finding, Level
from agent.health.names import package_names
from agent.health.station import agent_process, socket_is_closed_to_us
from agent.health.storage import chain, free_disk, sqlite
from agent.health.timekeeping import clock
from agent.store.integrity import Finding as Broken

NOW_MS = 1_790_000_000_000
QUEUE = {"stream": "ledger", "waiting": 0, "oldest_waiting_ms": None, "acked_at_ms": NOW_MS - 5_000}
ROAD = {"mode": "online", "hq_age_ms": 3_000, "halted": {}, "trouble": ""}
LINE = {
    "name": "island-1",
    "port_open": True,
    "trouble": "",
    "heard_ago_ms": 40,
    "silent_addresses": [],
    "counters": {"HEARD": 7},
    "quality": None,
}
WORSE = {"is_worse": True, "told": "last hour 2.00 % errors"}
NO_POS: frozenset[str] = frozenset()


def _said(finding: Finding) -> tuple[Level, str]:
    return finding.level, finding.code


def test_the_names_are_ours_here() -> None:
    assert _said(package_names()) == (Level.OK, "")


def test_a_name_that_somebody_else_has_taken_is_found(tmp_path: Path) -> None:
    stranger = package_names(lambda name: tmp_path / name / "__init__.py")
    assert _said(stranger) == (Level.FAIL, "NAME_TAKEN")
    assert str(tmp_path) in stranger.evidence
    assert _said(package_names(lambda name: None)) == (Level.FAIL, "NAME_TAKEN")


@pytest.mark.parametrize(
    ("quality", "newest_ms", "offset_ms", "expected"),
    [
        (ClockQuality.SYNCED, NOW_MS, None, (Level.OK, "")),
        (ClockQuality.SYNCED, NOW_MS - 1, -120_000, (Level.OK, "")),
        (ClockQuality.UNTRUSTED, NOW_MS + 1, None, (Level.FAIL, "CLOCK_BELOW_FLOOR")),
        (ClockQuality.SYNCED, NOW_MS, 120_001, (Level.WARN, "CLOCK_DIFFERS")),
        (ClockQuality.SYNCED, NOW_MS, -120_001, (Level.WARN, "CLOCK_DIFFERS")),
        (ClockQuality.UNTRUSTED, NOW_MS, 0, (Level.WARN, "CLOCK_UNTRUSTED")),
        (ClockQuality.HOLDOVER, NOW_MS, None, (Level.WARN, "CLOCK_NOT_SYNCED")),
    ],
)
def test_the_clock(
    quality: ClockQuality, newest_ms: int, offset_ms: int | None, expected: tuple[Level, str]
) -> None:
    assert _said(clock(quality, NOW_MS, newest_ms, offset_ms)) == expected


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ((3, 6, 23), ""),
        ((3, 7, 0), "SQLITE_WAL_RESET"),
        ((3, 40, 1), "SQLITE_WAL_RESET"),
        ((3, 51, 2), "SQLITE_WAL_RESET"),
        ((3, 51, 3), ""),
    ],
)
def test_sqlite_with_the_wal_reset_bug_is_named_and_no_failure(
    version: tuple[int, int, int], code: str
) -> None:
    assert _said(sqlite(version)) == (Level.WARN if code else Level.OK, code)


def test_free_disk_against_its_threshold(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    free_mib = disk.f_bavail * disk.f_frsize // (1 << 20)
    assert _said(free_disk(tmp_path, max(0, free_mib - 100))) == (Level.OK, "")
    assert _said(free_disk(tmp_path, free_mib + 100)) == (Level.FAIL, "DISK_LOW")


def test_broken_promises_are_shown_and_counted() -> None:
    assert _said(chain([], 9)) == (Level.OK, "")
    broken = chain([Broken("OUTBOX_CHAIN", f"ledger {n}", "changed") for n in range(5)], 9)
    assert _said(broken) == (Level.FAIL, "CHAIN_BROKEN")
    assert "OUTBOX_CHAIN ledger 2" in broken.evidence
    assert broken.evidence.endswith("2 more")


@pytest.mark.parametrize(
    ("change", "kind", "expected"),
    [
        ({}, "pump", (Level.OK, "")),
        ({"quality": {**WORSE, "is_worse": False}}, "pump", (Level.OK, "")),
        ({"quality": WORSE}, "pump", (Level.WARN, "LINE_QUALITY")),
        ({"quality": WORSE, "silent_addresses": ["1"]}, "pump", (Level.FAIL, "DEVICE_SILENT")),
        ({"heard_ago_ms": None}, "pump", (Level.WARN, "NOT_HEARD_YET")),
        ({"heard_ago_ms": None}, "listening", (Level.WARN, "NOT_HEARD_YET")),
        ({"heard_ago_ms": None}, "pos", (Level.WARN, "POS_QUIET")),
        ({"silent_addresses": ["1"]}, "pump", (Level.FAIL, "DEVICE_SILENT")),
        ({"silent_addresses": ["1"]}, "listening", (Level.WARN, "WIRE_QUIET")),
        ({"silent_addresses": ["1"]}, "pos", (Level.WARN, "POS_QUIET")),
        ({"silent_addresses": ["1"]}, "listening pos", (Level.WARN, "POS_QUIET")),
        ({"port_open": False}, "pump", (Level.FAIL, "PORT_CLOSED")),
        ({"port_open": False}, "listening", (Level.FAIL, "PORT_CLOSED")),
        ({"port_open": False, "trouble": "read: end of file"}, "pump", (Level.FAIL, "PORT_CLOSED")),
        (
            {"port_open": False, "trouble": "PORT_BUSY: /dev/x: taken; stop the other one"},
            "pump",
            (Level.FAIL, "PORT_BUSY"),
        ),
    ],
)
def test_a_line_of_the_running_agent(
    change: dict[str, object], kind: str, expected: tuple[Level, str]
) -> None:
    it = frozenset({"island-1"})
    pos_lines, listening_lines = it if "pos" in kind else NO_POS, it if "listening" in kind else NO_POS
    (finding,) = lines.from_status([{**LINE, **change}], pos_lines, listening_lines)
    assert _said(finding) == expected
    if finding.code == "PORT_BUSY":
        assert (finding.evidence, finding.remedy) == ("/dev/x: taken", "stop the other one")
    if finding.code == "LINE_QUALITY":
        assert finding.evidence == WORSE["told"]


@pytest.mark.parametrize(
    ("road", "expected"),
    [
        (ROAD, (Level.OK, "")),
        (None, (Level.WARN, "HQ_WAITING")),
        ({**ROAD, "mode": "connecting", "hq_age_ms": None}, (Level.FAIL, "HQ_SILENT")),
        ({**ROAD, "halted": {"ledger": "CHAIN_MISMATCH"}}, (Level.FAIL, "STREAM_HALTED")),
    ],
)
def test_headquarters_by_the_agents_word(road: dict[str, object] | None, expected: tuple[Level, str]) -> None:
    assert _said(acknowledgement.from_status(road, [QUEUE])) == expected


def test_headquarters_by_the_database() -> None:
    assert _said(acknowledgement.from_database([QUEUE], NOW_MS)) == (Level.OK, "")
    waiting = {**QUEUE, "waiting": 3, "oldest_waiting_ms": 60_000}
    found = acknowledgement.from_database([waiting], NOW_MS)
    assert _said(found) == (Level.WARN, "HQ_WAITING")
    assert found.evidence == "its last acknowledgement is 5 s old, 3 rows wait, the oldest 60 s"
    assert "never acknowledged" in acknowledgement.from_database([], NOW_MS).evidence


def test_the_agent_runs_or_not(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    assert _said(agent_process(None, path)) == (Level.FAIL, "AGENT_NOT_RUNNING")
    status = {"version": "1", "pid": 2, "mode": "ONLINE"}
    assert _said(agent_process(status, path)) == (Level.OK, "")
    assert socket_is_closed_to_us(path) is None
