"""Simulation: wherever the power is cut, is an order either not heard of or wholly obeyed, and told to HQ?"""

import random
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from agent.store.integrity import verify
from tests.simulation.agent.power import Platter, Recorder, load_apsw, register
from tests.unit.agent.orders import Orders, order
from tests.world import World

ORDERS = 12
ISSUED = [order(seq, kind="coffee" if seq % 4 == 0 else "grant.recall") for seq in range(1, ORDERS + 1)]
SEEDS = 3


def opened(folder: Path, connect: Callable[..., object] | None = None) -> Orders:
    return Orders(World(folder / "station.db", connect=connect))


def end(orders: Orders) -> object:
    return orders.verdicts(), orders.carried_out(), orders.told()


def test_every_operation_of_twelve_orders() -> None:
    apsw, recorder = load_apsw(), Recorder()
    vfs = register(apsw, recorder, "orders")
    folder = Path(tempfile.mkdtemp())

    def connect(path: Path) -> sqlite3.Connection:
        return sqlite3.connect(f"file:{path}?vfs=orders", uri=True, isolation_level=None)

    orders = opened(folder, connect)
    opened_at, answered_at = len(recorder.operations), []
    for down in ISSUED:
        orders.give(down)
        answered_at.append(len(recorder.operations))
    with closing(sqlite3.connect(folder / "station.db")) as reader:
        assert reader.execute("SELECT count(*) FROM down_item").fetchone() == (ORDERS,)
    whole = end(orders)
    orders.world.store.close()
    del vfs
    shutil.rmtree(folder)
    platter, cuts = Platter(), 0
    for done, operation in enumerate(recorder.operations[: answered_at[-1]], start=1):
        platter.take(operation)
        for seed in range(SEEDS if done > opened_at else 0):
            cuts += 1
            _survives(platter.after_cut(random.Random(f"{done}:{seed}")), done, answered_at, whole)
    assert cuts > 100


def _survives(files: dict[str, bytearray], done: int, answered_at: list[int], whole: object) -> None:
    answered = sum(at <= done for at in answered_at)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        for file, content in files.items():
            (Path(name) / file).write_bytes(content)
        orders = opened(Path(name))
        with closing(orders.world.store):
            assert orders.last_seq in (answered, answered + 1)
            assert len(orders.told()) == orders.last_seq
            assert verify(orders.world.store._connection) == []
            for down in ISSUED:
                orders.give(down)
            assert end(orders) == whole
