"""Integration: does `rules` tell of bundles at a station, what another changes, what it would have given?"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from agent.store.bundles import StoredBundle
from tests.integration.cli.kept_station import Kept
from tests.integration.cli.small_station import forecourt
from tests.world import BUNDLE, World

DEMO = BUNDLE.read_text(encoding="utf-8")
RULES = DEMO[: DEMO.index("[[vector]]")]
ROLLOUT = """
[rollout]
id = "r-2026-08"
percent = 20
shadow_sales = 100
least_sales = 20
declined_bp = 5000
mismatched = 1
crashes = 3
"""


def _answer(kept: Kept, *command: str, code: int = 0) -> dict[str, Any]:
    shown = kept.run(*command, "--json")
    assert shown.returncode == code, shown.stderr
    return dict(json.loads(shown.stdout))


def _written(directory: Path, *changes: tuple[str, str], text: str = RULES) -> str:
    for old, new in (("version = 42", "version = 43"), *changes):
        assert old in text, old
        text = text.replace(old, new)
    path = directory / "next.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture
def staged(kept: Kept, tmp_path: Path) -> Kept:
    """A copy on which version 43 is judged in shadow and 41 was taken back."""
    state = tmp_path / "state"
    shutil.copytree(kept.config.parent / "state", state)
    config = tmp_path / "station.toml"
    config.write_text(kept.config.read_text().replace(str(kept.config.parent / "state"), str(state)))
    world = World(state / "station.db")
    candidate = (RULES.replace("version = 42", "version = 43") + ROLLOUT).encode()
    with world.store.transaction() as tx:
        at_ms = world.at_ms
        for version, body, word, why in (
            (41, RULES.replace("version = 42", "version = 41").encode(), "REJECTED", "DECLINE_RATE"),
            (43, candidate, "SHADOW", ""),
        ):
            row = StoredBundle(
                "2026-07", version, bytes([version] * 32), at_ms, body, at_ms, "VERIFIED", at_ms
            )
            tx.bundles.add(row)
            tx.bundles.move(version, word, at_ms, why)  # type: ignore[arg-type]
        tx.bundles.count_shadow(43, more=1, fewer=0, active_minor=10_000, candidate_minor=12_000)
        tx.bundles.count_guard(42, sales=7, declined=1)
    world.store.close()
    return Kept(config)


def test_status_tells_slots_shadow_guard_and_rollout(staged: Kept) -> None:
    shown = _answer(staged, "rules", "status")
    assert {row["version"]: (row["slot"], row["state"], row["reason"]) for row in shown["bundles"]} == {
        41: ("", "REJECTED", "DECLINE_RATE"),
        42: ("active", "ACTIVE", ""),
        43: ("candidate", "SHADOW", ""),
    }
    assert shown["shadow"] == {
        "sales": 1,
        "more": 1,
        "fewer": 0,
        "active_minor": 10_000,
        "candidate_minor": 12_000,
    }
    assert shown["guard"]["declined"] >= 1
    rollout = shown["rollout"]
    assert (rollout["rollout"], rollout["percent"], rollout["shadow_sales"]) == ("r-2026-08", 20, 100)
    assert rollout["includes_us"] == (rollout["bucket_no"] < 20)
    text = staged.run("rules", "status").stdout
    for words in (
        "DECLINE_RATE",
        "120 instead of 100",
        "20 % of the stations",
        "version 42 since it is active",
    ):
        assert words in text


def test_show_names_the_slots(staged: Kept) -> None:
    shown = _answer(staged, "rules", "show")
    assert (shown["version"], shown["origin"]) == (42, "in force at this station")
    assert shown["slots"] == {"active": 42, "previous good": None, "candidate": 43}
    assert "active: 42, previous good: none, candidate: 43" in staged.run("rules", "show").stdout


def test_a_version_of_the_station_is_shown_by_its_number(staged: Kept) -> None:
    assert _answer(staged, "rules", "show", "43")["origin"] == "SHADOW at this station"
    shown = staged.run("rules", "show", "7")
    assert shown.returncode == 1
    assert shown.stderr.startswith("VERSION_UNKNOWN: this station never received version 7")


def test_diff_says_what_comes_goes_changes_and_stays(kept: Kept, tmp_path: Path) -> None:
    dearer = _written(
        tmp_path,
        ('id = "birthday"', 'id = "name-day"'),
        ("minor = 100000\n", "minor = 90000\n"),
    )
    told = kept.run("rules", "diff", "42", dearer).stdout
    assert "+ Points times 2 on the member's birthday (name-day, group campaign)." in told
    assert "- Points times 2 on the member's birthday (birthday, group campaign)." in told
    assert "- One sale gives at most 1000 points (per-transaction)." in told
    assert "+ One sale gives at most 900 points (per-transaction)." in told
    found = _answer(kept, "rules", "diff", "42", dearer)
    assert (found["old"]["version"], found["new"]["version"]) == (42, 43)
    assert f"{found['kept_count']} sentences are the same in both" in told
    assert "nothing changes" in kept.run("rules", "diff", "42", "42").stdout


def test_lint_takes_the_sample_and_tells_what_is_odd(kept: Kept) -> None:
    assert _answer(kept, "rules", "lint", str(BUNDLE))["refusal"] is None
    shown = kept.run("rules", "lint", str(BUNDLE), "--strict")
    warned = _answer(kept, "rules", "lint", str(BUNDLE))["warnings"]
    assert shown.returncode == (1 if warned else 0)
    for warning in warned:
        assert f"warning {warning['code']}: {warning['where']}: " in shown.stdout


@pytest.mark.parametrize(
    ("changes", "code", "where"),
    [
        ([("quantum = 1000\n", "quantum = 1000.0\n")], "FLOAT", "base 'diesel-litre', quantum (line "),
        ([("points_scale = 100", "points_scale = 10")], "SCALE_MISMATCH", "points_scale (line 9)"),
        ([('"petrol-92", ', "")], "RULE_HOLE", "ruleset '2026'"),
        ([("until = 2027-12-31\nmode", "until = 2027-06-30\nmode")], "COHORT_DROPPED", "grandfather (line "),
    ],
)
def test_lint_refuses_as_the_station_would_with_rule_and_line(
    kept: Kept, tmp_path: Path, changes: list[tuple[str, str]], code: str, where: str
) -> None:
    file = _written(tmp_path, *changes)
    found = _answer(kept, "rules", "lint", file, code=1)
    assert found["refusal"]["reason"] == code
    assert where in found["refusal"]["where"]
    shown = kept.run("rules", "lint", file)
    assert f"REFUSED {code}: " in shown.stdout
    assert "(line " in shown.stdout


def test_a_vector_that_does_not_come_out_is_refused(kept: Kept, tmp_path: Path) -> None:
    wrong = _written(tmp_path, ("points_minor = 200 #", "points_minor = 210 #"), text=DEMO)
    assert _answer(kept, "rules", "lint", wrong, code=1)["refusal"]["reason"] == "VECTOR_MISMATCH"


def test_without_a_station_a_bundle_is_judged_by_itself(tmp_path: Path) -> None:
    shown = forecourt("rules", "lint", str(BUNDLE), "--config", str(tmp_path / "none.toml"), "--json")
    assert json.loads(shown.stdout)["checked"] == "by itself"


def test_preview_takes_what_was_earned_before_and_other_rules(kept: Kept, tmp_path: Path) -> None:
    fill = ("rules", "preview", "--litres", "50", "--tier", "gold", "--at", "2026-07-09T10:00")
    assert _answer(kept, *fill)["points_minor"] == 36_000
    capped = _answer(kept, *fill, "--used-today", "400")
    assert (capped["points_minor"], capped["lapses_on"]) == (10_000, "2028-01-31")
    assert "cap per-day: -260 (400 of 500 earned today)" in capped["explanation"]
    bonus = """
  [[ruleset.bonus]]
  id = "first-fill"
  minor = 5000
  period = "member_month"
  nth = [1]

  [ruleset.combine] # best"""
    file = _written(tmp_path, ("\n  [ruleset.combine] # best", bonus))
    friday = ("rules", "preview", "--litres", "50", "--at", "2026-07-10T10:00", "--rules", file)
    assert _answer(kept, *friday)["points_minor"] == 15_000
    assert _answer(kept, *friday, "--fills", "1")["points_minor"] == 10_000


