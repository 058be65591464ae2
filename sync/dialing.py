"""Making connections: the brokers in their order, round after round, spread by full jitter.

paho would reconnect without jitter, and a network's stations would come back in step after an
outage at HQ. tenacity guards the connecting only; the pause shrinks back only when HQ has answered,
so a broker that takes connections and leads nowhere is not hammered either.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tenacity import Retrying, retry_if_exception_type

from sync.mqtt import Closed, Link, Opened, Outgoing, Subscribed
from sync.refusal import Refusal
from sync.tls import BrokerAddress, Credentials, client_context
from sync.waiting import Waiting

_MAX_LEFTOVERS = 3
_REFUSED_FROM = 0x80


@dataclass(frozen=True, slots=True)
class LinkPace:
    """`connect_ms`: until CONNACK and SUBACK. Pauses are drawn below a cap that doubles to the maximum."""

    connect_ms: int = 8_000
    backoff_ms: int = 1_000
    backoff_max_ms: int = 300_000
    keepalive_s: int = 20


class Pauses:
    """Full jitter below a cap that doubles with every failure, and is small again once HQ has answered."""

    def __init__(self, pace: LinkPace, draw: Callable[[int], int]) -> None:
        self._pace = pace
        self._draw = draw
        self._failures = 0

    def next_ms(self) -> int:
        cap = min(self._pace.backoff_ms << min(self._failures, 16), self._pace.backoff_max_ms)
        return self._draw(cap + 1)

    def failed(self) -> None:
        self._failures += 1

    def answered(self) -> None:
        self._failures = 0


class _NoBroker(Exception):
    """None of the list could be reached in this round."""


class Dialer:
    """Gives one ready link after another: CONNACK received and every filter granted.

    `will()` makes the last will of a new connection. `on_trouble(end, address)` hears why each try failed.
    """

    def __init__(
        self,
        brokers: Sequence[BrokerAddress],
        tls: Credentials,
        client_id: str,
        filters: Sequence[str],
        will: Callable[[], Outgoing],
        on_trouble: Callable[[Closed, BrokerAddress], None],
        waiting: Waiting,
        rng: Random,
        pace: LinkPace,
    ) -> None:
        assert brokers
        self._brokers = list(brokers)
        self._tls = tls
        self._client_id = client_id
        self._filters = list(filters)
        self._will = will
        self._on_trouble = on_trouble
        self._waiting = waiting
        self._pace = pace
        self._pauses = Pauses(pace, rng.randrange)
        self._leftovers: list[Link] = []
        self.resumes_at: int | None = None
        """Until when nothing is tried, on the monotonic clock; None while a broker is being tried."""

    def dial(self) -> tuple[Link, Opened] | None:
        """The next connection, however long it takes; None when stopped."""
        rounds = Retrying(
            retry=retry_if_exception_type(_NoBroker),
            wait=lambda state: self._pauses.next_ms() / 1_000,
            sleep=self._rest,
            stop=lambda state: self._waiting.stopped,
            reraise=True,
        )
        try:
            return rounds(self._round)
        except _NoBroker:
            return None

    def pause(self) -> None:
        """Before dialling again after a link that had worked: all stations lost it at the same moment."""
        self._rest(self._pauses.next_ms() / 1_000)

    def answered(self) -> None:
        """HQ spoke over the link: the pauses start small again, and its certificate has proved itself."""
        self._pauses.answered()
        self._tls.answered()

    def led_nowhere(self) -> None:
        """The link ended without a word from HQ."""
        self._pauses.failed()

    def put_away(self, link: Link) -> None:
        """Cut it. A network thread that does not end at once (a name lookup) is remembered, not awaited."""
        link.cut()
        if not link.ended:
            self._leftovers.append(link)

    def _round(self) -> tuple[Link, Opened]:
        for address in self._brokers:
            if self._waiting.stopped:
                break
            outcome = self._try(address)
            if not isinstance(outcome, Closed):
                return outcome
            self._on_trouble(outcome, address)
        self._pauses.failed()
        raise _NoBroker

    def _rest(self, seconds: float) -> None:
        self.resumes_at = self._waiting.clock() + int(seconds * 1_000)
        self._waiting.sleep(seconds)
        self.resumes_at = None

    def _try(self, address: BrokerAddress) -> tuple[Link, Opened] | Closed:
        context = None
        if address.tls:
            files = self._tls.for_connection()
            made = files if isinstance(files, Refusal) else client_context(files)
            if isinstance(made, Refusal):
                return Closed(made.reason, made.detail)
            context = made
        self._leftovers = [link for link in self._leftovers if not link.ended]
        if len(self._leftovers) >= _MAX_LEFTOVERS:
            return Closed("NETWORK_THREADS_STUCK", f"{len(self._leftovers)} connections do not end")
        link = Link(address, context, self._client_id, self._pace.keepalive_s, will=self._will())
        link.open()
        opened = self._await_ready(link)
        if isinstance(opened, Opened):
            return link, opened
        self.put_away(link)
        return opened

    def _await_ready(self, link: Link) -> Opened | Closed:
        """One deadline for the whole way; an open port is not a broker."""
        deadline = self._waiting.clock() + self._pace.connect_ms
        opened: Opened | None = None
        while not self._waiting.stopped:
            left_ms = deadline - self._waiting.clock()
            if left_ms <= 0:
                return Closed("NO_CONNACK" if opened is None else "NO_SUBACK", "no answer in time")
            event = link.next_event(self._waiting.slice_s(left_ms))
            if isinstance(event, Closed):
                return event
            if isinstance(event, Opened):
                opened = event
                link.subscribe(*self._filters)
            elif isinstance(event, Subscribed) and opened is not None:
                if any(code >= _REFUSED_FROM for code in event.codes):
                    return Closed("SUBSCRIPTION_REFUSED", "the broker's access list does not let us read")
                return opened
        return Closed("STOPPED")
