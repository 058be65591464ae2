"""Unit: what does listening on a line find, on real pseudo-terminals, and does it leave records alone?"""

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from random import Random

import pytest

from agent.clock import SystemClock
from agent.health.findings import Finding, Level
from agent.health.lines import Wire, by_listening
from drivers import catalogue
from drivers.companytec.simulator import CompanytecSimulator
from drivers.dart.options import DartOptions
from drivers.ports import PortSpec, open_port
from drivers.pos_link.options import PosLinkOptions
from drivers.pos_link.simulator import PosSimulator
from drivers.stage import SimulatorOnPty
from tests.house.sources import ROOT

CLOCK = SystemClock()


def _wire(path: str, driver: str = "companytec", address: str = "1", **options: object) -> Wire:
    found = catalogue.find(driver)
    session = found.open_session(address, found.options.model_validate(options))
    port = partial(open_port, PortSpec(path, pty=True))
    listens = found.listens(found.options.model_validate(options))
    return Wire("island-1", path, port, session, (address,), is_pos=found.is_pos, listens=listens)


def _listen(*wires: Wire, limit_ms: int = 2_000) -> list[Finding]:
    return by_listening(wires, CLOCK.monotonic_ms, Random(1), limit_ms)


def test_a_device_that_answers_is_found_and_keeps_its_record() -> None:
    concentrator = SimulatorOnPty(CompanytecSimulator(), CLOCK.monotonic_ms)
    try:
        concentrator.act(lambda device: device.sell("04", 10_000, 7_850, 7_850))
        (finding,) = _listen(_wire(concentrator.path))
        assert concentrator.act(lambda device: len(device.released)) == 0
    finally:
        concentrator.close()
    assert (finding.level, finding.code) == (Level.OK, "")


@pytest.mark.parametrize(
    ("driver", "address", "expected"),
    [
        ("companytec", "1", (Level.FAIL, "DEVICE_SILENT")),
        ("veeder_root", "1", (Level.FAIL, "DEVICE_SILENT")),
        ("dart", "50", (Level.WARN, "WIRE_QUIET")),
    ],
)
def test_a_line_on_which_nobody_is_heard(driver: str, address: str, expected: tuple[Level, str]) -> None:
    """A gauge is asked as a pump is; a tap may be beside a controller that is switched off."""
    master, slave = os.openpty()
    try:
        (finding,) = _listen(_wire(os.ttyname(slave), driver, address), limit_ms=300)
    finally:
        os.close(master)
        os.close(slave)
    assert (finding.level, finding.code) == expected
    assert address in finding.evidence


def test_a_tap_hears_a_pump_that_its_controller_polls() -> None:
    wire = SimulatorOnPty(catalogue.find("dart").open_simulator("50", DartOptions()), CLOCK.monotonic_ms)
    try:
        (finding,) = _listen(_wire(wire.path, "dart", "50"))
    finally:
        wire.close()
    assert (finding.level, finding.code) == (Level.OK, "")


def test_a_pos_may_be_quiet_and_is_heard_when_it_speaks() -> None:
    master, slave = os.openpty()
    options = {"register_id": "1"}
    try:
        (quiet,) = _listen(_wire(os.ttyname(slave), "pos_link", **options), limit_ms=300)
    finally:
        os.close(master)
        os.close(slave)
    assert (quiet.level, quiet.code) == (Level.WARN, "POS_QUIET")
    pos = SimulatorOnPty(PosSimulator(PosLinkOptions(register_id="1")), CLOCK.monotonic_ms)
    try:
        (heard,) = _listen(_wire(pos.path, "pos_link", **options))
    finally:
        pos.close()
    assert (heard.level, heard.code) == (Level.OK, "")


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    (finding,) = _listen(_wire(str(tmp_path / "ttyUSB0")))
    assert (finding.level, finding.code) == (Level.FAIL, "PORT_MISSING")
    assert "by-id" in finding.remedy


def test_a_port_that_another_program_holds() -> None:
    concentrator = SimulatorOnPty(CompanytecSimulator(), CLOCK.monotonic_ms)
    try:
        held = open_port(PortSpec(concentrator.path, pty=True))
        (finding,) = _listen(_wire(concentrator.path))
        held.close()
    finally:
        concentrator.close()
    assert (finding.level, finding.code) == (Level.FAIL, "PORT_BUSY")


_AS_SOMEBODY_ELSE = """
import os, socket, sys
import serial
from pathlib import Path
from agent.health.station import socket_is_closed_to_us
from tests.unit.health.test_lines import _listen, _wire
control = Path(sys.argv[1])
master, slave = os.openpty()
server = socket.socket(socket.AF_UNIX)
server.bind(str(control))
if os.getuid() == 0:
    os.chmod(control, 0o600)
    os.setgid(65534)
    os.setuid(65534)
else:
    os.chmod(control, 0)
    os.chmod(os.ttyname(slave), 0)
for finding in (*_listen(_wire(os.ttyname(slave))), socket_is_closed_to_us(control)):
    print(finding.level, finding.code, finding.remedy, sep="|")
"""


def test_a_port_and_a_socket_that_we_may_not_use() -> None:
    """To root nothing is forbidden: the process becomes another user once everything is imported."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        shown = subprocess.run(
            [sys.executable, "-c", _AS_SOMEBODY_ELSE, f"{folder}/control.sock"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert shown.returncode == 0, shown.stderr
    port, control = shown.stdout.splitlines()
    assert port.startswith("fail|PORT_FORBIDDEN|put the service's user into the group dialout")
    assert control.startswith("fail|SOCKET_FORBIDDEN|join the group forecourt")
