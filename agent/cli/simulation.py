"""A simulated device on a real port, and a person or a schedule that makes it sell."""

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agent.cli.device_choice import spec_of
from agent.cli.typed import CASHIER_FORMS, SALE_FORM, Mistyped, Wish, cashier, wish
from agent.clock import SystemClock
from drivers.driver import Driver, Wiring
from drivers.events import Answer, Monotonic
from drivers.ports import Port, open_port
from drivers.stage import SimulatorOnPty, SimulatorOnTcp, SimulatorStage

FIRST_PAUSE_S = 3
"""Between the sales of a plan without a schedule: long enough that a poll sees each begin and end."""
_LOOK_EVERY_S = 0.2
_CHUNK = 4_096


class SimulatorOnPort(SimulatorStage[Any]):
    """On a serial port of this machine: a bench with two converters and a crossed cable."""

    def __init__(self, simulator: Any, clock: Callable[[], Monotonic], port: Port) -> None:
        super().__init__(simulator, clock)
        self._port = port
        self._thread.start()

    def unplug(self) -> None:
        self._port.close()

    def _descriptor(self) -> int | None:
        return self._port.fileno()


def open_stage(
    simulator: Any, clock: Callable[[], Monotonic], port: Path | None, wiring: Wiring, *, tcp: bool
) -> tuple[SimulatorStage[Any], str]:
    """The device's place, and what belongs into `port` of the settings to find it there.

    A `port` that exists is a serial port; else it becomes a link to a new pseudo-terminal. Raises
    `PortRefused` and OSError.
    """
    if tcp:
        on_tcp = SimulatorOnTcp(simulator, clock)
        return on_tcp, on_tcp.device
    if port is not None and port.exists() and not port.is_symlink():
        return SimulatorOnPort(simulator, clock, open_port(spec_of(str(port), wiring))), str(port)
    on_pty = SimulatorOnPty(simulator, clock, port)
    return on_pty, on_pty.path


class Simulation:
    """Sells the plan (over and over with `every_s`) and what is typed, until SIGINT or SIGTERM."""

    def __init__(
        self,
        driver: Driver,
        stage: SimulatorStage[Any],
        nozzle: str,
        clock: SystemClock,
        say: Callable[[str], object],
    ) -> None:
        self._stage = stage
        self._nozzle = nozzle
        self._clock = clock
        self._say = say
        self._has_cashier = driver.is_pos and driver.sell is None
        """A POS link: it asks by itself what a cashier does. A POS that is only heard sells like a pump."""
        self._sell = driver.sell
        self._told: dict[int, Answer] = {}
        self._shown_count = 0

    def run(self, plan: Sequence[Wish], every_s: int) -> None:
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        seller = threading.Thread(target=self._follow, args=(plan, every_s, stop), name="seller")
        seller.start()
        try:
            self._listen(stop)
        finally:
            stop.set()
            seller.join()
            self._stage.close()

    def _follow(self, plan: Sequence[Wish], every_s: int, stop: threading.Event) -> None:
        pause_s = every_s or FIRST_PAUSE_S
        is_first = True
        while plan and (is_first or every_s):
            for sale in plan:
                if not is_first and stop.wait(pause_s):
                    return
                is_first = False
                self._make(sale)

    def _make(self, sale: Wish) -> None:
        assert self._sell is not None
        sell, now = self._sell, self._clock.monotonic_ms()
        self._stage.act(
            lambda device: sell(device, self._nozzle, sale.volume_ml, sale.amount_fen, sale.price_milli, now)
        )
        self._say(f"sold {sale.volume_ml} ml for {sale.amount_fen} fen")

    def _listen(self, stop: threading.Event) -> None:
        """Lines of the keyboard, or of a pipe, become sales or actions of the cashier."""
        if sys.stdin.isatty() and (self._has_cashier or self._sell is not None):
            self._say(CASHIER_FORMS if self._has_cashier else SALE_FORM)
        keyboard, rest = [sys.stdin.fileno()], b""
        while not stop.is_set():
            readable, _, _ = select.select(keyboard, [], [], _LOOK_EVERY_S)
            if readable:
                typed = os.read(readable[0], _CHUNK)
                keyboard = keyboard if typed else []
                *lines, rest = (rest + typed).split(b"\n")
                for line in lines:
                    self._take(line.decode(errors="replace").strip())
            if self._has_cashier:
                self._show_answers()

    def _take(self, line: str) -> None:
        try:
            if line and self._has_cashier:
                self._say(f"asked {self._stage.act(lambda pos: cashier(pos, line))}")
            elif line and self._sell is not None:
                self._make(wish(line))
        except Mistyped as error:
            self._say(str(error))

    def _show_answers(self) -> None:
        told, shown = self._stage.act(lambda pos: (dict(pos.told), [*pos.shown]))
        for number in told.keys() - self._told.keys():
            answer = self._told[number] = told[number].answer
            candidates = "".join(f"\n  {c.fact_id}: {c.volume_ml} ml" for c in answer.candidates)
            self._say(f"answer {number}: {answer.outcome.value} {answer.reason} {answer.text}{candidates}")
        for notice in shown[self._shown_count :]:
            self._say(f"shown for {notice.pos_sale_id}: {notice.text}")
        self._shown_count = len(shown)
