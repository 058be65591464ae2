"""The heartbeat that every IFSF node on TCP broadcasts over UDP every 10 s (devices.md 8).

Address and TCP port where the node takes connections, its node address, 01, and a byte of status bits.
`road.py` says ours and hears the device's.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address

SIZE_BYTES = 10
UDP_PORT = 3_486
"""The registered one [cap]; adapter Z has 3485 in its settings [one]."""
_MARK = 0x01


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Where a node takes TCP connections (IPv4), its node address (2 bytes), and its status (1 byte)."""

    host: str
    port: int
    node_address: bytes
    status: bytes

    @property
    def wants_configuration(self) -> bool:
        return bool(self.status[0] & 0x01)

    @property
    def wants_refresh(self) -> bool:
        return bool(self.status[0] & 0x80)


def parse_heartbeat(datagram: bytes) -> Heartbeat | None:
    if len(datagram) != SIZE_BYTES or datagram[8] != _MARK:
        return None
    host = str(IPv4Address(datagram[:4]))
    return Heartbeat(host, int.from_bytes(datagram[4:6], "big"), datagram[6:8], datagram[9:])


def encode_heartbeat(beat: Heartbeat) -> bytes:
    """The ten bytes of `beat`; `parse_heartbeat` is the way back."""
    place = IPv4Address(beat.host).packed + beat.port.to_bytes(2, "big")
    return place + beat.node_address + bytes((_MARK,)) + beat.status
