"""Whose word counts: HQ's public keys by role, and how a newer list of them is taken.

Version 1 is what the station's configuration pins. Version N+1 comes as a signed document and must be
signed twice over: by keys that version N trusts for documents, so that nobody else can begin a list,
and by those that N+1 itself names, so that a list nobody holds the keys of cannot lock HQ out. One
step at a time and never back: a station that missed three lists takes them one after the other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sync.keys import PublicKey, SigningKey
from sync.refusal import Refusal
from sync.signing import KEYS_TYPE, open_document, sign_document

Role = Literal["ack", "down", "documents"]
"""`ack` signs acks and answers (online, at every worker), `down` signs down items, `documents` signs rule
bundles, rollouts, members, coupons and lists of keys (may be kept offline)."""

ROLES: tuple[Role, ...] = ("ack", "down", "documents")
MOST_KEYS = 32


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys of each role, and how many different ones must sign; an ack needs one."""

    version: int
    keys: Mapping[Role, tuple[PublicKey, ...]]
    down_threshold: int
    documents_threshold: int


def pinned(keys: Iterable[PublicKey], down_threshold: int, documents_threshold: int) -> Trust:
    """Version 1: the configured keys, each for everything."""
    every = tuple(keys)
    return Trust(1, dict.fromkeys(ROLES, every), down_threshold, documents_threshold)


class KeyEntry(BaseModel):
    """One public key (base64url, 43 letters) and what its signature counts for."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
    roles: Annotated[tuple[Role, ...], Field(min_length=1, max_length=3)]


class KeyList(BaseModel):
    """The payload of a key document. Each role has at least as many different keys as must sign for it."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    schema_: Literal["keys/1"] = Field(alias="schema")
    programme: Annotated[str, Field(min_length=1, max_length=64)]
    version: Annotated[int, Field(ge=2, le=2**31 - 1)]
    issued_at_ms: Annotated[int, Field(ge=0, le=2**53 - 1)]
    keys: Annotated[tuple[KeyEntry, ...], Field(min_length=1, max_length=MOST_KEYS)]
    down_threshold: Annotated[int, Field(ge=1, le=16)] = 1
    documents_threshold: Annotated[int, Field(ge=1, le=16)] = 1

    @model_validator(mode="after")
    def _nobody_is_locked_out(self) -> Self:
        if len({entry.key for entry in self.keys}) != len(self.keys):
            raise ValueError("a key is listed twice")
        needed = {"ack": 1, "down": self.down_threshold, "documents": self.documents_threshold}
        for role, threshold in needed.items():
            if sum(role in entry.roles for entry in self.keys) < threshold:
                raise ValueError(f"fewer keys for {role} than must sign")
        return self


def sign_keys(listed: KeyList, *keys: SigningKey) -> bytes:
    """The key document, with a signature of each key."""
    return sign_document(KEYS_TYPE, listed.model_dump_json(by_alias=True).encode(), *keys)


def advance(trust: Trust, document: bytes, programme: str) -> Trust | Refusal:
    """The next version's trust.

    Reasons: those of `open_document`, KEYS_MALFORMED, OTHER_PROGRAMME, KEYS_REPEATED (this version is
    here already), KEYS_ROLLBACK (an older one), KEYS_GAP (one between is missing).
    """
    payload = open_document(document, KEYS_TYPE, trust.keys["documents"], trust.documents_threshold)
    if isinstance(payload, Refusal):
        return payload
    try:
        listed = KeyList.model_validate_json(payload)
        following = _trust(listed)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return Refusal("KEYS_MALFORMED", f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
    if isinstance(following, Refusal):
        return following
    if refusal := _out_of_turn(trust, listed, programme):
        return refusal
    own = open_document(document, KEYS_TYPE, following.keys["documents"], following.documents_threshold)
    return own if isinstance(own, Refusal) else following


def _out_of_turn(trust: Trust, listed: KeyList, programme: str) -> Refusal | None:
    if listed.programme != programme:
        return Refusal("OTHER_PROGRAMME", f"keys of {listed.programme}")
    if listed.version == trust.version:
        return Refusal("KEYS_REPEATED", f"version {listed.version} is here already")
    if listed.version < trust.version:
        return Refusal("KEYS_ROLLBACK", f"version {listed.version}, here is {trust.version}")
    if listed.version > trust.version + 1:
        missing = f"version {listed.version}, here is {trust.version}"
        return Refusal("KEYS_GAP", missing, "HQ sends the versions between first")
    return None


def _trust(listed: KeyList) -> Trust | Refusal:
    by_role: dict[Role, list[PublicKey]] = {role: [] for role in ROLES}
    for entry in listed.keys:
        key = PublicKey.from_text(entry.key)
        if isinstance(key, Refusal):
            return Refusal("KEYS_MALFORMED", f"{entry.key}: {key.detail}")
        for role in entry.roles:
            if key not in by_role[role]:
                by_role[role].append(key)
    keys = {role: tuple(of_role) for role, of_role in by_role.items()}
    return Trust(listed.version, keys, listed.down_threshold, listed.documents_threshold)
