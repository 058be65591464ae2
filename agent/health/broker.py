"""The way to one broker, step by step: name, TCP, TLS files, CONNACK, what it lets us write and read."""

import socket
import ssl
from collections.abc import Callable
from types import MappingProxyType

from agent.health.certificates import certificates
from agent.health.findings import Finding, Level, Part, failure, fine
from agent.health.remedies import ASK_BROKER, REMEDIES
from sync import topics
from sync.mqtt import (
    NO_MATCHING_SUBSCRIBERS,
    NOT_AUTHORIZED,
    QUOTA_EXCEEDED,
    Closed,
    Link,
    LinkEvent,
    Opened,
    Outgoing,
    Published,
    Subscribed,
)
from sync.refusal import Refusal
from sync.tls import BrokerAddress, TlsFiles, client_context, tls_reason

TCP_WITHIN_S = 3.0
MQTT_WITHIN_MS = 6_000
PROBE_EXPIRES_S = 60
_KEEPALIVE_S = 10
_REFUSED_FROM = 0x80
_PUBLISH_CODES = MappingProxyType({NOT_AUTHORIZED: "NOT_AUTHORIZED", QUOTA_EXCEEDED: "QUOTA_EXCEEDED"})
_SLICE_S = 0.2


def broker(
    address: BrokerAddress,
    files: TlsFiles,
    station: str,
    clock: Callable[[], int],
    wall_ms: int,
    *,
    publish: bool,
    clock_is_sure: bool = False,
) -> list[Finding]:
    """Every step up to the first that fails. `clock`: monotonic milliseconds.

    `clock_is_sure`: a time service vouches for `wall_ms`. With `publish` one message is published, and the
    station's own topics are subscribed to for a moment.

    The conversation is held under a client id of its own: a second client under the agent's id would
    throw the agent off the broker.
    """
    findings = [lookup(address)]
    if _goes_on(findings):
        findings.append(reach(address))
    if address.tls and _goes_on(findings):
        findings += certificates(files, station, wall_ms, clock_is_sure=clock_is_sure)
    if _goes_on(findings):
        findings += converse(address, files, station, clock, publish=publish)
    return findings


def _goes_on(findings: list[Finding]) -> bool:
    return all(finding.level is not Level.FAIL for finding in findings)


def lookup(address: BrokerAddress) -> Finding:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        return failure(Part.HQ, f"name {address.host}", "NAME_NOT_FOUND", error.strerror or str(error))
    known = ", ".join(dict.fromkeys(str(entry[4][0]) for entry in found))
    return fine(Part.HQ, f"name {address.host}", known)


def reach(address: BrokerAddress) -> Finding:
    name = f"TCP {address.host}:{address.port}"
    try:
        with socket.create_connection((address.host, address.port), TCP_WITHIN_S):
            return fine(Part.HQ, name, "connected")
    except ConnectionRefusedError as error:
        return failure(Part.HQ, name, "CONNECTION_REFUSED", error.strerror or str(error))
    except TimeoutError:
        return failure(Part.HQ, name, "CONNECT_TIMEOUT", f"no answer within {TCP_WITHIN_S:.0f} s")
    except OSError as error:
        return failure(Part.HQ, name, "NETWORK_ERROR", error.strerror or str(error))


def converse(
    address: BrokerAddress, files: TlsFiles, station: str, clock: Callable[[], int], *, publish: bool
) -> list[Finding]:
    """CONNACK, and with `publish` what the access list lets us write and read."""
    context = client_context(files) if address.tls else None
    assert not isinstance(context, Refusal), "the files were read a moment ago"
    link = Link(address, context, f"forecourt-{station}-doctor", _KEEPALIVE_S)
    link.open()
    try:
        opened = _wait_for(link, Opened, clock) or Closed("NO_CONNACK", "no answer in time")
        if isinstance(opened, Closed):
            said = _alert(address, context) if context and opened.reason == "CONNECTION_LOST" else None
            return [_refused(f"MQTT {address.url}", said or opened)]
        findings = [fine(Part.HQ, f"MQTT {address.url}", "CONNACK: the broker takes us")]
        for step in (_publish, _subscribe) if publish else ():
            if _goes_on(findings):
                findings.append(step(link, station, clock))
        return findings
    finally:
        link.close(with_will=False)


def _alert(address: BrokerAddress, context: ssl.SSLContext) -> Closed | None:
    """What the broker says to our certificate, if it does: a visit that sends nothing after the handshake.

    Where a CONNECT waits unread at the broker when it closes, TCP may throw its last words away.
    """
    try:
        with (
            socket.create_connection((address.host, address.port), TCP_WITHIN_S) as wire,
            context.wrap_socket(wire, server_hostname=address.host) as silent,
        ):
            silent.recv(1)
    except ssl.SSLError as error:
        return Closed(tls_reason(error), error.reason or str(error))
    except OSError:
        return None
    return None


def _publish(link: Link, station: str, clock: Callable[[], int]) -> Finding:
    """On the topic `metrics`: the message says what it is and expires soon; nobody needs to read it."""
    topic = topics.metrics(station)
    body = b'{"kind":"probe","by":"forecourt doctor"}'
    link.publish(Outgoing(topic, body, content_type="application/json", expiry_s=PROBE_EXPIRES_S))
    answer = _wait_for(link, Published, clock) or Closed("NO_PUBACK", "no answer in time")
    name = f"publish to {topic}"
    if isinstance(answer, Closed):
        return _refused(name, answer)
    assert isinstance(answer, Published)
    if answer.code >= _REFUSED_FROM:
        code = _PUBLISH_CODES.get(answer.code, "PUBLISH_REFUSED")
        return failure(Part.HQ, name, code, f"the broker refused it, reason 0x{answer.code:02x}")
    nobody = ", nobody reads it" if answer.code == NO_MATCHING_SUBSCRIBERS else ""
    return fine(Part.HQ, name, f"the broker took it{nobody}, reason 0x{answer.code:02x}")


def _subscribe(link: Link, station: str, clock: Callable[[], int]) -> Finding:
    """mosquitto may grant more than it delivers; what it refuses, it will certainly not deliver."""
    filters = topics.station_filters(station)
    name = f"subscribe to {filters[0]} and others"
    link.subscribe(*filters)
    answer = _wait_for(link, Subscribed, clock) or Closed("NO_SUBACK", "no answer in time")
    if isinstance(answer, Closed):
        return _refused(name, answer)
    assert isinstance(answer, Subscribed)
    refused = [
        f"{each} 0x{code:02x}"
        for each, code in zip(filters, answer.codes, strict=True)
        if code >= _REFUSED_FROM
    ]
    if refused:
        return failure(Part.HQ, name, "SUBSCRIPTION_REFUSED", f"the broker refused {', '.join(refused)}")
    return fine(Part.HQ, name, "the broker lets us read")


def _refused(name: str, end: Closed) -> Finding:
    remedy = REMEDIES.get(end.reason, ASK_BROKER)
    return failure(Part.HQ, name, end.reason, end.detail or end.reason.replace("_", " ").lower(), remedy)


def _wait_for(link: Link, kind: type[LinkEvent], clock: Callable[[], int]) -> LinkEvent | None:
    until = clock() + MQTT_WITHIN_MS
    while clock() < until:
        event = link.next_event(_SLICE_S)
        if isinstance(event, Closed | kind):
            return event
    return None
