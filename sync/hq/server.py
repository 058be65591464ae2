"""HQ's loop: one connection to the broker; what waits goes through the receiver together, in its order.

A message is acknowledged to the broker (PUBACK) after our commit and after its replies were handed to
the network, so a worker that dies leaves it to be delivered again or to be sent again by the station.
Start as many workers as wanted: they share the subscriptions. Nothing is remembered by the broker
(clean start, session expiry 0); stations come back by `hello`.
"""

import logging
import random
import signal
import time
from collections import deque
from collections.abc import Callable

from sync import signing, topics
from sync.hq.receiver import Receiver, Reply
from sync.hq.runs import MOST_BATCHES
from sync.mqtt import Arrived, Closed, Link, LinkEvent, Opened, Outgoing, Published, Subscribed
from sync.refusal import Refusal
from sync.signed_line import CONTENT_TYPE
from sync.tls import BrokerAddress, TlsFiles, client_context

SHARED = (topics.HQ_UP_SHARED, topics.HQ_RPC_SHARED, topics.HQ_STATE)
"""One group per filter: iotcore 0.4.0 loses messages where two filters share a group's name, [tried]."""
PLAIN = (topics.HQ_UP, topics.HQ_RPC, topics.HQ_STATE)

_KEEPALIVE_S = 15
_CONNECT_DEADLINE_MS = 10_000
_FIRST_BACKOFF_MS = 250
_LONGEST_BACKOFF_MS = 15_000

_TICK_S = 0.25
_LOOK_EVERY_MS = 1_000
"""How soon something that was issued is on its way."""
_REFUSED = 0x80
_SHARED_NOT_SUPPORTED = 0x9E

_log = logging.getLogger(__name__)


