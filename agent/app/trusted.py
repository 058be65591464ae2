"""Whose signature counts at this moment: the configured keys, and the signed lists that followed them."""

import logging
import threading
from collections.abc import Iterable
from pathlib import Path

from agent.store import reading
from agent.store.trust import TrustLists
from agent.till import Till
from sync import trust
from sync.keys import PublicKey
from sync.refusal import Refusal
from sync.signing import Signed, open_one_of
from sync.trust import Role, Trust

log = logging.getLogger("forecourt.trusted")


class TrustedKeys:
    """One value that every thread reads and that is replaced whole: a rotation counts at once, everywhere."""

    def __init__(self, pinned: Trust, programme: str) -> None:
        self.now = pinned
        self._programme = programme
        self._one_at_a_time = threading.Lock()

    def restore(self, database: Path) -> str:
        """Follow the kept lists from the configured keys on; returns TRUST_BROKEN where one does not follow.

        Then what follows of them counts, at the least the configuration: it was changed by hand, or the
        database was.
        """
        connection = reading.connect(database)
        try:
            return self.follow(TrustLists(connection).documents())
        finally:
            connection.close()

    def follow(self, documents: Iterable[bytes]) -> str:
        for document in documents:
            following = trust.advance(self.now, document, self._programme)
            if isinstance(following, Refusal):
                log.critical("TRUST_BROKEN", extra={"reason": following.reason, "version": self.now.version})
                return "TRUST_BROKEN"
            self.now = following
        return ""

    def take(self, document: bytes, till: Till) -> Refusal | None:
        """The next list: on the disk first, then it counts. Reasons: those of `sync.trust.advance`.

        Raises `TillUnavailable`: nothing was kept, the former list counts.
        """
        with self._one_at_a_time:  # one list may come by the broker while another is loaded by hand
            following = trust.advance(self.now, document, self._programme)
            if isinstance(following, Refusal):
                return following
            till.submit(lambda tx, at: tx.trust.adopt(following.version, document, at.wall_ms))
            self.now = following
        log.info("KEYS_ADOPTED", extra={"version": following.version})
        return None

    def of(self, role: Role) -> tuple[PublicKey, ...]:
        return self.now.keys[role]

    def open_document(self, document: bytes, payload_types: tuple[str, ...]) -> Signed | Refusal:
        """What enough keys signed as one of these types; reasons of `sync.signing.open_document`."""
        now = self.now
        return open_one_of(document, payload_types, now.keys["documents"], now.documents_threshold)
