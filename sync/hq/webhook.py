"""Handing what was booked to another system over HTTP: a parcel of lines per POST, until it says 2xx.

`Idempotency-Key` is the same whenever the same rows come again. `Forecourt-Signature` is
`sha256=` and the hex of HMAC-SHA256, by the shared key, over the idempotency key, a newline and the body:
a receiver that checks it knows who speaks and that nothing was changed.
"""

import hashlib
import hmac
import http.client
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from urllib.parse import urlsplit

from tenacity import Retrying, retry_if_exception_type

from sync.hq.export import Parcel
from sync.refusal import Refusal
from sync.tls import is_loopback

CONTENT_TYPE = "application/x-ndjson"
TIMEOUT_S = 30
LEAST_KEY_BYTES = 16
_FIRST_PAUSE_MS = 500
_LONGEST_PAUSE_MS = 60_000
_AGAIN_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Target:
    host: str
    port: int
    path: str
    tls: bool


def parse_target(url: str) -> Target | Refusal:
    """`https://…`, or `http://` to this machine. Reasons: WEBHOOK_URL, WEBHOOK_PLAIN."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return Refusal("WEBHOOK_URL", str(error), "write https://host/path")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        return Refusal("WEBHOOK_URL", "scheme or host is missing or unknown", "write https://host/path")
    tls = parts.scheme == "https"
    if not tls and not is_loopback(parts.hostname):
        return Refusal("WEBHOOK_PLAIN", f"http:// to {parts.hostname} can be read on the way", "use https://")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.hostname, port or (443 if tls else 80), path, tls)


class _Later(Exception):
    """Not taken, and yet it may be taken later; the text says what was heard."""


class Webhook:
    """POSTs parcels, and tries again after a drawn pause below a cap that doubles (full jitter).

    `sleep(seconds)` returns early when stopped; `say(text)` hears why a try failed.
    """

    def __init__(
        self,
        target: Target,
        key: bytes,
        rng: Random,
        sleep: Callable[[float], None],
        is_stopped: Callable[[], bool],
        say: Callable[[str], None],
    ) -> None:
        assert len(key) >= LEAST_KEY_BYTES
        self._target = target
        self._key = key
        self._rng = rng
        self._sleep = sleep
        self._is_stopped = is_stopped
        self._say = say

    def take(self, parcel: Parcel) -> Refusal | None:
        """None when it answered 2xx. Reasons: WEBHOOK_REFUSED (it will never take this), WEBHOOK_STOPPED."""
        tries = Retrying(
            retry=retry_if_exception_type(_Later),
            wait=lambda state: self._pause_s(state.attempt_number),
            before_sleep=lambda state: self._say(str(state.outcome.exception() if state.outcome else "")),
            sleep=self._sleep,
            stop=lambda state: self._is_stopped(),
            reraise=True,
        )
        try:
            return tries(self._post, parcel)
        except _Later as later:
            return Refusal("WEBHOOK_STOPPED", str(later), "start it again: it goes on where it was")

    def _post(self, parcel: Parcel) -> Refusal | None:
        name = hashlib.sha256(parcel.name.encode()).hexdigest()
        signature = hmac.digest(self._key, name.encode() + b"\n" + parcel.lines, "sha256").hex()
        headers = {
            "Content-Type": CONTENT_TYPE,
            "Idempotency-Key": name,
            "Forecourt-Signature": f"sha256={signature}",
        }
        status = self._status(parcel.lines, headers)
        if 200 <= status < 300:
            return None
        if status >= 500 or status in _AGAIN_LATER:
            raise _Later(f"it answered {status}")
        text = f"it answered {status} to rows {parcel.first_seq} to {parcel.last_seq}"
        return Refusal("WEBHOOK_REFUSED", text, "look at its log; redirections are not followed")

    def _status(self, body: bytes, headers: dict[str, str]) -> int:
        """Of one POST on a connection of its own."""
        connection = self._connection()
        try:
            connection.request("POST", self._target.path, body, headers)
            answer = connection.getresponse()
            answer.read(65_536)
            return answer.status
        except (OSError, http.client.HTTPException) as error:
            raise _Later(f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._target.host, self._target.port
        if self._target.tls:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)

    def _pause_s(self, attempt: int) -> float:
        cap = min(_FIRST_PAUSE_MS << min(attempt - 1, 16), _LONGEST_PAUSE_MS)
        return self._rng.randrange(cap + 1) / 1_000
