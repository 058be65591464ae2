"""A backlog over 64 kbit/s: the courier's road is shaped by the kernel, in a network namespace of its own.

    unshare --net python -m tests.bench.narrow SALES DIRECTORY

`tbf` on the loopback device of that namespace lets 64 kbit/s through to and from 127.0.0.2, where the
courier finds the broker: both directions together, headers and all. HQ stands at 127.0.0.1, unshaped.
"""

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.bench.drain import ROOT, fill, headquarters, run

RATE = "64kbit"
STATION_SIDE, HQ_SIDE = "127.0.0.2", "127.0.0.1"
_SHAPED = f"""\
link set lo up mtu 1500
qdisc add dev lo root handle 1: htb r2q 100000
class add dev lo parent 1: classid 1:3 htb rate 1gbit
qdisc add dev lo parent 1:3 handle 30: tbf rate {RATE} burst 3000 latency 1s
filter add dev lo parent 1: protocol ip u32 match ip dst {STATION_SIDE} flowid 1:3
filter add dev lo parent 1: protocol ip u32 match ip src {STATION_SIDE} flowid 1:3
"""


def why_not() -> str:
    """Why this machine cannot shape a road; "" if it can."""
    if missing := [name for name in ("mosquitto", "unshare", "ip", "tc") if not shutil.which(name)]:
        return f"not installed: {', '.join(missing)}"
    tried = ["unshare", "--net", sys.executable, "-m", "tests.bench.narrow", "try"]
    done = subprocess.run(tried, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"no network namespace with tbf here: {done.stderr[-200:]}"


def drained_narrowly(directory: Path, sales: int) -> dict[str, Any]:
    """What the courier measured, in a namespace of its own."""
    command = ["unshare", "--net", sys.executable, "-m", "tests.bench.narrow", str(sales), str(directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1_300, check=False)
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _shape() -> None:
    for line in _SHAPED.splitlines():
        tool = "ip" if line.startswith("link") else "tc"
        subprocess.run([tool, *line.split()], check=True)


def _drain(sales: int, directory: Path) -> dict[str, Any]:
    fill(directory / "narrow.db", sales)
    port = _free_port()
    listeners = "".join(f"listener {port} {host}\n" for host in (HQ_SIDE, STATION_SIDE))
    conf = directory / "narrow.conf"
    conf.write_text(f"{listeners}allow_anonymous true\npersistence false\nset_tcp_nodelay true\n")
    with subprocess.Popen(["mosquitto", "-c", conf], stderr=subprocess.DEVNULL) as broker:
        try:
            _wait_for(HQ_SIDE, port)
            with headquarters(f"mqtt://{HQ_SIDE}:{port}"):
                return run("courier", f"mqtt://{STATION_SIDE}:{port}", directory / "narrow.db")
        finally:
            broker.terminate()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((HQ_SIDE, 0))
        return int(found.getsockname()[1])


def _wait_for(host: str, port: int) -> None:
    until_s = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((host, port), 1).close()
            return
        except ConnectionRefusedError:
            assert time.monotonic() < until_s, "the broker did not come up"
            time.sleep(0.02)


if __name__ == "__main__":
    _shape()
    if sys.argv[1:] != ["try"]:
        sys.stdout.write(json.dumps(_drain(int(sys.argv[1]), Path(sys.argv[2]))) + "\n")
