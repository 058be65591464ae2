"""What a till asks HQ while somebody waits: may these points be spent, and who is this.

On `…/rpc/redemption.authorise` and `…/rpc/member.lookup`; the answers come on `…/down/rpc`. Signed lines as
those of `sync/wire.py`. A `nonce` is drawn for each question; an answer without it is to another one.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sync.envelope import Verify
from sync.refusal import Refusal
from sync.signed_line import (
    Code,
    Line,
    Natural,
    Nonce,
    PublicKeyOf,
    Sign,
    TimeMs,
    open_line,
    open_line_of_station,
    sign_line,
)

EXPIRES_S = 10
"""A question about a member or a redemption, and its answer, are worth nothing after that."""
_AUTHORISE_ASK = b"forecourt/authorise-ask/1\n"
_AUTHORISE_REPLY = b"forecourt/authorise/1\n"
_LOOKUP_ASK = b"forecourt/lookup-ask/1\n"
_LOOKUP_REPLY = b"forecourt/lookup/1\n"

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Minor = Annotated[int, Field(ge=-(2**53) + 1, le=2**53 - 1)]
AskedMinor = Annotated[int, Field(ge=1, le=10**12)]
CredentialHash = Annotated[str, Field(pattern=r"^k[0-9]+:[A-Za-z0-9_-]{22}$")]


class AuthoriseAsk(Line):
    """May `minor` points of `member` be spent here? `redemption` is the till's own id, stored before it asks.

    The same id again gets the same answer, whoever asks again and however often.
    """

    nonce: Nonce
    redemption: Id
    member: Id
    minor: AskedMinor
    at_ms: TimeMs


class AuthoriseReply(Line):
    """HQ's word: `code` "" allows it, and HQ holds the points until it hears how the redemption ended.

    `rights_minor` of them are not held at HQ: the station takes them out of its own grant `grant` of epoch
    `grant_epoch`, and declines if so much is not left there. `balance_minor` is what the member had over all
    stations at `as_of_ms` (HQ's time), when this was decided. `holds_until_ms`: HQ may end the hold then.
    """

    nonce: Nonce
    redemption: Id
    code: Code = ""
    rights_minor: Natural = 0
    grant: Id | Literal[""] = ""
    grant_epoch: Natural = 0
    balance_minor: Minor
    as_of_ms: TimeMs
    holds_until_ms: TimeMs = 0


class LookupAsk(Line):
    """Who is this, and may they spend? Either HQ's id of the member or the keyed hash of a credential."""

    nonce: Nonce
    member: Id | Literal[""] = ""
    credential: CredentialHash | Literal[""] = ""
    at_ms: TimeMs

    @model_validator(mode="after")
    def _asks_for_one(self) -> Self:
        if bool(self.member) == bool(self.credential):
            raise ValueError("a member or a credential, one of them")
        return self


class LookupReply(Line):
    """What a till needs of a member and nothing else; `code` says why there is nothing.

    `pending_minor` of the balance may not be spent yet. As of `as_of_ms`, HQ's time: what stations have not
    reported yet is not in it.
    """

    nonce: Nonce
    code: Code = ""
    member: Id | Literal[""] = ""
    status: Literal["", "ACTIVE", "FROZEN", "CLOSED"] = ""
    tier: Annotated[str, Field(max_length=64)] = ""
    balance_minor: Minor = 0
    pending_minor: Minor = 0
    as_of_ms: TimeMs


def sign_authorise_ask(ask: AuthoriseAsk, sign: Sign) -> bytes:
    return sign_line(_AUTHORISE_ASK, ask, sign)


def open_authorise_ask(payload: bytes, public_key_of: PublicKeyOf) -> AuthoriseAsk | Refusal:
    return open_line_of_station(_AUTHORISE_ASK, AuthoriseAsk, payload, public_key_of)


def sign_authorise_reply(reply: AuthoriseReply, sign: Sign) -> bytes:
    return sign_line(_AUTHORISE_REPLY, reply, sign)


def open_authorise_reply(payload: bytes, trusted: Sequence[Verify]) -> AuthoriseReply | Refusal:
    return open_line(_AUTHORISE_REPLY, AuthoriseReply, payload, trusted)


def sign_lookup_ask(ask: LookupAsk, sign: Sign) -> bytes:
    return sign_line(_LOOKUP_ASK, ask, sign)


def open_lookup_ask(payload: bytes, public_key_of: PublicKeyOf) -> LookupAsk | Refusal:
    return open_line_of_station(_LOOKUP_ASK, LookupAsk, payload, public_key_of)


def sign_lookup_reply(reply: LookupReply, sign: Sign) -> bytes:
    return sign_line(_LOOKUP_REPLY, reply, sign)


def open_lookup_reply(payload: bytes, trusted: Sequence[Verify]) -> LookupReply | Refusal:
    return open_line(_LOOKUP_REPLY, LookupReply, payload, trusted)
