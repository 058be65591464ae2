"""A small certificate authority for tests and short chains of stations: signs, and takes back.

PEM in, PEM out; the clock is passed in, the files are `forecourt hq ca`'s. A chain of any size has an
authority of its own: it signs the same requests, and the station takes its certificates just as well.

It signs for three kinds of owners, told apart by what a certificate may be used for: stations and
headquarters as clients, brokers as servers. Headquarters' name has a dot in it, which no station's
may have, so that no station can ever hold headquarters' rights at a broker.
"""

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from sync.certificates import common_name, make_key, moment, name_of, names_of
from sync.refusal import Refusal

HQ_NAME = "hq.forecourt"
"""Headquarters' user name at a broker (samples/acl)."""

CA_DAYS = 3650
STATION_DAYS = 365
_BACKDATED = timedelta(hours=1)
"""A station's clock may be a little behind."""


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority's certificate and its private key, PEM."""

    certificate: bytes
    key: bytes


def found_authority(name: str, wall_ms: int) -> Authority:
    """A new authority, self-signed, valid for ten years; it signs no further authorities."""
    key = make_key()
    builder = _builder(name_of(name), name_of(name), _key(key).public_key(), wall_ms, CA_DAYS)
    usage = _key_usage(key_cert_sign=True, crl_sign=True, digital_signature=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    certificate = builder.add_extension(usage, critical=True).sign(_key(key), hashes.SHA256())
    return Authority(certificate.public_bytes(Encoding.PEM), key)


def sign_request(
    authority: Authority,
    request_pem: bytes,
    is_known: Callable[[str], bool],
    wall_ms: int,
    days: int = STATION_DAYS,
) -> bytes | Refusal:
    """A station's certificate for its request, PEM. Only its name and key are taken from the request.

    Reasons: CSR_UNREADABLE, CSR_BAD_SIGNATURE (whoever asks does not hold the key), CSR_WEAK_KEY (not
    P-256), UNKNOWN_STATION (`is_known` says no).
    """
    try:
        request = x509.load_pem_x509_csr(request_pem)
    except ValueError as error:
        return Refusal("CSR_UNREADABLE", f"no request in PEM: {type(error).__name__}", _AGAIN)
    if not request.is_signature_valid:
        return Refusal("CSR_BAD_SIGNATURE", "it is not signed by the key that it names", _AGAIN)
    key = request.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return Refusal("CSR_WEAK_KEY", "a station's key is ECDSA P-256", _AGAIN)
    station = common_name(request.subject)
    if not station or not is_known(station):
        return Refusal(
            "UNKNOWN_STATION",
            f"{station[:64]!r} is no station of ours",
            "add it with `forecourt hq station add`",
        )
    builder = _leaf(authority, station, key, wall_ms, days, ExtendedKeyUsageOID.CLIENT_AUTH)
    return _signed(authority, builder.add_extension(names_of(station), critical=False))


_AGAIN = "make it with `forecourt enroll` on the station"


def issue_hq(authority: Authority, wall_ms: int, days: int = STATION_DAYS) -> tuple[bytes, bytes]:
    """(certificate, key) of headquarters itself as a client of the broker."""
    key = make_key()
    public = _key(key).public_key()
    builder = _leaf(authority, HQ_NAME, public, wall_ms, days, ExtendedKeyUsageOID.CLIENT_AUTH)
    return _signed(authority, builder), key


def issue_broker(
    authority: Authority, hosts: Sequence[str], wall_ms: int, days: int = STATION_DAYS
) -> tuple[bytes, bytes]:
    """(certificate, key) of a broker under the host names and addresses by which stations reach it."""
    assert hosts
    key = make_key()
    public = _key(key).public_key()
    builder = _leaf(authority, hosts[0], public, wall_ms, days, ExtendedKeyUsageOID.SERVER_AUTH)
    names = x509.SubjectAlternativeName([_host(host) for host in hosts])
    return _signed(authority, builder.add_extension(names, critical=False)), key


def revoke(
    authority: Authority, revoked_pem: bytes, certificate_pems: Sequence[bytes], wall_ms: int
) -> bytes:
    """The list of what was taken back, with these certificates added; `revoked_pem` b"" begins one.

    It is valid as long as the authority: a list that lapses would close the broker to everybody.
    """
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    former = list(x509.load_pem_x509_crl(revoked_pem)) if revoked_pem else []
    known = {entry.serial_number for entry in former}
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=issuer.subject,
        last_update=moment(wall_ms) - _BACKDATED,
        next_update=issuer.not_valid_after_utc,
        revoked_certificates=former,
    )
    for pem in certificate_pems:
        serial = x509.load_pem_x509_certificate(pem).serial_number
        if serial not in known:
            entry = x509.RevokedCertificateBuilder(serial, moment(wall_ms))
            builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(_key(authority.key), hashes.SHA256()).public_bytes(Encoding.PEM)


def _leaf(
    authority: Authority,
    name: str,
    key: ec.EllipticCurvePublicKey,
    wall_ms: int,
    days: int,
    purpose: x509.ObjectIdentifier,
) -> x509.CertificateBuilder:
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    builder = _builder(name_of(name), issuer.subject, key, wall_ms, days)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(digital_signature=True), critical=True)
    return builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, wall_ms: int, days: int
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(moment(wall_ms) - _BACKDATED)
    return builder.not_valid_after(moment(wall_ms) + timedelta(days=days))


def _signed(authority: Authority, builder: x509.CertificateBuilder) -> bytes:
    return builder.sign(_key(authority.key), hashes.SHA256()).public_bytes(Encoding.PEM)


def _key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem, password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(
    *, digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
