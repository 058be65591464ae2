"""Unit: topics, broker addresses, keys, signed documents: what is taken, what is refused, by which code?"""

import json
import ssl
from pathlib import Path

import pytest

from sync import topics
from sync.keys import PublicKey, SigningKey, read_key, write_key
from sync.refusal import Refusal
from sync.signing import BUNDLE_TYPE, MAX_DOCUMENT_BYTES, MEMBERS_TYPE, open_document, sign_document
from sync.tls import BrokerAddress, TlsFiles, client_context, parse_broker

A, B, C = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3))


def _reason(outcome: object) -> str:
    assert isinstance(outcome, Refusal)
    assert outcome.reason
    return outcome.reason


# ---- topics


@pytest.mark.parametrize(
    ("topic", "parts"),
    [
        (topics.up("cn-0001", "ledger"), ("cn-0001", "up", "ledger")),
        (topics.rpc("cn-0001", topics.REDEMPTION_AUTHORISE), ("cn-0001", "rpc", "redemption.authorise")),
        (topics.state("cn-0001"), ("cn-0001", "state", "")),
        (topics.ack("cn-0001"), ("cn-0001", "ack", "")),
        (topics.down_rpc("cn-0001"), ("cn-0001", "down", "rpc")),
    ],
)
def test_topic_comes_apart_as_it_was_made(topic: str, parts: tuple[str, str, str]) -> None:
    assert topics.parse(topic) == topics.Address(*parts)


@pytest.mark.parametrize(
    "topic", ["", "fs/v1", "fs/v2/a/up/ledger", "fs/v1/all/bundle/x", "fs/v1/a/up/x/y", "fs/v1/+/state", "x"]
)
def test_other_topics_are_none(topic: str) -> None:
    assert topics.parse(topic) is None


def test_station_names_cannot_reach_outside_their_level() -> None:
    assert topics.parse(topics.state("cn-0001")) is not None
    for bad in ("", "all", "+", "#", "a b", "-a", "x" * 33, "站"):
        assert topics.parse(topics.state(bad)) is None


# ---- broker addresses


def test_broker_urls() -> None:
    assert parse_broker("mqtts://hq.example.com") == BrokerAddress("hq.example.com", 8883, True)
    assert parse_broker("mqtt://127.0.0.1:2883") == BrokerAddress("127.0.0.1", 2883, False)
    assert parse_broker("mqtt://[::1]") == BrokerAddress("::1", 1883, False)
    assert parse_broker("mqtt://localhost/") == BrokerAddress("localhost", 1883, False)


@pytest.mark.parametrize("host", ["10.0.0.1", "hq.example.com", "0.0.0.0", "[::]", "127.example.com"])
def test_plain_tcp_only_to_this_machine(host: str) -> None:
    refused = parse_broker(f"mqtt://{host}:1883")
    assert _reason(refused) == "PLAIN_TCP"
    assert isinstance(refused, Refusal)
    assert "mqtts://" in refused.remedy


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hq",
        "http://a",
        "mqtts://",
        "mqtts://a:0",
        "mqtts://a:x",
        "mqtts://a:70000",
        "mqtts://u:p@a",
        "mqtts://a/x",
    ],
)
def test_bad_broker_urls(url: str) -> None:
    assert _reason(parse_broker(url)) == "BROKER_URL"


def test_tls_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    refused = client_context(TlsFiles(ca=missing))
    assert _reason(refused) == "CA_UNREADABLE"
    assert isinstance(refused, Refusal)
    assert str(missing) in refused.detail
    assert _reason(client_context(TlsFiles(cert=missing, key=missing))) == "CERTIFICATE_UNREADABLE"


def test_a_key_that_only_the_service_may_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", forbidden)
    refused = client_context(TlsFiles(cert=tmp_path / "tls.pem"))
    assert isinstance(refused, Refusal)
    assert refused.reason == "CERTIFICATE_FORBIDDEN"
    assert "sudo" in refused.remedy


# ---- keys


def test_key_file_is_private_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "station.key"
    assert write_key(path, A) is None
    assert path.stat().st_mode & 0o777 == 0o600
    loaded = read_key(path)
    assert isinstance(loaded, SigningKey)
    assert loaded.public == A.public
    assert _reason(write_key(path, B)) == "KEY_EXISTS"
    path.chmod(0o640)
    assert _reason(read_key(path)) == "KEY_EXPOSED"


