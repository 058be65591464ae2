"""With which certificate the station connects, and that there is always a next one in time.

Where the settings name certificate and key, those are used, and their renewal is somebody else's. Else
the station's own are (`forecourt enroll`): 30 days before the end a new key is made and its certificate
asked for over the link; what comes is tried at once, and the former one stays until that has worked.

A certificate that is another station's, does not fit its key or has expired is refused here, before
anybody is dialled. A clock that nobody vouches for is no reason not to dial: the broker judges by its
own clock, and the road may be the only way to learn the time. Broker and authority are always checked.
"""

import hashlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from agent.app.certificate_files import CertificateFiles
from agent.clock import Clock, ClockQuality, Instant
from agent.messages.upkeep import CertificateRequest
from agent.store.database import Transaction
from sync.certificates import (
    BY_THE_CLOCK,
    DAY_MS,
    EXPIRED,
    NOT_YET_VALID,
    WARN_DAYS,
    Identity,
    check_identity,
    make_request,
    read_identity,
)
from sync.outbox import URGENT
from sync.refusal import Refusal
from sync.tls import TlsFiles

log = logging.getLogger("forecourt.certificates")

_TRIES_WITH_EACH = 4
"""While a new certificate is on trial, the former one has its turn after so many tries."""


class Certificates:
    """Credentials of the link, and the `CertificateStore` of agent/handlers/renew_certificate.py.

    `configured`: what the settings name. `floor_ms` gives the latest wall time known to be past; `on_trial`
    is called when a new certificate waits to be tried. `for_connection` and `answered` are the courier's
    thread's; `renew` and the store's methods run in a till transaction; `standing` is anybody's.
    """

    def __init__(
        self,
        state_dir: Path,
        station: str,
        configured: TlsFiles,
        clock: Clock,
        floor_ms: Callable[[], int],
        on_trial: Callable[[], None],
    ) -> None:
        self.files = CertificateFiles(state_dir)
        self._station = station
        self._configured = configured
        self._clock = clock
        self._floor_ms = floor_ms
        self._call_on_trial = on_trial
        self._tries = 0
        self._on_trial = False
        self._told: tuple[int, int] | None = None

    def for_connection(self) -> TlsFiles | Refusal:
        """The files of the next try. Reasons: see `sync.certificates.check_identity`."""
        candidates = self._candidates()
        if not candidates:
            return self._configured
        first = self._tries // _TRIES_WITH_EACH % len(candidates)
        self._tries += 1
        refused: Refusal | None = None
        for files in candidates[first:] + candidates[:first]:
            refused = self._refusal(files)
            if refused is None or not self._is_reason_enough(refused):
                self._on_trial = files.cert == self.files.on_trial
                return files
        assert refused is not None
        return refused

    def answered(self) -> None:
        if self._on_trial:
            self._on_trial = False
            self._tries = 0
            try:
                self.files.keep()
            except OSError as error:  # it stays on trial, and works
                log.warning("CERTIFICATE_NOT_STORED", extra={"error": error.strerror})

    def pending_key(self) -> bytes | None:
        return self.files.pending_key()

    def newest(self) -> bytes | None:
        return self.files.newest()

    def put_on_trial(self, chain: bytes, wall_ms: int) -> None:
        self.files.put_on_trial(chain, wall_ms)
        self._tries = 0
        self._call_on_trial()

    def renew(self, tx: Transaction, at: Instant) -> None:
        """Say once a day that the certificate ends soon, and ask for a new one where that is ours to do."""
        identity = self._identity()
        if identity is None or at.quality is ClockQuality.UNTRUSTED:
            return
        days_left = identity.days_left(at.wall_ms)
        if days_left >= WARN_DAYS:
            return
        if self._told != (identity.serial, days_left):
            self._told = (identity.serial, days_left)
            tx.alarms.count("CERTIFICATE_EXPIRES", "link", at.wall_ms, f"{days_left} days left")
        if self._configured.cert is None and self._may_ask(at.wall_ms):
            try:
                self._ask(identity, tx, at)
            except OSError as error:
                tx.alarms.count("CERTIFICATE_NOT_STORED", "link", at.wall_ms, error.strerror or "")

    def standing(self) -> Mapping[str, object] | None:
        """For `status`: until when, and the code of what is wrong with it ("" nothing); None without one."""
        identity, wall_ms = self._identity(), self._clock.wall_ms()
        if identity is None:
            return None
        refused = [self._refusal(files) for files in self._candidates()]
        trouble = "" if None in refused else refused[0].reason if refused and refused[0] else ""
        return {
            "ends_ms": identity.ends_ms,
            "days_left": identity.days_left(wall_ms),
            "trouble": trouble,
            "is_asked_for": self.files.pending_key() is not None,
        }

    def _candidates(self) -> list[TlsFiles]:
        if self._configured.cert is not None:
            return [self._configured]
        own = (self.files.on_trial, self.files.in_use)
        return [TlsFiles(self._configured.ca, path) for path in own if path.exists()]

    def _refusal(self, files: TlsFiles) -> Refusal | None:
        assert files.cert is not None
        try:
            chain = files.cert.read_bytes()
            key = files.key.read_bytes() if files.key else chain
        except OSError as error:
            return Refusal("CERTIFICATE_UNREADABLE", f"{error.filename}: {error.strerror}", "check its mode")
        is_sure = self._quality() is ClockQuality.SYNCED
        found = check_identity(chain, key, self._station, self._clock.wall_ms(), clock_is_sure=is_sure)
        return found if isinstance(found, Refusal) else None

    def _is_reason_enough(self, refused: Refusal) -> bool:
        if refused.reason not in BY_THE_CLOCK:
            return True
        is_contradicted = self._quality() is ClockQuality.UNTRUSTED
        return not is_contradicted and refused.reason in (EXPIRED, NOT_YET_VALID)

    def _quality(self) -> ClockQuality:
        return self._clock.quality(self._floor_ms())

    def _identity(self) -> Identity | None:
        """Of the certificate whose end counts: the configured one, else the one in use, else on trial."""
        paths = (self._configured.cert, self.files.in_use, self.files.on_trial)
        path = next((path for path in paths if path is not None and path.exists()), None)
        if path is None:
            return None
        try:
            identity = read_identity(path.read_bytes())
        except OSError:
            return None
        return identity if isinstance(identity, Identity) else None

    def _may_ask(self, wall_ms: int) -> bool:
        """A step that lies in the future was dated by a clock that has been put right since."""
        last_ms = self.files.last_step_ms()
        return last_ms is None or not 0 <= wall_ms - last_ms < DAY_MS

    def _ask(self, identity: Identity, tx: Transaction, at: Instant) -> None:
        request = make_request(self.files.key_to_ask_for(at.wall_ms), self._station)
        assert not isinstance(request, Refusal), "the key is of our own making"
        item = CertificateRequest(
            kind="certificate.request",
            id=hashlib.sha256(request).hexdigest()[:32],
            csr=request.decode("ascii"),
            expires_at_ms=identity.ends_ms,
            at_ms=at.wall_ms,
        )
        tx.outbox.put(URGENT, item.kind, item.encoded(), at.wall_ms)
