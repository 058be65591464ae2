"""What IFSF bytes mean, for people: bare messages, frames of the serial wrapper, turns, heartbeats."""

from collections.abc import Iterator

from drivers.ifsf import dictionary
from drivers.ifsf.codec import CONTROLLER, DISPENSER, Framing, Kind, Message, fields
from drivers.ifsf.options import IfsfOptions
from drivers.ifsf.wrapper import TURN_ENDS, framing_of
from drivers.ifsf_road.heartbeat import Heartbeat, parse_heartbeat
from drivers.views import Check, Detail, Sender, View, joined, noise

WINDOW_BYTES = 1_024
"""More than the longest frame."""
_VERBS = {
    Kind.READ: "read",
    Kind.ANSWER: "answer",
    Kind.WRITE: "write",
    Kind.PUSH_WANTING_ACK: "message wanting an ack",
    Kind.PUSH: "message",
    Kind.ACK: "ack",
}


def explain(data: bytes, options: IfsfOptions) -> tuple[View, ...]:
    """The messages in `data`, with all that lies between them. Ten bytes that are a heartbeat are one."""
    if (beat := parse_heartbeat(data)) is not None:
        return (_heartbeat(data, beat),)
    return joined(_views(data, options))


def _views(data: bytes, options: IfsfOptions) -> Iterator[View]:
    framing, at = framing_of(options.transport), 0
    while at < len(data):
        view = _view(data[at : at + WINDOW_BYTES], framing, options)
        yield view
        at += len(view.data)


def _view(rest: bytes, framing: Framing, options: IfsfOptions) -> View:
    size_bytes = framing.measure(rest, b"")
    if size_bytes is None or size_bytes > len(rest):
        return noise(rest[:1])
    frame = rest[:size_bytes]
    if framing.is_turn(frame):
        return _turn(frame)
    if (message := framing.unwrap(frame)) is not None:
        check = Check.OK if options.transport == "serial" else Check.NONE
        sender: Sender = "host" if framing.is_from_host(message) else "device"
        return View(frame, _title(message), sender, check, tuple(_details(message, options)))
    is_marked = options.transport == "serial"
    return View(frame, "damaged frame", check=Check.WRONG) if is_marked else noise(rest[:1])


def _turn(frame: bytes) -> View:
    if frame[0] == TURN_ENDS:
        return View(frame, "turn ends")
    to = "back" if frame[1] == TURN_ENDS else f"to dispenser {frame[1]}"
    return View(frame, f"turn passed {to}", "host")


def _title(message: Message) -> str:
    place = dictionary.place_name(message.place)
    if message.kind in (Kind.WRITE, Kind.ACK):
        pairs = fields(message.data) if message.kind is Kind.WRITE else None
        ids = [id_no for id_no, value in pairs or () if not value]
        commands = [dictionary.field_name(message.place, id_no) for id_no in ids]
        if any(commands):
            return f"{', '.join(filter(None, commands))}: {place}"
    return f"{_VERBS[message.kind]} {place}"


def _details(message: Message, options: IfsfOptions) -> Iterator[Detail]:
    is_serial = options.transport == "serial"
    yield Detail("to", message.to.hex(" "), _node(message.to, is_serial))
    yield Detail("from", message.sender.hex(" "), _node(message.sender, is_serial))
    yield Detail("token", f"{message.token_no:02x}", f"{message.token_no}")
    if message.kind is Kind.ACK:
        yield from _statuses(message)
    elif message.kind is Kind.READ:
        for id_no in message.data:
            yield Detail(_name(message.place, id_no), f"{id_no:02x}", "asked")
    else:
        for id_no, value in fields(message.data) or ():
            name = dictionary.field_name(message.place, id_no)
            meaning = dictionary.meaning(message.place, name, value, options)
            yield Detail(_name(message.place, id_no), value.hex(" "), meaning)


def _statuses(message: Message) -> Iterator[Detail]:
    status = message.data[0]
    yield Detail("status", f"{status:02x}", dictionary.REFUSALS.get(status, "refused"))
    for at in range(1, len(message.data), 2):
        id_no, status = message.data[at], message.data[at + 1]
        meaning = dictionary.FIELD_REFUSALS.get(status, "refused")
        yield Detail(_name(message.place, id_no), f"{status:02x}", meaning)


def _name(place: bytes, id_no: int) -> str:
    return dictionary.field_name(place, id_no) or f"id {id_no:02X}"


def _node(address: bytes, is_serial: bool) -> str:
    if is_serial and address[1] == 0:
        return f"dispenser {address[0]}"
    subnets = {DISPENSER: "dispenser", CONTROLLER: "controller", 9: "tank gauge"}
    return f"{subnets.get(address[0], f'subnet {address[0]}')}, node {address[1]}"


def _heartbeat(data: bytes, beat: Heartbeat) -> View:
    details = (
        Detail("listens at", data[:6].hex(" "), f"{beat.host}:{beat.port}"),
        Detail("from", beat.node_address.hex(" "), f"subnet {data[6]}, node {data[7]}"),
        Detail("configuration needed", beat.status.hex(), "yes" if beat.wants_configuration else "no"),
        Detail("refresh", beat.status.hex(), "yes" if beat.wants_refresh else "no"),
    )
    return View(data, "heartbeat", "host" if data[6] == CONTROLLER else "device", Check.NONE, details)
