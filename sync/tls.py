"""Broker addresses and the TLS context. Plain TCP only to this very machine; everything else needs TLS."""

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
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
    """PEM files. Without `ca` the system's authorities are trusted; `cert` and `key` come together."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None


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
    """A context for one connection: TLS 1.2 or newer, host name checked.

    Made anew for every connection, so that a renewed certificate is taken without a restart.
    Reasons: CA_UNREADABLE, CERTIFICATE_UNREADABLE.
    """
    try:
        context = ssl.create_default_context(cafile=files.ca)
    except OSError as error:
        return Refusal("CA_UNREADABLE", f"{files.ca}: {_words(error)}", "check hq.ca_file: PEM, and readable")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.cert is None:
        return context
    try:
        context.load_cert_chain(files.cert, files.key)
    except OSError as error:
        return Refusal(
            "CERTIFICATE_UNREADABLE",
            f"{files.cert}: {_words(error)}",
            "check hq.cert_file and hq.key_file: PEM, readable, and made for each other",
        )
    return context


def _words(error: OSError) -> str:
    return error.strerror or str(error)
