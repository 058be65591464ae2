"""Broker addresses and the TLS context. Plain TCP only to this very machine; everything else needs TLS 1.3.

What TLS says when it fails is told apart here: a clock that is behind, a name or an authority that
does not fit, and what a broker answers to our certificate. Nothing is ever tried again without checks.
"""

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol
from urllib.parse import urlsplit

from sync.refusal import Refusal

_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    host: str
    port: int
    tls: bool

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. Without `ca` the system's authorities are trusted; without `key` it is in `cert`, too.

    As a `Credentials` they are always the same three.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def for_connection(self) -> "TlsFiles | Refusal":
        return self

    def answered(self) -> None:
        """Nothing follows from it."""


class Credentials(Protocol):
    """Whose certificate a connection is made with, asked anew before each one."""

    def for_connection(self) -> TlsFiles | Refusal:
        """The files for the next try, or why there can be none."""

    def answered(self) -> None:
        """Headquarters spoke over a connection that was made with the files given last."""


def parse_broker(url: str) -> BrokerAddress | Refusal:
    """`mqtts://host[:8883]`, or `mqtt://` to a loopback address. Reasons: BROKER_URL, PLAIN_TCP."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return Refusal("BROKER_URL", str(error), _URL_REMEDY)
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        return Refusal("BROKER_URL", "scheme, host or port is missing or unknown", _URL_REMEDY)
    if parts.path not in ("", "/") or parts.query or parts.fragment or parts.username is not None:
        return Refusal("BROKER_URL", "only scheme, host and port belong in it", _URL_REMEDY)
    address = BrokerAddress(parts.hostname, port or _PORTS[parts.scheme], parts.scheme == "mqtts")
    if not address.tls and not is_loopback(address.host):
        return Refusal(
            "PLAIN_TCP",
            f"mqtt:// to {address.host} would send members' data readable over the network",
            f"use mqtts://{address.host}, or mqtt://127.0.0.1 for a broker on this machine",
        )
    return address


_URL_REMEDY = "write mqtts://host:8883"


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def client_context(files: TlsFiles) -> ssl.SSLContext | Refusal:
    """A context for one connection: TLS 1.3, host name checked.

    Made anew for every connection, so that a renewed certificate is taken without a restart.
    Reasons: CA_UNREADABLE, CERTIFICATE_FORBIDDEN, CERTIFICATE_UNREADABLE, KEY_MISMATCH.
    """
    try:
        context = ssl.create_default_context(cafile=files.ca)
    except OSError as error:
        return Refusal("CA_UNREADABLE", f"{files.ca}: {_words(error)}", "check hq.ca_file: PEM, and readable")
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if files.cert is None:
        return context
    try:
        context.load_cert_chain(files.cert, files.key)
    except PermissionError as error:
        remedy = "only the service's user may read a private key: use sudo here, or see to the file's owner"
        return Refusal("CERTIFICATE_FORBIDDEN", f"{files.cert}: {_words(error)}", remedy)
    except OSError as error:
        fits = not (isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH")
        return Refusal(
            "CERTIFICATE_UNREADABLE" if fits else "KEY_MISMATCH",
            f"{files.cert}: {_words(error)}",
            "check hq.cert_file and hq.key_file: PEM, readable, and made for each other",
        )
    return context


def tls_reason(error: ssl.SSLError) -> str:
    """What a failed handshake, or the broker's alert after it, says: a code of ours.

    Codes of the broker's certificate: CLOCK_BEHIND_CERTIFICATE (not yet valid by our clock),
    BROKER_CERTIFICATE_EXPIRED, BROKER_OTHER_NAME, BROKER_UNTRUSTED, CERTIFICATE_REFUSED (all others). Codes
    of ours, as the broker sees it: CERTIFICATE_MISSING, CERTIFICATE_EXPIRED, CERTIFICATE_REVOKED,
    CERTIFICATE_UNTRUSTED, CERTIFICATE_UNWANTED. TLS_TOO_OLD: it does not speak TLS 1.3. BROKER_HUNG_UP: it
    ended the handshake without a word. TLS_FAILED.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_CODES.get(error.verify_code, "CERTIFICATE_REFUSED")
    return _ALERTS.get(error.reason or "", "TLS_FAILED")


_VERIFY_CODES = MappingProxyType(
    {
        9: "CLOCK_BEHIND_CERTIFICATE",
        10: "BROKER_CERTIFICATE_EXPIRED",
        18: "BROKER_UNTRUSTED",
        19: "BROKER_UNTRUSTED",
        20: "BROKER_UNTRUSTED",
        21: "BROKER_UNTRUSTED",
        62: "BROKER_OTHER_NAME",
        64: "BROKER_OTHER_NAME",
    }
)
"""X509_V_ERR_… of OpenSSL's x509_vfy.h."""

_ALERTS = MappingProxyType(
    {
        "TLSV13_ALERT_CERTIFICATE_REQUIRED": "CERTIFICATE_MISSING",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED": "CERTIFICATE_EXPIRED",
        "SSLV3_ALERT_CERTIFICATE_REVOKED": "CERTIFICATE_REVOKED",
        "TLSV1_ALERT_UNKNOWN_CA": "CERTIFICATE_UNTRUSTED",
        "SSLV3_ALERT_BAD_CERTIFICATE": "CERTIFICATE_UNWANTED",
        "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "CERTIFICATE_UNWANTED",
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "CERTIFICATE_UNWANTED",
        "TLSV1_ALERT_ACCESS_DENIED": "CERTIFICATE_UNWANTED",
        "UNEXPECTED_EOF_WHILE_READING": "BROKER_HUNG_UP",
        "TLSV1_ALERT_PROTOCOL_VERSION": "TLS_TOO_OLD",
        "UNSUPPORTED_PROTOCOL": "TLS_TOO_OLD",
        "WRONG_SSL_VERSION": "TLS_TOO_OLD",
    }
)
"""OpenSSL's names of what either end says: RFC 8446, section 6.2."""


def _words(error: OSError) -> str:
    return error.strerror or str(error)
