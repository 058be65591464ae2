"""Unit: has every finding that is not fine a code and a remedy, and does the worst part come first?"""

import ast

import pytest

from agent.health.findings import Finding, Level, Part, doubt, failure, fine, worst_part
from agent.health.remedies import REMEDIES
from tests.house.sources import python_sources


def _codes_without_own_remedy() -> set[str]:
    """The third argument of every `failure` and `doubt` that gives no remedy, where it is a constant."""
    codes = set()
    for source in python_sources("agent/health", "agent/cli/doctor.py"):
        for call in ast.walk(source.tree):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                is_finding = call.func.id in ("failure", "doubt") and len(call.args) == 4
                if is_finding and isinstance(call.args[2], ast.Constant):
                    codes.add(str(call.args[2].value))
    return codes


def test_every_code_that_a_probe_raises_has_a_remedy() -> None:
    codes = _codes_without_own_remedy()
    assert {"AGENT_NOT_RUNNING", "CHAIN_BROKEN", "DISK_LOW", "DEVICE_SILENT", "HQ_SILENT"} <= codes
    assert codes <= REMEDIES.keys()


def test_no_remedy_is_empty_or_without_a_use() -> None:
    texts = "".join(source.text for source in python_sources("agent/health", "agent/cli", "sync"))
    # MQTT 5, reasons 0x85, 0x89, 0x9f: sync/mqtt.py makes codes of names
    brokers_own = {"CLIENT_IDENTIFIER_NOT_VALID", "SERVER_BUSY", "CONNECTION_RATE_EXCEEDED"}
    for code, remedy in REMEDIES.items():
        assert remedy
        assert texts.count(f'"{code}"') > 1 or code in brokers_own, f"{code} is never raised"


def test_a_finding_is_fine_or_has_code_and_remedy() -> None:
    assert fine(Part.HQ, "a", "b") == Finding(Part.HQ, "a", Level.OK, "b")
    assert failure(Part.STORE, "a", "DISK_LOW", "b").remedy == REMEDIES["DISK_LOW"]
    assert doubt(Part.HQ, "a", "MADE_ELSEWHERE", "b", "do c").remedy == "do c"
    with pytest.raises(KeyError):
        failure(Part.HQ, "a", "MADE_ELSEWHERE", "b")


def test_the_worst_part_is_the_store_and_warnings_do_not_count() -> None:
    failing = [
        failure(part, "a", "DISK_LOW", "b") for part in (Part.STATION, Part.HQ, Part.DEVICE, Part.STORE)
    ]
    order = []
    while failing:
        order.append(worst_part(failing))
        failing = [finding for finding in failing if finding.part is not order[-1]]
    assert order == [Part.STORE, Part.DEVICE, Part.HQ, Part.STATION]
    assert worst_part([fine(Part.HQ, "a", "b"), doubt(Part.STORE, "a", "DISK_LOW", "b")]) is None
