"""Tells systemd how the service is (sd_notify(3)): one datagram per message, no library needed."""

import os
import socket
from collections.abc import Mapping


class Notifier:
    """The service's line to systemd; without one (started by hand) every message goes nowhere.

    `watchdog_ms` is the time within which systemd wants to hear `watchdog()`, None if it does not wait
    for this process. Every method returns False if the message could not be delivered: the service
    goes on, and systemd draws its own conclusion from the silence.
    """

    def __init__(self, address: str | None, watchdog_ms: int | None = None) -> None:
        """`address`: a path or, for the abstract namespace, a name that begins with '@'."""
        self._address = None if address is None else _as_kernel_name(address)
        self.watchdog_ms = watchdog_ms

    def ready(self, status: str) -> bool:
        """Start-up is done (Type=notify); `status` is shown by `systemctl status`."""
        return self._send("READY=1", f"STATUS={status}")

    def watchdog(self) -> bool:
        """Still well. Only the supervisor calls this, and only when everything it watches has moved."""
        return self._send("WATCHDOG=1")

    def status(self, text: str) -> bool:
        """One line for `systemctl status`."""
        return self._send(f"STATUS={text}")

    def stopping(self) -> bool:
        """The service is going down on purpose."""
        return self._send("STOPPING=1")

    def _send(self, *assignments: str) -> bool:
        if self._address is None:
            return False
        message = "\n".join(text.replace("\n", " ") for text in assignments)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.setblocking(False)
                line.connect(self._address)
                line.send(message.encode())
        except OSError:
            return False
        return True


def notifier_from(environment: Mapping[str, str]) -> Notifier:
    """The notifier that systemd's variables describe: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID."""
    watchdog_us = int(environment.get("WATCHDOG_USEC", "0"))
    is_meant = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    watchdog_ms = watchdog_us // 1000 if watchdog_us and is_meant else None
    return Notifier(environment.get("NOTIFY_SOCKET"), watchdog_ms)


def _as_kernel_name(address: str) -> str:
    return "\0" + address[1:] if address.startswith("@") else address
