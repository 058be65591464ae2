"""The one door to paho: a connection to a broker, used once. MQTT 5 only (both ends of the road use it).

paho is neither trusted to queue nor to reconnect nor to know whether it is connected:

- a fresh client per connection, clean start, session expiry 0; what was not acknowledged is sent
  again by whoever owns the rows
- callbacks are one line that puts a value into a bounded inbox; a full inbox ends the connection
- the end of the network thread, whatever ended it, arrives as `Closed`
- what comes in is acknowledged by `accept`, after our own commit
- name lookup, TCP and TLS happen in paho's thread; the owner waits for `Opened` with its own deadline
"""

import queue
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from sync.tls import BrokerAddress, tls_reason

NO_MATCHING_SUBSCRIBERS = 0x10
"""In the success range, and yet nobody heard it."""
NOT_AUTHORIZED = 0x87
QUOTA_EXCEEDED = 0x97
_DISCONNECT_WITH_WILL = "Disconnect with will message"
_DEFAULT_RECEIVE_MAXIMUM = 65_535
_INBOX_SPARE = 512


@dataclass(frozen=True, slots=True)
class Opened:
    """The broker said yes. `maximum_packet_bytes` None: it named no limit."""

    receive_maximum: int
    maximum_packet_bytes: int | None
    shared_subscriptions: bool
    keepalive_s: int


