"""Unit: do the JSON Schemas, the AsyncAPI document and the examples say what the models do?"""

import json
import re
from collections.abc import Iterator
from inspect import isfunction
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator

import sync
from agent.cli import contract
from agent.cli.contract_asyncapi import asyncapi_document
from agent.messages.down import KINDS
from agent.messages.items import ITEMS
from sync import topics
from sync.outbox import MAX_BODY_BYTES, STREAMS

VECTORS = Path(__file__).parents[2] / "vectors"
DOCUMENT = yaml.safe_load(contract.ASYNCAPI_FILE.read_text(encoding="utf-8"))


def test_the_generated_files_are_fresh() -> None:
    """After a change of a model: `make generated`."""
    files = contract.generated()
    assert {path for path, text in files.items() if not _is(path, text)} == set()
    assert set(contract.SCHEMAS.glob("*.json")) == set(files) - {contract.ASYNCAPI_FILE}


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def test_the_yaml_reads_back_as_what_was_written() -> None:
    assert asyncapi_document(contract.models(), contract.examples()) == DOCUMENT


@pytest.mark.parametrize(
    "value", [{"on": "no"}, {"a": {}}, {"a": []}, {"a": [[1], [2]]}, {"k": ["x" * 99, {"on": None}]}]
)
def test_the_yaml_writer(value: Any) -> None:
    assert yaml.safe_load(contract.as_yaml({"outer": value})) == {"outer": value}


def test_the_document_is_asyncapi() -> None:
    published = Draft7Validator(json.loads((VECTORS / "asyncapi-3.0.0.json").read_text(encoding="utf-8")))
    assert [error.message for error in published.iter_errors(DOCUMENT)] == []
    broken = DOCUMENT | {"operations": {"obey": {"action": "subscribe", "channel": {"$ref": "#/"}}}}
    assert list(published.iter_errors(broken))


def test_every_reference_leads_somewhere() -> None:
    for reference in _references(DOCUMENT):
        if reference.startswith("./"):
            assert (contract.MESSAGES / reference).is_file(), reference
        else:
            found = DOCUMENT
            for step in reference.removeprefix("#/").split("/"):
                found = found[step]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)


def test_every_item_stands_in_the_channel_of_its_stream() -> None:
    for stream in ("urgent", "ledger", "service"):
        channel = DOCUMENT["channels"][f"up-{stream}"]
        listed = {entry["$ref"].removeprefix("#/components/messages/up.") for entry in channel["x-items"]}
        assert listed == {kind for kind, item in ITEMS.items() if item.stream == stream}


def test_every_order_stands_in_the_channel_of_items() -> None:
    listed = DOCUMENT["channels"]["down-items"]["x-items"]
    assert [entry["$ref"] for entry in listed] == [f"#/components/messages/down.{kind}" for kind in KINDS]


STATION_TOPICS = {
    topics.state("{station}"),
    topics.metrics("{station}"),
    topics.ack("{station}"),
    topics.down_rpc("{station}"),
    topics.down_items("{station}"),
    topics.down_keys("{station}"),
    *(topics.up("{station}", stream) for stream in STREAMS),
    *(topics.rpc("{station}", method) for method in topics.RPC_METHODS),
}


def test_every_topic_has_a_channel_and_a_row_in_the_readme() -> None:
    """A topic that is not of one station begins with `all`; functions of `topics` that make one are these."""
    makers = {name for name, made in vars(topics).items() if isfunction(made) and name not in _NO_TOPIC}
    assert makers == {"up", "rpc", "state", "metrics", "ack", "down_rpc", "down_items", "down_keys", "bundle"}
    told = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert told == STATION_TOPICS | {topics.bundle("{programme}")}
    readme = (Path(sync.__file__).parent / "README.md").read_text(encoding="utf-8")
    for topic in told:
        rest = topic.replace("fs/v1/{station}", "…")
        row = "…/up/{stream}" if rest.startswith("…/up/") else rest
        assert f"\n| `{row}` |" in readme, row


_NO_TOPIC = {"station_filters", "parse", "dataclass"}


def test_every_channel_has_an_operation() -> None:
    used = {operation["channel"]["$ref"] for operation in DOCUMENT["operations"].values()}
    replied = {
        operation["reply"]["channel"]["$ref"]
        for operation in DOCUMENT["operations"].values()
        if "reply" in operation
    }
    assert used | replied == {f"#/channels/{name}" for name in DOCUMENT["channels"]}


@pytest.mark.parametrize("name", ["hello", "authorise", "lookup"])
def test_a_question_has_its_answer(name: str) -> None:
    operation = DOCUMENT["operations"][f"ask-{name}"]
    [reply] = operation["reply"]["messages"]
    assert reply["$ref"] == f"#/channels/down-rpc/messages/{name}.reply"
    for message in (f"{name}.ask", f"{name}.reply"):
        said = DOCUMENT["components"]["messages"][message]
        assert said["correlationId"]["location"] == "$message.header#/correlationData"
        assert "correlationData" in said["headers"]["properties"]
    assert len(DOCUMENT["channels"]["down-rpc"]["messages"]) == 3


@pytest.mark.parametrize("name", contract.examples())
def test_an_example_is_what_its_schema_and_its_model_say(name: str) -> None:
    body = contract.examples()[name]
    schema = json.loads((contract.SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(body)] == []
    assert list(validator.iter_errors(body | {"surprise": 1}))
    assert contract.models()[name].model_validate_json(json.dumps(body))


def test_there_is_an_example_of_every_body() -> None:
    bodies = {name for name in contract.models() if name.startswith(("up.", "down."))}
    assert bodies <= set(contract.examples())


@pytest.mark.parametrize("kind", ITEMS)
def test_an_item_is_sent_as_its_example_says(kind: str) -> None:
    """Lean and one line: nothing that has its default, nothing beside it."""
    body = contract.examples()[f"up.{kind}"]
    encoded = ITEMS[kind].model.model_validate_json(json.dumps(body)).encoded()
    assert json.loads(encoded) == body
    assert b"\n" not in encoded
    assert len(encoded) <= MAX_BODY_BYTES


@pytest.mark.parametrize("name", contract.models())
def test_no_field_is_made_for_a_person(name: str) -> None:
    """S-061, S-066, S-067: what names or reaches somebody has no place anywhere in the contract."""
    personal = re.compile(
        r"name|phone|mobile|plate|address|email|passport|occupation|income|gender|birth_year"
    )
    allowed = {"down.catalogue", "up.adopted:name"}
    fields = {field for field in _fields(contract.schema_of(name)) if personal.search(field)}
    assert {field for field in fields if not {name, f"{name}:{field}"} & allowed} == set()


def _fields(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for inner in schema.values():
            yield from _fields(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _fields(inner)


@pytest.mark.parametrize("name", contract.models())
def test_there_is_no_fraction_in_the_contract(name: str) -> None:
    assert '"type": "number"' not in json.dumps(contract.schema_of(name))


@pytest.mark.parametrize(
    ("note", "fits"),
    [
        ("the receipt 004711 did not print", True),
        ("call 138 0013 8000", False),
        ("identity 53010219800101123X", False),
        ("the red car 云A12345", False),
    ],
)
def test_a_note_names_nobody(note: str, fits: bool) -> None:
    body = contract.examples()["up.case.note"] | {"note": note}
    model = ITEMS["case.note"].model
    if fits:
        model.model_validate_json(json.dumps(body))
    else:
        with pytest.raises(ValueError, match="does not belong here"):
            model.model_validate_json(json.dumps(body))