DAYS = ("--from", "2026-07-08", "--to", "2026-07-09")


def test_a_backtest_with_the_same_rules_changes_nothing(kept: Kept) -> None:
    found = _answer(kept, "rules", "backtest", "42", *DAYS)
    assert found["all"] == {"name": "all", "sales": 4, "given_minor": 64_700, "candidate_minor": 64_700}
    assert (found["more"], found["fewer"]) == (0, 0)
    assert (found["gaining"]["members"], found["losing"]["members"]) == (0, 0)


def test_a_backtest_tells_points_members_products_and_tiers(kept: Kept, tmp_path: Path) -> None:
    """2.5 points a litre, at most 300 a day: m-basic 95 → 119, m-gold 120 + 432 → 150 + 300."""
    file = _written(
        tmp_path, ("points_minor = 200 #", "points_minor = 250 #"), ("  minor = 50000", "  minor = 30000")
    )
    page = tmp_path / "report.html"
    found = _answer(kept, "rules", "backtest", file, *DAYS, "--html", str(page))
    assert (found["all"]["given_minor"], found["all"]["candidate_minor"]) == (64_700, 56_900)
    assert (found["more"], found["fewer"]) == (2, 1)
    assert [day["candidate_minor"] for day in found["days"]] == [26_900, 30_000]
    assert {one["name"]: one["candidate_minor"] for one in found["products"]} == {
        "petrol-92": 26_900,
        "petrol-95": 30_000,
    }
    assert [(one["name"], one["candidate_minor"]) for one in found["gaining"]["most"]] == [
        ("m-basic", 11_900)
    ]
    assert found["losing"]["change_minor"] == -10_200
    told = kept.run("rules", "backtest", file, *DAYS).stdout
    for words in ("569 (-12.0 %)", "lose             1 member, 102 points in all", "m-gold"):
        assert words in told
    html = page.read_text(encoding="utf-8")
    assert html.count("<svg") == 2
    assert "<script" not in html


