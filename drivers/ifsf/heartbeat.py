"""The heartbeat that every IFSF device on TCP broadcasts over UDP every 10 s (devices.md 8).

A session has a byte stream and can neither hear nor send one; `device explain` shows those that were
caught elsewhere.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address

SIZE_BYTES = 10
_MARK = 0x01


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Where a device takes TCP connections, its node address, and its status bits."""

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
