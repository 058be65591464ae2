"""The ends of the chains outside the database: compared at the start, written after every commit."""

import logging
from pathlib import Path

from agent.clock import Instant
from agent.handlers.reopen import OTHER_HISTORY, reopen
from agent.handlers.site import Site
from agent.identity import boot_id
from agent.store.database import Store
from agent.store.heads import Heads, HeadsFile

log = logging.getLogger("forecourt.safekeeping")


class Safekeeping:
    """Around one store; every method is called by the till's thread."""

    def __init__(self, path: Path, site: Site) -> None:
        self._file = HeadsFile(path)
        self._site = site

    def check(self, store: Store, at: Instant) -> None:
        """Compare before the first sale; another history than ours goes on under a new epoch."""
        heads = self._file.read()
        reason = store.compare(heads)
        if reason:
            level = logging.CRITICAL if reason in OTHER_HISTORY else logging.WARNING
            log.log(level, reason, extra={"file": str(self._file.path)})
        with store.transaction() as tx:
            reopen(reason, heads.epoch if isinstance(heads, Heads) else 0, boot_id(), tx, self._site, at)
        self.keep(store)
        self.sync()

    def keep(self, store: Store) -> None:
        """After a commit. A disk that fails here fails at the next commit too, and that one counts."""
        try:
            self._file.write(store.heads())
        except OSError as error:
            log.warning("HEADS_NOT_WRITTEN", extra={"error": error.strerror})

    def sync(self) -> None:
        try:
            self._file.sync()
        except OSError as error:
            log.warning("HEADS_NOT_WRITTEN", extra={"error": error.strerror})
