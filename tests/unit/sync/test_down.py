"""Unit: is a down item read only if enough different keys signed exactly these bytes as this type?"""

import base64
import json

import pytest

from sync.down import MAX_BYTES, Down, open_down, sign_down
from sync.keys import SigningKey
from sync.refusal import Refusal
from sync.signing import BUNDLE_TYPE, DOWN_TYPE, sign_document

HQ, SECOND, STRANGER = (SigningKey(bytes([n]) * 32) for n in range(1, 4))
ITEM = Down(
    station="cn-0001",
    down_seq=7,
    id="cmd-1",
    kind="set-tier",
    issued_at_ms=1_000,
    not_after_ms=2_000,
    body={"member": "m1", "tier": "gold", "note": "金"},
)


def reason(document: bytes, *, needed: int = 1) -> str:
    refused = open_down(document, [HQ.public, SECOND.public], needed)
    assert isinstance(refused, Refusal)
    return refused.reason


def test_what_was_signed_is_what_is_read() -> None:
    opened = open_down(sign_down(ITEM, HQ), [HQ.public], 1)
    assert opened == ITEM
    assert json.loads(ITEM.body_json) == ITEM.body


def test_a_threshold_counts_keys_and_not_signatures() -> None:
    assert reason(sign_down(ITEM, HQ), needed=2) == "DOWN_UNTRUSTED"
    twice = json.loads(sign_down(ITEM, HQ))
    twice["signatures"] *= 2
    assert reason(json.dumps(twice).encode(), needed=2) == "DOWN_MALFORMED"
    assert open_down(sign_down(ITEM, HQ, SECOND), [HQ.public, SECOND.public], 2) == ITEM


def test_a_stranger_is_not_obeyed() -> None:
    assert reason(sign_down(ITEM, STRANGER)) == "DOWN_UNTRUSTED"


def test_a_document_of_another_type_is_no_command() -> None:
    payload = ITEM.model_dump_json().encode()
    assert reason(sign_document(BUNDLE_TYPE, payload, HQ)) == "DOWN_TYPE"


def test_no_byte_of_the_payload_can_be_changed() -> None:
    document = json.loads(sign_down(ITEM, HQ))
    payload = base64.b64decode(document["payload"])
    for place in range(len(payload)):
        torn = bytearray(payload)
        torn[place] ^= 1
        document["payload"] = base64.b64encode(torn).decode()
        assert reason(json.dumps(document).encode()) == "DOWN_UNTRUSTED", place


@pytest.mark.parametrize("cut", range(64))
def test_a_torn_message_is_no_item(cut: int) -> None:
    whole = sign_down(ITEM, HQ)
    assert reason(whole[: len(whole) * cut // 64]) == "DOWN_MALFORMED"


@pytest.mark.parametrize(
    "changes",
    [
        {"down_seq": 0},
        {"down_seq": 2**63},
        {"down_seq": 1.0},
        {"down_seq": "7"},
        {"station": "a/b"},
        {"kind": "../x"},
        {"id": ""},
        {"id": "x" * 65},
        {"not_after_ms": -1},
        {"body": []},
        {"v": 2},
        {"surprise": 1},
    ],
    ids=str,
)
def test_a_signed_item_that_is_not_of_the_contract_is_refused(changes: dict[str, object]) -> None:
    payload = json.dumps(json.loads(ITEM.model_dump_json()) | changes).encode()
    assert reason(sign_document(DOWN_TYPE, payload, HQ)) == "DOWN_MALFORMED"


def test_what_is_larger_than_a_broker_must_take_is_not_even_parsed() -> None:
    assert reason(b" " * (MAX_BYTES + 1)) == "DOWN_TOO_LARGE"
