"""The one writer. Whoever wants something on the disk hands in a verb and waits for the commit.

Group commit: what waits in the inbox runs in one transaction, each verb in a savepoint of its own,
and is answered after the one commit. A verb that does not fit on the disk is taken back alone; a
commit that fails, or any other error of the disk, answers nobody and ends the process: after a
failed sync nothing that SQLite says can be believed (reliability.md, A.1).
"""

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from agent.clock import Clock, Instant, instant
from agent.store.database import Store, StoreFull, Transaction

T = TypeVar("T")
Verb = Callable[[Transaction, Instant], T]

INBOX_SIZE = 256
GROUP_SIZE = 64
"""Enough to share one sync among a burst, few enough that nobody waits for a stranger's batch."""

WAIT_SLICE_S = 1
"""No wait is longer than this without a look at whether the till still runs."""


class TillUnavailable(Exception):
    """Nothing was kept; ask again. `reason` is DISK_FULL or TILL_BUSY."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class _Request(Generic[T]):
    def __init__(self, verb: Verb[T]) -> None:
        self.verb = verb
        self.answered = threading.Event()
        self.answer: T
        self.refusal: TillUnavailable | None = None


class Till:
    """`submit` from any thread; `run` on the thread that owns the store."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        clock: Clock,
        on_commit: Callable[[Store], None],
        on_broken: Callable[[BaseException], None],
    ) -> None:
        """`on_commit` is called after every commit, on the till's thread; `on_broken` ends the process."""
        self._open_store = open_store
        self._clock = clock
        self._on_commit = on_commit
        self._on_broken = on_broken
        self._inbox: queue.Queue[_Request[object]] = queue.Queue(INBOX_SIZE)
        self._stopped = threading.Event()
        self.opened = threading.Event()
        self.ticked_ms = clock.monotonic_ms()
        self.commits = 0
        self._floor_ms = 0

    def submit(self, verb: Verb[T]) -> T:
        """Run the verb in a transaction and return its result once it is on the disk.

        Raises `TillUnavailable` when nothing was kept. An exception of the verb itself is our own
        mistake: it ends the process, not this call.
        """
        request = _Request(verb)
        try:
            self._inbox.put(request, timeout=WAIT_SLICE_S)  # type: ignore[arg-type]  # invariant in T
        except queue.Full:
            raise TillUnavailable("TILL_BUSY") from None
        while not request.answered.wait(WAIT_SLICE_S):
            if self._stopped.is_set() and not request.answered.is_set():
                raise TillUnavailable("TILL_BUSY")
        if request.refusal is not None:
            raise request.refusal
        return request.answer

    def run(self, stop: threading.Event) -> None:
        """Serve the inbox until `stop`; what was handed in before that is still answered."""
        try:
            store = self._open_store()
            self._floor_ms = store.newest_at_ms()
            self.opened.set()
            self._serve(store, stop)
            store.close()
        except BaseException as error:
            self._on_broken(error)  # and no close: it would write and sync on a disk that has failed
            raise
        finally:
            self._stopped.set()

    def _serve(self, store: Store, stop: threading.Event) -> None:
        while not (stop.is_set() and self._inbox.empty()):
            self.ticked_ms = self._clock.monotonic_ms()
            try:
                first = self._inbox.get(timeout=WAIT_SLICE_S)
            except queue.Empty:
                continue
            group = [first, *self._waiting()]
            self._commit(store, group)
            for request in group:
                request.answered.set()
            self._on_commit(store)

    def _waiting(self) -> list[_Request[object]]:
        waiting: list[_Request[object]] = []
        while len(waiting) < GROUP_SIZE - 1:
            try:
                waiting.append(self._inbox.get_nowait())
            except queue.Empty:
                break
        return waiting

    def _commit(self, store: Store, group: list[_Request[object]]) -> None:
        try:
            with store.transaction() as tx:
                for request in group:
                    self._run_alone(store, tx, request)
            self.commits += 1
        except StoreFull:  # SQLite took back the whole group: each alone, so that what fits is kept
            if len(group) == 1:
                group[0].refusal = TillUnavailable("DISK_FULL")
            else:
                for request in group:
                    self._commit(store, [request])

    def _run_alone(self, store: Store, tx: Transaction, request: _Request[object]) -> None:
        request.refusal = None
        try:
            with store.savepoint():
                at = instant(self._clock, self._floor_ms)
                request.answer = request.verb(tx, at)
                self._floor_ms = at.wall_ms
        except StoreFull:
            if not store.in_transaction:
                raise
            request.refusal = TillUnavailable("DISK_FULL")
