"""Whose signature is a station's: its key's, and for a while its next key's too."""

from collections.abc import Callable

from sync.envelope import Verify
from sync.hq.store import HqStore


class StationKeys:
    """A station's key, and the one it has announced: it may sign with either while it changes over.

    `used_next` is the announced key, after something was verified by it. A station's key is looked up
    once: keep this no longer than one run of messages.
    """

    def __init__(self, store: HqStore, verifier_of: Callable[[bytes], Verify]) -> None:
        self._store = store
        self._verifier_of = verifier_of
        self.used_next = b""
        self._verifiers: dict[str, Verify | None] = {}

    def verifier(self, station: str) -> Verify | None:
        if station not in self._verifiers:
            self._verifiers[station] = self._look_up(station)
        return self._verifiers[station]

    def _look_up(self, station: str) -> Verify | None:
        key = self._store.public_key(station)
        if key is None:
            return None
        present = self._verifier_of(key)

        def verify(data: bytes, signature: bytes) -> bool:
            return present(data, signature) or self._verify_next(station, data, signature)

        return verify

    def _verify_next(self, station: str, data: bytes, signature: bytes) -> bool:
        with self._store.read() as asked:
            following = asked.documents.next_key(station)
        if following is None or not self._verifier_of(following)(data, signature):
            return False
        self.used_next = following
        return True
