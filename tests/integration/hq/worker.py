"""One HQ worker as a process of its own: python -m tests.integration.hq.worker DATABASE BROKER_URL."""

import random
import sys
import time
from collections.abc import Callable

from sync.hq.receiver import Receiver
from sync.hq.server import HqServer
from sync.hq.store import HqStore
from sync.keys import PublicKey
from sync.tls import BrokerAddress, TlsFiles, parse_broker
from tests.unit.hq.stand import HQ_KEY, judge


def announce(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def server(receiver: Receiver, broker: BrokerAddress, announce: Callable[[str], None]) -> HqServer:
    def monotonic_ms() -> int:
        return time.monotonic_ns() // 1_000_000

    return HqServer(receiver, broker, TlsFiles(), random.Random(), monotonic_ms, announce)


def receiver(database: str) -> Receiver:
    return Receiver(
        HqStore(f"sqlite:///{database}"),
        judge,
        HQ_KEY.sign,
        lambda raw: PublicKey(raw).verify,
        lambda: time.time_ns() // 1_000_000,
    )


if __name__ == "__main__":
    address = parse_broker(sys.argv[2])
    assert isinstance(address, BrokerAddress)
    worker = server(receiver(sys.argv[1]), address, announce)
    worker.stop_on_signals()
    refusal = worker.serve()
    sys.exit(0 if refusal is None else 1)
