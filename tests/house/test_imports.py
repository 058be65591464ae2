"""House: do the import contracts hold, and does each of them turn red when it is broken?

The second half lints a copy of the tree with one forbidden import planted in it.
"""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.sources import PACKAGES, ROOT

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"

PLANTS = [
    ("star", "drivers/planted.py", "import agent.clock"),
    ("star", "sync/planted.py", "import drivers.events"),
    ("star", "drivers/planted.py", "import config.settings"),
    ("star", "config/planted.py", "import sync.envelope"),
    ("agent-layers", "agent/points/planted.py", "import agent.store"),
    ("agent-layers", "agent/messages/planted.py", "import agent.store"),
    ("agent-layers", "agent/handlers/planted.py", "import agent.till"),
    ("agent-layers", "agent/clock.py", "import agent.notify"),
    ("agent-layers", "agent/planted.py", "import agent.clock"),
    ("pure", "agent/points/planted.py", "import time"),
    ("pure", "drivers/planted/codec.py", "import logging"),
    ("pure", "drivers/planted/session.py", "import socket"),
    ("pure", "drivers/planted/simulator.py", "from os import path"),
    ("pure", "drivers/planted/session.py", "import drivers.ports"),
    ("pure", "sync/courier.py", "import threading"),
    ("pure", "sync/envelope.py", "import sync.mqtt"),
    ("points-alone", "agent/points/planted.py", "import drivers.events"),
    ("door-serial", "drivers/line.py", "import serial"),
    ("door-serial", "drivers/planted/codec.py", "import serial"),
    ("door-pymodbus", "drivers/modbus/session.py", "from pymodbus import framer"),
    ("door-paho", "sync/planted.py", "import paho.mqtt.client"),
    ("door-securesystemslib", "sync/planted.py", "from securesystemslib import dsse"),
    ("door-sqlalchemy", "sync/hq/planted.py", "import sqlalchemy"),
    ("door-sqlite", "agent/handlers/planted.py", "import sqlite3"),
    ("door-sqlite", "agent/cli/planted.py", "from sqlite_utils import Database"),
    ("door-typer", "agent/planted.py", "import typer"),
    ("strangers", "drivers/pos_link/planted.py", "from drivers.modbus import codec"),
]


def _contracts() -> list[dict[str, object]]:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts: list[dict[str, object]] = pyproject["tool"]["importlinter"]["contracts"]
    return contracts


def _lint(folder: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    chosen = [argument for contract in contracts for argument in ("--contract", contract)]
    command = [sys.executable, "-c", LINT, "--no-logo", "--no-cache", *chosen]
    environment = {**os.environ, "PYTHONPATH": str(folder), "NO_COLOR": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("planted")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_every_contract_is_kept() -> None:
    lint = _lint(ROOT)
    assert lint.returncode == 0, lint.stdout + lint.stderr


def test_every_contract_has_been_seen_red() -> None:
    assert {contract["id"] for contract in _contracts()} == {plant[0] for plant in PLANTS}


@pytest.mark.parametrize(("contract", "file", "line"), PLANTS)
def test_a_planted_import_is_found(copy: Path, contract: str, file: str, line: str) -> None:
    path = copy / file
    path.parent.mkdir(exist_ok=True)
    (path.parent / "__init__.py").touch()
    kept = path.read_text() if path.exists() else None
    path.write_text(f"{kept or ''}\n{line}\n")
    try:
        lint = _lint(copy, contract)
    finally:
        path.unlink() if kept is None else path.write_text(kept)
    assert lint.returncode == 1, lint.stdout + lint.stderr
    assert "1 broken" in lint.stdout, lint.stdout + lint.stderr
    assert "planted" in lint.stdout or line.split()[1].split(".")[0] in lint.stdout


def test_strangers_names_every_driver() -> None:
    named = next(contract["modules"] for contract in _contracts() if contract["id"] == "strangers")
    folders = {f"drivers.{path.parent.name}" for path in (ROOT / "drivers").glob("*/session.py")}
    assert set(named) == folders  # type: ignore[call-overload]
