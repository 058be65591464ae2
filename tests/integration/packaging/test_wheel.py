"""Integration: does the built wheel hold everything that runs, and are the four package names ours alone?"""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def _run(installed: Path, *arguments: str) -> str:
    """With only the unpacked wheel before the other packages, and nothing of the working tree."""
    done = subprocess.run(
        [sys.executable, "-P", *arguments],
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin"},
        cwd=installed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_the_files_that_are_not_python(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in (
        "agent/locale/zh/LC_MESSAGES/forecourt.mo",
        "agent/store/schema/0001_station.sql",
        "config/samples/demo-cn.bundle.toml",
        "drivers/modbus/maps/blank.toml",
        "drivers/modbus/maps/cas-2700.toml",
        "drivers/modbus/maps/compac-c5000.toml",
        "drivers/modbus/maps/pneumercator-tms.toml",
        "drivers/modbus/maps/pulse-counter.toml",
        "drivers/modbus/maps/ring-buffer.toml",
    ):
        assert needed in names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {
        "agent",
        "config",
        "drivers",
        "sync",
    }


def test_the_four_package_names_belong_to_this_distribution_alone(installed):
    program = (
        "import json; from importlib.metadata import packages_distributions as p;"
        "print(json.dumps({n: sorted(set(p().get(n, []))) for n in ('agent','drivers','sync','config')}))"
    )
    owners = json.loads(_run(installed, "-c", program))
    assert owners == {name: ["forecourt-agent"] for name in ("agent", "drivers", "sync", "config")}


def test_the_wheel_runs_without_the_working_tree(installed):
    shown = json.loads(_run(installed, "-m", "agent.cli", "rules", "show", "--json"))
    assert shown["bundle"] == "2026-07"
    module = _run(installed, "-c", "import agent.app; print(agent.app.__file__)").strip()
    assert Path(module).is_relative_to(installed)
