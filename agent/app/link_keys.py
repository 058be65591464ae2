"""Now and then: is the link's certificate to be renewed, and has headquarters our next signing key."""

import logging
from collections.abc import Callable

from agent.app.certificates import Certificates
from agent.app.station_keys import StationKeys
from agent.clock import Instant
from agent.handlers.rotate_key import finish_rotation
from agent.store.database import Transaction
from agent.till import Till, TillUnavailable
from sync.keys import SigningKey

log = logging.getLogger("forecourt.link_keys")

EVERY_MS = 30_000


class LinkKeys:
    """`when_due` is called every second and does something every `EVERY_MS`.

    `use_key` is called with a new signing key once headquarters has it and it is in the key's file.
    """

    def __init__(
        self,
        certificates: Certificates,
        ring: StationKeys,
        station: str,
        till: Till,
        monotonic_ms: Callable[[], int],
        use_key: Callable[[SigningKey], None],
    ) -> None:
        self._certificates = certificates
        self._ring = ring
        self._station = station
        self._till = till
        self._monotonic_ms = monotonic_ms
        self._use_key = use_key
        self._due_at_ms = 0

    def when_due(self) -> None:
        now = self._monotonic_ms()
        if now < self._due_at_ms:
            return
        self._due_at_ms = now + EVERY_MS
        try:
            following = self._till.submit(self._do)
        except TillUnavailable as unavailable:
            log.warning("LINK_KEYS_POSTPONED", extra={"reason": unavailable.reason})
            return
        if following is not None:
            self._use_key(following)
            log.info("KEY_ROTATED", extra={"key_id": following.public.key_id})

    def _do(self, tx: Transaction, at: Instant) -> SigningKey | None:
        self._certificates.renew(tx, at)
        return finish_rotation(self._ring, self._station, tx, at)
