"""House: are the locked requirements complete, hashed, and free of registry addresses?"""

import re
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.house.sources import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
WANTED = {
    "requirements.lock": PROJECT["project"]["dependencies"],
    "requirements-demo.lock": PROJECT["project"]["dependencies"] + EXTRAS["demo"],
    "requirements-dev.lock": PROJECT["project"]["dependencies"]
    + EXTRAS["demo"]
    + EXTRAS["hq"]
    + EXTRAS["dev"],
    "requirements-build.lock": PROJECT["build-system"]["requires"],
}
_PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z,-]+\])?==([^\s;]+)")


def _problems(lock: str, wanted: list[str]) -> list[str]:
    problems = [f"an address: {line}" for line in lock.splitlines() if "://" in line or "index-url" in line]
    pins: dict[str, list[str]] = {}
    for block in re.split(
        r"\n(?=\S)", "\n".join(x for x in lock.splitlines() if not x.lstrip().startswith("#"))
    ):
        pin = _PIN.match(block)
        if pin is None or "--hash=sha256:" not in block:
            problems.append(f"not a hashed pin: {block[:60]}")
        else:
            pins.setdefault(pin[1], []).append(pin[2])
    for text in wanted:
        requirement = Requirement(text)
        versions = pins.get(requirement.name.lower().replace("_", "-"), [])
        if not any(requirement.specifier.contains(version) for version in versions):
            problems.append(f"not locked as wanted: {text}")
    return problems


@pytest.mark.parametrize("name", sorted(WANTED))
def test_a_lock_is_complete_and_names_no_registry(name: str) -> None:
    assert _problems((ROOT / name).read_text(), WANTED[name]) == []


def test_the_rule_can_fail() -> None:
    good = "typer==0.29.2 \\\n    --hash=sha256:00"
    assert _problems(good, ["typer>=0.29,<0.30"]) == []
    assert len(_problems(good, ["typer>=0.30"])) == 1
    assert len(_problems("typer==0.29.2", ["typer"])) == 2
    assert len(_problems("--index-url https://example.org\n" + good, ["typer"])) == 2