def test_key_files_that_are_none(tmp_path: Path) -> None:
    assert _reason(read_key(tmp_path / "absent")) == "KEY_MISSING"
    path = tmp_path / "bad"
    path.write_bytes(b"\xff" * 43)
    path.chmod(0o600)
    assert _reason(read_key(path)) == "KEY_UNREADABLE"


def test_key_texts_go_both_ways_and_secrets_stay_out_of_repr() -> None:
    again = SigningKey.from_text(A.secret_text + "\n")
    assert isinstance(again, SigningKey)
    assert again.public == A.public
    assert PublicKey.from_text(A.public.text) == A.public
    assert A.secret_text not in repr(A)
    for bad in ("", "x", "!" * 43, A.public.text + "=", "é" * 43):
        assert _reason(PublicKey.from_text(bad)) == "KEY_UNREADABLE"


def test_signature_of_any_length_is_a_no_not_an_error() -> None:
    assert A.public.verify(b"x", A.sign(b"x"))
    for bad in (b"", bytes(63), bytes(64), bytes(65)):
        assert not A.public.verify(b"x", bad)


# ---- signed documents


def test_document_opens_with_enough_different_keys() -> None:
    document = sign_document(BUNDLE_TYPE, b"a = 1\n", A, B)
    assert open_document(document, BUNDLE_TYPE, [A.public]) == b"a = 1\n"
    assert open_document(document, BUNDLE_TYPE, [A.public, B.public], threshold=2) == b"a = 1\n"
    assert _reason(open_document(document, BUNDLE_TYPE, [A.public, C.public], 2)) == "DOCUMENT_UNTRUSTED"
    assert _reason(open_document(document, BUNDLE_TYPE, [C.public])) == "DOCUMENT_UNTRUSTED"
    assert _reason(open_document(document, BUNDLE_TYPE, [])) == "DOCUMENT_UNTRUSTED"


def test_one_key_counts_once_however_often_it_is_pinned_or_signs() -> None:
    document = sign_document(BUNDLE_TYPE, b"a = 1\n", A, A)
    assert _reason(open_document(document, BUNDLE_TYPE, [A.public, A.public], 2)) == "DOCUMENT_UNTRUSTED"
    assert _reason(open_document(document, BUNDLE_TYPE, [A.public, B.public], 2)) == "DOCUMENT_UNTRUSTED"
    twice = json.loads(document)
    twice["signatures"] = twice["signatures"] * 2
    assert _reason(open_document(json.dumps(twice).encode(), BUNDLE_TYPE, [A.public, B.public], 2)) in {
        "DOCUMENT_MALFORMED",
        "DOCUMENT_UNTRUSTED",
    }


def test_signed_as_members_never_opens_as_rules() -> None:
    document = sign_document(MEMBERS_TYPE, b"{}", A)
    assert _reason(open_document(document, BUNDLE_TYPE, [A.public])) == "DOCUMENT_TYPE"
    renamed = json.loads(document) | {"payloadType": BUNDLE_TYPE}
    assert (
        _reason(open_document(json.dumps(renamed).encode(), BUNDLE_TYPE, [A.public])) == "DOCUMENT_UNTRUSTED"
    )


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"payload":1,"payloadType":1,"signatures":1}',
        b'{"payload":"","payloadType":"x","signatures":[1]}',
        b'{"payload":"","payloadType":"x","signatures":[{"keyid":[],"sig":"AAAA"}]}',
        b'{"payload":"!","payloadType":"x","signatures":[{"keyid":"a","sig":"\xc3\xa9"}]}',
    ],
)
def test_malformed_documents(document: bytes) -> None:
    assert _reason(open_document(document, BUNDLE_TYPE, [A.public])) == "DOCUMENT_MALFORMED"


def test_document_beyond_the_bound_is_not_parsed() -> None:
    assert (
        _reason(open_document(bytes(MAX_DOCUMENT_BYTES + 1), BUNDLE_TYPE, [A.public])) == "DOCUMENT_TOO_LARGE"
    )
