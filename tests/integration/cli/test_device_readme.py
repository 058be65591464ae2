"""House: does agent/README.md name every code of the device commands, with the remedies that they print?"""

import ast
import re

from agent.cli.device_probes import REMEDIES
from tests.house.sources import ROOT, python_sources

README = (ROOT / "agent" / "README.md").read_text(encoding="utf-8")
CODE = re.compile(r"[A-Z]+(_[A-Z]+)+")
REFUSES = ("fail", "Mistyped")


def _rows(heading: str) -> dict[str, str]:
    below = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = (line.strip("| ").split(" | ") for line in below.splitlines() if line.startswith("| `"))
    return {cells[0].strip(" `"): cells[1].strip() for cells in rows}


def _codes(call: ast.Call) -> set[str]:
    texts = (n.value for n in ast.walk(call) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return {text for text in texts if CODE.fullmatch(text)}


def test_every_refusal_of_the_device_commands_is_explained() -> None:
    told = set()
    for source in python_sources("agent/cli"):
        name = source.path.removeprefix("agent/cli/")
        if name.startswith(("device", "simulation.py")) or name == "typed.py":
            for node in ast.walk(source.tree):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in REFUSES:
                    told |= _codes(node)
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    told |= set(re.findall(r"^[A-Z]+_[A-Z]+(?=: )", node.value))
    assert told - {"BAD_ACTION"} == _rows("What a device command refuses").keys()


def test_every_finding_of_the_device_doctor_has_the_remedy_that_it_prints() -> None:
    assert _rows("What device doctor finds") == dict(REMEDIES)
