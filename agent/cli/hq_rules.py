"""The rules by which `forecourt hq serve` judges: those it was started with, and those published since."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping

from agent.points.rules import Bundle, BundleRefused, parse_bundle

LOOK_AGAIN_MS = 5_000
MOST_MISSES = 256
"""What is not known is remembered, so that who names unknown rules all day costs no questions."""

Key = tuple[str, int]


class PublishedRules(Mapping[Key, Bundle]):
    """Bundles by name and version. `document_of(name, version)` gives what was published, None for nothing.

    What was found once stays: a version has its bytes for ever. A miss is looked for again after
    `LOOK_AGAIN_MS`; rules are published before any station can have them.
    """

    def __init__(
        self,
        given: Mapping[Key, Bundle],
        document_of: Callable[[str, int], bytes | None],
        monotonic_ms: Callable[[], int],
    ) -> None:
        self._known = dict(given)
        self._document_of = document_of
        self._monotonic_ms = monotonic_ms
        self._missed: dict[Key, int] = {}

    def __getitem__(self, key: Key) -> Bundle:
        found = self._known.get(key) or self._look_for(key)
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[Key]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def _look_for(self, key: Key) -> Bundle | None:
        now = self._monotonic_ms()
        missed_at = self._missed.get(key)
        if missed_at is not None and now - missed_at < LOOK_AGAIN_MS:
            return None
        document = self._document_of(*key)
        if document is None:
            if len(self._missed) >= MOST_MISSES:
                self._missed.clear()
            self._missed[key] = now
            return None
        self._missed.pop(key, None)
        bundle = parse_bundle(base64.b64decode(json.loads(document)["payload"]))
        assert not isinstance(bundle, BundleRefused), "it was parsed before it was published"
        self._known[key] = bundle
        return bundle