@dataclass(frozen=True, slots=True)
class Closed:
    """No connection (any more). `reason` is UPPER_SNAKE: ours, or the broker's reason code by its name."""

    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """One code per filter, in order; 0x80 and above is a refusal."""

    mid: int
    codes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """The broker's PUBACK. 0 is taken; 0x10 nobody subscribes; 0x80 and above refused."""

    mid: int
    code: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message from the broker. It stays unacknowledged until `Link.accept`."""

    topic: str
    payload: bytes
    mid: int
    qos: int
    retain: bool
    response_topic: str
    correlation: bytes


@dataclass(frozen=True, slots=True)
class Woken:
    """Somebody called `Link.wake`."""


LinkEvent = Opened | Closed | Subscribed | Published | Arrived | Woken


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish. `expiry_s` None: never expires (nothing on a durable stream may)."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    content_type: str = ""
    response_topic: str = ""
    correlation: bytes = b""
    expiry_s: int | None = None


class Link:
    """One connection: `open`, read `next_event` until `Closed`, `close`. Never reused.

    `receive_maximum` bounds what the broker may have sent without our `accept`.
    """

    def __init__(
        self,
        address: BrokerAddress,
        context: ssl.SSLContext | None,
        client_id: str,
        keepalive_s: int,
        will: Outgoing | None = None,
        receive_maximum: int = 32,
    ) -> None:
        assert address.tls == (context is not None)
        self.address = address
        self._keepalive_s = keepalive_s
        self._receive_maximum = receive_maximum
        self._inbox: queue.Queue[LinkEvent] = queue.Queue(receive_maximum + _INBOX_SPARE)
        self._woken = threading.Event()
        self._closing = False
        self._socket: socket.socket | None = None
        self._client = _Client(client_id, on_end=self.wake)
        self._client.max_inflight_messages = 0
        if context is not None:
            self._client.tls_set_context(context)
        if will is not None:
            self._client.will_set(will.topic, will.payload, will.qos, will.retain)
        self._client.on_connect = lambda c, u, f, reason, props: self._put(
            _opened(reason, props, self._keepalive_s)
        )
        self._client.on_disconnect = lambda c, u, flags, reason, p: self._put(
            self._client.alert or _disconnected(flags, reason)
        )
        self._client.on_subscribe = lambda c, u, mid, codes, p: self._put(
            Subscribed(mid, tuple(code.value for code in codes))
        )
        self._client.on_publish = lambda c, u, mid, reason, p: self._put(Published(mid, reason.value))
        self._client.on_message = lambda c, u, message: self._put(_arrived(message))
        self._client.on_socket_open = lambda c, u, sock: self._has_socket(sock)
        # With a hook here paho never writes, or calls back, in the thread that publishes.
        self._client.on_socket_register_write = lambda c, u, sock: None

    def open(self) -> None:
        """Start connecting; `Opened` or `Closed` will follow. Whoever waits keeps a deadline."""
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 0
        properties.ReceiveMaximum = self._receive_maximum
        properties.MaximumPacketSize = MOST_PACKET_BYTES
        self._client.connect_async(
            self.address.host, self.address.port, self._keepalive_s, clean_start=True, properties=properties
        )
        self._client.loop_start()

    def next_event(self, timeout_s: float) -> LinkEvent | None:
        """The next thing that happened, `Closed` for ever once the network thread is gone, or None."""
        if self._client.ended.is_set() and self._inbox.empty():
            return self._client.end
        try:
            event = self._inbox.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if isinstance(event, Woken):
            self._woken.clear()
            if self._client.ended.is_set() and self._inbox.empty():
                return self._client.end
        return event

    def wake(self) -> None:
        """Make a waiting `next_event` return, from any thread; many calls make one event."""
        if self._woken.is_set():
            return
        self._woken.set()
        try:
            self._inbox.put_nowait(Woken())
        except queue.Full:
            self._woken.clear()  # a reader with a full inbox is not waiting

    def subscribe(self, *filters: str) -> int:
        """All at QoS 1; the answer is a `Subscribed` with the returned mid. -1: the link is down."""
        wishes = [(each, SubscribeOptions(qos=1)) for each in filters]
        code, mid = self._client.subscribe(wishes)
        return mid if code == MQTTErrorCode.MQTT_ERR_SUCCESS and mid is not None else -1

    def publish(self, message: Outgoing) -> int:
        """Hand one message to the network; its `Published` carries the returned mid. -1: the link is down.

        The owner keeps within the broker's Receive Maximum: paho does not.
        """
        info = self._client.publish(
            message.topic, message.payload, message.qos, message.retain, _publish_properties(message)
        )
        return info.mid if info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else -1

    def accept(self, message: Arrived) -> None:
        """What `message` brought is safe with us: the broker may forget it."""
        self._client.ack(message.mid, message.qos)

    @property
    def ended(self) -> bool:
        """The network thread is gone, and with it every promise of this link."""
        return self._client.ended.is_set()

    def close(self, *, with_will: bool = True, wait_s: float = 1.0) -> None:
        """Say goodbye, then cut. Returns within about 2 × `wait_s`; `ended` says if the thread is gone.

        `with_will` asks the broker to publish the will all the same: a clean stop is an absence too.
        """
        self._closing = True
        reason = ReasonCode(PacketTypes.DISCONNECT, _DISCONNECT_WITH_WILL) if with_will else None
        self._client.disconnect(reason)
        if not self._client.ended.wait(wait_s):
            self._cut()
            self._client.ended.wait(wait_s)

    def cut(self) -> None:
        """End a link that no longer moves: no goodbye could be written to it."""
        self._closing = True
        self._cut()

    def _put(self, event: LinkEvent) -> None:
        """Runs in paho's thread, with paho's locks held: it must neither wait nor raise."""
        try:
            self._inbox.put_nowait(event)
        except queue.Full:
            self._client.end = Closed("INBOX_FULL", "the broker sent faster than it was allowed to")
            self.cut()

    def _has_socket(self, sock: Any) -> None:
        """Runs in paho's thread. A socket that came after `close` is cut at once."""
        self._socket = sock
        if self._closing:
            self._cut()

    def _cut(self) -> None:
        """Shut the TCP connection under paho, so that its thread reads an end of file.

        `SSLSocket.shutdown` would pull its TLS state away from under that thread: the plain method does not.
        """
        if self._socket is not None:
            try:
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                return


