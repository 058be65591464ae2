"""Unit: is there a field for everything that the contract has to carry, and does an example fill it?"""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from agent.cli import contract

ROWS = tomllib.loads((Path(__file__).parent / "contract_rows.toml").read_text(encoding="utf-8"))
OWNED_BY_HQ = """
005 013 015 040 046 049 056 058 063 077 082 087 089 090 091 092 095 096 098 107 113 130 133 134 145 154 155
158 161 168 175 176 179 180 181 186 187 190 191
"""
EVERY_FIELD = [
    (feature, field) for table in ROWS.values() for feature, fields in table.items() for field in fields
]


def test_every_feature_that_hq_owns_has_its_fields() -> None:
    assert set(ROWS["owned_by_hq"]) == {f"S-{number}" for number in OWNED_BY_HQ.split()}
    assert all(ROWS["owned_by_hq"].values())


@pytest.mark.parametrize(("feature", "field"), EVERY_FIELD)
def test_the_field_exists_and_is_filled(feature: str, field: str) -> None:
    """The example goes through the message's own model first, which refuses what it does not declare."""
    message, _, path = field.partition(":")
    model = contract.models()[message]
    parsed = model.model_validate_json(json.dumps(contract.examples()[message]))
    written = TypeAdapter(model).dump_python(parsed, mode="json", exclude_unset=True)
    found = list(_values(written, path.split(".")))
    assert found
    assert all(value not in ("", None, [], {}) for value in found)


def _values(written: Any, path: list[str]) -> Any:
    """Every value at that place, over the entries of the lists on the way."""
    if not path:
        yield written
    elif isinstance(written, list):
        for entry in written:
            yield from _values(entry, path)
    elif path[0] in written:
        yield from _values(written[path[0]], path[1:])


def test_a_missing_field_would_be_noticed() -> None:
    assert list(_values({"members": [{"tier": "gold"}]}, ["members", "locale"])) == []
    assert list(_values({"members": [{"tier": "gold"}]}, ["members", "tier"])) == ["gold"]
