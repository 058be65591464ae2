"""Answering stations that ask for a certificate over the link: signed here, sent as a down item."""

import hashlib
from collections.abc import Callable

from sync.authority_folder import AuthorityFolder
from sync.hq.heard import CertificateAsked
from sync.hq.publisher import Issued, Order, Publisher
from sync.hq.store import Writing
from sync.refusal import Refusal

ANSWER_HOLDS_MS = 30 * 86_400_000


class Certifier:
    """A `Certify` for the receiver. The question came under the station's signature, so it is known."""

    def __init__(self, authority: AuthorityFolder, publisher: Publisher, wall_ms: Callable[[], int]) -> None:
        self._authority = authority
        self._publisher = publisher
        self._wall_ms = wall_ms

    def __call__(self, tx: Writing, station: str, question: CertificateAsked) -> Refusal | None:
        """None if the answer is issued; else the alarm: those of `sign_request` and of the publisher."""
        now_ms = self._wall_ms()
        signed = self._authority.sign(question.csr, lambda name: name == station, now_ms)
        if isinstance(signed, Refusal):
            return signed
        name = f"certificate-{hashlib.sha256(question.id.encode()).hexdigest()[:32]}"
        order = Order("certificate", {"chain": signed.decode("ascii")}, now_ms + ANSWER_HOLDS_MS, name)
        issued = self._publisher.issue_in(tx, station, order, now_ms)
        return None if isinstance(issued, Issued) else issued
