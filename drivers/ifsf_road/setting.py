"""What a port named `ifsf://...` says in the settings: where both ends of the road are. Pure."""

from dataclasses import dataclass
from ipaddress import IPv4Address
from urllib.parse import parse_qsl, urlsplit

from drivers.ifsf_road.heartbeat import UDP_PORT

BROADCAST = "255.255.255.255"
LAST_NODE = 127
LAST_PORT = 65_535
DISPENSER_SUBNET, CONTROLLER_SUBNET = 0x01, 0x02


@dataclass(frozen=True, slots=True)
class Road:
    """Both ends. `devices` are node addresses of two bytes that share one TCP connection; `peer` is the only
    address they may have, "" for the first that is heard; `to` is where our heartbeat goes."""

    own: str
    tcp_port: int
    node: int
    devices: frozenset[bytes]
    peer: str
    to: str
    udp_port: int


def road_of(device: str) -> Road:
    """What `ifsf://192.168.1.5:3500?device=1` says: our address and the TCP port where we listen, and the
    device's node, or those of one adapter: `device=9,10`.

    After it, each with `&`: `node=2` (ours, else 1), `from=192.168.1.20` (the device's address, else that of
    the first heartbeat), `to=192.168.1.255` (where our heartbeat goes, else 255.255.255.255), `udp=3485` (its
    port, else 3486). Raises `ValueError`.
    """
    parts = urlsplit(device)
    said = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
    settings = dict(said)
    strange = settings.keys() - {"device", "node", "from", "to", "udp"}
    if parts.path or parts.fragment or strange or len(settings) < len(said):
        raise ValueError("there is more in it than our address, device, node, from, to and udp, each once")
    own, _, tcp_port = parts.netloc.rpartition(":")
    nodes = [_number(text, 1, LAST_NODE) for text in settings.get("device", "").split(",")]
    peer = settings.get("from", "")
    return Road(
        own=_address(own),
        tcp_port=_number(tcp_port, 0, LAST_PORT),
        node=_number(settings.get("node", "1"), 1, LAST_NODE),
        devices=frozenset(bytes((DISPENSER_SUBNET, node)) for node in nodes),
        peer=_address(peer) if peer else "",
        to=_address(settings.get("to", BROADCAST)),
        udp_port=_number(settings.get("udp", str(UDP_PORT)), 1, LAST_PORT),
    )


def _number(text: str, first: int, last: int) -> int:
    if not (text.isascii() and text.isdigit() and first <= int(text) <= last):
        raise ValueError(f"{text!r} is no number from {first} to {last}")
    return int(text)


def _address(text: str) -> str:
    address = IPv4Address(text)
    if address.is_unspecified or address.is_multicast:
        raise ValueError(f"{text} is the address of nobody")
    return str(address)
