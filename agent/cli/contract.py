"""Writes the contract for machines from the models: JSON Schemas and AsyncAPI; a test keeps them fresh.

`python -m agent.cli.contract` rewrites agent/messages/schemas/*.json (JSON Schema 2020-12, one file per
message, as it looks on the wire) and agent/messages/asyncapi.yaml (AsyncAPI 3.0).
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from agent.cli.contract_asyncapi import asyncapi_document
from agent.messages import coupons, down, rollout, snapshot
from agent.messages.items import ITEMS
from sync import questions, wire
from sync.down import Down
from sync.envelope import Header
from sync.trust import KeyList

MESSAGES = Path(__file__).parent.parent / "messages"
SCHEMAS = MESSAGES / "schemas"
ASYNCAPI_FILE = MESSAGES / "asyncapi.yaml"
EXAMPLES_FILE = MESSAGES / "examples.json"

TRANSPORT: dict[str, type[BaseModel]] = {
    "envelope.header": Header,
    "ack": wire.Ack,
    "hello.ask": wire.HelloAsk,
    "hello.reply": wire.HelloReply,
    "state": wire.State,
    "metrics": wire.Metrics,
    "authorise.ask": questions.AuthoriseAsk,
    "authorise.reply": questions.AuthoriseReply,
    "lookup.ask": questions.LookupAsk,
    "lookup.reply": questions.LookupReply,
    "down": Down,
    "keys": KeyList,
    "members": snapshot.Snapshot,
    "coupons": coupons.CouponList,
    "rollout": rollout.Rollout,
}
"""What is neither an item nor the body of a down item."""


_FITS = 90
_WORDS_OF_YAML = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
"""YAML 1.1 reads them as something else than text."""


def models() -> dict[str, type[BaseModel]]:
    """Every message of the contract: `up.` items, `down.` bodies, and the transport's own."""
    up = {f"up.{kind}": item.model for kind, item in ITEMS.items()}
    return up | {f"down.{kind}": model for kind, model in down.KINDS.items()} | TRANSPORT


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema of a message as it is on the wire, where what has its default may be left out."""
    schema: dict[str, Any] = models()[name].model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": GenerateJsonSchema.schema_dialect} | schema


def examples() -> dict[str, Any]:
    """One of each message that has a body of its own, by the names of `models`."""
    written = json.loads(EXAMPLES_FILE.read_text(encoding="utf-8"))
    up = {f"up.{kind}": body for kind, body in written["up"].items()}
    down_bodies = {f"down.{kind}": body for kind, body in written["down"].items()}
    return up | down_bodies | dict(written["other"])


def as_yaml(value: Any, indent: str = "") -> str:
    """Block YAML; what fits on a line is written as JSON, which YAML reads alike."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(line) <= _FITS:
        return f" {line}\n"
    if isinstance(value, dict):
        entries = [(f"{indent}{_key(key)}:", inner) for key, inner in value.items()]
    else:
        entries = [(f"{indent}-", inner) for inner in value]
    text = "".join(begin + as_yaml(inner, indent + "  ") for begin, inner in entries)
    return "\n" + text if indent else text


def _key(key: str) -> str:
    return key if key.isalpha() and key not in _WORDS_OF_YAML else json.dumps(key)


def generated() -> dict[Path, str]:
    """Every generated file with its text."""
    files = {SCHEMAS / f"{name}.json": json.dumps(schema_of(name), indent=1) + "\n" for name in models()}
    return files | {ASYNCAPI_FILE: as_yaml(asyncapi_document(models(), examples()))}


def main() -> None:
    files = generated()
    for stale in set(SCHEMAS.glob("*.json")) - set(files):
        stale.unlink()
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
