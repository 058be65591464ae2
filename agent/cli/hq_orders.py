"""What a file says that headquarters shall publish, checked before anything is signed."""

import base64
import hashlib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from sync.hq.store.documents import Edition
    from sync.keys import SigningKey

KIND_OF = {
    "member-delta": "member.delta",
    "adjust": "adjust",
    "correction": "correction",
    "decision": "decision",
    "resend": "resend",
    "rotate": "rotate",
    "pause": "pause",
    "prices": "price.table",
    "notice": "notice",
    "catalogue": "catalogue",
    "revocations": "revocations",
    "case": "case.update",
    "holding-ask": "member.holding.ask",
}
"""The word at the command → the kind on the wire.

What changes headquarters' own word on a member is not among them: `forecourt hq member` keeps it and tells
the stations concerned, in one transaction.
"""

DOCUMENTS = ("bundle", "rollout", "members", "coupons")
"""Signed documents of their own type; they travel in items of kind `document`."""


T = TypeVar("T", bound=BaseModel)


class BadOrder(Exception):
    """`code` is stable, the message says what to change. Values of the file are never in it."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class SignedFile:
    """A document ready to be sent. `edition` None: nobody compares its versions.

    `station`: it is for this one alone; `programme`: the stations of that programme find it at the broker.
    `members`: of whom it tells the station.
    """

    document: bytes
    edition: "Edition | None"
    station: str
    programme: str
    members: tuple[str, ...] = ()


def members_of(word: str, body: dict[str, Any]) -> tuple[str, ...]:
    """Of which members an item tells a station; none for most words."""
    told = body.get("members", ()) if word == "member-delta" else ()
    return tuple(str(member["member"]) for member in told)


def body_of(word: str, content: bytes, *, is_toml: bool) -> dict[str, Any]:
    """The body of an item, as its model understood it. Raises `BadOrder`: FILE_UNREADABLE, BAD_BODY."""
    from agent.messages.down import KINDS

    model = KINDS[KIND_OF[word]]
    try:
        said = tomllib.loads(content.decode()) if is_toml else json.loads(content or b"{}")
    except ValueError as error:
        raise BadOrder("FILE_UNREADABLE", f"neither JSON nor TOML: {type(error).__name__}") from error
    try:
        body = model.model_validate_json(json.dumps(said))
    except ValidationError as error:
        raise BadOrder("BAD_BODY", _where(error)) from error
    return dict(json.loads(body.model_dump_json(exclude_defaults=True)))


def document_of(word: str, content: bytes, keys: "Sequence[SigningKey]") -> SignedFile:
    """The document of a file: signed already, or what is to be signed with `keys`.

    Raises `BadOrder`: KEYS_MISSING, BAD_DOCUMENT, and the reasons of a bundle.
    """
    from sync import signing
    from sync.hq.store.documents import FOR_ALL, Edition

    payload_type = {
        "bundle": signing.BUNDLE_TYPE,
        "rollout": signing.ROLLOUT_TYPE,
        "members": signing.MEMBERS_TYPE,
        "coupons": signing.COUPONS_TYPE,
    }[word]
    enclosed = _enclosed(content, payload_type)
    payload = content if enclosed is None else enclosed
    read = _READERS[word](payload)
    if enclosed is None and not keys:
        raise BadOrder("KEYS_MISSING", "it is not signed: name the keys for documents (--documents-key)")
    document = content if enclosed is not None else signing.sign_document(payload_type, payload, *keys)
    sha256 = hashlib.sha256(payload).hexdigest()
    edition = Edition(word, read.name, read.version, read.station or FOR_ALL, sha256)
    is_compared = word != "rollout"
    return SignedFile(document, edition if is_compared else None, read.station, read.programme, read.members)


def document_body(document: bytes) -> dict[str, Any]:
    return {"document": base64.b64encode(document).decode("ascii")}


def duration_ms(text: str) -> int:
    """An ISO 8601 duration such as PT2H or P7D. Raises `BadOrder`: BAD_DURATION."""
    try:
        span = TypeAdapter(timedelta).validate_python(text)
    except ValidationError as error:
        raise BadOrder("BAD_DURATION", f"{text}: write PT2H, P7D …") from error
    if span <= timedelta(0):
        raise BadOrder("BAD_DURATION", f"{text}: it must be longer than nothing")
    return span // timedelta(milliseconds=1)


def _enclosed(content: bytes, payload_type: str) -> bytes | None:
    """The payload of a file that is signed already; None for one that is not."""
    try:
        said = json.loads(content)
    except ValueError:
        return None
    if not isinstance(said, dict) or "payloadType" not in said:
        return None
    if said["payloadType"] != payload_type:
        raise BadOrder("BAD_DOCUMENT", f"it is {str(said['payloadType'])[:80]}, not {payload_type}")
    try:
        return base64.b64decode(said["payload"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise BadOrder("BAD_DOCUMENT", "not a DSSE envelope") from error


class _Read(NamedTuple):
    """What a document says of itself."""

    name: str = ""
    version: int = 0
    station: str = ""
    programme: str = ""
    members: tuple[str, ...] = ()


def _bundle(payload: bytes) -> _Read:
    from agent.points.rules import BundleRefused, parse_bundle

    parsed = parse_bundle(payload)
    if isinstance(parsed, BundleRefused):
        raise BadOrder(parsed.reason, f"{parsed.where}: {parsed.remedy}")
    return _Read(name=parsed.bundle, version=parsed.version, programme=parsed.program)


def _rollout(payload: bytes) -> _Read:
    from agent.messages.rollout import parse_rollout

    _good(parse_rollout(payload))
    return _Read()


def _members(payload: bytes) -> _Read:
    from agent.messages.snapshot import parse_snapshot

    parsed = _good(parse_snapshot(payload))
    names = tuple(member.member for member in parsed.members)
    return _Read(version=parsed.version, station=parsed.station, members=names)


def _coupons(payload: bytes) -> _Read:
    from agent.messages.coupons import parse_coupons

    parsed = _good(parse_coupons(payload))
    return _Read(version=parsed.version, station=parsed.station)


_READERS = {"bundle": _bundle, "rollout": _rollout, "members": _members, "coupons": _coupons}


def _good(parsed: T | str) -> T:
    if isinstance(parsed, str):
        raise BadOrder("BAD_DOCUMENT", parsed)
    return parsed


def _where(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'body'}: {first['msg']}"
