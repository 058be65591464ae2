"""The station's TLS identity: its key, the request for a certificate, and whether a certificate is its own.

PEM in, values out: no file, no clock. Over TLS 1.3 a broker that does not like a certificate is heard
only after the connection seemed to stand, so the station looks at its own before it dials.

A station's certificate carries its id twice: as common name, which brokers make the user name of
(`use_identity_as_username`), and as the URI `urn:forecourt:station:{id}` among its alternative names.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from sync.refusal import Refusal

STATION_URI = "urn:forecourt:station:"
WARN_DAYS = 30
"""A certificate with fewer days left is renewed, and talked about."""

DAY_MS = 86_400_000
MOST_PEM_BYTES = 16_000
_LONGEST_CHAIN = 6

EXPIRED = "CERTIFICATE_EXPIRED"
NOT_YET_VALID = "CERTIFICATE_NOT_YET_VALID"
CLOCK_BEHIND = "CLOCK_BEHIND_CERTIFICATE"
BY_THE_CLOCK = frozenset({EXPIRED, NOT_YET_VALID, CLOCK_BEHIND})
"""Refusals that are as good as the clock they were read from."""

_ASK_HQ = "ask headquarters for a new one: `forecourt enroll` prints the request"
_REMEDIES = {
    EXPIRED: "get a new certificate from headquarters (`forecourt enroll`); compare the clock with a watch",
    NOT_YET_VALID: "this clock is synchronised, so it was issued for later: ask headquarters for another",
    CLOCK_BEHIND: "set the clock (`timedatectl`), see to its battery; if the clock is right, "
    "the certificate was issued for later",
}


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate that was read. Times are milliseconds UTC; `station` is its common name."""

    station: str
    begins_ms: int
    ends_ms: int
    serial: int

    def days_left(self, wall_ms: int) -> int:
        """Whole days until it ends; negative afterwards."""
        return (self.ends_ms - wall_ms) // DAY_MS


def make_key() -> bytes:
    """A new ECDSA P-256 key as PEM (PKCS 8, not encrypted)."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make_request(key_pem: bytes, station: str) -> bytes | Refusal:
    """The certificate signing request of this key for this station, PEM. Reason KEY_UNREADABLE."""
    key = _private_key(key_pem)
    if isinstance(key, Refusal):
        return key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    builder = x509.CertificateSigningRequestBuilder().subject_name(name_of(station))
    request = builder.add_extension(names_of(station), critical=False).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM)


def name_of(station: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, station)])


def names_of(station: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"{STATION_URI}{station}")])


def read_identity(chain_pem: bytes) -> Identity | Refusal:
    """The first certificate of a chain. Reason CERTIFICATE_UNREADABLE."""
    chain = read_chain(chain_pem)
    if isinstance(chain, Refusal):
        return chain
    leaf = chain[0]
    return Identity(
        station=common_name(leaf.subject),
        begins_ms=_ms(leaf.not_valid_before_utc),
        ends_ms=_ms(leaf.not_valid_after_utc),
        serial=leaf.serial_number,
    )


def check_identity(
    chain_pem: bytes, key_pem: bytes, station: str, wall_ms: int, *, clock_is_sure: bool
) -> Identity | Refusal:
    """Whether this chain begins with a certificate of this station, for this key, that is valid now.

    Reasons, in this order: CERTIFICATE_UNREADABLE, KEY_UNREADABLE, CERTIFICATE_OTHER_STATION, KEY_MISMATCH,
    CERTIFICATE_EXPIRED, and before its first moment CERTIFICATE_NOT_YET_VALID if `clock_is_sure` (a time
    service vouches for it), else CLOCK_BEHIND_CERTIFICATE.
    """
    chain, key = read_chain(chain_pem), _private_key(key_pem)
    if isinstance(chain, Refusal):
        return chain
    if isinstance(key, Refusal):
        return key
    identity = read_identity(chain_pem)
    assert isinstance(identity, Identity)
    if not _is_named(chain[0], station):
        named = identity.station or "nobody"
        return Refusal("CERTIFICATE_OTHER_STATION", f"it is for {named[:64]}, this is {station}", _ASK_HQ)
    if _public_bytes(key.public_key()) != _public_bytes(chain[0].public_key()):
        return Refusal("KEY_MISMATCH", "the certificate is for another key than the one here", _ASK_HQ)
    reason = _date_reason(identity, wall_ms, clock_is_sure=clock_is_sure)
    if reason:
        valid = f"valid from {_day(identity.begins_ms)} to {_day(identity.ends_ms)}"
        return Refusal(reason, f"{valid}, the clock says {_day(wall_ms)}", _REMEDIES[reason])
    return identity


def descends_from(chain_pem: bytes, authority_pem: bytes) -> bool:
    """Whether the chain's first certificate leads to one of these authorities, signature by signature."""
    chain, authorities = read_chain(chain_pem), read_chain(authority_pem)
    if isinstance(chain, Refusal) or isinstance(authorities, Refusal):
        return False
    current = chain[0]
    for _ in range(_LONGEST_CHAIN):
        if any(_issued(current, authority) for authority in authorities):
            return True
        following = next((one for one in chain[1:] if _issued(current, one)), None)
        if following is None:
            return False
        current = following
    return False


def read_chain(pem: bytes) -> Sequence[x509.Certificate] | Refusal:
    """One or more certificates, text around them ignored. Reason CERTIFICATE_UNREADABLE."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        return Refusal("CERTIFICATE_UNREADABLE", f"no certificate in PEM: {type(error).__name__}", _ASK_HQ)


def common_name(name: x509.Name) -> str:
    """The one common name; "" if there is none, or more than one."""
    found = [str(each.value) for each in name.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return found[0] if len(found) == 1 else ""


def moment(wall_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=wall_ms)


def _is_named(leaf: x509.Certificate, station: str) -> bool:
    """By its common name; and by its URI where it has one (a company's own authority may give none)."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        named = []
    else:
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        named = [uri for uri in uris if uri.startswith(STATION_URI)]
    return common_name(leaf.subject) == station and all(uri == f"{STATION_URI}{station}" for uri in named)


def _date_reason(identity: Identity, wall_ms: int, *, clock_is_sure: bool) -> str:
    if wall_ms < identity.begins_ms:
        return NOT_YET_VALID if clock_is_sure else CLOCK_BEHIND
    return EXPIRED if wall_ms > identity.ends_ms else ""


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _private_key(pem: bytes) -> PrivateKeyTypes | Refusal:
    try:
        return load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return Refusal("KEY_UNREADABLE", f"no private key in PEM: {type(error).__name__}", _ASK_HQ)


def _public_bytes(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _ms(at: datetime) -> int:
    return int(at.timestamp()) * 1000


def _day(wall_ms: int) -> str:
    return f"{moment(wall_ms):%Y-%m-%d %H:%M}"
