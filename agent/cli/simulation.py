"""A simulated device on a real port, and a person or a schedule that makes it sell."""

import json
import re
import select
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from agent.clock import SystemClock
from drivers import catalogue
from drivers.events import Credential, CredentialKind
from drivers.ports import Port, PortRefused, PortSpec, open_port
from drivers.pos_link.simulator import PosSimulator
from drivers.stage import SimulatorOnPty, SimulatorOnTcp, _Stage

POS_VERBS = """\
present POINT KIND VALUE | pay SALE POINT AMOUNT TENDER [KIND VALUE] | identify SALE KIND VALUE
choose SALE FACT | refund REFUND SALE AMOUNT      KIND: card, phone_code, plate or tag"""
SELL_LINE = "LITRES,AMOUNT,PRICE such as 30.12,236.44,7.85"


class Refused(Exception):
    """What was asked for cannot be done. `of_device`: because of the port, not of the wish."""

    def __init__(self, code: str, text: str, *, of_device: bool = False) -> None:
        super().__init__(text)
        self.code, self.of_device = code, of_device


@dataclass(frozen=True, slots=True)
class Wish:
    """One sale that the device shall make."""

    volume_ml: int
    amount_fen: int
    price_milli: int


class SimulatorOnPort(_Stage[Any]):
    """On a serial port of this machine: a bench with two converters and a crossed cable."""

    def __init__(self, simulator: Any, clock: Callable[[], Any], port: Port) -> None:
        super().__init__(simulator, clock)
        self._port = port
        self._thread.start()

    def unplug(self) -> None:
        self._port.close()

    def _descriptor(self) -> int | None:
        return self._port.fileno()


Sell = Callable[[Any, str, Wish, Any], object]
"""(simulator, nozzle, wish, now): each device's own way to sell."""

_SELLS: dict[str, tuple[str, Sell]] = {
    "companytec": (
        "04",
        lambda device, nozzle, w, _: device.sell(nozzle, w.volume_ml, w.amount_fen, w.price_milli),
    ),
    "modbus": (
        "1",
        lambda device, _, w, now: device.sell(w.volume_ml, w.amount_fen, w.price_milli, now, FLOWS_MS),
    ),
    "blueprint": (
        "01",
        lambda device, nozzle, w, _: device.sell(
            nozzle, w.volume_ml // 10, w.amount_fen, w.price_milli // 10
        ),
    ),
}
FLOWS_MS = 1_500
"""Long enough that a poll sees fuel flow."""


