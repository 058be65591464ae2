"""Certificates, looked at here: over TLS 1.3 a broker that refuses ours is heard only after the connection.

An alarm in time is worth more than a diagnosis: from 30 days before the end on, every visit warns.
"""

from pathlib import Path

from agent.health.findings import Finding, Level, Part, doubt, failure, fine
from sync.certificates import (
    CLOCK_BEHIND,
    WARN_DAYS,
    Identity,
    check_identity,
    descends_from,
    moment,
    read_chain,
)
from sync.refusal import Refusal
from sync.tls import TlsFiles, client_context

_NAME = "certificate"


def certificates(files: TlsFiles, station: str, wall_ms: int, *, clock_is_sure: bool) -> list[Finding]:
    """The files of a TLS connection: readable, this station's, made for each other, and valid now."""
    context = client_context(files)
    if isinstance(context, Refusal):
        return [failure(Part.HQ, "certificates", context.reason, context.detail, context.remedy)]
    found = [] if files.ca is None else [_authority(files.ca, wall_ms)]
    if files.cert is not None:
        found += _own(files, files.cert, station, wall_ms, clock_is_sure=clock_is_sure)
    return found or [fine(Part.HQ, "certificates", "the system's authorities, no certificate of our own")]


def _authority(path: Path, wall_ms: int) -> Finding:
    """The worst of the file's certificates. `path` was read a moment ago."""
    chain = read_chain(path.read_bytes())
    assert not isinstance(chain, Refusal), "TLS has just read it"
    now, every = moment(wall_ms), []
    for one in chain:
        begins, ends = one.not_valid_before_utc, one.not_valid_after_utc
        evidence = f"valid from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}"
        if now < begins:
            every.append(failure(Part.HQ, f"CA {path}", CLOCK_BEHIND, evidence))
        elif now > ends:
            every.append(failure(Part.HQ, f"CA {path}", "AUTHORITY_EXPIRED", evidence))
        elif (ends - now).days < WARN_DAYS:
            every.append(doubt(Part.HQ, f"CA {path}", "AUTHORITY_EXPIRES", evidence))
        else:
            every.append(fine(Part.HQ, f"CA {path}", evidence))
    order = [Level.FAIL, Level.WARN, Level.OK]
    return min(every, key=lambda finding: order.index(finding.level))


def _own(files: TlsFiles, cert: Path, station: str, wall_ms: int, *, clock_is_sure: bool) -> list[Finding]:
    chain = cert.read_bytes()
    key = files.key.read_bytes() if files.key else chain
    name = f"{_NAME} {cert}"
    identity = check_identity(chain, key, station, wall_ms, clock_is_sure=clock_is_sure)
    if isinstance(identity, Refusal):
        return [failure(Part.HQ, name, identity.reason, identity.detail, identity.remedy)]
    findings = [_days_left(name, identity, wall_ms)]
    if files.ca is not None and not descends_from(chain, files.ca.read_bytes()):
        findings.append(doubt(Part.HQ, name, "CERTIFICATE_OTHER_AUTHORITY", f"not signed by {files.ca}"))
    return findings


def _days_left(name: str, identity: Identity, wall_ms: int) -> Finding:
    days = identity.days_left(wall_ms)
    evidence = f"for {identity.station}, until {moment(identity.ends_ms):%Y-%m-%d}, {days} days left"
    if days < WARN_DAYS:
        return doubt(Part.HQ, name, "CERTIFICATE_EXPIRES", evidence)
    return fine(Part.HQ, name, evidence)
