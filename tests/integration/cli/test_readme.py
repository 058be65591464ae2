"""House: does agent/README.md name every command with its exit codes, and every code with a remedy?"""

import ast
import re

import pytest

from agent.handlers.wording import _SENTENCES, sentence
from agent.health.remedies import REMEDIES
from drivers import catalogue
from tests.house.sources import ROOT, python_sources
from tests.integration.cli.commands import leaves
from tests.integration.cli.small_station import forecourt

README = (ROOT / "agent" / "README.md").read_text(encoding="utf-8")
NO_REASON = {"PRESENTED", "POINTS", "BALANCE", "PROVISIONAL", "REFUNDED", "CHOOSE", "WAITING"}
"""Sentences of outcomes that are no reason code; the last two are those of the codes below."""
WORDED_AS = {"SEVERAL_FUELLINGS": "CHOOSE", "NO_FUELLING_YET": "WAITING"}
COUNTED_ONLY = {"ANSWER_NOT_NEEDED", "RECORD_TORN", "RECORD_UNREADABLE", "ZERO_VOLUME"}
"""Codes of the same driver modules that count readings; no record carries them."""
CODE = re.compile(r"[A-Z]+(_[A-Z]+)+|ARITHMETIC")


def _rows(heading: str) -> dict[str, list[str]]:
    """First cell (without its backquotes) → the other cells, of the tables below a heading."""
    below = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in below.splitlines() if line.startswith("| `")]
    return {cells[0].strip(" `"): [cell.strip() for cell in cells[1:]] for cells in rows}


def _constants(tree: ast.AST) -> set[str]:
    texts = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return {text for text in texts if CODE.fullmatch(text)}


def test_every_command_is_there_with_exit_codes() -> None:
    written = {name.removeprefix("forecourt "): cells for name, cells in _rows("The command").items()}
    assert written.keys() == leaves().keys()
    for cells in written.values():
        assert re.fullmatch(r"0( 1)? 2( 3)?( 4)?( 5)?|0 2 5", cells[-1]), cells


@pytest.mark.parametrize("path", sorted({" ".join(name.split()[:-1]) for name in leaves()}))
def test_help_of_every_group_names_its_commands(path: str) -> None:
    shown = forecourt(*path.split(), "--help")
    assert shown.returncode == 0
    words = path.split()
    children = {name.split()[len(words)] for name in leaves() if name.split()[: len(words)] == words}
    assert all(child in shown.stdout for child in children), shown.stdout


def test_every_reason_that_a_till_can_be_told_is_explained() -> None:
    reasons = (_SENTENCES.keys() - NO_REASON) | WORDED_AS.keys()
    rows = _rows("What a till can be told")
    assert rows.keys() == reasons
    for code, (meaning, remedy) in rows.items():
        assert meaning == sentence(WORDED_AS.get(code, code), "en", point="…")
        assert remedy


def test_every_refusal_in_the_handlers_has_its_sentence() -> None:
    """What is passed to `refused(...)` or as `reason=` is among the reasons of the table."""
    rows = _rows("What a till can be told")
    for source in python_sources("agent/handlers"):
        for call in ast.walk(source.tree):
            if isinstance(call, ast.Call):
                told = [k.value for k in call.keywords if k.arg == "reason"]
                if isinstance(call.func, ast.Name) and call.func.id == "refused":
                    told.append(call.args[1])
                for value in told:
                    assert _constants(value) <= rows.keys(), source.at(call, ast.unparse(call))


def test_every_refusal_of_a_command_that_looks_into_a_station_is_explained() -> None:
    looking = ("sale", "member", "case", "rule", "store.py", "station.py", "load.py", "typed_numbers.py")
    refusals = set()
    for source in python_sources("agent/cli"):
        if source.path.removeprefix("agent/cli/").startswith(looking):
            for call in ast.walk(source.tree):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "fail":
                    refusals |= _constants(call.args[1])
            refusals |= {code for code in _constants(source.tree) if code.startswith("DATABASE_")}
    assert refusals == _rows("What a command refuses").keys()


def test_every_flag_and_alarm_is_explained() -> None:
    places = (
        "agent/handlers/metering.py",
        "agent/handlers/apply_ack.py",
        "agent/handlers/credentials.py",
        "agent/handlers/record_fuelling.py",
        "agent/store/heads.py",
    )
    raised = {code for source in python_sources(*places) for code in _constants(source.tree)}
    raised |= {flag for driver in catalogue.all() for flag in driver.flags}
    for source in python_sources("agent"):
        for call in ast.walk(source.tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("alarms.count"):
                raised |= _constants(call.args[0])
    assert raised - COUNTED_ONLY == _rows("Flags and alarms").keys()


def test_every_finding_of_doctor_has_the_remedy_that_it_prints() -> None:
    assert {code: cells[0] for code, cells in _rows("What doctor finds").items()} == dict(REMEDIES)
