"""The way to one broker, step by step: name, TCP, TLS files, CONNACK, and a message that it takes."""

import socket
from collections.abc import Callable

from agent.health.certificates import certificates
from agent.health.findings import Finding, Level, Part, failure, fine
from agent.health.remedies import ASK_BROKER, REMEDIES
from sync import topics
from sync.mqtt import NO_MATCHING_SUBSCRIBERS, Closed, Link, LinkEvent, Opened, Outgoing, Published
from sync.refusal import Refusal
from sync.tls import BrokerAddress, TlsFiles, client_context

TCP_WITHIN_S = 3.0
MQTT_WITHIN_MS = 6_000
PROBE_EXPIRES_S = 60
_KEEPALIVE_S = 10
_REFUSED_FROM = 0x80
_SLICE_S = 0.2


def broker(
    address: BrokerAddress,
    files: TlsFiles,
    station: str,
    clock: Callable[[], int],
    wall_ms: int,
    *,
    publish: bool,
) -> list[Finding]:
    """Every step up to the first that fails. `clock`: monotonic milliseconds.

    The conversation is held under a client id of its own: a second client under the agent's id would
    throw the agent off the broker.
    """
    findings = [lookup(address)]
    if _goes_on(findings):
        findings.append(reach(address))
    if address.tls and _goes_on(findings):
        findings += certificates(files, wall_ms)
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
    """CONNACK, and with `publish` one message on the station's own `metrics` topic at QoS 1."""
    context = client_context(files) if address.tls else None
    assert not isinstance(context, Refusal), "the files were read a moment ago"
    link = Link(address, context, f"forecourt-{station}-doctor", _KEEPALIVE_S)
    link.open()
    try:
        opened = _wait_for(link, Opened, clock) or Closed("NO_CONNACK", "no answer in time")
        if isinstance(opened, Closed):
            return [_refused(f"MQTT {address.url}", opened)]
        findings = [fine(Part.HQ, f"MQTT {address.url}", "CONNACK: the broker takes us")]
        return [*findings, _publish(link, station, clock)] if publish else findings
    finally:
        link.close(with_will=False)


def _publish(link: Link, station: str, clock: Callable[[], int]) -> Finding:
    """The message says what it is and expires soon; nobody needs to read it."""
    topic = topics.metrics(station)
    body = b'{"kind":"probe","by":"forecourt doctor"}'
    link.publish(Outgoing(topic, body, content_type="application/json", expiry_s=PROBE_EXPIRES_S))
    answer = _wait_for(link, Published, clock) or Closed("NO_PUBACK", "no answer in time")
    name = f"publish to {topic}"
    if isinstance(answer, Closed):
        return _refused(name, answer)
    assert isinstance(answer, Published)
    if answer.code >= _REFUSED_FROM:
        return failure(Part.HQ, name, "NOT_AUTHORIZED", f"the broker refused it, reason 0x{answer.code:02x}")
    nobody = ", nobody reads it" if answer.code == NO_MATCHING_SUBSCRIBERS else ""
    return fine(Part.HQ, name, f"the broker took it{nobody}, reason 0x{answer.code:02x}")


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
