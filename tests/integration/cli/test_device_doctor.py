"""Integration: does `device doctor` name what is wrong with a real port, and what to do?"""

from collections.abc import Callable
from pathlib import Path

import pytest

from drivers import ports
from drivers.blueprint.simulator import BlueprintSimulator
from drivers.driver import Driver
from drivers.ports import PortSpec
from drivers.stage import SimulatorOnPty
from tests.integration.cli.device_wires import READ, SALE, Wire, as_json, device

pytestmark = pytest.mark.usefixtures("hurried")


def test_doctor_of_a_port_that_is_well(pump: SimulatorOnPty[BlueprintSimulator]) -> None:
    code, told = as_json("doctor", pump.path, "-d", "blueprint", "--ask", "--listen", "1")
    assert (code, told["ok"]) == (0, True)
    found = {finding["name"]: finding for finding in told["findings"]}
    assert list(found) == [
        "device", "name", "permission", "held by", "open", "errors", "heard", "echo", "answer"
    ]  # fmt: skip
    assert {finding["level"] for finding in found.values()} == {"ok"}
    assert found["answer"]["evidence"] == '"oldest sale" at address 1: sale'
    assert pump.act(lambda device: device.released) == []


@pytest.mark.parametrize(
    ("talk", "answer", "echo", "asks", "code", "level"),
    [
        (b"", b"", False, True, "DEVICE_SILENT", "fail"),
        (b"", b"?!", False, True, "ANSWER_STRANGE", "fail"),
        (b"", SALE, True, True, "ECHO_HEARD", "warn"),
        (READ, b"", False, True, "SOMEBODY_SPEAKS", "fail"),
        (b"\xff\xfe", b"", False, False, "ONLY_ONES", "fail"),
        (b"what is this", b"", False, False, "NEVER_RIGHT", "fail"),
        (b"", b"", False, False, "NOTHING_HEARD", "warn"),
        (SALE + b"\n" + SALE.replace(b"30", b"31"), b"", False, False, "SOME_WRONG", "warn"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isupper() else "",
)
def test_doctor_names_the_fault(
    wire: Callable[..., Wire], talk: bytes, answer: bytes, echo: bool, asks: bool, code: str, level: str
) -> None:
    line = wire(talk, lambda said: answer, echo=echo)
    arguments = ["doctor", line.path, "-d", "blueprint", "--listen", "1", *(["--ask"] if asks else [])]
    exit_code, told = as_json(*arguments)
    found = {finding["code"]: finding for finding in told["findings"]}
    assert found[code]["level"] == level
    assert found[code]["remedy"]
    assert exit_code == (3 if any(f["level"] == "fail" for f in told["findings"]) else 0)
    assert line.heard == (READ if asks and not talk else b"")


def test_doctor_shows_remedies_to_people(tmp_path: Path) -> None:
    shown = device("doctor", str(tmp_path / "ttyUSB9"))
    assert shown.returncode == 3
    assert "FAIL  device      PORT_UNKNOWN: " in shown.stdout
    assert "-> plug the converter in" in shown.stdout


def test_doctor_says_once_why_a_port_does_not_open(pump: SimulatorOnPty[BlueprintSimulator]) -> None:
    held = ports.open_port(PortSpec(pump.path, pty=True))
    try:
        found = as_json("doctor", pump.path)[1]["findings"][-1]
    finally:
        held.close()
    assert (found["name"], found["code"]) == ("open", "PORT_BUSY")
    assert found["evidence"] == f"{pump.path}: Resource temporarily unavailable"


def test_doctor_looks_at_both_ends_of_a_printers_cable_and_at_groups(wire: Callable[..., Wire]) -> None:
    found = as_json("doctor", f"{wire().path} -> {wire().path}", "--listen", "1")[1]["findings"]
    assert [each["name"] for each in found].count("permission") == 2
    assert {"open", "heard"} <= {each["name"] for each in found}
    group = as_json("doctor", "udp://230.0.0.1:0@127.0.0.1", "--listen", "1")[1]["findings"]
    assert [each["code"] for each in group] == ["", "", "NOTHING_HEARD"]


def test_a_driver_without_a_question_is_no_fault_of_the_line(
    wire: Callable[..., Wire], as_driver: Callable[..., Driver]
) -> None:
    as_driver(asks=lambda address, options: (), listens=lambda options: True)
    code, told = as_json("doctor", wire(SALE).path, "-d", "blueprint", "--ask", "--listen", "1")
    assert (code, told["findings"][-1]["code"]) == (0, "NOTHING_TO_ASK")
