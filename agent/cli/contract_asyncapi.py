"""The AsyncAPI 3.0 document of the road to HQ, from the station's side: it sends up and receives down.

Topics and limits are taken from where the program takes them. An envelope is binary on the wire; its
channel names the items that may be in it under `x-items`, and each of those is a message of its own.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from agent.messages.down import KINDS
from agent.messages.items import ITEMS
from sync import envelope, questions, signed_line, signing, topics
from sync.outbox import STREAMS

CONTRACT_VERSION = "1.0.0"
"""Of the contract, not of the program: raised in the middle when a message or a field is added."""

STATION = "{station}"
PROGRAMME = "{programme}"
_EXPIRY_S = 60
"""Of a hello and of figures: what is older helps nobody."""
_TRANSPORT_TITLES = {
    "ack": "HQ has committed everything of a stream up to here",
    "hello.ask": "how far are you?",
    "hello.reply": "HQ's watermarks, and what the station has not got yet",
    "state": "birth, and as the will death, of a connection",
    "metrics": "counters and gauges",
    "authorise.ask": "may these points be spent here?",
    "authorise.reply": "yes, or why not; the same for the same redemption for ever",
    "lookup.ask": "who is this, and may they spend?",
    "lookup.reply": "member, status, tier and balance, or why there is nothing",
}
_QUESTIONS = {
    "hello": (topics.HELLO, _EXPIRY_S),
    "authorise": (topics.REDEMPTION_AUTHORISE, questions.EXPIRES_S),
    "lookup": (topics.MEMBER_LOOKUP, questions.EXPIRES_S),
}
"""Name of a question's messages → (method in its topic, seconds after which nobody waits for the answer)."""
_SIGNED = {
    "down.signed": ("down", signing.DOWN_TYPE),
    "keys.signed": ("keys", signing.KEYS_TYPE),
    "bundle.signed": (None, signing.BUNDLE_TYPE),
    "rollout.signed": ("rollout", signing.ROLLOUT_TYPE),
}
"""A DSSE envelope → (the schema of its payload, its payload type). Rules are TOML and have no schema."""


def asyncapi_document(models: Mapping[str, type[BaseModel]], examples: Mapping[str, Any]) -> dict[str, Any]:
    """`models` and `examples` by the names of their schema files."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Forecourt agent and HQ",
            "version": CONTRACT_VERSION,
            "description": "MQTT 5 between a fuel station and its headquarters; sync/README.md explains it.",
        },
        "servers": {
            "broker": {"host": "broker.example.com:8883", "protocol": "secure-mqtt", "protocolVersion": "5"}
        },
        "channels": _channels(),
        "operations": _operations(),
        "components": {
            "messages": dict(_messages(models, examples)),
            "parameters": {
                "station": {"description": f"A station's name: {topics.STATION_PATTERN}"},
                "programme": {"description": "The programme's name"},
            },
        },
    }


def _channels() -> dict[str, Any]:
    up = {f"up-{stream}": _up_channel(stream) for stream in STREAMS}
    asked = {
        f"rpc-{name}": _channel(topics.rpc(STATION, method), f"{name}.ask")
        for name, (method, _) in _QUESTIONS.items()
    }
    replies = [f"{name}.reply" for name in _QUESTIONS]
    items = _channel(topics.down_items(STATION), "down.signed")
    return (
        up
        | asked
        | {
            "down-rpc": _channel(topics.down_rpc(STATION), *replies),
            "ack": _channel(topics.ack(STATION), "ack"),
            "state": _channel(topics.state(STATION), "state"),
            "metrics": _channel(topics.metrics(STATION), "metrics"),
            "down-items": items | {"x-items": _messages_of(f"down.{kind}" for kind in KINDS)},
            "down-keys": _channel(topics.down_keys(STATION), "keys.signed"),
            "bundle": _channel(
                topics.bundle(PROGRAMME), "bundle.signed", "rollout.signed", parameter="programme"
            ),
        }
    )


def _channel(address: str, *messages: str, parameter: str = "station") -> dict[str, Any]:
    return {
        "address": address,
        "parameters": {parameter: _ref("components", "parameters", parameter)},
        "messages": {name: _ref("components", "messages", name) for name in messages},
    }


def _up_channel(stream: str) -> dict[str, Any]:
    items = [f"up.{kind}" for kind, item in ITEMS.items() if item.stream == stream]
    channel = _channel(topics.up(STATION, stream), "envelope")
    return channel | {"x-items": _messages_of(items)}


def _messages_of(names: Iterable[str]) -> list[dict[str, str]]:
    return [_ref("components", "messages", name) for name in names]


def _operations() -> dict[str, Any]:
    up = {f"send-{stream}": _operation("send", f"up-{stream}") for stream in STREAMS}
    asked = {f"ask-{name}": _question(name, expiry_s) for name, (_, expiry_s) in _QUESTIONS.items()}
    return (
        up
        | asked
        | {
            "tell-state": _operation("send", "state", retain=True),
            "tell-metrics": _operation("send", "metrics", qos=0, messageExpiryInterval=_EXPIRY_S),
            "hear-ack": _operation("receive", "ack"),
            "obey": _operation("receive", "down-items"),
            "learn-keys": _operation("receive", "down-keys"),
            "hear-bundle": _operation("receive", "bundle", retain=True),
        }
    )


def _question(name: str, expiry_s: int) -> dict[str, Any]:
    """HQ answers on the station's own topic only; a ResponseTopic that leads elsewhere is not followed."""
    reply = {
        "address": {"location": "$message.header#/responseTopic"},
        "channel": _ref("channels", "down-rpc"),
        "messages": [_ref("channels", "down-rpc", "messages", f"{name}.reply")],
    }
    return _operation("send", f"rpc-{name}", messageExpiryInterval=expiry_s) | {"reply": reply}


