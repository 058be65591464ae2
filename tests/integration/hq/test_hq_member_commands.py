"""Integration: do the commands about members show, import and decide what they say?"""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sync.hq.keys import make_keys
from tests.integration.hq import points
from tests.integration.hq.road import ROOT
from tests.unit.hq.stand import NOW_MS, Hq, Station

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A command of `forecourt hq` on a database with one station and one member; its JSON answer."""
    station = Station()
    station.write(points.award("a", "m1", 1_000), points.award("b", "m1", 50, waits=50))
    hq = Hq(tmp_path / "hq.db", station, judge=points.judge)
    hq.take(station, station.seal(1, 2))
    hq.store.close()
    assert make_keys(tmp_path, {"down": 1}) is None

    def run_one(*arguments: str, code: int = 0) -> dict[str, Any]:
        command = [sys.executable, "-m", "agent.cli", "hq", *arguments]
        command += ["--db", f"sqlite:///{tmp_path}/hq.db", "--json"]
        shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert shown.returncode == code, shown.stderr
        return dict(json.loads(shown.stdout))

    return run_one


def test_a_member_is_shown_lent_for_and_frozen(run: Run, tmp_path: Path) -> None:
    key = ("--key", str(tmp_path / "down.key"))
    assert run("member", "show", "nobody", code=1)["reason"] == "MEMBER_UNKNOWN"
    lent = run("member", "lend", "m1", "400", "--station", "cn-0001", *key)
    assert (lent["epoch"], lent["issued"][0]["station"], lent["issued"][0]["down_seq"]) == (1, "cn-0001", 1)
    refused = run("member", "lend", "m1", "601", "--station", "cn-0001", *key, code=1)
    assert refused["reason"] == "GRANT_EXCEEDS"
    shown = run("member", "show", "m1")
    figures = ("balance_minor", "pending_minor", "lent_minor", "held_minor", "free_minor", "opening_minor")
    assert [shown[name] for name in figures] == [1_050, 50, 400, 0, 600, 0]
    assert [(one["station"], one["minor"]) for one in shown["stations"]] == [("cn-0001", 1_050)]
    assert [(one["minor"], one["is_recalled"]) for one in shown["grants"]] == [(400, False)]
    assert len(run("member", "recall", "m1", "--station", "cn-0001", *key)["issued"]) == 1
    frozen = run("member", "freeze", "m1", "--reason", "stolen", "--case", "c-1", *key)
    assert [one["down_seq"] for one in frozen["issued"]] == [3]
    assert run("member", "freeze", "m1", "--reason", "stolen", *key, code=1)["reason"] == "ALREADY_SO"
    run("member", "unfreeze", "m1", "--reason", "found", *key)
    run("member", "set-tier", "m1", "gold", "--reason", "promoted", "--until", "2027-12-31", *key)
    again = run("member", "show", "m1")
    assert (again["status"], again["tier"], again["grants"][0]["is_recalled"]) == ("ACTIVE", "gold", True)
    bad = run("member", "set-tier", "m1", "gold", "--reason", "promoted", "--until", "soon", *key, code=1)
    assert bad["reason"] == "BAD_BODY"


def test_balances_are_imported_and_reconciled(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "openings.jsonl"
    lines = [{"member": f"m{n}", "minor": 100, "as_of_ms": NOW_MS} for n in range(1, 4)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    taken = run("member", "import", str(file))
    assert (taken["lines"], taken["booked"], taken["minor"]) == (3, 3, 300)
    assert run("member", "import", str(file))["booked"] == 0
    assert run("member", "show", "m1")["balance_minor"] == 1_150
    assert run("reconcile", "cn-0001")["imbalances"] == 0
    hq = Hq(tmp_path / "hq.db", judge=points.judge)
    with hq.store.write() as tx:
        tx._connection.exec_driver_sql("update member_account set balance_minor = 5 where member = 'm1'")
    hq.store.close()
    told = run("reconcile", "cn-0001", code=1)
    assert (told["ok"], told["imbalances"]) == (False, 1)
    file.write_text(json.dumps(lines[0] | {"minor": 7}) + "\n")
    assert run("member", "import", str(file), code=1)["reason"] == "OPENING_DIFFERS"
    assert run("member", "import", str(tmp_path / "none"), code=1)["reason"] == "FILE_UNREADABLE"
