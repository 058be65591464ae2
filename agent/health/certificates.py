"""Our own certificate files, looked at here: over TLS 1.3 a refused one shows only as a lost connection."""

from datetime import UTC, datetime
from pathlib import Path

from cryptography.x509 import Certificate, load_pem_x509_certificates

from agent.health.findings import Finding, Level, Part, doubt, failure, fine
from sync.refusal import Refusal
from sync.tls import TlsFiles, client_context

WARN_DAYS = 30
_DAY_S = 86_400


def certificates(files: TlsFiles, wall_ms: int) -> list[Finding]:
    """The files of a TLS connection: readable, made for each other, and valid now."""
    context = client_context(files)
    if isinstance(context, Refusal):
        return [failure(Part.HQ, "certificates", context.reason, context.detail, context.remedy)]
    named = [("CA", files.ca), ("certificate", files.cert)]
    found = [_dates(name, path, wall_ms) for name, path in named if path is not None]
    return found or [fine(Part.HQ, "certificates", "the system's authorities, no certificate of our own")]


def _dates(name: str, path: Path, wall_ms: int) -> Finding:
    """The worst of the file's certificates. `path` was read a moment ago."""
    chain = load_pem_x509_certificates(path.read_bytes())
    every = [_date(f"{name} {path}", one, wall_ms // 1000) for one in chain]
    order = [Level.FAIL, Level.WARN, Level.OK]
    return min(every, key=lambda finding: order.index(finding.level))


def _date(name: str, certificate: Certificate, wall_s: int) -> Finding:
    now = datetime.fromtimestamp(wall_s, UTC)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    evidence = f"valid from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}"
    if now < begins:
        return failure(Part.HQ, name, "CERTIFICATE_NOT_YET", evidence)
    if now > ends:
        return failure(Part.HQ, name, "CERTIFICATE_EXPIRED", evidence)
    if (ends - now).total_seconds() < WARN_DAYS * _DAY_S:
        return doubt(Part.HQ, name, "CERTIFICATE_EXPIRES", evidence)
    return fine(Part.HQ, name, evidence)
