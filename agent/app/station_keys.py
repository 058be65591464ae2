"""The station's signing key in its state directory, and the one that follows it."""

import os
from pathlib import Path

from agent.app.parts import STATION_KEY
from sync.keys import SigningKey, read_key, write_key

NEXT_KEY = "station.key.next"


class StationKeys:
    """A `KeyRing` (agent/handlers/rotate_key.py). `is_ours` False: the service was given its key."""

    def __init__(self, state_dir: Path, *, is_ours: bool) -> None:
        self._path = state_dir / STATION_KEY
        self._next = state_dir / NEXT_KEY
        self._is_ours = is_ours

    @property
    def is_ours(self) -> bool:
        return self._is_ours

    def next_key(self) -> SigningKey | None:
        """None also for a file that a crash left half written: it was told to nobody."""
        key = read_key(self._next)
        return key if isinstance(key, SigningKey) else None

    def make_next(self) -> SigningKey:
        self._next.unlink(missing_ok=True)
        key = SigningKey.generate()
        refused = write_key(self._next, key)
        assert refused is None, "nobody else makes keys here"
        return key

    def switch(self) -> None:
        os.replace(self._next, self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
