"""(d) How long a person waits for `forecourt status`, against a typer program that does nothing.

The agent runs beside it and answers; both programs are started by the same interpreter, in turn.
"""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from agent.cli.demo.stage import Plan, Stage
from agent.clock import SystemClock
from tests.bench.figure import Figure, interleaved, rounded
from tests.bench.footprint import Concentrators
from tests.bench.rig import BUNDLE

_BARE = """\
import typer

main = typer.Typer(add_completion=False)


@main.command()
def status() -> None:
    typer.echo("fine")


main()
"""


def startup(directory: Path, *, pairs: int) -> Figure:
    devices = Concentrators()
    plan = Plan("bench-1", "demo-cn", "Asia/Shanghai", devices.wiring(), BUNDLE.read_bytes())
    stage = Stage(directory / "startup", plan, SystemClock().wall_ms)
    bare = directory / "bare.py"
    bare.write_text(_BARE)
    try:
        stage.open(with_hq=False)
        command = ("-m", "agent.cli", "status", "--config", str(stage.config))
        ours = _Program(command, stage.plan.station)
        theirs = _Program((str(bare),), "fine")
        ours.run_s(-1), theirs.run_s(-1)  # the first runs write the compiled modules
        ratios = interleaved(ours.run_s, theirs.run_s, pairs)
    finally:
        stage.close()
        devices.close()
    return Figure(
        "forecourt_status_start_to_end",
        median(ratios),
        2.0,
        ratio=median(ratios),
        details={
            "unit": "our time over the bare typer program's",
            "ours_ms": rounded(1_000 * median(ours.took_s[1:])),
            "bare_typer_ms": rounded(1_000 * median(theirs.took_s[1:])),
            "pairs": pairs,
            "spread": [rounded(min(ratios)), rounded(max(ratios))],
        },
    )


class _Program:
    """Something to start with this interpreter that must say `expected`."""

    def __init__(self, arguments: tuple[str, ...], expected: str) -> None:
        self._command = [sys.executable, *arguments]
        self._expected = expected
        self.took_s: list[float] = []

    def run_s(self, _pair: int) -> float:
        began_s = time.perf_counter()
        done = subprocess.run(self._command, capture_output=True, text=True, check=False)
        self.took_s.append(time.perf_counter() - began_s)
        assert self._expected in done.stdout, (self._command, done.stdout, done.stderr)
        return self.took_s[-1]