def _operation(action: str, channel: str, qos: int = 1, **binding: Any) -> dict[str, Any]:
    mqtt = {"qos": qos, "retain": False, **binding, "bindingVersion": "0.2.0"}
    return {"action": action, "channel": _ref("channels", channel), "bindings": {"mqtt": mqtt}}


def _messages(
    models: Mapping[str, type[BaseModel]], examples: Mapping[str, Any]
) -> Iterable[tuple[str, dict[str, Any]]]:
    yield "envelope", _message("envelope", envelope.CONTENT_TYPE, _schema("envelope.header"))
    for name, title in _TRANSPORT_TITLES.items():
        message = _message(title, signed_line.CONTENT_TYPE, _schema(name), examples.get(name))
        is_of_a_question = name.partition(".")[0] in _QUESTIONS
        yield name, message | (_CORRELATED if is_of_a_question else {})
    for name, (inner, payload_type) in _SIGNED.items():
        yield name, _message(f"DSSE around {payload_type}", signing.CONTENT_TYPE, _dsse(inner, payload_type))
    for name, model in models.items():
        if name.startswith(("up.", "down.")):
            summary = (model.__doc__ or "").partition("\n")[0]
            yield name, _message(summary, "application/json", _schema(name), examples.get(name))


def _message(title: str, content_type: str, payload: Any, example: Any = None) -> dict[str, Any]:
    message: dict[str, Any] = {"summary": title, "contentType": content_type, "payload": payload}
    if example is not None:
        message["examples"] = [{"payload": example}]
    if content_type != "application/json":
        message["bindings"] = {"mqtt": {"contentType": content_type, "bindingVersion": "0.2.0"}}
    return message


def _schema(name: str) -> dict[str, Any]:
    return {
        "schemaFormat": "application/schema+json;version=draft-2020-12",
        "schema": {"$ref": f"./schemas/{name}.json"},
    }


_CORRELATED = {
    "headers": {
        "type": "object",
        "required": ["correlationData"],
        "properties": {
            "responseTopic": {"type": "string", "description": "MQTT property ResponseTopic, of a question"},
            "correlationData": {"type": "string", "description": "MQTT property CorrelationData"},
        },
    },
    "correlationId": {
        "description": "the station's own word for its question; the answer has it unchanged",
        "location": "$message.header#/correlationData",
    },
}


def _dsse(inner: str | None, payload_type: str) -> dict[str, Any]:
    """A DSSE envelope; the bytes of its base64 payload are of the schema `inner`."""
    signature = {
        "type": "object",
        "required": ["keyid", "sig"],
        "properties": {"keyid": {"type": "string"}, "sig": {"type": "string"}},
    }
    parts = {
        "payload": {"type": "string", "contentEncoding": "base64"},
        "payloadType": {"const": payload_type},
        "signatures": {"type": "array", "minItems": 1, "items": signature},
    }
    envelope = {"type": "object", "required": list(parts), "properties": parts}
    return envelope | ({"x-payload": {"$ref": f"./schemas/{inner}.json"}} if inner else {})


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "#/" + "/".join(path)}
