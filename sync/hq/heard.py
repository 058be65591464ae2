"""What some items tell HQ's own end, beside what they mean for points.

The judge, who knows the bodies, hands these values over with its verdict (`Booked.heard`); `acting.py`
says what follows from them.
"""

from dataclasses import dataclass

from sync.keys import PublicKey


@dataclass(frozen=True, slots=True)
class Applied:
    """The down item `down_seq`, called `id`, was consumed; `verdict` is "" where it took effect."""

    down_seq: int
    id: str
    verdict: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NextKey:
    """The station signs with this key (32 bytes) from now on; it has proved to hold it."""

    key: bytes


@dataclass(frozen=True, slots=True)
class CertificateAsked:
    """The station asks for a certificate; `csr` is PEM, `id` names the question."""

    id: str
    csr: bytes


@dataclass(frozen=True, slots=True)
class Adopted:
    """The station took in a version whose payload has this SHA-256 (hex).

    `for_all`: the same bytes at every station (rules); else each station has its own (members).
    """

    what: str
    name: str
    version: int
    sha256: str
    for_all: bool


Heard = Applied | NextKey | CertificateAsked | Adopted


def proves(station: str, key: PublicKey, signature: bytes) -> bool:
    """Whether whoever announces this key holds it: signed over a context, the station and the key."""
    return key.verify(f"forecourt/station-key/1\n{station}\n{key.text}".encode(), signature)
