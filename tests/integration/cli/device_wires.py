"""The far end of wires for the device commands, and the commands themselves."""

import json
import os
import select
import threading
import tty
from collections.abc import Callable
from typing import Any

from agent.clock import SystemClock
from drivers.blueprint import codec
from tests.integration.cli.small_station import Shown, forecourt

CLOCK = SystemClock()
READ, NOTHING = codec.encode(codec.READ), codec.encode(codec.NOTHING)
SALE = codec.encode_sale(codec.Sale("0007", "01", "003012", "023644", "0785", "0000123456"))


class Wire:
    """The other end of a pseudo-terminal: says `talk` every few milliseconds, hears everything.

    `answer` is what it says to what it hears; `echo` gives back what was said, before the answer.
    """

    def __init__(
        self, talk: bytes = b"", answer: Callable[[bytes], bytes] = lambda said: b"", *, echo: bool = False
    ) -> None:
        self.talk, self.heard = talk, b""
        self._answer, self._echo = answer, echo
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._stop, self._wake = os.pipe()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        os.write(self._wake, b"\0")
        self._thread.join()
        for descriptor in (self._master, self._slave, self._stop, self._wake):
            os.close(descriptor)

    def _run(self) -> None:
        while True:
            readable, _, _ = select.select([self._master, self._stop], [], [], 0.02)
            if self._stop in readable:
                return
            if self._master in readable:
                said = os.read(self._master, 4_096)
                self.heard += said
                self._say((said if self._echo else b"") + self._answer(said))
            self._say(self.talk)

    def _say(self, data: bytes) -> None:
        """Nobody may be there to read: a full terminal takes nothing more."""
        if data and select.select([], [self._master], [], 0)[1]:
            os.write(self._master, data)


def device(*arguments: str, **environment: str) -> Shown:
    return forecourt("device", *arguments, **environment)


def as_json(*arguments: str) -> tuple[int, dict[str, Any]]:
    shown = device(*arguments, "--json")
    return shown.returncode, json.loads(shown.stdout)
