"""Integration: does `device explain` take any bytes apart, and is what cannot be done refused?"""

import json
import os
import subprocess
import sys
from contextlib import suppress

import pytest

from drivers.blueprint import codec
from tests.house.sources import ROOT
from tests.integration.cli.device_wires import READ, SALE, as_json, device

pytestmark = pytest.mark.usefixtures("hurried")


def test_explain_takes_bytes_apart_and_calls_noise_noise() -> None:
    code, told = as_json("explain", SALE.hex(" "), "--protocol", "blueprint")
    assert (code, told["ok"], told["driver"]) == (0, True, "blueprint")
    assert {"name": "amount", "raw": "023644", "meaning": "23644 fen"} in told["views"][0]["details"]
    split = device("explain", *SALE.hex(" ").split(), "-d", "blueprint")
    assert split.returncode == 0
    assert "sale  (said by the device, check value right, 45 bytes)" in split.stdout
    wrong = device("explain", SALE.replace(b"30", b"31").hex(":"), "-d", "blueprint")
    assert (wrong.returncode, "check value WRONG" in wrong.stdout) == (1, True)
    noise = device("explain", "0xDE,0xAD", "-d", "blueprint")
    assert (noise.returncode, "no byte belongs to a frame of blueprint" in noise.stdout) == (1, True)


def test_on_a_narrow_terminal_rows_are_shorter_and_a_pipe_is_wide() -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "agent.cli", "device", "explain", SALE.hex(), "-d", "blueprint"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "COLUMNS": "60"}, stdout=theirs, check=True)
    os.close(theirs)
    told = b""
    with suppress(OSError):  # EIO: everything was read, and nobody holds the terminal's other side
        while piece := os.read(ours, 4_096):
            told += piece
    os.close(ours)
    first_row = SALE[:16].hex(" ")
    assert first_row not in told.decode()
    assert max(map(len, told.decode().splitlines())) < 80
    assert first_row in device("explain", SALE.hex(), "-d", "blueprint", COLUMNS="60").stdout


@pytest.mark.parametrize(
    "written",
    [
        READ.hex(),
        READ.hex(" ").upper(),
        READ.hex(":"),
        READ.hex("-"),
        ",".join(f"0x{byte:02X}" for byte in READ),
        str([f"0x{byte:02x}" for byte in READ]),
        "".join(f"\\x{byte:02x}" for byte in READ),
        f"0x{READ[:3].hex()} {{{READ[3:].hex(' ')}}};",
    ],
)
def test_bytes_are_taken_as_logs_and_programs_write_them(written: str) -> None:
    code, told = as_json("explain", written, "-d", "blueprint")
    assert (code, [view["hex"] for view in told["views"]]) == (0, [READ.hex()])


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (["522"], "522: an odd number of digits"),
        (["5", "2A"], "5: an odd number of digits"),
        (["52", "2", "A4"], "2: an odd number of digits"),
        (["0x0x52"], "write bytes as pairs of hex digits"),
        (["pyproject.toml"], "pyproject.toml is a file"),
        (["0x"], "there are no bytes"),
    ],
)
def test_a_lost_digit_is_told_and_moves_no_byte(written: list[str], told: str) -> None:
    shown = device("explain", *written)
    assert shown.returncode == 2
    assert told in shown.stderr


def test_without_a_driver_single_bytes_explain_nothing() -> None:
    """To Two-Wire (gilbarco) nearly every byte is a frame: it would win over the truth, and over noise."""
    noise = as_json("explain", "28264136FF29")
    assert (noise[0], noise[1]["driver"]) == (1, None)
    damaged = as_json("explain", codec.encode(codec.READ).hex())
    assert damaged[1]["driver"] != "gilbarco"
    assert as_json("explain", "31", "-d", "gilbarco")[0] == 0


def test_explain_reads_standard_input() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "agent.cli", "device", "explain", "-d", "blueprint", "-"],
        cwd=ROOT,
        input=READ.hex("\n"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.startswith("read the oldest sale  (said by the host, check value right, 7 bytes)")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["explain", "5g", "-d", "blueprint"], 2, "BAD_HEX"),
        (["explain", "", "-d", "blueprint"], 2, "BAD_HEX"),
        (["explain", "00", "-d", "nothing"], 2, "UNKNOWN_DRIVER"),
        (["explain", "00", "-d", "blueprint", "--option", "speed=1"], 2, "DRIVER_OPTION"),
        (["explain", "00", "--option", "speed=1"], 2, "NO_DRIVER"),
        (["scan", "/dev/null", "--option", "speed=1"], 2, "NO_DRIVER"),
        (["scan", "/dev/no-such-port", "-d", "blueprint"], 3, "PORT_MISSING"),
        (["watch", "/dev/no-such-port", "-d", "blueprint"], 3, "PORT_MISSING"),
        (["watch", "/dev/null", "-d", "blueprint", "--character", "9N1"], 2, "BAD_CHARACTER"),
        (["totals", "socket://127.0.0.1:1", "-d", "blueprint"], 3, "PORT_UNREACHABLE"),
        (["doctor", "/dev/null", "--ask"], 2, "NO_DRIVER"),
        (["watch", "/dev/null", "-d", "dart", "--address", "zonk"], 2, "DRIVER_ADDRESS"),
        (["scan", "/dev/null", "-d", "dart", "--address", "zonk"], 2, "DRIVER_ADDRESS"),
        (["explain", "00", "-d", "gilbarco", "--option", "pumps=[1,"], 2, "BAD_OPTION"),
        (["watch", "pyproject.toml", "-d", "dart"], 3, "PORT_NO_DEVICE"),
    ],
)
def test_a_command_that_cannot_be_done(arguments: list[str], code: int, reason: str) -> None:
    shown = device(*arguments)
    assert (shown.returncode, shown.stderr.split(":")[0]) == (code, reason)
    assert json.loads(device(*arguments, "--json").stdout)["reason"] == reason
