"""Integration: does the partitioned table of sync/README.md hold what the plain one holds?"""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from agent.messages.judge import judge_with
from sync.hq.receiver import Receiver
from sync.hq.store import HqStore
from sync.keys import PublicKey
from tests.bench.load_stage import HQ_KEY
from tests.bench.load_supply import supplies
from tests.bench.rig import MORNING_MS
from tests.bench.sales import demo_bundle
from tests.integration.hq.postgres import cluster

README = Path(__file__).parents[2] / "sync/README.md"
STATIONS, SALES = 12, 10


def test_items_in_partitions_by_station() -> None:
    known = supplies("p", STATIONS, 2, SALES)
    with TemporaryDirectory(prefix="forecourt-load-") as place, cluster(Path(place), durable=False) as url:
        store = HqStore(url)
        for one in known:
            assert store.add_station(one.station, one.key.public.raw, MORNING_MS)
        before, after = _receiver(store), _receiver(store)
        assert all(before.handle(one.topic, one.sealed[0].payload) for one in known)
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            connection.execute(_readme_sql())
        for sealed in (0, 1, 1):
            assert all(after.handle(one.topic, one.sealed[sealed].payload) for one in known)
        sums = [store.reconcile(one.station) for one in known]
        with psycopg.connect(url.replace("+psycopg", "")) as connection:
            used = connection.execute("SELECT count(DISTINCT tableoid) FROM item").fetchone()
        alarms = store.alarms()
        store.close()
    assert after.counters() == {
        "BATCHES": 3 * STATIONS,
        "ITEMS": 2 * SALES * STATIONS,
        "WAITING": 0,
        "DUPLICATES": 4 * SALES * STATIONS,
    }
    assert [held.items("award") for held in sums if held] == [2 * SALES] * STATIONS
    assert [held.imbalances for held in sums if held] == [0] * STATIONS
    assert used is not None
    assert used[0] > 1, "all stations in one partition"
    assert alarms == ()


def _receiver(store: HqStore) -> Receiver:
    bundle = demo_bundle()
    judge = judge_with({(bundle.bundle, bundle.version): bundle})
    return Receiver(store, judge, HQ_KEY.sign, lambda raw: PublicKey(raw).verify, lambda: MORNING_MS)


def _readme_sql() -> bytes:
    [block] = re.findall(r"```sql\n(.*?PARTITION BY HASH.*?)```", README.read_text(), re.DOTALL)
    return str(block).encode()