class Simulation:
    """`say` gets everything that a person should read. Raises `Refused` for what cannot be."""

    def __init__(
        self, protocol: str, address: str, options: Sequence[str], nozzle: str, say: Callable[[str], object]
    ) -> None:
        try:
            driver = catalogue.find(protocol)
            checked = driver.options.model_validate(dict(map(_option, options)))
            self._simulator: Any = driver.open_simulator(address, checked)
        except catalogue.UnknownDriver as error:
            raise Refused("UNKNOWN_DRIVER", str(error)) from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "options"
            raise Refused("DRIVER_OPTION", f"--option {where}: {first['msg']}") from error
        except ValueError as error:
            raise Refused("DRIVER_OPTION", f"{protocol} at address {address}: {error}") from error
        usual_nozzle, self._sell = _SELLS.get(protocol, ("", None))
        self._nozzle = nozzle or usual_nozzle
        self._is_pos = driver.hand_over is None
        self._protocol = protocol
        self._say = say
        self._clock = SystemClock().monotonic_ms
        self._stage: _Stage[Any] | None = None
        self._told: set[int] = set()

    def sale(self, text: str) -> Wish:
        """ "30.12,236.44,7.85": litres, amount and price of a litre."""
        if self._sell is None:
            raise Refused("NO_SALES", f"{self._protocol} is not made to sell from here; use --help")
        found = re.fullmatch(r"([0-9]+(?:\.[0-9]{1,3})?),([0-9]+(?:\.[0-9]{1,2})?),([0-9]+(?:\.[0-9]{1,3})?)", text)
        if found is None:
            raise Refused("BAD_SALE", f"{text}: write {SELL_LINE}")
        return Wish(_scaled(found[1], 3), _scaled(found[2], 2), _scaled(found[3], 3))

    def place(self, port: Path | None, baud: int, *, tcp: bool) -> str:
        """Put the device somewhere; returns what belongs into `port` of the settings."""
        if tcp and port is not None:
            raise Refused("TWO_PLACES", "choose --port or --tcp")
        if tcp:
            on_tcp = SimulatorOnTcp(self._simulator, self._clock)
            self._stage = on_tcp
            return on_tcp.device
        if port is not None and port.exists() and not port.is_symlink():
            try:
                self._stage = SimulatorOnPort(
                    self._simulator, self._clock, open_port(PortSpec(str(port), baud))
                )
            except PortRefused as refusal:
                raise Refused(refusal.code, str(refusal), of_device=True) from refusal
            return str(port)
        try:
            on_pty = SimulatorOnPty(self._simulator, self._clock, port)
        except OSError as error:
            raise Refused("PORT_FAILED", f"{port}: {error.strerror}", of_device=True) from error
        self._stage = on_pty
        return on_pty.path

    def run(self, plan: Sequence[Wish], every_s: int) -> None:
        """Sell the plan (over and over with `every_s`), then what is typed, until SIGINT or SIGTERM."""
        assert self._stage is not None
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        try:
            self._follow(plan, every_s, stop)
            self._listen(stop)
        finally:
            self._stage.close()

    def _follow(self, plan: Sequence[Wish], every_s: int, stop: threading.Event) -> None:
        for index, wish in enumerate(plan):
            if index and stop.wait(every_s or FLOWS_MS / 1000):
                return
            self._make(wish)
        while plan and every_s:
            for wish in plan:
                if stop.wait(every_s):
                    return
                self._make(wish)

    def _make(self, wish: Wish) -> None:
        assert self._stage is not None
        assert self._sell is not None
        sell = self._sell
        self._stage.act(lambda device: sell(device, self._nozzle, wish, self._clock()))
        self._say(f"sold {wish.volume_ml} ml for {wish.amount_fen} fen")

    def _listen(self, stop: threading.Event) -> None:
        """Lines of the keyboard, or of a pipe, become sales or actions of the cashier."""
        if sys.stdin.isatty():
            self._say(POS_VERBS if self._is_pos else SELL_LINE)
        typed = True
        while not stop.is_set():
            readable, _, _ = select.select([sys.stdin] if typed else [], [], [], 0.2)
            if readable:
                line = sys.stdin.readline()
                typed = bool(line)
                self._take(line.strip())
            self._show_answers()

    def _take(self, line: str) -> None:
        try:
            if line and self._is_pos:
                self._act(line.split())
            elif line:
                self._make(self.sale(line))
        except Refused as error:
            self._say(str(error))

    def _act(self, words: list[str]) -> None:
        assert self._stage is not None
        try:
            number = self._stage.act(lambda pos: _cashier(pos, words))
        except (ValueError, IndexError) as error:
            raise Refused("BAD_ACTION", f"{' '.join(words)}: write\n{POS_VERBS}") from error
        self._say(f"asked {number}")

    def _show_answers(self) -> None:
        if not self._is_pos:
            return
        assert self._stage is not None
        told, shown = self._stage.act(lambda pos: (dict(pos.told), [*pos.shown]))
        for number in told.keys() - self._told:
            answer = told[number].answer
            candidates = "".join(f"\n  {c.fact_id} {c.volume_ml} ml" for c in answer.candidates)
            self._say(f"answer {number}: {answer.outcome.value} {answer.reason} {answer.text}{candidates}")
            self._told.add(number)
        for notice in shown[len(shown) - max(0, len(shown) - self._shown_count()) :]:
            self._say(f"shown: sale {notice.pos_sale_id}: {notice.text}")