class HqServer:
    """One worker. `serve` runs until `stop`; database errors end it, for a supervisor to start it afresh.

    `announce(line)` is called once, when the first subscription stands. `monotonic_ms` never steps.
    `observe(ms)` is told how long each message took, from its arrival to its replies.
    """

    def __init__(
        self,
        receiver: Receiver,
        broker: BrokerAddress,
        tls: TlsFiles,
        rng: random.Random,
        monotonic_ms: Callable[[], int],
        announce: Callable[[str], None],
        observe: Callable[[int], None] = lambda ms: None,
    ) -> None:
        self._receiver = receiver
        self._broker = broker
        self._tls = tls
        self._rng = rng
        self._monotonic_ms = monotonic_ms
        self._announce = announce
        self._observe = observe
        self._client_id = f"hq-{rng.getrandbits(64):016x}"
        self._shared = True
        self._announced = False
        self._stopping = False
        self._failures = 0

    def stop(self) -> None:
        """End `serve` within about a second. Only sets a flag: fine in a signal handler."""
        self._stopping = True

    def stop_on_signals(self) -> None:
        """SIGTERM and SIGINT stop this worker. Call in the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())

    def serve(self) -> Refusal | None:
        """Connect, serve, and connect again after a pause, until stopped.

        Returns a `Refusal` at once if the TLS files cannot be used.
        """
        while not self._stopping:
            context = client_context(self._tls) if self._broker.tls else None
            if isinstance(context, Refusal):
                return context
            link = Link(self._broker, context, self._client_id, _KEEPALIVE_S)
            try:
                closed = self._converse(link)
            finally:
                link.close(with_will=False)
            if not self._stopping:
                self._back_off(closed)
        return None

    def _converse(self, link: Link) -> Closed:
        """One connection, from its CONNECT to its end."""
        link.open()
        opened = self._wait_for_opened(link)
        if isinstance(opened, Closed):
            return opened
        talk = _Talk(link, opened.receive_maximum, self._receiver)
        wanted = self._subscribe(link, opened)
        look_at_ms: int | None = None
        following: LinkEvent | None = None
        while not self._stopping:
            event = following or link.next_event(_TICK_S)
            following = None
            match event:
                case Closed():
                    return event
                case Arrived():
                    waiting, following = _waiting_with(event, link)
                    self._take(talk, waiting)
                case Subscribed(mid, codes) if mid == wanted:
                    refused = self._subscribed(codes)
                    if refused:
                        return refused
                    talk.say(self._receiver.for_all())
                    look_at_ms = self._monotonic_ms()
                case _:
                    talk.take(event)
            if look_at_ms is not None and self._monotonic_ms() >= look_at_ms and talk.is_idle:
                talk.say(self._receiver.due())
                look_at_ms = self._monotonic_ms() + _LOOK_EVERY_MS
        return Closed("STOPPED")

    def _take(self, talk: "_Talk", waiting: list[Arrived]) -> None:
        began_ms = self._monotonic_ms()
        talk.take_all(waiting)
        for _ in waiting:
            self._observe(self._monotonic_ms() - began_ms)

    def _wait_for_opened(self, link: Link) -> Opened | Closed:
        deadline = self._monotonic_ms() + _CONNECT_DEADLINE_MS
        while not self._stopping and self._monotonic_ms() < deadline:
            event = link.next_event(_TICK_S)
            if isinstance(event, Opened | Closed):
                return event
        return Closed("CONNACK_MISSING", f"no answer within {_CONNECT_DEADLINE_MS} ms")

    def _subscribe(self, link: Link, opened: Opened) -> int:
        if self._shared and not opened.shared_subscriptions:
            self._fall_back("the broker's CONNACK says that it has no shared subscriptions")
        return link.subscribe(*(SHARED if self._shared else PLAIN))

    def _subscribed(self, codes: tuple[int, ...]) -> Closed | None:
        if _SHARED_NOT_SUPPORTED in codes and self._shared:
            self._fall_back("the broker refused shared subscriptions")
            return Closed("SHARED_SUBSCRIPTIONS_REFUSED")
        if any(code >= _REFUSED for code in codes):
            return Closed("SUBSCRIPTION_REFUSED", f"reason codes {', '.join(f'0x{c:02x}' for c in codes)}")
        self._failures = 0
        if not self._announced:
            self._announced = True
            how = "shared" if self._shared else "plain, run one worker only"
            self._announce(f"HQ ready on {self._broker.url} (subscription {how})")
        _log.info("hq_subscribed")
        return None

    def _fall_back(self, why: str) -> None:
        self._shared = False
        _log.warning("hq_without_shared_subscriptions: %s; run ONE worker only", why)

    def _back_off(self, closed: Closed) -> None:
        """Wait somewhere between nothing and a time that doubles: full jitter, so workers spread."""
        _log.warning("hq_disconnected: %s %s", closed.reason, closed.detail)
        longest_ms = min(_LONGEST_BACKOFF_MS, _FIRST_BACKOFF_MS << min(self._failures, 10))
        self._failures += 1
        until = self._monotonic_ms() + self._rng.randint(0, longest_ms)
        while not self._stopping and (left_ms := until - self._monotonic_ms()) > 0:
            time.sleep(min(_TICK_S, left_ms / 1000))


def _waiting_with(first: Arrived, link: Link) -> tuple[list[Arrived], LinkEvent | None]:
    """All messages that are here already, and what else came behind them."""
    waiting = [first]
    while len(waiting) < MOST_BATCHES:
        event = link.next_event(0)
        if not isinstance(event, Arrived):
            return waiting, event
        waiting.append(event)
    return waiting, None


class _Talk:
    """The messages of one connection: replies wait while the broker's Receive Maximum is used up.

    A message is accepted when its last reply was handed over, so at most our own Receive Maximum of
    messages can be waiting here.
    """

    def __init__(self, link: Link, receive_maximum: int, receiver: Receiver) -> None:
        self._link = link
        self._window = receive_maximum
        self._receiver = receiver
        self._outstanding: set[int] = set()
        self._unsent: deque[Outgoing | Arrived] = deque()

    @property
    def is_idle(self) -> bool:
        """Nothing waits here for the broker."""
        return not self._unsent

    def say(self, messages: list[Reply]) -> None:
        """Publish what nobody asked for."""
        self._unsent.extend(_outgoing(message, b"") for message in messages)
        self._send()

    def take_all(self, waiting: list[Arrived]) -> None:
        """Messages in the order in which they came."""
        handled = self._receiver.handle_all([(each.topic, each.payload) for each in waiting])
        for each, replies in zip(waiting, handled, strict=True):
            self._unsent.extend(_outgoing(reply, each.correlation) for reply in replies)
            self._unsent.append(each)
        self._send()

    def take(self, event: LinkEvent | None) -> None:
        if isinstance(event, Published):
            self._outstanding.discard(event.mid)
            if event.code >= _REFUSED:
                _log.warning("hq_publish_refused: reason code 0x%02x; check HQ's rights there", event.code)
        self._send()

    def _send(self) -> None:
        while self._unsent:
            first = self._unsent[0]
            if isinstance(first, Arrived):
                self._link.accept(first)
            elif len(self._outstanding) < self._window:
                self._outstanding.add(self._link.publish(first))
            else:
                return
            self._unsent.popleft()


def _outgoing(reply: Reply, correlation: bytes) -> Outgoing:
    return Outgoing(
        reply.topic,
        reply.payload,
        retain=reply.retain,
        content_type=signing.CONTENT_TYPE if reply.is_item else CONTENT_TYPE,
        correlation=correlation if reply.is_answer else b"",
        expiry_s=reply.expiry_s,
    )
