"""Starts, orders about and kills a Modbus slave that is not ours, in a process of its own."""

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import Queue

HERE = Path(__file__).parent
WAIT_S = 60.0


def compiled(directory: Path) -> Path:
    """`c5000.c` as a program. Needs gcc and libmodbus-dev (`make needs`)."""
    program = directory / "c5000"
    flags = ("-std=c11", "-D_DEFAULT_SOURCE", "-O1", "-Wall", "-Wextra", "-Werror")
    subprocess.run(["gcc", *flags, "-o", program, HERE / "c5000.c", "-lmodbus"], check=True, timeout=WAIT_S)
    return program


def of_pymodbustcp() -> Sequence[str | Path]:
    return sys.executable, HERE / "pymodbustcp_slave.py"


class ForeignSlave:
    """`place` is a port number ("0" for any: it is kept for the next start) or a terminal's path."""

    def __init__(self, command: Sequence[str | Path], kind: str, place: str, unit: int, state: Path) -> None:
        self._command = command
        self._kind, self.place, self._unit, self._state = kind, place, unit, state
        self._said: Queue[str] = Queue()
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        arguments = [*self._command, self._kind, self.place, str(self._unit), self._state]
        self._process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._reader = threading.Thread(target=self._listen, args=(self._process,))
        self._reader.start()
        word, *number = self._said.get(timeout=WAIT_S).split()
        assert word in ("port", "ready"), word
        self.place = number[0] if number else self.place

    def order(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")

    def sell(self, volume_ml: int, amount_milli: int, flow_ms: int) -> None:
        """Returns when the fuelling is over."""
        self.order(f"sell {volume_ml} {amount_milli} {flow_ms}")
        assert self._said.get(timeout=WAIT_S) == "sold"

    def kill(self) -> None:
        """SIGKILL: what it was about to answer is never said. Harmless if done twice."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.wait(WAIT_S)
            self._reader.join(WAIT_S)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            process.stdout.close()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._said.put(line.strip())
