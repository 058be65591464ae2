"""Headquarters' answer to the request for a new TLS certificate: checked against the key that asked."""

from typing import Protocol

from agent.clock import ClockQuality, Instant
from agent.handlers.verdict import DONE, Verdict
from agent.messages.down import Certificate
from sync.certificates import check_identity
from sync.refusal import Refusal


class CertificateStore(Protocol):
    """Where key and certificate lie; what it is told is on disk when it returns."""

    def pending_key(self) -> bytes | None: ...

    def newest(self) -> bytes | None: ...

    def put_on_trial(self, chain: bytes, wall_ms: int) -> None: ...


def renew_certificate(body: Certificate, store: CertificateStore, station: str, at: Instant) -> Verdict:
    """Put the chain on trial; the same one again, after a crash between disk and commit, is no news.

    Reasons: CERTIFICATE_NOT_ASKED, CERTIFICATE_NOT_STORED (the disk did not take it; it is asked for again),
    and those of `sync.certificates.check_identity`.
    """
    chain, key = body.chain.encode(), store.pending_key()
    if key is None:
        newest = store.newest()
        if newest is not None and newest.endswith(chain):
            return DONE
        return Verdict("CERTIFICATE_NOT_ASKED", "no request of this station is open")
    is_sure = at.quality is ClockQuality.SYNCED
    found = check_identity(chain, key, station, at.wall_ms, clock_is_sure=is_sure)
    if isinstance(found, Refusal):
        return Verdict(found.reason, found.detail)
    try:
        store.put_on_trial(chain, at.wall_ms)
    except OSError as error:
        return Verdict("CERTIFICATE_NOT_STORED", error.strerror or "")
    return DONE
