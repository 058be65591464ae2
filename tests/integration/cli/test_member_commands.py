"""Integration: does `member` show one member's balance, lots, and the way of their points?"""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from agent.cli import points_tree
from agent.cli.points_tree import Branch, print_tree
from tests.integration.cli.kept_station import SETTINGS, Kept
from tests.world import BUNDLE, World


def _answer(kept: Kept, *command: str) -> dict[str, Any]:
    shown = kept.run(*command, "--json")
    assert shown.returncode == 0, shown.stderr
    return dict(json.loads(shown.stdout))


def test_a_balance_has_its_date_and_what_is_not_confirmed(kept: Kept) -> None:
    shown = _answer(kept, "member", "show", "m-gold")
    assert (shown["status"], shown["tier"]) == ("ACTIVE", "gold")
    assert shown["balance"]["minor"] == 100_000 + 6_000 + 43_200
    assert shown["balance"]["provisional"] is True
    assert shown["accounts"] == {"pending": 0, "active": 49_200, "debt": 0}
    months = {used["period"]: used["minor"] for used in shown["usage"] if used["where"] == "here"}
    assert months["2026-07"] == 12_000 + 43_200
    text = kept.run("member", "show", "m-gold").stdout
    assert "1492 points, to be confirmed by headquarters, as of 2026-07-08 10:00:00" in text


def test_lots_are_listed_in_the_order_of_earning(kept: Kept) -> None:
    lots = _answer(kept, "member", "lots", "m-gold")["lots"]
    assert [(lot["minor"], lot["remaining_minor"], lot["earned_on"]) for lot in lots] == [
        (12_000, 6_000, "2026-07-08"),
        (43_200, 43_200, "2026-07-09"),
    ]
    table = kept.run("member", "lots", "m-gold").stdout.splitlines()
    assert [line.split()[2:4] for line in table[1:]] == [["120", "60"], ["432", "432"]]


def test_points_are_traced_from_the_sale_to_their_end(lapsed: Kept) -> None:
    (lot,) = _answer(lapsed, "member", "trace-points", "m-gold")["lots"]
    assert [(move["kind"], move["minor"]) for move in lot["moves"]][:2] == [
        ("award", 12_000),
        ("expiry", -12_000),
    ]
    assert sum(move["minor"] for move in lot["moves"]) == lot["remaining_minor"] == 0
    told = lapsed.run("member", "trace-points", "m-gold").stdout.splitlines()
    assert told[0].startswith(f"120 points of 2026-07-08, sale {lot['code']}: ")
    assert told[1].startswith("  +120  award, 2026-07-08 10:00:00, ledger 1")
    assert told[2].startswith("  -120  expiry, 2028-0")
    assert lapsed.run("sale", "explain", lot["code"]).returncode == 0


def test_lots_with_a_rest_only(lapsed: Kept) -> None:
    assert _answer(lapsed, "member", "lots", "m-gold", "--with-rest")["lots"] == []
    assert len(_answer(lapsed, "member", "lots", "m-gold")["lots"]) == 1


def test_a_decrease_that_the_member_did_not_start_waits_to_be_told(lapsed: Kept) -> None:
    notices = _answer(lapsed, "member", "show", "m-gold")["notices"]
    assert [(notice["code"], notice["minor"], notice["shown_at_ms"]) for notice in notices] == [
        ("POINTS_LAPSED", 12_000, None)
    ]
    assert "not yet" in lapsed.run("member", "show", "m-gold").stdout


def test_a_member_without_points_here(kept: Kept) -> None:
    told = kept.run("member", "trace-points", "m-basic").stdout
    assert "95 points" in told
    for command in ("show", "lots", "trace-points"):
        shown = kept.run("member", command, "nobody")
        assert (shown.returncode, shown.stdout) == (1, "")
        assert shown.stderr.startswith("MEMBER_UNKNOWN: ")


def test_a_terminal_gets_a_drawn_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names come from headquarters: markup in them is text."""
    tree = [Branch("120 points [bold]x", ("+120  award", "-60  refund"), {})]
    assert print_tree("m-1", tree) is False, "there is no terminal here"
    monkeypatch.setattr(points_tree.sys.stdout, "isatty", lambda: True, raising=False)
    console = Console(record=True, width=80, file=StringIO())
    monkeypatch.setattr("rich.console.Console", lambda: console)
    assert print_tree("m-1", tree) is True
    assert console.export_text().splitlines() == [
        "m-1",
        "└── 120 points [bold]x",
        "    ├── +120  award",
        "    └── -60  refund",
    ]


def test_what_a_member_tries_first_is_their_own_and_their_tiers(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    config = tmp_path / "station.toml"
    config.write_text(SETTINGS.format(state=tmp_path / "state"), encoding="utf-8")
    world = World(tmp_path / "state" / "station.db")
    feature = b'\n[[feature]]\nname = "pay-by-plate"\ntier = ["gold"]\n'
    assert not world.adopt_bundle(BUNDLE.read_bytes() + feature).reason
    assert not world.adopt_members(1, gold={"features": ["home-delivery"]}).reason
    world.store.close()
    kept = Kept(config)
    assert _answer(kept, "member", "show", "m-gold")["features"] == ["home-delivery", "pay-by-plate"]
    assert _answer(kept, "member", "show", "m-basic")["features"] == []
    assert "home-delivery, pay-by-plate" in kept.run("member", "show", "m-gold").stdout
    assert "Members of gold try pay-by-plate first." in kept.run("rules", "show").stdout
