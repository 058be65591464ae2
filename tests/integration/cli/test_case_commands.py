"""Integration: does `case` show how cases stand, and does a note reach the till; what does a member hold?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.app.case_notes import note
from agent.handlers.cases import note_case
from agent.till import TillUnavailable
from tests.integration.cli.kept_station import SETTINGS
from tests.integration.cli.small_station import Shown, forecourt
from tests.unit.agent.told_by_hq import adjust, order
from tests.world import WEDNESDAY_MS, World

CASE: dict[str, object] = {
    "case": "c-7",
    "version": 1,
    "state": "IN_PROGRESS",
    "owner": "hq-1",
    "handler": "hq-2",
    "eta_ms": WEDNESDAY_MS + 3_600_000,
    "en": "Points are being looked for",
    "at_ms": WEDNESDAY_MS,
}
GRANT: dict[str, object] = {"grant": "g-1", "epoch": 1, "member": "m-gold", "minor": 50_000}


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., Shown]:
    world = World(tmp_path / "station.db").stock()
    assert order(world, "case.update", CASE) == ""
    assert order(world, "grant", GRANT | {"valid_until_ms": 1 << 43}) == ""
    assert adjust(world, 700, "m-gold", case="c-7") == ""
    world.run(lambda tx, at: note_case("c-7", "staff-4", "they wait here", tx, at))
    world.store.close()
    config = tmp_path / "station.toml"
    config.write_text(SETTINGS.format(state=tmp_path))
    return lambda *command: forecourt(*command, "--config", str(config))


def answer(shown: Shown) -> dict[str, Any]:
    assert shown.returncode == 0, shown.stderr
    return dict(json.loads(shown.stdout))


def test_cases_say_who_has_them_and_until_when(look: Callable[..., Shown]) -> None:
    [case] = answer(look("case", "list", "--json"))["cases"]
    assert (case["state"], case["handler"], case["eta_ms"]) == ("IN_PROGRESS", "hq-2", CASE["eta_ms"])
    assert "2026-07-08 11:00:00" in look("case", "list").stdout


def test_a_case_is_shown_with_its_notes(look: Callable[..., Shown]) -> None:
    shown = answer(look("case", "show", "c-7", "--json"))
    assert [(note["note"], note["acknowledged"]) for note in shown["notes"]] == [("they wait here", False)]
    text = look("case", "show", "c-7").stdout
    assert "Points are being looked for" in text
    assert "staff-4, 2026-07-08 10:00:00, waiting" in text
    assert look("case", "show", "c-8").stderr.startswith("CASE_UNKNOWN")


def test_a_note_needs_the_running_agent(look: Callable[..., Shown]) -> None:
    assert look("case", "note", "c-7", "hello").stderr.startswith("AGENT_NOT_RUNNING")


def test_a_note_goes_through_the_till(tmp_path: Path) -> None:
    class Till:
        """The till's door, without its thread."""

        def submit(self, verb: Any) -> Any:
            return world.run(verb)

    class Busy:
        def submit(self, verb: Any) -> Any:
            raise TillUnavailable("TILL_BUSY")

    world = World(tmp_path / "station.db").stock()
    assert order(world, "case.update", CASE) == ""
    request = {"case": "c-7", "author": "staff-4", "note": "they wait here"}
    assert note(request, Till()) == {"ok": True, "reason": "", "note_no": 1}  # type: ignore[arg-type]
    assert note(request | {"case": "c-8"}, Till())["reason"] == "CASE_UNKNOWN"  # type: ignore[arg-type]
    assert note(request, Busy())["reason"] == "TILL_BUSY"  # type: ignore[arg-type]
    assert world.count("case_note") == 1
    world.store.close()


def test_a_member_is_shown_with_rights_and_what_hq_gave(look: Callable[..., Shown]) -> None:
    rights = answer(look("member", "show", "m-gold", "--json"))["rights"]
    assert rights["minor"] == 50_000 + 700
    assert [(grant["grant"], grant["state"]) for grant in rights["grants"]] == [("g-1", "ACTIVE")]
    assert "to be spent here without asking: 507 points" in look("member", "show", "m-gold").stdout
    assert "given by order-3: active" in look("member", "trace-points", "m-gold").stdout
