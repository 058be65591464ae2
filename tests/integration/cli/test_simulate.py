"""Integration: is `device simulate` a device that a station (and a person at the keyboard) can use?"""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.cli.device_choice import chosen
from agent.cli.device_line import Listening, Reported
from agent.clock import SystemClock
from drivers.escpos_tap.simulator import PATTERNS
from drivers.events import DriverEvent, SalePaid
from drivers.ports import PortSpec
from tests.house.sources import ROOT
from tests.integration.cli.small_station import SmallStation, forecourt, until


def test_the_simulated_device_is_read_by_the_station(own_station: SmallStation) -> None:
    """The station's own concentrator is unplugged, and `device simulate` takes its place on the same link."""
    own_station.start_agent()
    path, before = Path(own_station.cbc.path), own_station.facts()
    own_station.cbc.unplug()
    command = ["device", "simulate", "companytec", "--port", str(path), "--nozzle", "08"]
    with subprocess.Popen(
        [sys.executable, "-m", "agent.cli", *command, "--sell", "10,78.50,7.85"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    ) as device:
        try:
            assert device.stdout is not None
            assert device.stdin is not None
            assert device.stdout.readline().strip() == str(path)
            until(lambda: own_station.facts() == before + 1, "the simulated fuelling")
            device.stdin.write("nonsense\n20,157.00,7.85\n")
            device.stdin.flush()
            until(lambda: own_station.facts() == before + 2, "the typed fuelling")
            device.send_signal(signal.SIGINT)
            assert device.wait(10) == 0
            said = device.stdout.read()
        finally:
            device.kill()
    assert "sold 10000 ml for 7850 fen" in said
    assert "nonsense: write LITRES,AMOUNT,PRICE" in said
    assert not path.exists()
    own_station.cbc.replug()


@pytest.mark.parametrize(
    ("arguments", "exit_code", "code"),
    [
        (["nothing"], 2, "UNKNOWN_DRIVER"),
        (["modbus"], 2, "DRIVER_OPTION"),
        (["companytec", "--sell", "30;2"], 2, "BAD_SALE"),
        (["companytec", "--option", "poll_ms"], 2, "BAD_OPTION"),
        (["pos_link", "--option", "register_id=a", "--sell", "1,1,1"], 2, "NO_SALES"),
        (["companytec", "--tcp", "--port", "x"], 2, "TWO_PLACES"),
        (["companytec", "--port", os.devnull], 3, "PORT_FAILED"),
        (["companytec", "--port", "/nowhere/at/all"], 3, "PORT_FAILED"),
    ],
)
def test_a_device_that_cannot_be_simulated(arguments: list[str], exit_code: int, code: str) -> None:
    shown = forecourt("device", "simulate", *arguments)
    assert shown.returncode == exit_code
    assert shown.stderr.startswith(f"{code}: "), shown.stderr


def test_a_simulated_cashier_is_answered_on_tcp() -> None:
    """Nobody answers here: what the POS would ask is shown, and a slip of the hand is explained."""
    command = ["device", "simulate", "pos_link", "--option", "register_id=till-9", "--tcp"]
    with subprocess.Popen(
        [sys.executable, "-m", "agent.cli", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    ) as pos:
        try:
            assert pos.stdout is not None
            assert pos.stdin is not None
            assert pos.stdout.readline().startswith("socket://127.0.0.1:")
            pos.stdin.write("pay S1 1 10.00 cash card 0001\npay S1\n")
            pos.stdin.flush()
            assert pos.stdout.readline().startswith("asked ")
            assert pos.stdout.readline().startswith("pay S1: write present POINT")
            pos.terminate()
            assert pos.wait(10) == 0
        finally:
            pos.kill()


@pytest.mark.parametrize(
    ("driver", "options"),
    [("verifone_journal", {}), ("escpos_tap", {"register_id": "1", "patterns": list(PATTERNS)})],
)
def test_a_register_that_is_only_heard_sells_like_a_pump(driver: str, options: dict[str, Any]) -> None:
    command = ["device", "simulate", driver, "--tcp", "--nozzle", "4"]
    for name, value in options.items():
        command += ["--option", f"{name}={json.dumps(value)}"]
    with subprocess.Popen(
        [sys.executable, "-m", "agent.cli", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
    ) as register:
        try:
            assert register.stdout is not None
            assert register.stdin is not None
            place = register.stdout.readline().strip()
            who = chosen(driver, options)
            heard: list[DriverEvent] = []
            spec = PortSpec(place, listen_only=who.listens)
            session = who.driver.open_session(who.address, who.options)
            listening = Listening(spec, session, SystemClock().monotonic_ms, random.Random(1))
            register.stdin.write("30.12,236.44,7.85\n")
            register.stdin.flush()
            try:
                until(lambda: _paid(listening, heard), "the receipt")
            finally:
                listening.close()
            register.send_signal(signal.SIGINT)
            assert register.wait(10) == 0
        finally:
            register.kill()
    sale = next(event for event in heard if isinstance(event, SalePaid))
    assert (sale.point, sale.fuel_amount_fen) == ("4", 23_644)


def _paid(listening: Listening, heard: list[DriverEvent]) -> bool:
    heard += [item.event for item in listening.passing(100) if isinstance(item, Reported)]
    return any(isinstance(event, SalePaid) for event in heard)
