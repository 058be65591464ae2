"""The port `udp://group:port`: what is sent to a group over UDP, heard only."""

import ipaddress
import socket

from drivers.ports import PortGone, PortRefused

DATAGRAM_BYTES = 65_535


class DatagramPort:
    """What is sent to a group, heard only. Each datagram is a line: its end is told as LF if it has none."""

    def __init__(self, receiver: socket.socket) -> None:
        self._receiver = receiver
        self.fileno, self.close = receiver.fileno, receiver.close

    def read(self) -> bytes:
        try:
            data = self._receiver.recv(DATAGRAM_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise PortGone(f"read: {error.strerror}") from error
        return data if data.endswith(b"\n") else data + b"\n"

    def write(self, data: bytes) -> int:
        raise AssertionError(f"{len(data)} bytes were to be said to a group that we only hear")


def open_datagrams(device: str) -> DatagramPort:
    """Raises `PortRefused`. `@address` behind the group is the interface of that address."""
    place, _, interface = device.removeprefix("udp://").partition("@")
    host, _, port_number = place.rpartition(":")
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        group = ipaddress.IPv4Address(host)
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        receiver.bind((host, int(port_number)))
        if group.is_multicast:
            membership = group.packed + ipaddress.IPv4Address(interface or "0.0.0.0").packed
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
    except (ValueError, OverflowError) as error:
        receiver.close()
        remedy = "write udp://230.0.0.1:14001, with @ and an address of ours behind it if there are several"
        raise PortRefused("PORT_SETTINGS", device, str(error), remedy) from error
    except OSError as error:
        receiver.close()
        remedy = "check that the network is up and that the address behind @ is one of ours"
        raise PortRefused("PORT_UNREACHABLE", device, str(error), remedy) from error
    receiver.setblocking(False)
    return DatagramPort(receiver)
