"""Unit: does a station know its own certificate, and does the small authority sign only what it should?"""

import re
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from sync.authority import HQ_NAME, Authority, found_authority, issue_broker, issue_hq, revoke, sign_request
from sync.certificates import (
    DAY_MS,
    STATION_URI,
    Identity,
    check_identity,
    descends_from,
    make_key,
    make_request,
    name_of,
    read_chain,
    read_identity,
)
from sync.refusal import Refusal
from sync.tls import tls_reason
from sync.topics import STATION_PATTERN

NOW_MS = 1_790_000_000_000
ROOT = found_authority("a test", NOW_MS)
KEY = make_key()


def _issued(
    station: str = "cn-0001", key: bytes = KEY, authority: Authority = ROOT, days: int = 365
) -> bytes:
    request = make_request(key, station)
    assert isinstance(request, bytes)
    signed = sign_request(authority, request, lambda name: name.startswith("cn-"), NOW_MS, days)
    assert isinstance(signed, bytes)
    return signed


def _reason(
    chain: bytes, key: bytes = KEY, station: str = "cn-0001", at_ms: int = NOW_MS, *, sure: bool = True
) -> str:
    found = check_identity(chain, key, station, at_ms, clock_is_sure=sure)
    return found.reason if isinstance(found, Refusal) else ""


def test_a_stations_certificate_is_its_own() -> None:
    chain = _issued()
    found = check_identity(chain, KEY, "cn-0001", NOW_MS, clock_is_sure=False)
    assert isinstance(found, Identity)
    assert (found.station, found.days_left(NOW_MS)) == ("cn-0001", 365)
    assert found.days_left(found.ends_ms + 1) == -1
    leaf = x509.load_pem_x509_certificate(chain)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [f"{STATION_URI}cn-0001"]


@pytest.mark.parametrize(
    ("after_days", "sure", "reason"),
    [
        (0, True, ""),
        (364, False, ""),
        (366, True, "CERTIFICATE_EXPIRED"),
        (366, False, "CERTIFICATE_EXPIRED"),
        (-1, True, "CERTIFICATE_NOT_YET_VALID"),
        (-1, False, "CLOCK_BEHIND_CERTIFICATE"),
        (-7000, False, "CLOCK_BEHIND_CERTIFICATE"),
    ],
)
def test_a_certificate_before_and_after_its_time(after_days: int, sure: bool, reason: str) -> None:
    assert _reason(_issued(), at_ms=NOW_MS + after_days * DAY_MS, sure=sure) == reason


def test_somebody_elses_certificate_or_key() -> None:
    assert _reason(_issued("cn-0002")) == "CERTIFICATE_OTHER_STATION"
    assert _reason(_issued(key=make_key())) == "KEY_MISMATCH"
    assert _reason(b"no certificate") == "CERTIFICATE_UNREADABLE"
    assert _reason(_issued(), key=b"no key") == "KEY_UNREADABLE"
    assert _reason(_issued("cn-0002"), at_ms=0) == "CERTIFICATE_OTHER_STATION", "before the dates"


