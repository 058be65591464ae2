"""What comes from HQ besides acks and answers: opened, checked, and handed to the till if it is to be obeyed.

Runs in the courier's thread. Signatures and turns are checked here, before anything costs a transaction;
what is the next order is judged again inside its transaction.
"""

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from agent.app.trusted import TrustedKeys
from agent.app.turned_away import TurnedAway
from agent.clock import Clock
from agent.handlers.adopt_document import ADOPTERS, adopt_document
from agent.handlers.obey import Obeyed, attested, obey, out_of_turn
from agent.handlers.obey_kinds import Doors, obedient
from agent.handlers.renew_certificate import CertificateStore
from agent.handlers.rotate_key import KeyRing
from agent.handlers.site import Site
from agent.points.values import Value
from agent.store import reading
from agent.store.down import DownItems
from agent.till import Till, TillUnavailable
from sync import topics
from sync.connection import Taken
from sync.down import Opened, open_item
from sync.refusal import Refusal
from sync.signing import BUNDLE_TYPE, ROLLOUT_TYPE

log = logging.getLogger("forecourt.obedience")

Afterwards = Mapping[type[Value], Callable[[Any], None]]
"""What is done outside the database once an order's number is consumed, by the type of its body."""

REMEMBERED = 8
SAME_AGAIN_MS = 3_600_000
"""Retained documents come with every connection: for an hour the last ones are not looked at twice."""


class Obedience:
    """`on_down` is the courier's. `hq_ms()` is HQ's time by its last answer to a question of ours."""

    def __init__(
        self,
        database: Path,
        till: Till,
        site: Site,
        keys: TrustedKeys,
        certificates: CertificateStore,
        ring: KeyRing,
        clock: Clock,
        hq_ms: Callable[[], int | None],
        afterwards: Afterwards = MappingProxyType({}),
    ) -> None:
        self._held = DownItems(reading.connect(database))
        self._till = till
        self._site = site
        self._keys = keys
        self._clock = clock
        self._hq_ms = hq_ms
        self._afterwards = afterwards
        self._handlers = obedient(
            Doors(lambda document: keys.open_document(document, tuple(ADOPTERS)), certificates, ring)
        )
        self._seen: OrderedDict[bytes, int] = OrderedDict()
        self.turned_away = TurnedAway(till)

    def on_down(self, topic: str, payload: bytes) -> Taken:
        """Take one message. A reason is counted by the courier; what is refused is also told to HQ."""
        try:
            if topic == topics.down_items(self._site.station):
                return self._item(payload)
            if topic == topics.down_keys(self._site.station):
                return self._list_of_keys(payload)
            if topic == topics.bundle(self._site.programme):
                return self._document(payload)
        except TillUnavailable as unavailable:
            return Taken(f"DOWN_{unavailable.reason}", ask_again=True)
        return Taken() if topic.startswith(topics.bundle("")) else Taken("DOWN_IGNORED")

    def _item(self, message: bytes) -> Taken:
        trust = self._keys.now
        opened = open_item(message, trust.keys["down"], trust.down_threshold)
        if isinstance(opened, Refusal):
            return self._turn_away(opened.reason, opened.detail, message)
        down = opened.down
        obeyed = out_of_turn(down, opened.sha256, self._held, self._site) or self._obey(opened)
        if obeyed.consumed:
            log.info("DOWN", extra={"seq": down.down_seq, "kind": down.kind, "reason": obeyed.reason})
        if obeyed.afterwards is not None:
            self._afterwards[type(obeyed.afterwards)](obeyed.afterwards)
        if obeyed.reason and not obeyed.consumed and not obeyed.ask_again:
            return self._turn_away(obeyed.reason, obeyed.detail, message, down.down_seq, down.id)
        return Taken(obeyed.reason, obeyed.ask_again)

    def _obey(self, opened: Opened) -> Obeyed:
        hq_ms, site, handlers = self._hq_ms(), self._site, self._handlers
        return self._till.submit(
            lambda tx, at: obey(opened.down, opened.sha256, tx, site, attested(at, hq_ms), at, handlers)
        )

    def _list_of_keys(self, message: bytes) -> Taken:
        refused = self._keys.take(message, self._till)
        if refused is None or refused.reason == "KEYS_REPEATED":
            return Taken()
        taken = self._turn_away(refused.reason, refused.detail, message)
        return Taken(taken.reason, ask_again=refused.reason == "KEYS_GAP")

    def _document(self, message: bytes) -> Taken:
        sha256, now = hashlib.sha256(message).digest(), self._clock.monotonic_ms()
        if sha256 in self._seen and now - self._seen[sha256] < SAME_AGAIN_MS:
            return Taken()
        signed = self._keys.open_document(message, (BUNDLE_TYPE, ROLLOUT_TYPE))
        if isinstance(signed, Refusal):
            return self._turn_away(signed.reason, signed.detail, message)
        site = self._site
        adoption = self._till.submit(lambda tx, at: adopt_document(signed, tx, site, at))
        self._remember(sha256, now)
        if adoption.reason:
            return self._turn_away(adoption.reason, adoption.text, message)
        return Taken()

    def _remember(self, sha256: bytes, now: int) -> None:
        self._seen[sha256] = now
        self._seen.move_to_end(sha256)
        while len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def _turn_away(self, reason: str, detail: str, message: bytes, seq: int = 0, id: str = "") -> Taken:
        self.turned_away.count(reason, detail, message, self._clock.monotonic_ms(), seq, id)
        return Taken(reason)
