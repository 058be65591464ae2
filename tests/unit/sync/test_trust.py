"""Unit: is a list of HQ's keys taken only if the former and its own keys signed it, one step at a time?"""

import json
from itertools import pairwise

import pytest

from sync.keys import SigningKey
from sync.refusal import Refusal
from sync.signing import BUNDLE_TYPE, KEYS_TYPE, sign_document
from sync.trust import KeyEntry, KeyList, Role, Trust, advance, pinned, sign_keys

OLD, NEW, OTHER, THIRD = (SigningKey(bytes([n]) * 32) for n in range(1, 5))
EVERYTHING: tuple[Role, ...] = ("ack", "down", "documents")


def listed(version: int, *keys: SigningKey, needed: int = 1, programme: str = "demo") -> KeyList:
    return KeyList(
        schema="keys/1",
        programme=programme,
        version=version,
        issued_at_ms=1,
        keys=tuple(KeyEntry(key=key.public.text, roles=EVERYTHING) for key in keys),
        documents_threshold=needed,
    )


def start(*keys: SigningKey, needed: int = 1) -> Trust:
    return pinned([key.public for key in keys], down_threshold=1, documents_threshold=needed)


def taken(trust: Trust, document: bytes) -> Trust:
    following = advance(trust, document, "demo")
    assert isinstance(following, Trust), following
    return following


def reason(trust: Trust, document: bytes) -> str:
    refused = advance(trust, document, "demo")
    assert isinstance(refused, Refusal)
    return refused.reason


def test_what_is_configured_counts_for_everything() -> None:
    trust = start(OLD, NEW)
    assert trust.version == 1
    assert all(trust.keys[role] == (OLD.public, NEW.public) for role in EVERYTHING)


def test_a_list_signed_by_both_is_taken_and_the_old_key_counts_no_more() -> None:
    following = taken(start(OLD), sign_keys(listed(2, NEW), OLD, NEW))
    assert (following.version, following.keys["down"]) == (2, (NEW.public,))
    assert reason(following, sign_keys(listed(3, OLD), OLD)) == "DOCUMENT_UNTRUSTED"


@pytest.mark.parametrize("signers", [(OLD,), (NEW,), (OTHER,), (OTHER, NEW), (OLD, OTHER)])
def test_one_side_alone_cannot_change_the_keys(signers: tuple[SigningKey, ...]) -> None:
    assert reason(start(OLD), sign_keys(listed(2, NEW), *signers)) == "DOCUMENT_UNTRUSTED"


def test_three_missed_rotations_are_taken_one_after_the_other() -> None:
    chain = (OLD, NEW, OTHER, THIRD)
    documents = [
        sign_keys(listed(version, after), before, after)
        for version, (before, after) in enumerate(pairwise(chain), 2)
    ]
    trust = start(OLD)
    assert reason(trust, documents[2]) == "DOCUMENT_UNTRUSTED"
    for document in documents:
        trust = taken(trust, document)
    assert (trust.version, trust.keys["ack"]) == (4, (THIRD.public,))


def test_a_step_is_neither_skipped_nor_taken_back() -> None:
    trust = start(OLD)
    assert reason(trust, sign_keys(listed(3, OLD), OLD)) == "KEYS_GAP"
    second = sign_keys(listed(2, OLD), OLD)
    trust = taken(taken(trust, second), sign_keys(listed(3, OLD), OLD))
    assert reason(trust, second) == "KEYS_ROLLBACK"
    assert reason(trust, sign_keys(listed(3, OLD, NEW), OLD)) == "KEYS_REPEATED"


def test_one_of_two_stolen_keys_is_not_enough() -> None:
    """reliability.md, signature attacks: compromise below the threshold."""
    trust = start(OLD, NEW, needed=2)
    mine = listed(2, OTHER, needed=1)
    assert reason(trust, sign_keys(mine, OLD, OTHER)) == "DOCUMENT_UNTRUSTED"
    assert reason(trust, sign_keys(mine, OLD, OLD, OTHER)) == "DOCUMENT_UNTRUSTED"
    assert taken(trust, sign_keys(mine, OLD, NEW, OTHER)).version == 2


def test_the_new_list_must_meet_its_own_threshold() -> None:
    document = sign_keys(listed(2, NEW, OTHER, needed=2), OLD, NEW)
    assert reason(start(OLD), document) == "DOCUMENT_UNTRUSTED"


def test_a_document_key_does_not_sign_what_needs_another_role() -> None:
    """Roles are kept apart: who signs documents does not thereby command a station."""
    entries = (
        KeyEntry(key=OLD.public.text, roles=("documents",)),
        KeyEntry(key=NEW.public.text, roles=("ack", "down")),
    )
    roles = listed(2, OLD).model_copy(update={"keys": entries})
    following = taken(start(OLD), sign_keys(roles, OLD))
    assert following.keys["documents"] == (OLD.public,)
    assert following.keys["down"] == following.keys["ack"] == (NEW.public,)


def test_of_another_programme_or_type_it_is_refused() -> None:
    assert reason(start(OLD), sign_keys(listed(2, OLD, programme="rival"), OLD)) == "OTHER_PROGRAMME"
    payload = listed(2, OLD).model_dump_json(by_alias=True).encode()
    assert reason(start(OLD), sign_document(BUNDLE_TYPE, payload, OLD)) == "DOCUMENT_TYPE"


def changed(**fields: object) -> bytes:
    good = json.loads(listed(2, OLD).model_dump_json(by_alias=True))
    return sign_document(KEYS_TYPE, json.dumps(good | fields).encode(), OLD)


@pytest.mark.parametrize(
    "document",
    [
        changed(keys=[]),
        changed(version=1),
        changed(version=2**40),
        changed(documents_threshold=2),
        changed(down_threshold=0),
        changed(extra=1),
        changed(keys=[{"key": OLD.public.text, "roles": ["documents"]}]),
        changed(keys=[{"key": OLD.public.text, "roles": list(EVERYTHING)}] * 2),
        changed(keys=[{"key": "A" * 42 + "B", "roles": list(EVERYTHING)}]),
        sign_document(KEYS_TYPE, b"[" * 100_000, OLD),
    ],
    ids=[
        *("no keys", "not the next", "a version of 2^40", "more signers than keys", "none needed"),
        *("unknown field", "nobody acknowledges", "listed twice", "not a key", "deep"),
    ],
)
def test_a_list_that_is_not_sound_is_refused(document: bytes) -> None:
    assert reason(start(OLD), document) == "KEYS_MALFORMED"
