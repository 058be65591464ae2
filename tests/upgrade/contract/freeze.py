"""Writes the contract of this version, for later versions to keep to: every schema, and one example of each.

    python -m tests.upgrade.contract.freeze > tests/upgrade/contract/NNNN.json

once for every release that changed a message; a file that was released is never written again.
"""

import json
import sys

from agent.cli import contract


def frozen() -> str:
    """One line per message, so that a difference can be read."""
    parts = {
        "schemas": {name: contract.schema_of(name) for name in contract.models()},
        "examples": contract.examples(),
    }
    return "{" + ",\n".join(f"{json.dumps(part)}: {_lines(named)}" for part, named in parts.items()) + "}\n"


def _lines(named: dict[str, object]) -> str:
    lines = (f"{json.dumps(name)}: {json.dumps(value, sort_keys=True)}" for name, value in named.items())
    return "{\n" + ",\n".join(lines) + "\n}"


if __name__ == "__main__":
    sys.stdout.write(frozen())
