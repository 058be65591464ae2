"""How many bytes a second the road may cost: a token bucket that the courier asks before it publishes. Pure.

What a message costs is known only when it is sealed, so a message may go while there is credit and is paid
for afterwards, into debt; the next waits until the debt is worked off. Who may go at which credit keeps the
order: an urgent item also in debt, facts when there is none, reports with a little to spare, figures only
with plenty. Integers: credit is kept in thousandths of a byte, times are monotonic milliseconds.
"""

from sync.outbox import LEDGER, SERVICE, URGENT

METRICS = "metrics"
MESSAGE_BYTES = 120
"""What a message costs beside topic and payload: PUBLISH, its properties, TLS, TCP and IP headers, about."""
_BURST_S = 1
_BATCH_S = 4
"""Bodies worth so many seconds make a batch: zlib makes them about one, for which an urgent item waits."""


class Budget:
    """`bytes_per_s` > 0. Begins with full credit: one second's worth."""

    def __init__(self, bytes_per_s: int, now: int) -> None:
        assert bytes_per_s > 0
        self._rate_bytes = bytes_per_s
        self._most_milli = _BURST_S * bytes_per_s * 1_000
        self._credit_milli = self._most_milli
        self._at = now
        self._floors_milli = {
            URGENT: -self._most_milli,
            LEDGER: 0,
            SERVICE: self._most_milli // 4,
            METRICS: self._most_milli // 2,
        }

    @property
    def batch_bytes(self) -> int:
        """The most bodies, in bytes before compression, that one message should carry."""
        return _BATCH_S * self._rate_bytes

    def allows(self, what: str, now: int) -> bool:
        """May a message of this stream (or METRICS) go now?"""
        return now >= self.ready_at(what)

    def ready_at(self, what: str) -> int:
        """When it may go, if nothing else is spent until then; a time in the past: now."""
        missing_milli = self._floors_milli[what] - self._credit_milli
        return self._at + -(-missing_milli // self._rate_bytes)

    def spend(self, size_bytes: int, now: int) -> None:
        """A message of so many bytes, topic and payload, was published."""
        earned_milli = (now - self._at) * self._rate_bytes
        self._credit_milli = min(self._most_milli, self._credit_milli + earned_milli)
        self._credit_milli -= (size_bytes + MESSAGE_BYTES) * 1_000
        self._at = now