def test_a_backtest_looks_at_its_days_only(kept: Kept) -> None:
    one_day = _answer(kept, "rules", "backtest", "42", "--from", "2026-07-09", "--to", "2026-07-09")
    assert one_day["all"]["sales"] == 1
    nothing = kept.run("rules", "backtest", "42", "--from", "2026-06-01", "--to", "2026-06-30")
    assert (nothing.returncode, nothing.stdout.splitlines()[-1]) == (0, "no award was made in these days")


@pytest.mark.parametrize(
    ("days", "code"),
    [
        (("--from", "2026-07-09", "--to", "2026-07-08"), "BAD_DATE"),
        (("--from", "July", "--to", "2026-07-08"), "BAD_DATE"),
    ],
)
def test_days_that_are_none_are_refused(kept: Kept, days: tuple[str, ...], code: str) -> None:
    shown = kept.run("rules", "backtest", "42", *days)
    assert (shown.returncode, shown.stderr.split(":")[0]) == (2, code)


def test_a_backtest_needs_the_same_scale(kept: Kept, tmp_path: Path) -> None:
    other = _written(tmp_path, ("points_scale = 100", "points_scale = 10"))
    shown = kept.run("rules", "backtest", other, *DAYS)
    assert (shown.returncode, shown.stderr.split(":")[0]) == (1, "SCALE_MISMATCH")


def test_a_page_that_cannot_be_written_is_said(kept: Kept, tmp_path: Path) -> None:
    shown = kept.run("rules", "backtest", "42", *DAYS, "--html", str(tmp_path / "none" / "x.html"))
    assert (shown.returncode, shown.stderr.split(":")[0]) == (1, "HTML_FILE")
