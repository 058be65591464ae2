"""Integration: do `store verify` and `store closes` find broken books, also from outside the database?"""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.kept_station import Kept


def _answer(kept: Kept, *command: str, code: int = 0) -> dict[str, Any]:
    shown = kept.run(*command, "--json")
    assert shown.returncode == code, shown.stderr
    return dict(json.loads(shown.stdout))


@pytest.fixture
def copy(kept: Kept, tmp_path: Path) -> Kept:
    """To be damaged."""
    shutil.copytree(kept.config.parent / "state", tmp_path / "state")
    config = tmp_path / "station.toml"
    config.write_text(
        kept.config.read_text().replace(str(kept.config.parent / "state"), str(tmp_path / "state"))
    )
    return Kept(config)


def _spoil(copy: Kept, *statements: str) -> None:
    connection = sqlite3.connect(copy.config.parent / "state" / "station.db")
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_sound_books_are_verified_with_a_rate(kept: Kept) -> None:
    found = _answer(kept, "store", "verify")
    assert found["findings"] == []
    assert found["rows"] > 0
    assert found["rows_per_s"] > 0
    assert "every promise holds" in kept.run("store", "verify").stdout


def test_a_changed_amount_is_named(copy: Kept) -> None:
    _spoil(copy, "UPDATE posting SET minor = minor + 1 WHERE seq = 1 AND account LIKE 'member:%'")
    found = _answer(copy, "store", "verify", code=4)
    assert ("LEDGER_ROWS", "ledger entry 1") in {(f["code"], f["where"]) for f in found["findings"]}
    shown = copy.run("store", "verify")
    assert shown.returncode == 4
    assert "Change nothing" in shown.stdout


def test_a_cut_tail_is_seen_by_the_heads_outside(copy: Kept) -> None:
    _spoil(
        copy,
        "DELETE FROM lot_move WHERE seq = 4",
        "DELETE FROM posting WHERE seq = 4",
        "DELETE FROM ledger_entry WHERE seq = 4",
    )
    codes = {finding["code"] for finding in _answer(copy, "store", "verify", code=4)["findings"]}
    assert "LEDGER_CUT" in codes


def test_closed_days_balance(kept: Kept) -> None:
    closes = _answer(kept, "store", "closes")["closes"]
    assert [close["business_date"] for close in closes] == ["2026-07-09", "2026-07-08"]
    assert [close["trial_minor"] for close in closes] == [0, 0]
    assert closes[1]["movements"]["issued_minor"] == 12_000 - 6_000 + 9_500
    assert closes[0]["holdings"]["outstanding"] == [[3, 58_700]]
    assert _answer(kept, "store", "closes", "--last", "1")["closes"] == closes[:1]
    told = kept.run("store", "closes").stdout
    assert "2026-07-09  4 to 4      432" in told
    assert closes[0]["head"][:16] in told


def test_a_day_that_does_not_balance_is_told(copy: Kept) -> None:
    _spoil(
        copy,
        """UPDATE daily_close SET figures = json_set(figures, '$.active_minor', 58800)
           WHERE business_date = '2026-07-09'""",
    )
    closes = _answer(copy, "store", "closes", code=4)["closes"]
    assert [close["trial_minor"] for close in closes] == [100, 0]


def test_status_of_a_station_at_rest_tells_rules_and_books(kept: Kept) -> None:
    shown = _answer(kept, "status", code=1)
    assert shown["active"]["version"] == 42
    assert (shown["candidate"], shown["dark_since_ms"], shown["epoch"]) == (None, None, 1)
    assert shown["last_close"]["business_date"] == "2026-07-09"
    told = kept.run("status").stdout
    assert "2026-07-09, ledger 4" in told
    assert "not dark" in told
