"""Upgrade: can whoever was built for the last released contract still talk to this version?"""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent.cli import contract
from tests.upgrade.contract.compatibility import Schema, breaks, removed
from tests.upgrade.contract.freeze import frozen

RELEASES = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(Path(__file__).parent.glob("[0-9][0-9][0-9][0-9].json"))
}
MESSAGES = [(release, name) for release, parts in RELEASES.items() for name in parts["schemas"]]
EXAMPLES = [(release, name) for release, parts in RELEASES.items() for name in parts["examples"]]


@pytest.mark.parametrize("release", RELEASES)
def test_no_message_is_gone(release: str) -> None:
    now = {name: contract.schema_of(name) for name in contract.models()}
    assert removed(RELEASES[release]["schemas"], now) == []


@pytest.mark.parametrize(("release", "name"), MESSAGES)
def test_nothing_is_removed_or_narrower(release: str, name: str) -> None:
    assert breaks(RELEASES[release]["schemas"][name], contract.schema_of(name)) == []


@pytest.mark.parametrize(("release", "name"), EXAMPLES)
def test_what_a_released_station_or_hq_says_is_still_read(release: str, name: str) -> None:
    body = RELEASES[release]["examples"][name]
    contract.models()[name].model_validate_json(json.dumps(body))
    assert Draft202012Validator(contract.schema_of(name)).is_valid(body)


def test_a_contract_can_be_frozen() -> None:
    parts = json.loads(frozen())
    assert set(parts["schemas"]) == set(contract.models())
    assert parts["examples"] == contract.examples()


OLD: Schema = {
    "$defs": {
        "Line": {
            "type": "object",
            "properties": {"ml": {"type": "integer", "minimum": 0}},
            "required": ["ml"],
        }
    },
    "type": "object",
    "additionalProperties": False,
    "required": ["kind", "id"],
    "properties": {
        "kind": {"const": "sold"},
        "id": {"type": "string", "maxLength": 64, "pattern": "^[a-z]+$"},
        "state": {"enum": ["OPEN", "DONE"], "type": "string", "default": "OPEN"},
        "count": {"type": "integer", "minimum": 0, "maximum": 9, "default": 0},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}, "maxItems": 5},
        "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "minItems": 2},
        "inputs": {"anyOf": [{"$ref": "#/$defs/Line"}, {"type": "null"}], "default": None},
        "figures": {
            "type": "object",
            "additionalProperties": {"type": "integer"},
            "propertyNames": {"pattern": "^[a-z]+$"},
        },
    },
}

Change = Callable[[Any], object]

BREAKS: dict[str, Change] = {
    "a field removed": lambda s: s["properties"].pop("count"),
    "a field in a part removed": lambda s: s["$defs"]["Line"]["properties"].pop("ml"),
    "a field that must be given": lambda s: s["required"].append("count"),
    "a new field that must be given": lambda s: (
        s["properties"].update(till={}),
        s["required"].append("till"),
    ),
    "another kind": lambda s: s["properties"].update(kind={"const": "bought"}),
    "another type": lambda s: s["properties"]["count"].update(type="string"),
    "a state less": lambda s: s["properties"]["state"].update(enum=["OPEN"]),
    "free text became a list": lambda s: s["properties"]["id"].update(enum=["a"]),
    "a shorter text": lambda s: s["properties"]["id"].update(maxLength=63),
    "another pattern": lambda s: s["properties"]["id"].update(pattern="^[a-f]+$"),
    "a lower limit": lambda s: s["properties"]["count"].update(maximum=8),
    "a higher floor": lambda s: s["properties"]["count"].update(minimum=1),
    "a floor where none was": lambda s: s["properties"]["id"].update(minLength=1),
    "a narrower part": lambda s: s["$defs"]["Line"]["properties"]["ml"].update(minimum=1),
    "fewer entries": lambda s: s["properties"]["lines"].update(maxItems=4),
    "a place more": lambda s: s["properties"]["pair"]["prefixItems"].append({"type": "integer"}),
    "another place": lambda s: s["properties"]["pair"]["prefixItems"][1].update(type="string"),
    "null no longer": lambda s: s["properties"]["inputs"]["anyOf"].pop(1),
    "an alternative narrower": lambda s: s["properties"]["inputs"]["anyOf"][0].update(minProperties=2),
    "another default": lambda s: s["properties"]["count"].update(default=1),
    "no default": lambda s: s["properties"]["state"].pop("default"),
    "another default of a choice": lambda s: s["properties"]["inputs"].update(default={"ml": 0}),
    "other names": lambda s: s["properties"]["figures"].update(additionalProperties=False),
    "other figures": lambda s: s["properties"]["figures"]["additionalProperties"].update(minimum=0),
    "other names of figures": lambda s: s["properties"]["figures"]["propertyNames"].update(
        pattern="^[a-f]+$"
    ),
    "a keyword that nobody judges": lambda s: s["properties"]["lines"].update(uniqueItems=True),
}

ALLOWED: dict[str, Change] = {
    "nothing": lambda s: None,
    "a field with a default": lambda s: s["properties"].update(till={"type": "string", "default": ""}),
    "a field need not be given": lambda s: s["required"].remove("id"),
    "a state more": lambda s: s["properties"]["state"]["enum"].append("VOID"),
    "a longer text": lambda s: s["properties"]["id"].update(maxLength=65),
    "no limit": lambda s: s["properties"]["count"].pop("maximum"),
    "no pattern": lambda s: s["properties"]["id"].pop("pattern"),
    "an alternative more": lambda s: s["properties"]["inputs"]["anyOf"].append({"type": "string"}),
    "other words about it": lambda s: s.update(description="sold", title="Sold"),
    "a part more": lambda s: s["$defs"].update(Other={"type": "null"}),
}


def changed(change: Change) -> Schema:
    schema = copy.deepcopy(OLD)
    change(schema)
    return schema


@pytest.mark.parametrize("name", BREAKS)
def test_a_planted_break_is_found(name: str) -> None:
    assert breaks(OLD, changed(BREAKS[name]))


@pytest.mark.parametrize("name", ALLOWED)
def test_what_may_change_may_change(name: str) -> None:
    assert breaks(OLD, changed(ALLOWED[name])) == []


def test_a_message_removed_is_found() -> None:
    assert removed({"up.a": {}, "up.b": {}}, {"up.b": {}, "up.c": {}}) == ["up.a"]