def test_a_name_that_does_not_agree_with_its_uri() -> None:
    """An authority that signs any common name does not make one station another."""
    leaf = x509.load_pem_x509_certificate(_issued("cn-0002"))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    builder = x509.CertificateBuilder().subject_name(name_of("cn-0001")).issuer_name(leaf.issuer)
    builder = builder.public_key(leaf.public_key()).serial_number(1)
    builder = builder.not_valid_before(leaf.not_valid_before_utc).not_valid_after(leaf.not_valid_after_utc)
    signer = load_pem_private_key(ROOT.key, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    plain = builder.sign(signer, hashes.SHA256()).public_bytes(Encoding.PEM)
    assert _reason(plain) == "", "a company's own authority may name it by common name alone"
    twofold = builder.add_extension(names.value, critical=False).sign(signer, hashes.SHA256())
    assert _reason(twofold.public_bytes(Encoding.PEM)) == "CERTIFICATE_OTHER_STATION"


def test_descent_is_by_signature_and_not_by_name() -> None:
    namesake = found_authority("a test", NOW_MS)
    assert descends_from(_issued(), ROOT.certificate)
    assert descends_from(_issued(), namesake.certificate + ROOT.certificate)
    assert not descends_from(_issued(), namesake.certificate)
    assert not descends_from(b"", ROOT.certificate)


def test_the_authority_refuses_what_it_should_not_sign() -> None:
    def sign(request: bytes, known: bool = True) -> str:
        answer = sign_request(ROOT, request, lambda station: known, NOW_MS)
        return answer.reason if isinstance(answer, Refusal) else ""

    request = make_request(KEY, "cn-0001")
    assert isinstance(request, bytes)
    assert sign(request) == ""
    assert sign(request, known=False) == "UNKNOWN_STATION"
    assert sign(b"x") == "CSR_UNREADABLE"
    weak = rsa.generate_private_key(65537, 2048)
    builder = x509.CertificateSigningRequestBuilder().subject_name(name_of("cn-0001"))
    assert sign(builder.sign(weak, hashes.SHA256()).public_bytes(Encoding.PEM)) == "CSR_WEAK_KEY"
    other_curve = ec.generate_private_key(ec.SECP384R1())
    assert sign(builder.sign(other_curve, hashes.SHA256()).public_bytes(Encoding.PEM)) == "CSR_WEAK_KEY"
    nameless = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    p256 = ec.generate_private_key(ec.SECP256R1())
    assert sign(nameless.sign(p256, hashes.SHA256()).public_bytes(Encoding.PEM)) == "UNKNOWN_STATION"


def test_a_request_with_a_signature_that_is_not_its_keys() -> None:
    request = make_request(KEY, "cn-0001")
    assert isinstance(request, bytes)
    der = bytearray(x509.load_pem_x509_csr(request).public_bytes(Encoding.DER))
    der[-1] ^= 1
    torn = x509.load_der_x509_csr(bytes(der)).public_bytes(Encoding.PEM)
    answer = sign_request(ROOT, torn, lambda station: True, NOW_MS)
    assert isinstance(answer, Refusal)
    assert answer.reason == "CSR_BAD_SIGNATURE"


def test_no_station_can_ever_be_called_like_headquarters() -> None:

    certificate, _ = issue_hq(ROOT, NOW_MS)
    identity = read_identity(certificate)
    assert isinstance(identity, Identity)
    assert identity.station == HQ_NAME
    assert re.fullmatch(STATION_PATTERN, HQ_NAME) is None
    assert descends_from(certificate, ROOT.certificate)


def test_a_broker_is_named_by_all_its_hosts() -> None:
    certificate, _ = issue_broker(ROOT, ["mqtt.example.org", "192.0.2.7"], NOW_MS)
    leaf = x509.load_pem_x509_certificate(certificate)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mqtt.example.org"]
    assert [str(a) for a in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.7"]
    use = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH not in use, "a broker's key opens no station's door"


def test_what_was_taken_back_stays_taken_back() -> None:
    first, second = _issued(), _issued("cn-0002")
    listed = revoke(
        ROOT, revoke(ROOT, revoke(ROOT, b"", (), NOW_MS), [first], NOW_MS), [first, second], NOW_MS
    )
    serials = {entry.serial_number for entry in x509.load_pem_x509_crl(listed)}
    chains = [read_chain(each) for each in (first, second)]
    assert serials == {chain[0].serial_number for chain in chains if not isinstance(chain, Refusal)}
    crl = x509.load_pem_x509_crl(listed)
    assert crl.next_update_utc == x509.load_pem_x509_certificate(ROOT.certificate).not_valid_after_utc


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (9, "CLOCK_BEHIND_CERTIFICATE"),
        (10, "BROKER_CERTIFICATE_EXPIRED"),
        (62, "BROKER_OTHER_NAME"),
        (7, "CERTIFICATE_REFUSED"),
    ],
)
def test_what_the_handshake_says_of_the_broker(code: int, reason: str) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    assert tls_reason(error) == reason