class _Client(Client):
    """paho's client, whose network thread says how it ended and never tries again by itself."""

    def __init__(self, client_id: str, on_end: Callable[[], None]) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self._on_end = on_end
        self.ended = threading.Event()
        self.end: Closed | None = None
        self.alert: Closed | None = None

    def _sock_recv(self, bufsize: int) -> bytes:
        """TLS 1.3 lets a client finish first: what the broker says to its certificate comes as an alert here.

        paho drops it and says that the connection was lost.
        """
        try:
            return super()._sock_recv(bufsize)
        except ssl.SSLError as error:
            self.alert = _tls_failed(error)
            raise

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:
        end = Closed("NETWORK_THREAD_DIED", "an exception ended it")
        try:
            code = super().loop_forever(timeout, retry_first_connection=False)
            end = self.alert or Closed("CONNECTION_LOST", code.name)
            return code
        except OSError as error:
            end = _connect_failed(error)
        except ValueError as error:
            end = Closed("PROTOCOL_ERROR", str(error))
        finally:
            self.end = self.end or end
            self.ended.set()
            self._on_end()
        return MQTTErrorCode.MQTT_ERR_CONN_LOST


def _opened(reason: ReasonCode, properties: Properties | None, keepalive_s: int) -> Opened | Closed:
    if reason.is_failure:
        return _closed(reason)
    return Opened(
        receive_maximum=getattr(properties, "ReceiveMaximum", _DEFAULT_RECEIVE_MAXIMUM),
        maximum_packet_bytes=getattr(properties, "MaximumPacketSize", None),
        shared_subscriptions=getattr(properties, "SharedSubscriptionAvailable", 1) != 0,
        keepalive_s=getattr(properties, "ServerKeepAlive", keepalive_s),
    )


def _closed(reason: ReasonCode) -> Closed:
    return Closed(re.sub(r"[^A-Z0-9]+", "_", str(reason).upper()), f"reason code 0x{reason.value:02x}")


def _disconnected(flags: DisconnectFlags, reason: ReasonCode) -> Closed:
    """Only a DISCONNECT packet carries the broker's reason; else paho makes one up."""
    if flags.is_disconnect_packet_from_server:
        return _closed(reason)
    return Closed("CONNECTION_LOST", str(reason))


def _arrived(message: MQTTMessage) -> Arrived:
    return Arrived(
        topic=message.topic,
        payload=bytes(message.payload),
        mid=message.mid,
        qos=message.qos,
        retain=bool(message.retain),
        response_topic=getattr(message.properties, "ResponseTopic", ""),
        correlation=getattr(message.properties, "CorrelationData", b""),
    )


MOST_PACKET_BYTES = 1 << 20
"""What we let a broker send us: nothing that comes down over MQTT is larger."""


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]


def _publish_properties(message: Outgoing) -> Properties:
    properties = _properties(PacketTypes.PUBLISH)
    if message.content_type:
        properties.ContentType = message.content_type
    if message.response_topic:
        properties.ResponseTopic = message.response_topic
    if message.correlation:
        properties.CorrelationData = message.correlation
    if message.expiry_s is not None:
        properties.MessageExpiryInterval = message.expiry_s
    return properties


def _connect_failed(error: OSError) -> Closed:
    if isinstance(error, ssl.SSLError):
        return _tls_failed(error)
    if isinstance(error, socket.gaierror):
        return Closed("NAME_NOT_FOUND", error.strerror or str(error))
    if isinstance(error, ConnectionRefusedError):
        return Closed("CONNECTION_REFUSED", error.strerror or str(error))
    if isinstance(error, TimeoutError):
        return Closed("CONNECT_TIMEOUT", str(error))
    if isinstance(error, ConnectionResetError | BrokenPipeError):  # as an early end, but with data unread
        return Closed("BROKER_HUNG_UP", error.strerror or str(error))
    return Closed("NETWORK_ERROR", error.strerror or str(error))


def _tls_failed(error: ssl.SSLError) -> Closed:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Closed(tls_reason(error), error.verify_message)
    return Closed(tls_reason(error), error.reason or str(error))
